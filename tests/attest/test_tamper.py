"""What is altered is found: by the check that is for it, with its code, status and component.

Each case makes evidence on a TPM of its own that is wrong in one respect (cases_*.py): its code,
the alteration, the component, and, where one code has many causes, words that tell which.
"""
import contextlib
import json
import pathlib
import subprocess
import tempfile

import cases_evidence
import cases_log
import cases_machine
import wire
from attester import Attester, SoftwareKey
from swtpm import Swtpm
from testing import Failure, cases, contains, equal

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BHATTEST = ROOT / "build" / "bhattest"
STATUSES = {"AFFIRMING": 0, "WARNING": 1, "CONTRAINDICATED": 2, "EVIDENCE": 3, "STALE": 4,
            "ENROLMENT": 5, "REFERENCE": 6}
STATUS_OF = {row[0]: STATUSES[row[2]] for row in wire.rows("codes.def", "CODE")}
STATE = "state"


def bhattest(*arguments):
    done = subprocess.run([str(part) for part in (BHATTEST, *arguments)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def challenge(directory):
    status, output, errors = bhattest("challenge", "--state", directory / STATE, "--json")
    equal(status, 0, f"status of bhattest challenge: {errors}")
    return bytes.fromhex(json.loads(output)["nonce"])


def appraise(attester):
    """Status and result of an appraisal of what the attester wrote."""
    at = attester.directory
    status, output, errors = bhattest(
        "appraise", at / "evidence", "--record", at / "record.json", "--authority",
        attester.authority_key, "--reference", at / "reference.json", "--author",
        attester.author_key, "--rules", at / "rules.json", "--state", at / STATE, "--json",
        *attester.options)
    try:
        return status, json.loads(output)
    except ValueError:
        raise Failure(f"bhattest appraise ended with status {status}:\n{output}{errors}") from None


@contextlib.contextmanager
def machine(alteration=lambda attester: None):
    """An attester, altered, with a nonce of bhattest's."""
    with Swtpm() as tpm, tempfile.TemporaryDirectory() as name:
        attester = Attester(tpm, pathlib.Path(name))
        alteration(attester)
        if attester.seen_before:
            appraise_newer(attester)
        attester.nonce = challenge(attester.directory)
        yield attester


def appraise_newer(attester):
    """The same machine was seen with a newer version of its policy."""
    newer = Attester(attester.tpm, attester.directory,
                     signers=(attester.author, attester.authority))
    newer.version = attester.seen_before
    newer.happens()
    newer.reference = newer.reference_values()
    newer.nonce = challenge(newer.directory)
    newer.write()
    expect(newer, None, "")
    attester.tpm.power_cycle()


def expect(attester, code, component):
    """The appraisal finds just that; `component` None: wherever. Returns what it said."""
    status, said = appraise(attester)
    findings = said["findings"]
    first = findings[0] if findings else {"code": None, "component": ""}
    got = (status, first["code"], first["component"])
    wanted = (STATUS_OF[code] if code else 0, code, got[2] if component is None else component)
    if got != wanted:
        raise Failure(f"(status, code, component)\n  expected: {wanted}\n  got:      {got}\n"
                      + json.dumps(findings, indent=1))
    equal(said["exit"], status, "the status that --json tells")
    tiers = {name: own["tier"] for name, own in said["domains"].items()}
    if status > STATUSES["CONTRAINDICATED"]:
        equal(tiers, {}, "what rejected evidence says of domains")
    elif not code:
        equal(set(tiers.values()), {"affirming"}, "tiers of a genuine machine's domains")
    elif component in tiers:
        others = {tier for name, tier in tiers.items() if name != component}
        equal((tiers[component], others | {"affirming"}), (said["ear_status"], {"affirming"}),
              f"tiers of {component} and of the other domains")
    elif len(findings) == 1:
        equal(set(tiers.values()), {said["ear_status"]}, "tiers after a finding of the machine")
    return said


def test_genuine():
    """Without an alteration each domain is affirmed: what a case finds is its own alteration."""
    with machine() as attester:
        attester.write()
        expect(attester, None, "")


def test_genuine_by_software():
    """The same with a key of which only its public area says that a TPM keeps it."""
    with machine(lambda attester: setattr(attester, "make_key", SoftwareKey)) as attester:
        attester.write()
        expect(attester, None, "")


def test_genuine_smm():
    """The same with reference values that say, as the record does, what handles SMIs."""
    handler = b"firmware's handler"
    with machine(cases_machine.reference_says_smm(handler, handler)) as attester:
        attester.write()
        expect(attester, None, "")


ALL = {**cases_evidence.CASES, **cases_log.CASES, **cases_machine.CASES}


@cases({name: case + (None,) * (4 - len(case)) for name, case in ALL.items()})
def test_altered(code, alteration, component, says):
    """What is altered is found by the check that is for it, and by no other."""
    with machine(alteration) as attester:
        attester.write()
        finding = expect(attester, code, component)["findings"][0]
        if says:
            contains(f"{finding['expected']}; {finding['got']}", says, "the finding's words")


def test_replayed():
    """Evidence is accepted once; the same again, or another's with that nonce, is E401."""
    with machine() as attester:
        attester.write()
        expect(attester, None, "")
        expect(attester, "E401", "nonce")
        attester.tpm.power_cycle()
        attester.events[1].body = b""  # BOOT: new counts
        attester.write()
        expect(attester, "E401", "nonce")


def test_foreign_nonce():
    """A nonce that nobody here gave out is E401."""
    with machine() as attester:
        attester.nonce = bytes(range(32))
        attester.write()
        expect(attester, "E401", "nonce")


def test_nonce_of_another_question():
    """Evidence for one open nonce doesn't answer another one: E303."""
    with machine() as attester:
        other = challenge(attester.directory)
        attester.alter.claims = lambda claims: {**claims, wire.Claim.NONCE: other}
        attester.write()
        expect(attester, "E303", None)


def test_expired_nonce():
    """A nonce that is too old is E401."""
    with machine() as attester:
        given, = (attester.directory / STATE / "open").iterdir()
        given.write_text("1700000000\n")
        attester.write()
        expect(attester, "E401", "nonce")


def test_revoked():
    """A key or machine on the authority's signed list of what is revoked is E201; so is a forged
    list."""
    with machine() as attester:
        attester.write()
        revoked = attester.directory / "revoked.json"
        name = wire.name_of(attester.key.public).hex()
        ueid = (b"\1" + wire.sha256(attester.key.ek)).hex()
        for lists, signer, code in (({"ak_names": [name]}, attester.authority, "E201"),
                                    ({"ueids": [ueid]}, attester.authority, "E201"),
                                    ({"ak_names": []}, attester.author, "E201"),
                                    ({"ak_names": ["000b" + "55" * 32]}, attester.authority, None)):
            attester.write_signed(revoked, {"format": "bulkhead-revoked-1", "ak_names": [],
                                            **lists}, signer)
            attester.options = ["--revoked", revoked]
            expect(attester, code, None)


def test_1_gib():
    """A file of 1 GiB is E101, without its being read."""
    with machine() as attester:
        attester.write()
        with open(attester.directory / "evidence", "r+b") as file:
            file.truncate(1 << 30)
        expect(attester, "E101", None)


def test_every_code_has_a_case():
    """Each finding that there is comes out of some case."""
    found = {case[0] for case in ALL.values()} | {"E401"}
    equal(sorted(set(STATUS_OF) - found), [], "codes without a case")
