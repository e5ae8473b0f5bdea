"""A machine that was enrolled refuses what its TPM remembers otherwise: another trusted key, an
older policy, an enrolment that lost a part. Whatever the policy says of attestation: the
stand-in's says that it is optional."""
import contextlib
import pathlib
import struct
import tempfile

import machine as bulkhead
import package
import standin
from enrolment import AK, BASE, COUNTER, Site, Wire, tool
from qemu import Config
from testing import equal, limit

NO_SESSIONS, SESSIONS = 0x8001, 0x8002
START_AUTH_SESSION, POLICY_LOCALITY, NV_INCREMENT, FLUSH = 0x176, 0x16f, 0x134, 0x165
RH_NULL, SHA256, ALG_NULL, SE_POLICY = 0x40000007, 0xb, 0x10, 1
OLDEST = r"^bulkhead: attest: enrolled, oldest version (\d+)$"


@contextlib.contextmanager
def enrolled():
    """A site with a TPM that bhattest has enrolled for the site's author."""
    with tempfile.TemporaryDirectory() as directory:
        site = Site(directory)
        tpm = site.tpm()
        with tpm.for_tools() as tcti:
            site.enroll(tcti, tpm)
        yield site, tpm


def signed(site, version, author="trust"):
    """The stand-in's Package with that version of the policy, by the site's author."""
    directory = pathlib.Path(tempfile.mkdtemp(dir=site.directory))
    text = standin.POLICY.read_text()
    equal(text.count("    version 1\n"), 1, "places where the stand-in's policy has its version")
    machine = standin.POLICY.parent / "../../policy/machines/qemu-q35.machine"
    policy = directory / "standin.policy"
    policy.write_text(text.replace("    version 1\n", f"    version {version}\n")
                      .replace('"../../policy/machines/qemu-q35.machine"', f'"{machine.resolve()}"'))
    image = directory / "policy.img"
    signature = package.compile_policy(policy, standin.FILES, site.directory / f"{author}.key",
                                       image)
    return package.Package(image, signature, site.directory / f"{author}.pub", standin.FILES)


@contextlib.contextmanager
def booted(parts, tpm):
    with tempfile.TemporaryDirectory() as name:
        boot = bulkhead.boot_of(parts, "kernel", pathlib.Path(name))
        with bulkhead.BulkheadMachine(Config(boot=boot, edu=True, tpm=tpm)) as running:
            yield running


def expect_runs(parts, tpm, oldest):
    with booted(parts, tpm) as running:
        said = running.core.expect(OLDEST, bulkhead.BOOT_TIMEOUT, unless=bulkhead.TROUBLE)[1]
        running.vault_key()
    equal(int(said), oldest, "the oldest version that may run")


def expect_refused(parts, tpm, why):
    with booted(parts, tpm) as running:
        running.expect_refusal(why)


def raise_counter(tcti, times):
    """As core does it: at locality 2, in a session that says so."""
    wire = Wire(tcti)

    def ask(tag, code, body):
        response = wire.ask(struct.pack(">HII", tag, 10 + len(body), code) + body)
        equal(struct.unpack_from(">I", response, 6)[0], 0, f"response code of command {code:#x}")
        return response[10:]

    wire.locality(2)
    start = struct.pack(">IIH16sHBHH", RH_NULL, RH_NULL, 16, bytes(16), 0, SE_POLICY, ALG_NULL,
                        SHA256)
    session = ask(NO_SESSIONS, START_AUTH_SESSION, start)[:4]
    for _ in range(times):
        ask(NO_SESSIONS, POLICY_LOCALITY, session + bytes([1 << 2]))
        index = struct.pack(">II", int(COUNTER, 16), int(COUNTER, 16))
        ask(SESSIONS, NV_INCREMENT, index + struct.pack(">I", 9) + session + b"\0\0\1\0\0")
    ask(NO_SESSIONS, FLUSH, session)
    wire.close()


@limit(200)
def test_older_policy_is_refused():
    """Once the counter has followed version 3, version 2 is refused as a rollback, and 3 and 4
    run; COUNTER is raised by nobody at boot."""
    with enrolled() as (site, tpm):
        expect_runs(signed(site, 2), tpm, 0)
        with tpm.for_tools() as tcti:
            raise_counter(tcti, 3)
        expect_refused(signed(site, 2), tpm, r"FATAL: rollback of the policy: version 2, .* 3\.")
        expect_runs(signed(site, 3), tpm, 3)
        expect_runs(signed(site, 4), tpm, 3)


@limit(150)
def test_other_author_is_refused():
    """A policy that is right in everything, by another key than the enrolled one."""
    with enrolled() as (site, tpm):
        site.keys("stranger")
        expect_refused(signed(site, 1, "stranger"), tpm,
                       r"FATAL: trust\.pub isn't the key that this machine was enrolled with")
        expect_runs(signed(site, 1), tpm, 0)


def lose_key(site, tcti):
    tool(tcti, "tpm2_evictcontrol", "-C", "o", "-P", site.owner(), "-c", AK)


def lose_index(site, tcti):
    tool(tcti, "tpm2_nvundefine", "-C", "o", "-P", site.owner(), BASE)


def replace_index(site, tcti):
    """BASE made anew, by the owner, in a way that lets him write it."""
    lose_index(site, tcti)
    tool(tcti, "tpm2_nvdefine", "-C", "o", "-P", site.owner(), BASE, "-s", "8", "-a",
         "ownerwrite|authread|no_da")


MISSING = r"FATAL: part of the TPM's enrolment is missing: .*{} missing"


@limit(200)
def test_lost_enrolment_is_refused():
    """Who has the owner's password can take parts of the enrolment away, but a machine with the
    rest runs nothing."""
    for lose, why in ((lose_key, MISSING.format("key")), (lose_index, MISSING.format("base")),
                      (replace_index, r"FATAL: the TPM's enrolment was tampered with")):
        with enrolled() as (site, tpm):
            with tpm.for_tools() as tcti:
                lose(site, tcti)
            expect_refused(signed(site, 1), tpm, why)
