"""policyc predict against machines: what it computes is what the TPM gets."""
import contextlib
import hashlib
import json
import pathlib
import struct
import tempfile

import disk
import machine as bulkhead
import package
from broken_tpm import BrokenTpm
from qemu import Config, Disk
from test_measure import printed
from testing import cases, equal, limit

POLICY = package.ROOT / "tests/machine/standin.policy"
DOMAINS = package.BUILD / "domains"
LOADED = r"^bulkhead: loader: GRUB"  # core runs: GRUB measures no more
SMM_EVENT, HEADER = 3, 32  # include/tables/events.def, bulkhead/evlog.h
SMM_MODES = {1: "none", 2: "replaced:{}", 3: "firmware"}

# All that predict knows of GRUB's language, and a second script.
WORDY = """\
# A comment, with ' and " and $ in it \\
\tset 'timeout=0'   # and one behind a command
set default='a  b'
echo 'Loading  $(Bulkhead) \\ '"..." a#b '' "it's"
  echo
echo 'x'#y "z"# -n --j a%b @c d:e,f+g=h 1.2_3/4 if then else fi while do done for in function
echo menuentry case esac until time select submenu 'a	b'
configfile "/bulkhead/second.cfg"
"""
SECOND = """\
search --file /bulkhead/grub.cfg --no-floppy --set=root
multiboot2 /bulkhead/{core} 'a b' quiet "it's" c'"'d 'e	f' '' ' ' g
{modules}
boot"""


def modules_text(parts):
    return "\n".join(f"module2 /bulkhead/{module.path.name} 'name='{module.name}"
                     for module in parts.modules())


def plain_scripts(parts):
    return {"grub.cfg": disk.grub_config(parts.core, parts.modules())}


def wordy_scripts(parts):
    second = SECOND.format(core=parts.core.name, modules=modules_text(parts))
    return {"grub.cfg": WORDY, "second.cfg": second}


class Boot:
    """A policy, its files and GRUB's scripts, in a directory of their own."""

    def __init__(self, directory, scripts=plain_scripts):
        self.directory = directory
        files = {f"{name}.image": DOMAINS / f"{name}.bin" for name in ("standin", "vault")}
        self.parts = package.build(directory, POLICY, files)
        self.embedded = directory / "find.cfg"
        self.embedded.write_text(disk.FIND_CONFIG)
        self.scripts = []
        for name, text in scripts(self.parts).items():
            self.scripts.append(directory / name)
            self.scripts[-1].write_text(text)

    def predict(self, smm="none"):
        """The reference values."""
        parts, reference = self.parts, self.directory / "reference.json"
        files = [part for name, path in parts.files.items() for part in ("--files", f"{name}={path}")]
        scripts = [part for path in self.scripts for part in ("--grub", path)]
        package.must_run(package.POLICYC, "predict", parts.policy, "--signature", parts.signature,
                         "--trust", parts.trusted_key, "--core", parts.core, *files,
                         "--grub-embedded", self.embedded, *scripts, "--smm", smm,
                         "--key", self.directory / "author.key", "-o", reference)
        return json.loads(reference.read_text())

    @contextlib.contextmanager
    def machine(self):
        """The machine, running, and its TPM."""
        image = self.directory / "disk.img"
        disk.build(image, self.parts.core, self.parts.modules(), package.GRUB_CACHE, bios=False)
        disk.run("mcopy", "-o", "-i", f"{image}@@{disk.PARTITION_START}", *self.scripts,
                 "::/bulkhead/")
        tpm = BrokenTpm(self.directory / "tpm")
        with bulkhead.BulkheadMachine(Config(boot=Disk(image), tpm=tpm, edu=True)) as machine:
            yield machine, tpm

    def measure(self):
        """{PCR: what the TPM holds in it} of 8 and 9, when GRUB has handed over to core."""
        with self.machine() as (machine, tpm):
            machine.core.expect(LOADED, bulkhead.BOOT_TIMEOUT)
        return loaders(tpm)


@contextlib.contextmanager
def new_boot(**options):
    with tempfile.TemporaryDirectory() as name:
        yield Boot(pathlib.Path(name), **options)


def loaders(tpm):
    return {str(pcr): folded(digests["sha256"] for _, number, digests in tpm.extends()
                             if number == pcr) for pcr in (8, 9)}


def smm_of(tpm):
    """As predict wants to be told, what core found of SMM: of what it measured only that depends
    on the firmware."""
    body, = (event[HEADER:] for _, pcr, event in tpm.events()
             if pcr == 17 and struct.unpack_from("<H", event, 14)[0] == SMM_EVENT)
    return SMM_MODES[struct.unpack_from("<I", body)[0]].format(body[8:].hex())


def folded(digests):
    value = bytes(32)
    for digest in digests:
        value = hashlib.sha256(value + digest).digest()
    return value.hex()


@cases({"shipped": (plain_scripts,), "wordy": (wordy_scripts,)})
def test_pcrs(scripts):
    """A machine with UEFI holds in PCR 8 and 9, which GRUB extends, and in 17 and 18, which core
    reads back, what policyc predict computes from scripts and files."""
    with new_boot(scripts=scripts) as boot:
        with boot.machine() as (machine, tpm):
            values = {str(pcr): value.hex() for pcr, value in printed(machine).items()}
        equal(values | loaders(tpm), boot.predict(smm_of(tpm))["pcr"], "PCRs")


@limit(240)
def test_changed_file():
    """Of another file of a domain's, loaded in the same way, predict says how PCR 9 changes: by
    that file's digest, and what follows from it, alone."""
    with new_boot() as boot:
        first, reference = boot.measure(), boot.predict()
        changed = boot.directory / "vault.bin"  # of the same name, so the commands are the same
        changed.write_bytes((DOMAINS / "vault.bin").read_bytes() + b"\0")
        boot.parts.files["vault.image"] = changed
        second = boot.measure()
        equal(second["8"], first["8"], "PCR 8, of the same commands")
        digests = [bytes.fromhex(file["sha256"]) for file in reference["files"]]
        equal(folded(digests), first["9"], "PCR 9 from the predicted files")
        names = [file["name"] for file in reference["files"]]
        digests[names.index("vault.image")] = hashlib.sha256(changed.read_bytes()).digest()
        equal(folded(digests), second["9"], "PCR 9 from the predicted files and the changed one")
        equal(second["9"] != first["9"], True, "a difference")


def test_rebuilt_policy():
    """A policy with another file is another policy: PCR 8, 9, 17 and 18 change as predicted."""
    with new_boot() as boot:
        before = boot.predict()["pcr"]
        vault = boot.directory / "vault.bin"
        vault.write_bytes((DOMAINS / "vault.bin").read_bytes() + b"\0")
        boot.parts.files["vault.image"] = vault
        package.compile_policy(POLICY, boot.parts.files, boot.directory / "author.key",
                               boot.parts.policy)
        with boot.machine() as (machine, tpm):
            values = {str(pcr): value.hex() for pcr, value in printed(machine).items()}
        after = boot.predict(smm_of(tpm))["pcr"]
        equal(values | loaders(tpm), after, "PCRs")
        equal([pcr for pcr in after if after[pcr] == before[pcr]], ["8"], "PCRs that stay")
