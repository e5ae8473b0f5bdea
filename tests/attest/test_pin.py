"""bhattest enroll --pin: what a trusted first boot showed goes into the enrolment record."""
import contextlib
import json
import pathlib
import tempfile

from attester import Attester, minisign
from enrolment import BHATTEST, DONE, ENROLMENT, INTERNAL, run
from swtpm import Swtpm
from testing import cases, contains, equal

EVIDENCE, STALE = 3, 4
PINNED = ("pcr", "smm", "profile")


def unpinned(values):
    return {key: value for key, value in values.items() if key not in PINNED}


class Case:
    """A machine that was enrolled, and has booted once for a nonce; its verifier's state."""

    def __init__(self, directory, tpm, prepare):
        self.path = pathlib.Path(directory)
        self.attester = Attester(tpm, self.path)
        self.attester.nonce = bytes.fromhex(self.challenge("state"))
        self.attester.alter.record = unpinned
        prepare(self)
        self.attester.write()
        (self.path / "rules.json").write_text(json.dumps(
            {"format": "bulkhead-rules-1", "profile": "static",
             "domains": {"work": {"violations": {"port-read": "any"}}, "vault": {}}}))

    def challenge(self, state, *more):
        return run(BHATTEST, "challenge", "--state", self.path / state, *more).strip()

    def pin(self, *more, code=DONE, key="authority.key", output="pinned.json", evidence="evidence"):
        said = run(BHATTEST, "enroll", "--pin", self.path / evidence, "--record",
                   self.path / "record.json", "--key", self.path / key, "--state",
                   self.path / "state", "-o", self.path / output, *more, code=code)
        equal((self.path / output).exists(), code == DONE or output == "record.json", "the output")
        return said

    def appraise(self, record, code=DONE):
        # The same evidence for another verifier, who gave out the same nonce.
        self.challenge(f"{record}.state", "--nonce", self.attester.nonce.hex())
        return run(BHATTEST, "appraise", self.path / "evidence", "--record", self.path / record,
                   "--authority", self.path / "authority.pub", "--reference",
                   self.path / "reference.json", "--author", self.path / "author.pub", "--rules",
                   self.path / "rules.json", "--state", self.path / f"{record}.state", code=code)


@contextlib.contextmanager
def booted(prepare=lambda case: None):
    with tempfile.TemporaryDirectory() as directory, Swtpm() as tpm:
        yield Case(directory, tpm, prepare)


def test_pins():
    """The record gets just what the boot showed, is signed again, and makes the same machine's
    evidence affirming, which it wasn't before."""
    with booted() as case:
        contains(case.appraise("record.json", code=ENROLMENT), "E201", "without pinning")
        contains(case.pin(), "profile static", "what enroll --pin says")
        minisign("-V", "-p", case.path / "authority.pub", "-m", case.path / "pinned.json")
        pinned = json.loads((case.path / "pinned.json").read_text())
        shown = case.attester.record_values()
        equal({key: pinned[key] for key in pinned if key != "pcr"},
              {key: shown[key] for key in shown if key != "pcr"}, "the record")
        equal(sorted(pinned["pcr"]), [str(n) for n in range(8)], "PCRs")
        equal({n: pinned["pcr"][n] for n in shown["pcr"]}, shown["pcr"], "values of PCRs")
        contains(case.appraise("pinned.json"), "work: affirming", "the verdict")


def test_pins_once():
    """A record may be written over; the same evidence can't pin it again."""
    with booted() as case:
        case.pin(output="record.json")
        contains(case.pin(code=STALE, output="record.json"), "E401", "the same evidence again")
        case.appraise("record.json")


def unmeasured(case):
    case.attester.commands, case.attester.files = [], []


def test_unmeasured():
    """A boot that no loader measured isn't pinned as one that was."""
    with booted(unmeasured) as case:
        equal(json.loads(case.pin("--json"))["profile"], "unmeasured", "what enroll --pin says")
        equal(json.loads((case.path / "pinned.json").read_text())["profile"], "unmeasured", "profile")


def flip_signature(case):
    def flip(claims):
        signature = bytearray(claims[-65538])
        signature[-1] ^= 1
        return {**claims, -65538: bytes(signature)}
    case.attester.alter.claims = flip


def another_nonce(case):
    case.attester.nonce = b"\x11" * 32


def other_firmware(case):
    case.attester.alter.record = lambda values: {
        **unpinned(values), "firmware_version": "0" * 16}


def cut_log(case):
    case.attester.alter.entries = lambda entries: entries[:-1]


def expired(case):
    case.attester.alter.record = lambda values: {**unpinned(values), "expires": 1_700_000_001}


def other_ueid(case):
    case.attester.alter.record = lambda values: {**unpinned(values), "ueid": "01" + "55" * 32}


@cases({
    "bad-signature": (flip_signature, EVIDENCE, "E302"),
    "foreign-nonce": (another_nonce, STALE, "E401"),
    "log-cut": (cut_log, EVIDENCE, "E306"),
    "other-firmware": (other_firmware, EVIDENCE, "E308"),
    "record-expired": (expired, ENROLMENT, "E201"),
    "record-of-another": (other_ueid, ENROLMENT, "ueid"),
})
def test_refused(prepare, code, says):
    """Evidence or a record that doesn't pass checks 1 to 11 pins nothing."""
    with booted(prepare) as case:
        contains(case.pin(code=code), says, "what enroll --pin says")


def test_files():
    """Only a record of the same authority is pinned; files that can't be read are named."""
    with booted() as case:
        contains(case.pin(code=ENROLMENT, key="author.key"), "signature", "another authority")
        contains(case.pin(code=INTERNAL, evidence="none"), "none can't be read", "no evidence")
        contains(case.pin(code=INTERNAL, key="none.key"), "none.key can't be read", "no key")
        contains(case.pin(code=INTERNAL, output="none/record"), "can't be written", "no directory")
