"""What `make run TAMPER=...` alters, and what must come of it.

Each alteration takes what the machine was enrolled with, and returns what is booted instead. A
file keeps its name, as GRUB's commands are measured, too.
"""
import dataclasses
import json
import pathlib
import re
import shutil

from package import (BUILD, LAPTOP_POLICY, ROOT, Package, PackageError, compile_policy, make_keys,
                     must_run)
from verdict import AFFIRMING, Expected, Finding

SEABIOS = pathlib.Path("/usr/share/seabios/bios-256k.bin")
# SeaBIOS, src/fw/smm.c: smm_relocate_and_restore() stores the 8 bytes at A8000h, where the CPU
# enters SMM: mov %cs, %ax; ljmpw $F000h, $entry_smi; and a byte that nothing executes.
#   or $00eac88ch, %eax; or $00f00000h, %edx; mov %eax, A8000h
SMI_ENTRY = bytes.fromhex("0d8cc8ea00 81ca0000f000 a300800a00")
UNUSED_BYTE = 10  # the last of what goes to A8004h
NOP = 0x90
# Where core measures itself (core/attest/boot.c), and what a core does that lies there.
CORE_NEEDS = ("core", "domains", "include", "lib", "tests", "tools")  # what a Makefile includes, too
CORE_SOURCE = "core/attest/boot.c"
HONEST = "    crypto_hash_sha256(event.sha256, core, size);\n"
LYING = "    (void)core, (void)size;\n    memcpy(event.sha256, (const uint8_t[]){{{}}}, {});\n"
EVENT_HEADER = 32  # struct bh_event (bulkhead/evlog.h)


@dataclasses.dataclass(frozen=True)
class Launch(Package):
    uefi: bool = True  # UEFI and GRUB, which measure; else SeaBIOS and QEMU's loader, which don't
    bios: pathlib.Path = None  # None: Debian's SeaBIOS


@dataclasses.dataclass(frozen=True)
class Owner:
    """Who may sign policies for the machine."""

    secret: pathlib.Path
    policy: pathlib.Path
    reference: pathlib.Path = None  # values that were predicted of the machine


@dataclasses.dataclass(frozen=True)
class Case:
    does: str = ""
    alter: object = None  # (Launch, Owner, directory) -> Launch
    refusal: str = None  # expression for core's line where it must refuse
    expected: Expected = None  # the verifier's verdict, where core must not
    version: int = 1  # of the policy that the machine is enrolled with
    uefi: bool = True

    @property
    def first_boot(self):
        """Needed for a verdict only: what firmware measures must be pinned before."""
        return self.expected is not None

    @property
    def is_rollback(self):
        return self.version > 1

    def steps(self):
        """The names of the demonstration's steps, in order."""
        parts = [(True, ["keys", "policy", "policy-signature", "reference"]),
                 (self.uefi, ["disk"]),
                 (True, ["tpm", "enrol"]),
                 (self.first_boot, ["first-boot", "pin"]),
                 (self.is_rollback, ["newer-verdict", "older-reference"]),
                 (self.alter, ["alter"]),
                 (True, ["machine"]),
                 (self.refusal, ["refusal"]),
                 (not self.refusal, ["core", "vault", "work", "evidence", "verdict"]),
                 (not self.alter, ["vault-sign", "altered-file"])]
        return [name for is_there, names in parts if is_there for name in names]


def policy_of_version(version, directory):
    """laptop.policy, or a copy that differs in its version alone."""
    text = LAPTOP_POLICY.read_text()
    line = re.compile(r"^    version (\d+)$", re.MULTILINE)
    if len(line.findall(text)) != 1:
        raise PackageError(f"{LAPTOP_POLICY.name} has no single line `version N`")
    if line.search(text)[1] == str(version):
        return LAPTOP_POLICY
    copy = directory / LAPTOP_POLICY.name
    copy.write_text(line.sub(f"    version {version}", text).replace(
        'machine "machines/', f'machine "{LAPTOP_POLICY.parent}/machines/'))
    return copy


def flip_bit(path, directory):
    """A copy with a bit flipped in its middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    return write_copy(path, directory, data)


def write_copy(path, directory, data):
    copy = directory / path.name
    copy.write_bytes(data)
    return copy


def alter_policy(launch, _, directory):
    return dataclasses.replace(launch, policy=flip_bit(launch.policy, directory))


def alter_signature(launch, _, directory):
    secret, _ = make_keys(directory, "stranger")
    signature = directory / launch.signature.name
    must_run("minisign", "-S", "-s", secret, "-m", launch.policy, "-x", signature)
    return dataclasses.replace(launch, signature=signature)


def alter_file(name):
    def alter(launch, _, directory):
        files = {**launch.files, name: flip_bit(launch.files[name], directory)}
        return dataclasses.replace(launch, files=files)
    return alter


def compiled(launch, owner, policy, files, directory):
    image = directory / launch.policy.name
    signature = compile_policy(policy, files, owner.secret, image)
    return dataclasses.replace(launch, files=files, policy=image, signature=signature)


def alter_version(launch, owner, directory):
    return compiled(launch, owner, LAPTOP_POLICY, launch.files, directory)


def alter_vault_and_sign(launch, owner, directory):
    vault = launch.files["vault.image"]
    # A zero behind the program, which runs as before.
    other = write_copy(vault, directory, vault.read_bytes() + bytes(1))
    return compiled(launch, owner, owner.policy, {**launch.files, "vault.image": other}, directory)


def alter_core(launch, owner, directory):
    """A core that extends the genuine core's digest, whatever it is itself."""
    tree = directory / "tree"
    tree.mkdir()
    shutil.copy2(ROOT / "Makefile", tree)
    for name in CORE_NEEDS:
        shutil.copytree(ROOT / name, tree / name)
    shutil.copytree(BUILD / "core", tree / "build" / "core")
    (tree / "build" / "fonts").symlink_to(BUILD / "fonts")
    source = tree / CORE_SOURCE
    text = source.read_text()
    if text.count(HONEST) != 1:
        raise PackageError(f"{CORE_SOURCE} has no single line {HONEST.strip()!r}")
    digest = genuine_core(owner.reference)
    source.write_text(text.replace(HONEST, LYING.format(", ".join(map(str, digest)), len(digest))))
    must_run("make", "-C", tree, "build/core/bulkhead.elf")
    return dataclasses.replace(launch, core=tree / "build" / "core" / "bulkhead.elf")


def genuine_core(reference):
    """The digest that a genuine core extends into PCR 17."""
    events = json.loads(reference.read_text())["events"]
    event, = (event["event"] for event in events if event["component"] == "core")
    return bytes.fromhex(event)[EVENT_HEADER:]


def alter_bios(launch, _, directory):
    """SeaBIOS with another SMI handler, which does no harm: the byte behind its jump differs."""
    bios = bytearray(SEABIOS.read_bytes())
    if bios.count(SMI_ENTRY) != 1:
        raise PackageError(
            f"{SEABIOS} is not the SeaBIOS that is known here: the code that sets up its SMI "
            f"handler was found {bios.count(SMI_ENTRY)} times instead of once")
    bios[bios.index(SMI_ENTRY) + UNUSED_BYTE] = NOP
    return dataclasses.replace(launch, bios=write_copy(SEABIOS, directory, bios))


def all_contraindicated(component, because, profile="static", codes=("C601",)):
    finding = Finding("contraindicated", "C601", component)
    return Expected(2, profile, {"work": finding, "vault": finding}, codes, because)


GENUINE = Case(expected=Expected(0, "static", {"work": AFFIRMING, "vault": AFFIRMING}))

CASES = {
    "policy": Case("a bit of the policy image", alter_policy,
                   refusal=r"module policy was altered after it was signed"),
    "signature": Case("the policy's signature, for one by another key", alter_signature,
                      refusal=r"module signature is by another author's key"),
    "rollback": Case("the policy, for version 1, which the author has signed, too", alter_version,
                     refusal=r"rollback", version=2, expected=GENUINE.expected),
    "vault": Case("a bit of vault's image", alter_file("vault.image"),
                  refusal=r"isn't the one that the policy names: vault, vault\.image"),
    "work": Case("a bit of work's initrd", alter_file("work.initrd"),
                 refusal=r"isn't the one that the policy names: work, work\.initrd"),
    "resigned": Case("vault's image, and the author signs a policy for it, but no reference values",
                     alter_vault_and_sign, expected=Expected(2, "static", {
                         "work": AFFIRMING,
                         "vault": Finding("contraindicated", "C601", "vault")}, ("C601",))),
    "core": Case("core, for one that measures itself as if it were genuine", alter_core,
                 expected=all_contraindicated("core", "PCR 9 ")),
    "smm": Case("SeaBIOS's SMI handler", alter_bios, uefi=False,
                # W603: in this profile nobody measured core.
                expected=all_contraindicated("smm", "replaced ", "unmeasured", ("C601", "W603"))),
}
