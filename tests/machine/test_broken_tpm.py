"""A TPM that is missing or fails: a policy that requires attestation runs nothing, one that doesn't
runs without evidence and says why. Whatever the TPM does, core doesn't wait for it for ever."""
import contextlib
import pathlib
import random
import re
import tempfile

import broken_tpm
from attestation import Authority
from broken_tpm import BrokenTpm, first_at_locality, first_of
from machine import bulkhead
from standin import FILES, POLICY
from testing import cases, contains, equal, limit
from tpm import Tpm

BOOT_TIMEOUT = 60
ATTEST_TPM_FAILED = 4  # exit status of work's client
FIRST = first_at_locality(2)
MEASURING = first_of(broken_tpm.PCR_EVENT, 2)
SILENT = r"the TPM doesn't answer a command in time"
MALFORMED = r"the TPM's response is malformed"
FAULTS = {  # (fault, where it begins, cause)
    "mute": (broken_tpm.MUTE, FIRST, SILENT),
    "mute-when-measuring": (broken_tpm.MUTE, MEASURING, SILENT),
    "too-slow": (broken_tpm.slow(15), FIRST, SILENT),
    "error": (broken_tpm.error(), FIRST, r"the TPM fails a command: TPM2_GetCapability, 0x101"),
    "error-when-measuring": (broken_tpm.error(), MEASURING,
                             r"the TPM fails a command: TPM2_PCR_Event, 0x101"),
    "wrong-tag": (broken_tpm.tag(0x00c4), FIRST, MALFORMED),
    "size-ffffffff": (broken_tpm.length(0xffffffff), FIRST, SILENT),
    # QEMU takes that for a broken pipe, and answers itself, with a TPM 1.2's error.
    "size-0": (broken_tpm.length(0), FIRST, r"the TPM fails a command: TPM2_GetCapability, 0x9"),
    "header-alone": (broken_tpm.cut(10), FIRST, MALFORMED),
    "cut": (broken_tpm.cut(15), FIRST, MALFORMED),
    "cut-when-measuring": (broken_tpm.cut(15), MEASURING, MALFORMED),
    "garbled": (broken_tpm.garbled(random.Random(1)), FIRST, MALFORMED),
    "garbled-when-measuring": (broken_tpm.garbled(random.Random(2)), MEASURING, MALFORMED),
}


def requiring(directory):
    """The stand-in's policy, which leaves attestation open, as one that requires it."""
    text = POLICY.read_text()
    equal(text.count("attest optional"), 1, "how often the policy says `attest optional`")
    copy = pathlib.Path(directory, POLICY.name)
    copy.write_text(text.replace("attest optional", "attest required")
                    .replace('machine "', f'machine "{POLICY.parent}/'))
    return copy


@contextlib.contextmanager
def machine_with(tpm, is_required):
    with tempfile.TemporaryDirectory() as directory:
        policy = requiring(directory) if is_required else POLICY
        with bulkhead(policy=policy, files=FILES, edu=True, tpm=tpm) as machine:
            yield machine


@contextlib.contextmanager
def broken(is_required, fault, breaks_at):
    with tempfile.TemporaryDirectory() as directory:
        tpm = BrokenTpm(directory, fault, breaks_at)
        with machine_with(tpm, is_required) as machine:
            yield machine
            equal(tpm.is_broken, True, "whether core came as far as to where the TPM breaks")


def expect_none(machine, cause):
    """Core says that there is no evidence, and why, and runs the domains."""
    said = machine.core.expect(r"^bulkhead: attest: none: .*$", BOOT_TIMEOUT)[0]
    equal(bool(re.search(cause, said)), True, f"{said!r} names {cause!r}")
    machine.vault_key()
    machine.work.expect(r"^standin: ready$", BOOT_TIMEOUT)


@cases(FAULTS)
def test_required(fault, breaks_at, cause):
    """Where the policy requires attestation, a TPM that fails lets nothing run."""
    with broken(True, fault, breaks_at) as machine:
        machine.expect_refusal(cause, BOOT_TIMEOUT)


@cases({name: FAULTS[name] for name in
        ("mute", "error", "wrong-tag", "cut", "garbled-when-measuring")})
def test_optional(fault, breaks_at, cause):
    """Where it doesn't, the domains run, without evidence."""
    with broken(False, fault, breaks_at) as machine:
        expect_none(machine, cause)


def test_missing():
    """A machine without a TPM is refused or runs without evidence, as the policy says."""
    cause = r"there is no TPM 2"
    with machine_with(False, True) as machine:
        machine.expect_refusal(cause, BOOT_TIMEOUT)
    with machine_with(False, False) as machine:
        expect_none(machine, cause)


@limit(180)
def test_slow():
    """A TPM that takes half a second for each command is waited for, and measures all."""
    with broken(True, broken_tpm.slow(0.5), FIRST) as machine:
        machine.vault_key()
        contains(machine.core.text, "bulkhead: attest: PCR 17 ", "core's console")


AT_QUOTE = {
    "mute": (broken_tpm.MUTE, SILENT),
    "error": (broken_tpm.error(), r"the TPM fails a command"),
    "cut": (broken_tpm.cut(15), MALFORMED),
    "garbled": (broken_tpm.garbled(random.Random(3)), MALFORMED),
}


@limit(180)
@cases(AT_QUOTE)
def test_breaks_at_quote(fault, cause):
    """A TPM that fails when it is to quote costs the evidence alone: work is told, and it and vault
    go on."""
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        Tpm.manufacture(directory)
        tpm = BrokenTpm(directory, fault, first_of(broken_tpm.QUOTE, 2))

        def enrol(parts, _):
            Authority(directory).enrol(tpm, parts.trusted_key)
            return parts

        with bulkhead(change=enrol, tpm=tpm) as machine:
            machine.vault_key()
            work = machine.shell()
            status, said = work.run(f"attest {'5' * 64}", 60)
            equal((status, tpm.is_broken), (ATTEST_TPM_FAILED, True),
                  f"attest's exit status, and that the TPM broke; it said:\n{said}")
            machine.core.expect(rf"^bulkhead: attest: no evidence for work: {cause}", 10)
            work.output("vault sign /etc/passwd")
            equal(work.output("echo alive"), "alive", "work")
