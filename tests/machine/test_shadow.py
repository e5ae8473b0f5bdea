"""Domains whose addresses core translates by shadow tables, on a CPU without nested paging."""
import contextlib
import pathlib
import tempfile

import machine as bulkhead
import package
import standin
from testing import cases, equal, limit

NO_NESTED = "EPYC,-npt"
POOLS = {"work": "4 MiB", "vault": "256 KiB"}


@contextlib.contextmanager
def shadow_policy(kind="shadow", pools=None):
    """The path of the stand-in's policy with both domains on shadow tables."""
    pools = pools or POOLS
    text = standin.POLICY.read_text()
    text = text.replace('machine "../..', f'machine "{package.ROOT}')
    text = text.replace("memory rest", f"memory rest\n        paging {kind} {pools['work']}")
    text = text.replace("memory 2 MiB", f"memory 2 MiB\n        paging {kind} {pools['vault']}")
    equal(text.count("paging"), 2, "domains with shadow tables")
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, "shadow.policy")
        path.write_text(text)
        yield path


@contextlib.contextmanager
def shadow_machine(cpu=NO_NESTED, **options):
    """The stand-in and vault, both on shadow tables."""
    with shadow_policy(**options) as policy, \
         standin.watched(standin.Standin, policy=policy, files=standin.FILES, edu=True,
                         cpu=cpu) as machine:
        yield machine


# What the page tables, and nothing else, stand before: attacks that leave the domain running.
ATTACKS = ("vault-memory", "core-memory", "policy-image", "device-table", "platform-registers",
           "foreign-read", "foreign-write", "foreign-execute", "straddle", "rom", "apic-registers",
           "ioapic", "mode-orders", "lme-without-pae", "reserved-bits", "msr-efer", "msr-reads",
           "msr-writes", "debug-registers", "general-registers", "dma-write", "dma-read")


@limit(120)
@cases({"shadow": ("shadow", ATTACKS), "any": ("any", ("mode-orders", "straddle"))})
def test_attacks(kind, attacks):
    """Without nested paging attacks on memory, modes and MSRs are refused as with it; vault, core
    and all rights stay intact."""
    with shadow_machine(kind=kind) as machine:
        for attack in attacks:
            machine.attack(attack)
        machine.expect_vault()
        machine.expect_intact()
        machine.expect_no_secret()


def test_nested_is_needed():
    """A policy that says `paging nested` is refused on such a CPU; the message has the remedy."""
    with bulkhead.bulkhead(policy=standin.POLICY, files=standin.FILES, edu=True,
                           cpu=NO_NESTED) as machine:
        refusal = machine.expect_refusal(r"lacks nested paging, which the policy requires")
        equal("paging any" in refusal["remedy"], True, f"a remedy, in {refusal['remedy']!r}")
