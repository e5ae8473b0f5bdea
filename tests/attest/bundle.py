#!/usr/bin/python3
"""Write genuine evidence of a machine that is made up, with all that it is appraised by, into a
directory: for programs that alter it and sign it again, whose key is there, too."""
import argparse
import pathlib
import struct
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent),
                str(pathlib.Path(__file__).resolve().parent.parent)]

from attester import CRASHED, Attester, SoftwareKey  # noqa: E402
from swtpm import Swtpm  # noqa: E402
from wire import Claim, Event  # noqa: E402

EVENTS = 11  # of a boot, and what happened in it


def restart_often(attester, count):
    """vault crashes and is started again, `count` events in all: a log that grows."""
    for number in range(count):
        kind, body = (("RESTART", (number // 2 + 2).to_bytes(8, "little")) if number % 2
                      else ("CRASH", bytes(32)))
        attester.events.append(Event(19, kind, body, 1, 3_000_000 + number, len(attester.events)))

    def report(told):
        told[4][1].update({1: CRASHED if count % 2 else 1, 2: count // 2 + 1, 3: (count + 1) // 2})
        return told

    attester.alter.report = report


def write_corpus(directory, attester, responses):
    """A genuine input of each fuzz target (tests/fuzz)."""
    claims = attester.genuine
    events = [b"".join(struct.pack("<BH", event.pcr - 17 | mended, len(event.encode()))
                       + event.encode() for event in attester.events) for mended in (0, 0x80)]
    parts = {"evidence": [(attester.directory / "evidence").read_bytes()],
             "log": [claims[Claim.LOG]], "attest": [claims[Claim.ATTEST]],
             "report": [claims[Claim.REPORT]], "events": events,
             "signature": [b"\0" + claims[Claim.SIGNATURE], b"\1" + claims[Claim.AK]],
             "tpm": sorted({(r[:10], len(r)): r for r in responses}.values())}
    for name in ("record", "reference", "rules"):
        parts[name] = [(attester.directory / f"{name}.json").read_bytes()]
    for target, inputs in parts.items():
        (directory / target).mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(inputs):
            (directory / target / f"genuine-{number}").write_bytes(data)


def write(directory, more_events=0):
    """`more_events`: of vault's, which its rules allow."""
    directory.mkdir(parents=True, exist_ok=True)
    responses = []
    with Swtpm() as tpm:
        attester = Attester(tpm, directory, SoftwareKey)
        restart_often(attester, more_events)
        attester.rules["domains"]["vault"] = {"crashes": "any", "starts": "any"}
        tpm.on_response = responses.append
        attester.write()
        write_corpus(directory / "corpus", attester, responses)
        (directory / "key").write_bytes(attester.key.key.secret.to_bytes(32, "big"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=pathlib.Path)
    write(parser.parse_args().directory)


if __name__ == "__main__":
    main()
