"""Machines that run Bulkhead, for machine tests.

    with bulkhead(loader="uefi", memory_mib=2048) as machine:
        vault_key = machine.vault_key()
        work = machine.shell()
        work.output("vault sign /init")

A test of refusal changes what the loader hands over, and expects core to say why:

    with bulkhead(change=lambda package, directory: ...) as machine:
        machine.expect_refusal(r"signature")
"""
import contextlib
import pathlib
import re
import tempfile

import disk
import package
import shell
from qemu import Config, Disk, Kernel, Machine
from testing import Failure, equal

CORE_UP = r"^bulkhead: core .*$"
TROUBLE = r"^bulkhead: FATAL: .*$|^bulkhead: \w+: stopped: .*$|Kernel panic.*$"
RAN = r"^\[|: starts on core \d"  # a domain's line, or core's before it runs one
# `bulkhead: FATAL: <cause>: <details>. <remedy>.`
REFUSAL = r"^bulkhead: FATAL: (?P<cause>[^:]+): (?P<details>.+)\. (?P<remedy>[^.]+)\.$"
BOOT_TIMEOUT = 90


class BulkheadMachine(Machine):
    """A Machine, and what its core, vault and work say when they are well."""

    def vault_key(self, timeout=BOOT_TIMEOUT):
        """Wait for vault; returns its public key as core's console shows it."""
        key = self.core.expect(r"^\[vault\] public key (\S+)$", timeout, unless=TROUBLE)[1]
        self.core.expect(r"^\[vault\] ready$", timeout, unless=TROUBLE)
        return key

    def shell(self, timeout=BOOT_TIMEOUT):
        """Wait for work; returns its Shell."""
        self.work.expect(shell.READY, timeout, unless=TROUBLE)
        return shell.Shell(self.work)

    def expect_refusal(self, pattern, timeout=BOOT_TIMEOUT):
        """Core must refuse with a message that matches, name a remedy, run no domain, and halt
        all CPUs. Returns the message's match, groups cause, details and remedy."""
        refusal = self.core.expect(REFUSAL, timeout)
        if not re.search(pattern, refusal[0]):
            raise Failure(f"core refuses\n  expected: {pattern!r}\n  got:      {refusal[0]!r}")
        self.wait_until_halted()
        ran = [line for line in self.core.text.splitlines() if re.search(RAN, line)]
        equal(ran, [], "lines of domains on core's console")
        return refusal


def boot_of(parts, loader, directory):
    if loader == "kernel":
        return Kernel(parts.core, tuple(parts.modules()))
    image = directory / "disk.img"
    disk.build(image, parts.core, parts.modules(), package.GRUB_CACHE, is_text=loader == "bios-text")
    return Disk(image, uefi=loader == "uefi")


@contextlib.contextmanager
def bulkhead(loader="kernel", policy=package.LAPTOP_POLICY, files=None, change=None, **options):
    """A machine that boots core with a freshly compiled and signed policy.

    loader: "kernel" (QEMU's own), "uefi", "bios" or, with the screen in text mode, "bios-text"
    (GRUB). files: {name in the policy: path},
    laptop.policy's where none are given. change(package, directory): returns the Package to
    boot instead. options: Config's; a TPM is there where the policy requires one.
    """
    options.setdefault("tpm", "attest optional" not in policy.read_text())
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        parts = package.build(directory, policy, files)
        if change:
            parts = change(parts, directory)
        with BulkheadMachine(Config(boot=boot_of(parts, loader, directory), **options)) as machine:
            yield machine
