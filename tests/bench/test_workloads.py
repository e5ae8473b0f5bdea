"""What the recorded figures of Linux's work say, and how they are made."""
import record
import workloads
from testing import Failure, equal

OVERHEAD = {"sleeps": 0.15}  # of the instructions; of all others:
SMALL = 0.002


def test_overhead_is_small():
    """As recorded, work costs what it costs on the bare machine, but for sleeping."""
    rows = record.read()["workloads"]
    equal(set(rows), set(workloads.NAMES), "recorded workloads")
    for name, row in rows.items():
        if abs(workloads.ratio(row) - 1) > OVERHEAD.get(name, SMALL):
            raise Failure(f"{workloads.NAMES[name]}: {workloads.ratio(row):.4f} x bare is recorded")


def test_no_exits_but_apic_writes():
    """As recorded, a domain that has its interrupts exits at work only to write to its APIC."""
    for name, row in record.read()["workloads"].items():
        equal(set(workloads.exits_of(row)) - {workloads.APIC_WRITES}, set(),
              f"exits of {workloads.NAMES[name]}")


def test_exits_are_told_apart():
    """Nested page faults that are no APIC writes have a name of their own."""
    row = {"count": 10, "exits": {"NPF": 30, workloads.APIC_WRITES: 20, "CPUID": 5}}
    equal(workloads.exits_of(row), {workloads.APIC_WRITES: 2, "NPF": 1, "CPUID": 0.5}, "exits")
    row = {"count": 10, "exits": {"PF": 30, workloads.APIC_WRITES: 20}}
    equal(workloads.exits_of(row), {workloads.APIC_WRITES: 2, "PF": 1}, "exits")
