"""The program that counts what exits cost, on the bare machine: there it must count nothing else."""
import re

from qemu import Config, Kernel, Machine
from testing import equal

COUNT = 2000
# Instructions of one round beside the loop's own two. No VMMCALL without Bulkhead below.
ROUND = {"empty": 0, "cpuid": 3, "rdmsr": 2, "in-21": 1, "in-cf8": 2, "pci-read": 5,
         "apic-read": 2, "apic-eoi": 3}


def test_counts_instructions():
    """With the TSC counting instructions, each row is what its loop has, in both modes."""
    with Machine(Config(boot=Kernel("build/domains/bench-bare.elf"), cpus=1, network=False,
                        extra=("-icount", "shift=0,sleep=off"))) as machine:
        machine.work.expect(r"^bench: done$", timeout=30)
        rows = re.findall(r"^bench: (\S+) (\d\d) tsc (\d+) per (\d+)$", machine.work.text,
                          re.MULTILINE)
    equal({count for *_, count in rows}, {str(COUNT)}, "rounds of each row")
    for bits in ("32", "64"):
        ticks = {name: int(tsc) for name, mode, tsc, _ in rows if mode == bits}
        equal(ticks.pop("vmmcall"), 0, f"{bits}-bit vmmcall")
        per_round = {name: (value - ticks["empty"]) / COUNT for name, value in ticks.items()}
        equal(per_round, ROUND, f"{bits}-bit instructions of a round")
