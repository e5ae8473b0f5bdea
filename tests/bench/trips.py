"""What round trips to core cost: domains/bench runs with a TSC that counts instructions."""
import pathlib
import re
import tempfile

import package
import test_share as share
from qemu import Config, Kernel, Machine

BENCH_POLICY = package.ROOT / "policy" / "bench.policy"
BENCH_FILES = {"bench.image": package.BUILD / "domains" / "bench.bin"}
ICOUNT = ("-icount", "shift=0,sleep=off")
ROW = r"^bench: (?P<name>\S+) (?P<bits>\d+) tsc (?P<ticks>\d+) per (?P<count>\d+)\r?$"
DONE = r"^bench: done\r?$"
GROWTH = 0.02  # that is no failure
NAMES = {
    "cpuid": "CPUID", "vmmcall": "VMMCALL", "rdmsr": "RDMSR APIC_BASE",
    "in-21": "IN 21h (granted: no exit)", "in-cf8": "IN CF8h (core answers)", "pci-read": "PCI CF8+CFC",
    "apic-read": "LAPIC read (granted: no exit)", "apic-eoi": "LAPIC EOI write",
    "switch": "to another domain on the core, and back"}
# Counted in the same way, in 32-bit mode without paging. IN is of 21h there, which their virtual
# interrupt controller answers.
PEERS = {"cpuid": {"KVM": 2359, "Xen": 2651}, "vmmcall": {"KVM": 2482, "Xen": 2774},
         "rdmsr": {"KVM": 2434, "Xen": 2563}, "in-cf8": {"KVM": 1460, "Xen": 1180},
         "pci-read": {"KVM": 10646, "Xen": 2223}, "apic-eoi": {"KVM": 3233, "Xen": 5737}}
MODES = {"32": "32-bit, paging off", "64": "64-bit, paging on",
         "32 shadow": "32-bit, paging off, shadow tables",
         "64 shadow": "64-bit, paging on, shadow tables"}
ASKED = r"^\[asks\] the shortest after (\d+)$"


def policy_in(directory, paging):
    """bench.policy, with the tables of that kind."""
    path = pathlib.Path(directory, "bench.policy")
    text = BENCH_POLICY.read_text().replace('"machines/', f'"{BENCH_POLICY.parent}/machines/')
    path.write_text(text.replace("cores 0", f"cores 0\n        paging {paging}"))
    return path


def run(paging):
    """{name: {bits: instructions}}, each less what the empty loop costs."""
    with tempfile.TemporaryDirectory() as directory:
        parts = package.build(pathlib.Path(directory), policy_in(directory, paging), BENCH_FILES)
        config = Config(boot=Kernel(parts.core, tuple(parts.modules())), cpus=1, network=False,
                        extra=ICOUNT)
        with Machine(config) as machine:
            machine.work.expect(DONE, 60)
            text = machine.work.text
    costs = {}
    for row in re.finditer(ROW, text, re.MULTILINE):
        costs.setdefault(row["name"], {})[row["bits"]] = int(row["ticks"]) / int(row["count"])
    empty = costs.pop("empty")
    return {name: {bits: round(cost - empty[bits], 1) for bits, cost in by_bits.items()}
            for name, by_bits in costs.items()}


def to_another():
    """Instructions from a domain's question to the answer of another one on its core."""
    with share.roles({"asks": [0], "answers": [0]}, ("asks", "answers"), cpus=1) as machine:
        return int(machine.core.expect(ASKED, 50, unless=share.TROUBLE)[1])


def measure():
    """{name: {mode: instructions}}"""
    nested, shadow = run("nested"), run("shadow 512 KiB")
    costs = {name: by_bits | {f"{bits} shadow": cost for bits, cost in shadow[name].items()}
             for name, by_bits in nested.items()}
    return costs | {"switch": {"64": to_another()}}


def flat(costs):
    """{"CPUID, 32-bit, paging off": instructions} for people."""
    return {f"{NAMES[name]}, {MODES[bits]}": cost
            for name, by_bits in costs.items() for bits, cost in by_bits.items()}


def complaints(recorded, measured):
    """What has grown beyond its record, or has none any more, a line each."""
    recorded, measured = flat(recorded), flat(measured)
    for row in recorded.keys() | measured.keys():
        before, now = recorded.get(row), measured.get(row)
        if before is None or now is None:
            yield f"{row}: {'not recorded yet' if before is None else 'not measured any more'}"
        elif now > before * (1 + GROWTH):
            yield (f"{row}: grew from {before:g} to {now:g} instructions, by "
                   f"{now / before - 1:.1%}; {GROWTH:.0%} are let pass")


def table(costs):
    head = "| round trip | " + " | ".join(MODES.values()) + " | KVM, 32-bit | Xen, 32-bit |"
    lines = [head.replace("| 32-bit", "| instructions, 32-bit", 1), "|---|" + "---:|" * 6]
    for name, by_bits in costs.items():
        ours = [f"{by_bits[bits]:,g}" if bits in by_bits else "" for bits in MODES]
        peers = [f"{PEERS[name][who]:,}" if name in PEERS else "" for who in ("KVM", "Xen")]
        lines.append(f"| {NAMES[name]} | {' | '.join(ours + peers)} |")
    return "\n".join(lines)
