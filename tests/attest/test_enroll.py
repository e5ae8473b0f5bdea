"""bhattest enroll, on TPM emulators of the tests' own."""
import contextlib
import hashlib
import json
import pathlib
import re
import struct
import tempfile
import time

from enrolment import (AK, AK_ATTRIBUTES, AK_POLICY, BASE, BHATTEST, COUNTER, EK, ENROLMENT, FREE,
                       INDICES, INTERNAL, TRUST, USAGE, Site, Wire, handles, is_untouched, machine,
                       make_ak, run, slots, tool)
from testing import cases, contains, equal

RC_LOCALITY = "0x907"
# PolicyLocality extends a policy of zeros (TPM 2.0 Library, part 3, 23.8).
POLICY_LOCALITY_0 = hashlib.sha256(bytes(32) + struct.pack(">IB", 0x16F, 1 << 0)).hexdigest()
DAY = 86400


def index_attributes(tcti, index):
    return re.search(r"value: (0x[0-9A-F]+)\s+size", tool(tcti, "tpm2_nvreadpublic", index))[1].lower()


def number(tcti, index):
    with tempfile.NamedTemporaryFile() as file:
        tool(tcti, "tpm2_nvread", "-C", index, index, "-o", file.name)
        return int.from_bytes(pathlib.Path(file.name).read_bytes(), "big")


def test_enrols():
    """Key, NV indices and record are as specified, says tpm2-tools; and minisign accepts the
    record's signature."""
    with machine() as (site, tpm, tcti):
        before = int(time.time())
        output = site.enroll(tcti, tpm)
        record = site.record_values()
        public, name = (site.directory / n for n in ("ak.public", "ak.name"))
        said = tool(tcti, "tpm2_readpublic", "-c", AK, "-f", "tpmt", "-o", public, "-n", name)
        for part in (AK_ATTRIBUTES, f"authorization policy: {AK_POLICY}", "value: ecc", "value: NIST p256", "value: ecdsa"):
            contains(said, part, "tpm2_readpublic of the attestation key")
        equal(record["ak_public"], public.read_bytes().hex(), "ak_public")
        equal(record["ak_name"], name.read_bytes().hex(), "ak_name")
        contains(output, record["ak_name"], "what enroll prints")
        tool(tcti, "tpm2_readpublic", "-c", EK, "-f", "tpmt", "-o", public)
        equal(record["ek_public"], public.read_bytes().hex(), "ek_public")
        equal(record["ueid"], "01" + hashlib.sha256(public.read_bytes()).hexdigest(), "ueid")
        equal(before <= record["issued"] <= time.time(), True, "issued now")
        equal(record["expires"] - record["issued"], 365 * DAY, "valid for")
        versions = re.findall(r"FIRMWARE_VERSION_.:\s+raw: 0x([0-9A-Fa-f]+)",
                              tool(tcti, "tpm2_getcap", "properties-fixed"))
        equal(record["firmware_version"], "".join(v.zfill(8) for v in versions).lower(), "firmware")
        said = json.loads(site.enroll(tcti, tpm, "--json"))
        equal((said["record"], said["ak_name"], said["oldest_version"]),
              (str(site.record), record["ak_name"], 0), "what enroll --json prints")
        for index, attributes in INDICES.items():
            equal(index_attributes(tcti, index), attributes, f"attributes of {index}")
        equal(number(tcti, COUNTER) - number(tcti, BASE), 0, "COUNTER - BASE")
        equal(number(tcti, TRUST).to_bytes(32, "big").hex(),
              hashlib.sha256(site.trust.read_bytes()).hexdigest(), "TRUST")
        run("minisign", "-V", "-p", site.authority_public, "-m", site.record)


def test_again():
    """Enrolling again keeps key, indices and owner authorisation, and leaves no slot of the TPM
    in use, however often."""
    with machine() as (site, tpm, tcti):
        site.enroll(tcti, tpm)
        first, owner = site.record_values(), site.owner()
        state = handles(tcti), number(tcti, COUNTER), number(tcti, BASE)
        for _ in range(5):
            site.enroll(tcti, tpm, "--days", "30")
            again = site.record_values()
            equal({k: v for k, v in again.items() if k not in ("issued", "expires")},
                  {k: v for k, v in first.items() if k not in ("issued", "expires")}, "record")
            equal(again["expires"] - again["issued"], 30 * DAY, "valid for")
            equal((handles(tcti), number(tcti, COUNTER), number(tcti, BASE)), state, "the TPM")
            equal(slots(tcti), FREE, "slots")
        equal(site.owner(), owner, "owner authorisation")
        equal(site.owner_auth.stat().st_mode & 0o777, 0o600, "mode of the owner's file")


def test_outlives():
    """A TPM that was enrolled stays so when it was switched off."""
    with tempfile.TemporaryDirectory() as directory:
        site = Site(directory)
        tpm = site.tpm()
        with tpm.for_tools() as tcti:
            site.enroll(tcti, tpm)
            name = site.record_values()["ak_name"]
        with tpm.for_tools() as tcti:
            for index, attributes in INDICES.items():
                equal(index_attributes(tcti, index), attributes, f"attributes of {index}")
            site.enroll(tcti, tpm)
            equal(site.record_values()["ak_name"], name, "the key")


def test_interrupted():
    """What an interrupted enrolment left behind is completed: an index that was only defined,
    a fixed one that was written but not locked; a missing key and endorsement key are made."""
    with machine() as (site, tpm, tcti):
        site.enroll(tcti, tpm)
        name = site.record_values()["ak_name"]
        policy = site.directory / "policy"
        policy.write_bytes(bytes.fromhex(AK_POLICY))
        for handle in (AK, EK):
            tool(tcti, "tpm2_evictcontrol", "-C", "o", "-P", site.owner(), "-c", handle)
        for index, attributes, size in (
                (COUNTER, "policywrite|nt=counter|authread|no_da", 8),
                (BASE, "policywrite|writedefine|authread|no_da", 8),
                (TRUST, "policywrite|writedefine|authread|no_da", 32)):
            tool(tcti, "tpm2_nvundefine", "-C", "o", "-P", site.owner(), index)
            tool(tcti, "tpm2_nvdefine", "-C", "o", "-P", site.owner(), index, "-s", str(size), "-a",
                 attributes, "-L", policy)
        write_at_locality_2(tcti, TRUST, b"\x55" * 32)
        equal(index_attributes(tcti, TRUST), "0x22042008", "TRUST, written but not locked")
        site.enroll(tcti, tpm, "--first-version", "3")
        for index, attributes in INDICES.items():
            equal(index_attributes(tcti, index), attributes, f"attributes of {index}")
        equal(number(tcti, TRUST).to_bytes(32, "big").hex(),
              hashlib.sha256(site.trust.read_bytes()).hexdigest(), "TRUST")
        equal(number(tcti, COUNTER) - number(tcti, BASE), 3, "COUNTER - BASE")
        equal(site.record_values()["ak_name"] != name, True, "another key")


def policy_session(wire):
    body = struct.pack(">IIH16sHBHH", 0x40000007, 0x40000007, 16, bytes(16), 0, 1, 0x10, 0xB)
    answer = wire.ask(struct.pack(">HII", 0x8001, 10 + len(body), 0x176) + body)
    session, = struct.unpack_from(">I", answer, 10)
    wire.ask(struct.pack(">HIIIB", 0x8001, 15, 0x16F, session, 1 << 2))
    return session


def nv_command(wire, code, index, parameters=b""):
    """TPM2_NV_Write, _Increment or _WriteLock in a session with PolicyLocality(2); its result."""
    session = policy_session(wire)
    handle = int(index, 16)
    body = struct.pack(">IIIIHBH", handle, handle, 9, session, 0, 0, 0) + parameters
    answer = wire.ask(struct.pack(">HII", 0x8002, 10 + len(body), code) + body)
    wire.ask(struct.pack(">HIII", 0x8001, 14, 0x165, session))  # it has ended if the command worked
    return struct.unpack_from(">I", answer, 6)[0]


def write_at_locality_2(tcti, index, data):
    with contextlib.closing(Wire(tcti)) as wire:
        wire.locality(2)
        equal(nv_command(wire, 0x137, index, struct.pack(">H", len(data)) + data + b"\0\0"), 0,
              "TPM2_NV_Write at locality 2")
        wire.locality(0)


def test_locality():
    """Quotes, the counter and the fixed indices want locality 2; locked indices aren't written
    there either. Nobody deletes an index without the owner's authorisation, or clears the TPM."""
    with machine() as (site, tpm, tcti):
        site.enroll(tcti, tpm)
        session = site.directory / "session"
        tool(tcti, "tpm2_startauthsession", "--policy-session", "-S", session)
        tool(tcti, "tpm2_policylocality", "-S", session, "two")
        said = tool(tcti, "tpm2_quote", "-c", AK, "-p", f"session:{session}", "-l", "sha256:17",
                    code=1)
        contains(said, RC_LOCALITY, "a quote at locality 0")
        tool(tcti, "tpm2_flushcontext", session)
        contains(tool(tcti, "tpm2_quote", "-c", AK, "-l", "sha256:17", code=1), "auth",
                 "a quote with an empty password")
        counter = number(tcti, COUNTER)
        with contextlib.closing(Wire(tcti)) as wire:
            for locality in (0, 1, 3):
                wire.locality(locality)
                equal(nv_command(wire, 0x134, COUNTER), 0x907, f"increment at {locality}")
            wire.locality(2)
            equal(nv_command(wire, 0x134, COUNTER), 0, "TPM2_NV_Increment at locality 2")
            write = struct.pack(">H8sH", 8, bytes(8), 0)
            equal(nv_command(wire, 0x137, BASE, write), 0x148, "TPM2_NV_Write of BASE, locked")
            wire.locality(0)
        equal(number(tcti, COUNTER), counter + 1, "COUNTER")
        for index in INDICES:
            contains(tool(tcti, "tpm2_nvundefine", "-C", "o", index, code=1), "authorization",
                     "deleting without the owner's authorisation")
        contains(tool(tcti, "tpm2_clear", code=3), "authorization", "tpm2_clear")
        site.enroll(tcti, tpm)  # the counter was raised by one that may: still right
        contains(site.enroll(tcti, tpm), "may run: 1\n", "the oldest version")


def test_first_version():
    """--first-version raises the counter to it, never lowers it, and not without limit."""
    with machine() as (site, tpm, tcti):
        contains(site.enroll(tcti, tpm, "--first-version", "12"), "may run: 12\n", "the first")
        equal(number(tcti, COUNTER) - number(tcti, BASE), 12, "COUNTER - BASE")
        contains(site.enroll(tcti, tpm, "--first-version", "5"), "may run: 12\n", "a lower one")
        contains(site.enroll(tcti, tpm, "--first-version", "14"), "may run: 14\n", "a higher one")
        said = site.enroll(tcti, tpm, "--first-version", "99999999", code=ENROLMENT)
        contains(said, "lower --first-version", "too many")
        equal(number(tcti, COUNTER) - number(tcti, BASE), 14, "COUNTER - BASE")


# Keys at the attestation key's handle that aren't as specified

@cases({
    "with-password": ({"attributes": AK_ATTRIBUTES + "|userwithauth"}, "attributes"),
    "unrestricted": ({"attributes": AK_ATTRIBUTES.replace("restricted|", "")}, "attributes"),
    "not-fixed": ({"attributes": AK_ATTRIBUTES.replace("fixedtpm|fixedparent|", "")}, "attributes"),
    "locked-by-power-cycles": ({"attributes": AK_ATTRIBUTES.replace("noda|", "")}, "attributes"),
    "of-locality-0": ({"policy": POLICY_LOCALITY_0}, "policy"),
    "rsa": ({"algorithm": "rsa2048:rsassa-sha256:null"}, "type"),
    "other-curve": ({"algorithm": "ecc384:ecdsa-sha256:null"}, "parameters"),
    "other-scheme": ({"algorithm": "ecc256:ecschnorr-sha256:null"}, "parameters"),
})
def test_other_key(made_so, says):
    """A key at the handle that could be used outside core is named, and isn't enrolled."""
    with machine() as (site, tpm, tcti):
        site.enroll(tcti, tpm)
        tool(tcti, "tpm2_evictcontrol", "-C", "o", "-P", site.owner(), "-c", AK)
        site.record.unlink()
        make_ak(site.directory, tcti, site.owner(), **made_so)
        said = site.enroll(tcti, tpm, code=ENROLMENT)
        contains(said, f"its {says}", "what enroll says")
        contains(said, "tpm2_evictcontrol", "the remedy")
        equal(site.record.exists(), False, "a record was written")


def test_key_of_other_parent():
    """A key that is right but isn't the endorsement key's child is refused: the TPM would hide
    its reset count and firmware from whom such a key signs for."""
    with machine() as (site, tpm, tcti):
        site.enroll(tcti, tpm)
        tool(tcti, "tpm2_evictcontrol", "-C", "o", "-P", site.owner(), "-c", AK)
        parent = site.directory / "parent"
        tool(tcti, "tpm2_createprimary", "-C", "o", "-P", site.owner(), "-c", parent)
        tool(tcti, "tpm2_flushcontext", "-t")
        make_ak(site.directory, tcti, site.owner(), parent=parent)
        contains(site.enroll(tcti, tpm, code=ENROLMENT), "its parents differ", "what enroll says")


def other_index(index, size, attributes):
    def change(site, tcti):
        tool(tcti, "tpm2_nvundefine", "-C", "o", "-P", site.owner(), index)
        tool(tcti, "tpm2_nvdefine", "-C", "o", "-P", site.owner(), index, "-s", str(size), "-a",
             attributes)
    return change


def other_owner(site, _):
    site.owner_auth.write_text("11" * 32 + "\n")


def ends_in_zero(site, _):
    site.owner_auth.write_text("11" * 31 + "00\n")


def no_owner(site, _):
    site.owner_auth.unlink()


def other_trust(site, _):
    site.trust = site.keys("another")[1]


def newer_counter(site, tcti):
    """Delete COUNTER and begin it anew, so that it lies below BASE."""
    tool(tcti, "tpm2_nvundefine", "-C", "o", "-P", site.owner(), BASE)
    policy = site.directory / "policy"
    policy.write_bytes(bytes.fromhex(AK_POLICY))
    tool(tcti, "tpm2_nvdefine", "-C", "o", "-P", site.owner(), BASE, "-s", "8", "-a",
         "policywrite|writedefine|authread|no_da", "-L", policy)
    write_at_locality_2(tcti, BASE, b"\0" * 7 + b"\x63")
    with contextlib.closing(Wire(tcti)) as wire:
        wire.locality(2)
        equal(nv_command(wire, 0x138, BASE), 0, "TPM2_NV_WriteLock")
        wire.locality(0)


@cases({
    "counter-that-all-increment": (
        other_index(COUNTER, 8, "authwrite|nt=counter|authread|no_da"), ENROLMENT, "COUNTER"),
    "base-without-lock": (other_index(BASE, 8, "authwrite|authread|no_da"), ENROLMENT, "BASE"),
    "trust-of-other-size": (other_index(TRUST, 33, "authwrite|authread|no_da|writedefine"),
                            ENROLMENT, "TRUST"),
    "base-above-counter": (newer_counter, ENROLMENT, "BASE is above COUNTER"),
    "other-trust.pub": (other_trust, ENROLMENT, "bound to another trust.pub"),
    "other-owner": (other_owner, ENROLMENT, "TPM2_HierarchyChangeAuth of the owner failed with 9a2"),
    "no-owner-file": (no_owner, ENROLMENT, "has an owner authorisation"),
    "owner-that-ends-in-zero": (ends_in_zero, INTERNAL, "the last not zero"),
})
def test_wrong_state(change, code, says):
    """What is in the TPM but wrong is named, with a remedy, and kept as it is."""
    with machine() as (site, tpm, tcti):
        site.enroll(tcti, tpm)
        change(site, tcti)
        before = handles(tcti), [index_attributes(tcti, index) for index in INDICES]
        contains(site.enroll(tcti, tpm, code=code), says, "what enroll says")
        equal((handles(tcti), [index_attributes(tcti, index) for index in INDICES]), before, "TPM")
        equal(slots(tcti), FREE, "slots")


def test_without_localities():
    """Through a connection that stays at locality 0, as an operating system's, enrolment says
    why it can't be done, and changes nothing."""
    with machine() as (site, tpm, tcti):
        through = f"cmd:TPM2TOOLS_TCTI={tcti} tpm2_send"
        said = site.enroll(through, tpm, code=ENROLMENT)
        contains(said, "can't be used at locality 2", "what enroll says")
        contains(said, "operating system keeps", "the cause")
        equal(site.owner_auth.exists(), False, "the owner's file")
        is_untouched(tcti)


def test_command_line():
    """Wrong command lines exit with 64, files that can't be read or written with 70; a key that
    is none is named, and so is a TPM that can't be reached."""
    with tempfile.TemporaryDirectory() as directory:
        site = Site(directory)
        site.tpms.append(type("NoTpm", (), {"ek_ca": site.trust}))
        tpm = site.tpms[0]
        for options, says in (({"key": None}, "needs --key"), ({"ek_ca": None}, "needs --ek-ca"),
                              ({"trust": None}, "needs --trust"),
                              ({"owner_auth": None}, "needs --owner-auth"),
                              ({"record": site.record}, "--record isn't for enroll without --pin"),
                              ({"pin": site.record}, "isn't for enroll with --pin"),
                              ({"days": "0"}, "expire at once"), ({"days": "1x"}, "got 1x"),
                              ({"days": "-1"}, "got -1"), ({"first_version": ""}, "got "),
                              ({"first_version": "99999999999999999999"}, "needs a number")):
            contains(site.enroll("none", tpm, code=USAGE, **options), says, str(options))
        contains(run(BHATTEST, "enroll", "--pin", site.record, "--key", site.authority, "-o",
                     site.record, code=USAGE), "enroll --pin needs --record", "--pin alone")
        contains(run(BHATTEST, "enroll", "--pin", site.record, "--key", site.authority, "-o",
                     site.record, "--record", site.record, "--days", "9", code=USAGE),
                 "--days isn't for enroll with --pin", "--pin --days")
        for options, says in (({"key": site.trust}, "no minisign secret key"),
                              ({"trust": site.authority}, "no public key"),
                              ({"key": "/nonexistent"}, "/nonexistent can't be read"),
                              ({}, "can't be reached")):
            contains(site.enroll("swtpm:port=1", tpm, code=INTERNAL, **options), says, str(options))
