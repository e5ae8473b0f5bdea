"""Evidence that core makes while domains run: read by other people's tools, not by Bulkhead's own."""
import base64
import contextlib
import hashlib
import pathlib
import random
import re
import secrets
import tempfile

import broken_tpm
import machine as bulkhead
import package
import standin
import wire
from testing import cases, contains, equal, limit
from tools import agree, decode
from wire import Claim

BHATTEST = package.BUILD / "bhattest"
TIMEOUT = 90
NV_INCREMENT = 0x134  # TPM 2.0 Library, part 2, 6.5.2


def enroll(tpm, parts, directory):
    """The machine's TPM gets its keys and NV indices, bound to this package's author."""
    secret, _ = package.make_keys(directory, "authority")
    with tpm.for_tools() as tcti:
        package.must_run(BHATTEST, "enroll", "--tcti", tcti, "--ek-ca", tpm.ek_ca, "--key", secret,
                         "--trust", parts.trusted_key, "--owner-auth", directory / "owner.auth",
                         "-o", directory / "record.json")


@contextlib.contextmanager
def enrolled(**options):
    """A machine whose TPM was enrolled: the machine, its TPM, and what it boots."""
    with tempfile.TemporaryDirectory() as name:
        tpm = broken_tpm.BrokenTpm.manufacture(pathlib.Path(name) / "tpm")
        kept = []

        def change(parts, directory):
            enroll(tpm, parts, directory)
            kept.append(parts)
            return parts

        with bulkhead.bulkhead(change=change, tpm=tpm, **options) as running:
            yield running, tpm, kept[0]


def fetch(shell, nonce, *options):
    """What work's attest writes, through the console."""
    text = shell.output(" ".join(["attest", nonce.hex(), "--base64", *options]), TIMEOUT)
    return base64.b64decode(text)


def check_binding(claims, nonce, domain, **parts):
    """extraData is the hash of just this, in this order, by its specification."""
    zero = bytes(32)
    bound = b"".join([b"bulkhead-quote-v1\0", nonce, parts.get("verifier", zero),
                      parts.get("own", zero), domain.to_bytes(2, "little"),
                      hashlib.sha256(claims[Claim.LOG]).digest(),
                      hashlib.sha256(claims[Claim.REPORT]).digest(), parts.get("reference", zero)])
    contains(claims[Claim.ATTEST].hex(), "0020" + hashlib.sha256(bound).hexdigest(),
             "TPMS_ATTEST's extraData")
    equal(claims[Claim.NONCE].hex(), nonce.hex(), "nonce")
    equal(claims[Claim.DOMAIN], domain, "index of the domain that asked")


def check_nonce(evidence, nonce):
    claims, _ = decode(evidence)
    equal(claims[Claim.NONCE].hex(), nonce.hex(), "nonce")


@limit(240)
def test_linux():
    """A stock Linux gets evidence: other people's tools agree with it, and it binds what was asked."""
    with enrolled() as (machine, tpm, _):
        shell = machine.shell()
        nonce, verifier, own, reference = (secrets.token_bytes(32) for _ in range(4))
        claims, report = agree(fetch(shell, nonce))
        check_binding(claims, nonce, 0)
        equal([row[0] for row in report[4]], ["work", "vault"], "domains in the report")
        equal([row[1] for row in report[4]], [1, 1], "both run")
        first = claims[Claim.LOG]

        claims, report = agree(fetch(shell, nonce, "--verifier-key", verifier.hex(), "--domain-key",
                                     own.hex(), "--reference", reference.hex()))
        check_binding(claims, nonce, 0, verifier=verifier, own=own, reference=reference)
        equal(claims[Claim.LOG], first, "the log of a machine on which nothing new happened")

        # Two programs that ask at once take turns: each gets what it asked for.
        other = secrets.token_bytes(32)
        shell.output(f"attest {other.hex()} -o /tmp/other & attest {nonce.hex()} -o /tmp/own; "
                     "status=$?; wait; test $status = 0", TIMEOUT)
        for name, value in (("own", nonce), ("other", other)):
            text = shell.output(f"base64 -w 0 /tmp/{name}", TIMEOUT)
            check_nonce(base64.b64decode(text), value)

        # Something new: one event, however often it is tried.
        equal(shell.run("busybox devmem 0xfed80000 32 1 && busybox devmem 0xfed80008 32 1")[0], 0,
              "writes to the IOMMU's registers, which go nowhere")
        claims, report = agree(fetch(shell, nonce))
        equal(claims[Claim.LOG].startswith(first), True, "the log has only grown")
        writes = report[4][0][4][1]  # memory-write is line 1 of violations.def
        equal(writes, 2, "memory-writes that the report counts")
        machine.core.expect(r"^bulkhead: work: denied memory-write at 0xfed80000", 10)
        # Version 1 of the policy has run: 0 may not run any more.
        equal(len([command for command in tpm.commands if command.code == NV_INCREMENT]), 1,
              "how often the counter of versions was raised")


@contextlib.contextmanager
def enrolled_standin():
    """The same with the stand-in for work: a standin.Standin."""
    with enrolled(policy=standin.POLICY, files=standin.FILES, edu=True) as (machine, tpm, parts):
        yield standin.Standin(machine, parts.policy)


@limit(120)
def test_registers():
    """While core hashes for a quote, the domain's x87, SSE, FS, GS and SYSCALL registers stay its own."""
    with enrolled_standin() as machine:
        contains(machine.attack("evidence-registers"), "are its own while core made",
                 "what the stand-in says")
        machine.expect_vault()
        machine.expect_intact()


@limit(120)
def test_flood():
    """A domain that asks for evidence without end gets it, and neither core nor vault suffers."""
    with enrolled_standin() as machine:
        said = machine.attack("evidence-flood")
        equal(re.search(r"evidence ([1-9]\d*) times", said) is None, False,
              f"that no evidence came of the flood: {said!r}")
        machine.expect_vault()
        machine.expect_intact()


def breaks(tpm, fault, at):
    """From now on the TPM fails once, at the next command with that code."""
    tpm.fault, tpm.breaks_at, tpm.lasts = fault, broken_tpm.first_of(at), 1
    tpm.is_broken, tpm.broken = False, 0


FAULTS = {"error": broken_tpm.error(), "cut": broken_tpm.cut(40),
          "garbled": broken_tpm.garbled(random.Random(7)), "late": broken_tpm.slow(12)}

# What root in Linux is denied: kinds that it didn't try before. Each is an event for the TPM.
NEW_KINDS = ("0x11000000 32", "0xfed80000 32 1", "0xfee00400 32 1", "0xfee00300 32 0xc4500")


@limit(240)
def test_tpm_fails():
    """A TPM that fails, garbles, or answers too late costs a domain one evidence: it is told so, all
    domains go on, and the next evidence is whole. A TPM that is silent for ever costs no more."""
    with enrolled() as (machine, tpm, _):
        shell = machine.shell()
        nonce = secrets.token_bytes(32)
        agree(fetch(shell, nonce))  # the log has what Linux did when it started
        for (name, fault), denied in zip(FAULTS.items(), NEW_KINDS):
            shell.output(f"busybox devmem {denied}")
            for at in (broken_tpm.PCR_EVENT, broken_tpm.QUOTE):
                breaks(tpm, fault, at)
                status, said = shell.run(f"attest {nonce.hex()} -o /tmp/evidence", TIMEOUT)
                equal((name, at, status), (name, at, 4), f"exit status of attest, which says {said!r}")
                contains(said, "the TPM failed", "what attest says")
            agree(fetch(shell, nonce))
        tpm.fault, tpm.breaks_at, tpm.lasts = broken_tpm.MUTE, lambda _: True, broken_tpm.FOREVER
        equal(shell.run(f"attest {nonce.hex()} -o /tmp/evidence", TIMEOUT)[0], 4, "exit status")
        contains(shell.output("vault check"), "vault", "vault goes on")
