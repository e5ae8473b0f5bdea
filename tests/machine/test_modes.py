"""A system in each mode of paging sees the same on the bare machine, nested and on shadow tables.

The program (tests/domains/modes.c) goes through real mode, protected mode, two-level paging, PAE and
long mode in many orders, and tries what page table entries say. It tells all it saw on COM2.
"""
import pathlib
import tempfile

import machine as bulkhead
import package
from qemu import Config, Kernel, Machine
from testing import Failure, cases, contains, equal, limit

POLICY = package.ROOT / "tests/machine/modes.policy"
FILES = {"modes.image": package.BUILD / "domains/modes.bin"}
BARE = package.BUILD / "domains/modes-bare.elf"
END = r"^modes: end$"
TROUBLE = rf"{bulkhead.TROUBLE}|^stopped by exception .*$"


def transcript(running):
    """The program's lines up to its end."""
    last = running.work.expect(END, 60, unless=TROUBLE)
    return running.work.text[:last.start()].splitlines()


def bare():
    with Machine(Config(boot=Kernel(BARE), cpus=1, iommu=False, network=False)) as running:
        return transcript(running)


def under_core(cpu, paging, change=None):
    text = POLICY.read_text().replace('machine "../..', f'machine "{package.ROOT}')
    contains(text, "paging nested", str(POLICY))
    with tempfile.TemporaryDirectory() as directory:
        policy = pathlib.Path(directory, "modes.policy")
        policy.write_text(text.replace("paging nested", paging))
        with bulkhead.bulkhead(policy=policy, files=FILES, cpus=1, network=False,
                               cpu=cpu, change=change) as running:
            return transcript(running)


def same(got, expected):
    for line, (ours, theirs) in enumerate(zip(got, expected)):
        if ours != theirs:
            raise Failure(f"line {line} of what the program saw\n"
                          f"  bare machine: {theirs}\n  under core:   {ours}")
    equal(len(got), len(expected), "lines of what the program saw")


@limit(120)
@cases({
    "nested": ("EPYC", "paging nested"),
    "shadow": ("EPYC,-npt", "paging shadow 2 MiB"),
    "smallest-pool": ("EPYC,-npt", "paging shadow 256 KiB"),
    "shadow-by-choice": ("EPYC", "paging shadow 2 MiB"),
})
def test_same(cpu, paging):
    """Registers, faults, A and D bits, remapping and mode changes are those of the bare machine."""
    expected = bare()
    equal(len(expected) > 100, True, "lines that the program says on the bare machine")
    same(under_core(cpu, paging), expected)
