"""What a machine boots: core, a signed policy, the trusted key, the domains' files."""
import dataclasses
import os
import pathlib
import subprocess

from qemu import Module

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build"
GRUB_CACHE = BUILD / "run" / "grub"  # GRUB's images, the same for every disk
POLICYC = BUILD / "policyc"
BHATTEST = BUILD / "bhattest"
CORE = BUILD / "core" / "bulkhead.elf"
LAPTOP_POLICY = ROOT / "policy" / "laptop.policy"
LAPTOP_FILES = {  # as laptop.policy names them
    "work.kernel": BUILD / "kernel" / "vmlinuz",
    "work.initrd": BUILD / "domains" / "work" / "initrd",
    "vault.image": BUILD / "domains" / "vault.bin",
}


class PackageError(Exception):
    """A part is missing, or a tool that makes one failed."""


def relative(path):
    """The path as a person would write it: relative, if it doesn't lead upwards."""
    short = os.path.relpath(path)
    return str(path) if short.startswith("..") else short


def run_tool(*command):
    """Run a tool of the host; returns its exit status and all that it said."""
    try:
        done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except OSError as error:
        raise PackageError(f"{relative(command[0])} can't be run: {error.strerror}. "
                           "Run 'make all' first.") from error
    return done.returncode, done.stdout.strip()


def must_run(*command):
    status, output = run_tool(*command)
    if status != 0:
        raise PackageError(f"{pathlib.Path(command[0]).name} ended with status {status}:\n{output}")
    return output


def must_be_there(*files):
    for path in files:
        if not path.exists():
            raise PackageError(f"{relative(path)} is missing. Run 'make all' first.")


def make_keys(directory, name="author"):
    """A new author's key: the paths of its secret and of its public half."""
    secret, public = directory / f"{name}.key", directory / f"{name}.pub"
    must_run(POLICYC, "keygen", "--secret", secret, "--public", public)
    must_be_there(secret, public)
    return secret, public


def compile_policy(policy, files, secret, image):
    """Have policyc compile and sign; returns the signature's path, IMAGE.minisig."""
    must_be_there(policy, *files.values())
    named = [part for name, path in files.items() for part in ("--files", f"{name}={path}")]
    must_run(POLICYC, "build", policy, *named, "--key", secret, "-o", image)
    signature = image.with_name(image.name + ".minisig")
    must_be_there(image, signature)
    return signature


@dataclasses.dataclass(frozen=True)
class Package:
    """The files that a loader hands over. Replace one: dataclasses.replace(package, ...)."""

    policy: pathlib.Path
    signature: pathlib.Path
    trusted_key: pathlib.Path
    files: dict  # name in the policy -> path
    core: pathlib.Path = CORE

    def modules(self):
        """In no order that matters: core finds them by their names."""
        return [Module("policy", self.policy), Module("signature", self.signature),
                Module("trust.pub", self.trusted_key),
                *(Module(name, path) for name, path in self.files.items())]


def build(directory, policy=LAPTOP_POLICY, files=None):
    """A Package with a policy signed by a key of its own, made in the directory."""
    files = LAPTOP_FILES if files is None else files
    must_be_there(CORE)
    secret, public = make_keys(directory)
    image = directory / "policy.img"
    return Package(image, compile_policy(policy, files, secret, image), public, files)
