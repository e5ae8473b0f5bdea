"""bhattest from the outside: its command line, files, exit statuses, and the document that it
makes. What it finds in altered evidence is tested elsewhere."""
import base64
import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import tempfile

import tools
from attester import Attester
from swtpm import Swtpm
from testing import Failure, contains, equal

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BHATTEST = ROOT / "build" / "bhattest"
DONE, CONTRAINDICATED, EVIDENCE, STALE, ENROLMENT, REFERENCE = 0, 2, 3, 4, 5, 6
USAGE, INTERNAL = 64, 70


def bhattest(*arguments, code=DONE):
    """Run bhattest; fails unless it exits with `code`. Returns what it wrote to both."""
    run = subprocess.run([BHATTEST, *map(str, arguments)], capture_output=True, text=True,
                         cwd=ROOT, timeout=60)
    if run.returncode != code:
        raise Failure(f"bhattest {' '.join(map(str, arguments))}\n  expected exit code {code}, "
                      f"got {run.returncode}\n{run.stdout}{run.stderr}")
    return run.stdout + run.stderr


def test_help_lists_every_command():
    """Each command that bhattest's help lists explains itself."""
    commands = set(re.findall(r"^  bhattest ([a-z]+)", bhattest("--help"), re.MULTILINE))
    contains(commands, "explain", "commands")
    for command in commands:
        contains(bhattest(command, "--help"), f"usage: bhattest {command}", f"{command} --help")


def test_wrong_command_lines_are_refused():
    """A command line that is wrong exits with 64 and says where help is."""
    for arguments in ((), ("no",), ("explain",), ("explain", "E999"), ("explain", "E101", "E201")):
        contains(bhattest(*arguments, code=USAGE), "bhattest", str(arguments))


def test_options_given_twice():
    """An option that is given twice is refused: which rules count is nothing to guess at."""
    with Case() as case:
        for name in ("rules", "max-age"):
            again = (f"--{name}", case.path / "rules.json")
            contains(case.appraise(*again, *again, code=USAGE), f"--{name} was given twice", name)
        case.appraise("--json")


def test_explain():
    """explain says what a code means, what to do, and its exit status."""
    text = bhattest("explain", "C601")
    for part in ("reference values", "check 13 of 15", "exit status 2", "Find out who"):
        contains(text, part, "explain C601")


def test_codes_document():
    """docs/codes.md is what bhattest explain --all makes."""
    equal((ROOT / "docs" / "codes.md").read_text(), bhattest("explain", "--all"),
          "docs/codes.md; renew it by build/bhattest explain --all > docs/codes.md")


RULES = {"format": "bulkhead-rules-1", "profile": "static",
         "domains": {"work": {"violations": {"port-read": "any"}}, "vault": {}}}


class Case:
    """A machine on a TPM emulator, what others say of it, and a verifier's state, in a directory."""

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.temporary.name)
        self.nonce = self.challenge()
        with Swtpm() as tpm:
            attester = Attester(tpm, self.path)
            attester.nonce = bytes.fromhex(self.nonce)
            attester.write()
        (self.path / "rules.json").write_text(json.dumps(RULES))
        return self

    def __exit__(self, *_):
        self.temporary.cleanup()

    def challenge(self, *arguments, code=DONE):
        return bhattest("challenge", "--state", self.path / "state", *arguments, code=code).strip()

    def appraise(self, *arguments, code=DONE, **files):
        names = {"evidence": "evidence", "record": "record.json", "authority": "authority.pub",
                 "reference": "reference.json", "author": "author.pub", "rules": "rules.json",
                 **files}
        options = [word for name in names if name != "evidence"
                   for word in (f"--{name}", self.path / names[name])]
        return bhattest("appraise", self.path / names["evidence"], *options, "--state",
                        self.path / "state", *arguments, code=code)


def test_appraise():
    """A genuine machine is affirmed, domain by domain, once per nonce."""
    with Case() as case:
        text = case.appraise()
        for part in ("work: affirming; running, started 1 time, image ", "vault: affirming; "):
            contains(text, part, "the verdict")
        contains(case.appraise(code=STALE), "E401", "the same evidence again")


def test_json():
    """--json has EAR's claims and each domain's verdict."""
    with Case() as case:
        said = json.loads(case.appraise("--json"))
    nonce = base64.urlsafe_b64encode(bytes.fromhex(case.nonce)).decode().rstrip("=")
    equal({key: said[key] for key in ("eat_profile", "ear_status", "eat_nonce", "nonce", "exit",
                                      "profile", "findings")},
          {"eat_profile": "tag:ietf.org,2026:rats/ear#04", "ear_status": "affirming",
           "eat_nonce": nonce, "nonce": case.nonce, "exit": 0, "profile": "static",
           "findings": []}, "claims")
    equal({name: own["ear_status"] for name, own in said["submods"].items()},
          {"work": "affirming", "vault": "affirming"}, "submods")
    image = hashlib.sha256(b"the vault").hexdigest()
    equal(said["domains"]["vault"], {"tier": "affirming", "code": None, "component": None,
                                     "image": image, "starts": 1}, "vault's verdict")


def test_json_into_a_file():
    """-o writes the same claims into a file, beside what people read; where it can't, that is an
    error, whatever was found."""
    with Case() as case:
        text = case.appraise("-o", case.path / "verdict.json")
        contains(text, "work: affirming; ", "the text")
        said = json.loads((case.path / "verdict.json").read_text())
        equal((said["nonce"], said["exit"], list(said["domains"])),
              (case.nonce, 0, ["work", "vault"]), "the file")
    with Case() as case:
        case.appraise("-o", case.path / "nowhere" / "verdict.json", code=INTERNAL)
        case.appraise()  # the nonce wasn't spent for nothing


def test_no_earlier_verdict():
    """Where nothing can be said, -o leaves no verdict of before."""
    with Case() as case:
        verdict = case.path / "verdict.json"
        case.appraise("-o", verdict)
        shutil.rmtree(case.path / "state" / "floor")
        (case.path / "state" / "floor").write_text("")
        case.appraise("-o", verdict, code=INTERNAL)
        equal(verdict.read_text(), "", "the verdict's file")


def test_json_of_a_finding():
    """A broken rule stands in the domain's verdict, its exit status, and the findings."""
    with Case() as case:
        strict = {**RULES, "domains": {"work": {}, "vault": {}}}
        (case.path / "strict.json").write_text(json.dumps(strict))
        said = json.loads(case.appraise("--json", rules="strict.json", code=CONTRAINDICATED))
    equal((said["exit"], said["ear_status"]), (CONTRAINDICATED, "contraindicated"), "the whole")
    equal({name: (own["tier"], own["code"]) for name, own in said["domains"].items()},
          {"work": ("contraindicated", "C602"), "vault": ("affirming", None)}, "domains")
    equal([(own["code"], own["domain"]) for own in said["findings"]], [("C602", "work")],
          "findings")


def test_json_of_any_name():
    """A finding that names a file whose name isn't UTF-8 stands in --json, as any other."""
    with Case() as case:
        for name in ("\udcff", "\u00e9" * 99, "x" + "\u00e9" * 99):  # cut in midst of a character
            (finding,) = json.loads(case.appraise("--json", code=ENROLMENT, record=name))["findings"]
            equal(finding["code"], "E201", "code")
            contains(finding["got"], "can't be read" if len(name) == 1 else "/", "what was got")


def test_output_that_is_lost():
    """Where nobody gets what was said, the exit status tells it."""
    with Case() as case, open("/dev/full", "w") as full:
        for arguments in (("--help",), ("challenge", "--help"), ("explain", "--all"),
                          ("explain", "E101"), ("challenge", "--state", case.path / "state"),
                          ("challenge", "--state", case.path / "state", "--json"),
                          ("log", case.path / "evidence"), ("log", case.path / "evidence", "--json")):
            done = subprocess.run([BHATTEST, *arguments], stdout=full, stderr=subprocess.PIPE,
                                  text=True, timeout=60)
            equal(done.returncode, INTERNAL, f"{arguments[0]}'s exit status")
            contains(done.stderr, "can't be written", f"{arguments[0]}'s error")


def test_nonces():
    """Only nonces that were given out count, and not for long; --nonce gives out a chosen one."""
    with Case() as case:
        contains(case.appraise("--max-age", "-1", code=USAGE), "--max-age", "a negative age")
        (case.path / "state" / "open" / case.nonce).write_text("1700000000\n")
        contains(case.appraise(code=STALE), "too old", "an old nonce")
        shutil.rmtree(case.path / "state")
        contains(case.appraise(code=STALE), "of ours", "another verifier's nonce")
        equal(case.challenge("--nonce", case.nonce), case.nonce, "the nonce that was chosen")
        case.appraise()
        case.challenge("--nonce", case.nonce, code=INTERNAL)
        case.challenge("--nonce", case.nonce[:-2], code=USAGE)
        equal(json.loads(case.challenge("--json")).keys(), {"nonce"}, "challenge --json")


def test_versions():
    """Reference values older than those that were seen before are refused: E501."""
    with Case() as case:
        case.appraise()
        (floor,) = (case.path / "state" / "floor").iterdir()
        equal(floor.read_text(), "7\n", "the version that was kept")
        floor.write_text("8\n")
        shutil.rmtree(case.path / "state" / "used")
        case.challenge("--nonce", case.nonce)
        contains(case.appraise(code=REFERENCE), "E501", "an older version")
        equal(floor.read_text(), "8\n", "the version that is kept")


def test_state_that_is_lost():
    """A verifier that can't remember says nothing, whatever the evidence."""
    with Case() as case:
        shutil.rmtree(case.path / "state" / "floor")
        (case.path / "state" / "floor").write_text("")
        contains(case.appraise(code=INTERNAL), "state", "a state that can't be kept")


def test_files_that_are_missing():
    """Without record, reference values, rules or keys nothing is affirmed."""
    with Case() as case:
        for name, code in (("record", ENROLMENT), ("reference", REFERENCE), ("rules", INTERNAL),
                           ("author", INTERNAL), ("authority", INTERNAL), ("evidence", INTERNAL)):
            contains(case.appraise(code=code, **{name: "missing"}), "missing", name)
            if name == "record":
                continue
            shutil.rmtree(case.path / "state")
            case.challenge("--nonce", case.nonce)
        case.appraise()


def test_shipped_rules():
    """policy/laptop.rules.json allows what a stock Linux tries when it boots, and nothing more."""
    rules = ROOT / "policy" / "laptop.rules.json"
    allowed = json.loads(rules.read_text())["domains"]
    equal(allowed, {"work": {"violations": dict.fromkeys(
        ("ioapic-write", "msr-read", "port-read", "port-write"), "any")}, "vault": {}}, "rules")
    with Case() as case:
        case.appraise(rules=rules)


def test_log():
    """log shows each event; --json for programs. What isn't sound is refused."""
    with Case() as case:
        text = bhattest("log", case.path / "evidence")
        contains(text, "work       port-read at 3f9h", "log")
        events = json.loads(bhattest("log", "--json", case.path / "evidence"))
        equal([(e["sequence"], e["pcr"], e["type"], e["domain"]) for e in events[-3:]],
              [(8, 18, "START", "vault"), (9, 18, "CAP", None), (10, 19, "VIOLATION", "work")],
              "events")
        (case.path / "evidence").write_bytes((case.path / "evidence").read_bytes()[:-1])
        contains(bhattest("log", case.path / "evidence", code=EVIDENCE), "E101", "cut evidence")


def test_extract():
    """extract writes parts that other people's tools can read."""
    with Case() as case:
        parts = case.path / "parts"
        bhattest("extract", case.path / "evidence", parts)
        read = {path.name: path.read_bytes() for path in parts.iterdir()}
        equal(set(read), {"attest.bin", "signature.bin", "ak.pub.bin", "pcrs.json", "log.bin",
                          "report.cbor"}, "files")
        equal(tools.openssl_accepts(read["attest.bin"], read["signature.bin"], read["ak.pub.bin"]),
              True, "openssl accepts the quote")
        pcrs = {int(n): bytes.fromhex(value) for n, value in json.loads(read["pcrs.json"]).items()}
        tools.eventlog_agrees(read["log.bin"], pcrs)
