#!/usr/bin/python3
"""Write genuine evidence of a machine that is made up, with all that it is appraised by, into a
directory: for programs that alter it and sign it again, whose key is there, too."""
import argparse
import json
import pathlib
import struct
import sys

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "attest"), str(TESTS), str(TESTS / "fuzz")]

import kernels  # noqa: E402
import wire  # noqa: E402
from attester import CRASHED, FLAT, Attester, File, SoftwareKey, domain_body  # noqa: E402
from swtpm import ALG_SHA256, ST_SESSIONS, Swtpm  # noqa: E402
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


def many_files(reference, count):
    """Reference values with so many files; pcr9 follows."""
    files = [{"name": f"file{number}", "sha256": wire.sha256(b"%d" % number).hex()}
             for number in range(count)]
    pcr9 = wire.extended(bytes(32), [bytes.fromhex(file["sha256"]) for file in files]).hex()
    return {**reference, "files": files, "pcr9": pcr9}


def many_events(reference, count):
    """Reference values with so many domains, each with a file."""
    first, last = reference["events"][:4], reference["events"][-1]
    bodies = [domain_body(f"d{number}", [(FLAT, File("image", b"%d" % number))])
              for number in range(count)]
    domains = [{"pcr": 18, "component": f"domain:d{number}", "event": Event(
        18, "DOMAIN", body, number, sequence=5 + number).encode().hex()}
               for number, body in enumerate(bodies)]
    starts = [{"pcr": 18, "component": f"start:d{number}", "event": Event(
        18, "START", bytes(64), number, sequence=5 + count + number).encode().hex()}
              for number in range(count)]
    file = {"name": "image", "sha256": wire.sha256(b"%d" % (count - 1)).hex()}
    files = [*reference["files"], file]
    pcr9 = wire.extended(bytes(32), [bytes.fromhex(file["sha256"]) for file in files]).hex()
    return {**reference, "files": files, "pcr9": pcr9,
            "events": [*first, *domains, *starts, last]}


def event_response(count):
    """A TPM's answer to TPM2_PCR_Event with so many digests (part 3, 22.3)."""
    digests = struct.pack(">I", count) + count * (struct.pack(">H", ALG_SHA256) + bytes(32))
    session = struct.pack(">HBH", 0, 1, 0)
    rest = struct.pack(">I", len(digests)) + digests + session
    return struct.pack(">HII", ST_SESSIONS, 10 + len(rest), 0) + rest


def at_limits(attester):
    """Inputs just as large as is allowed, and larger."""
    domains = {count: {f"d{number}": {} for number in range(count)} for count in (64, 65, 200)}
    rules = [{**attester.rules, "domains": named} for named in domains.values()]
    reference = [many_files(attester.reference, count) for count in (64, 65, 200)] \
        + [many_events(attester.reference, count) for count in (64, 65, 200)]
    inputs = {name: [json.dumps(value).encode() for value in values]
              for name, values in (("rules", rules), ("reference", reference))}
    return {**inputs, "tpm": [event_response(count) for count in (8, 9, 50)]}


# A mode, 16, 32 or 64 bits, and instructions that core's decoder knows.
CODE = [bytes.fromhex(text) for text in (
    "02 64 67 4b c7 84 f3 01 02 03 84 05 06 07 88", "01 66 36 0f b6 8c 8d 00 01 02 03",
    "00 26 8b 42 10", "02 f0 0f 22 c0", "02 65 48 a1 01 02 03 04 05 06 07 08", "01 0f 01 65 08",
    "02 41 0f 23 ff", "00 66 67 0f 01 3c 4b", "02 f3 90", "01 cd 80", "02 66 0f 01 f9")]


def write_corpus(directory, attester, responses):
    """A genuine input of each fuzz target (tests/fuzz)."""
    claims = attester.genuine
    events = [b"".join(struct.pack("<BH", event.pcr - 17 | mended, len(event.encode()))
                       + event.encode() for event in attester.events) for mended in (0, 0x80)]
    parts = {"evidence": [(attester.directory / "evidence").read_bytes()],
             "log": [claims[Claim.LOG]], "attest": [claims[Claim.ATTEST]],
             "report": [claims[Claim.REPORT]], "events": events,
             "signature": [b"\0" + claims[Claim.SIGNATURE], b"\1" + claims[Claim.AK]],
             "kernel": kernels.inputs(), "decode": CODE,
             "tpm": sorted({(r[:10], len(r)): r for r in responses}.values())}
    for name in ("record", "reference", "rules"):
        parts[name] = [(attester.directory / f"{name}.json").read_bytes()]
    for kind, of_kind in (("genuine", parts), ("limit", at_limits(attester))):
        for target, inputs in of_kind.items():
            (directory / target).mkdir(parents=True, exist_ok=True)
            for number, data in enumerate(inputs):
                (directory / target / f"{kind}-{number}").write_bytes(data)


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
