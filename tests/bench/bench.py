#!/usr/bin/python3
"""Measure Bulkhead: instructions an exit costs, memory core keeps, size of core, appraisals.

Instructions are counted, not timed: with QEMU's -icount the TSC counts executed
instructions, and two runs give the same figures. Appraisals are timed, beside a measure. The result is printed as tables and
written to build/bench.json; --update also puts the tables into docs/performance.md.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tools" / "run"), str(ROOT / "tests" / "bench")]

import appraisals  # noqa: E402
import measuring  # noqa: E402
import package  # noqa: E402
from qemu import Config, Kernel, Machine  # noqa: E402

BENCH_POLICY = ROOT / "policy" / "bench.policy"
BENCH_FILES = {"bench.image": package.BUILD / "domains" / "bench.bin"}
ICOUNT = ("-icount", "shift=0,sleep=off")
ROW = r"^bench: (?P<name>\S+) (?P<bits>\d+) tsc (?P<ticks>\d+) per (?P<count>\d+)\r?$"
DONE = r"^bench: done\r?$"
REGIONS = {1: "core", 2: "policy image", 3: "device table"}  # enum bh_region_use
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
TRIP_NAMES = {
    "cpuid": "CPUID", "vmmcall": "VMMCALL", "rdmsr": "RDMSR APIC_BASE",
    "in-21": "IN 21h (granted: no exit)", "pci-read": "PCI CF8+CFC",
    "apic-read": "LAPIC read (granted: no exit)", "apic-eoi": "LAPIC EOI write"}


def round_trips():
    """{name: {bits: instructions}}, each less what the empty loop costs."""
    with tempfile.TemporaryDirectory() as directory:
        parts = package.build(pathlib.Path(directory), BENCH_POLICY, BENCH_FILES)
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


def withheld_memory():
    """Bytes by what they are for, out of the laptop's policy image."""
    with tempfile.TemporaryDirectory() as directory:
        parts = package.build(pathlib.Path(directory))
        dump = json.loads(package.must_run(package.POLICYC, "dump", "--json", parts.policy))
    kept = {name: 0 for name in REGIONS.values()}
    for region in dump["regions"]:
        if region["use"] in REGIONS:
            kept[REGIONS[region["use"]]] += region["size"]
    # The pool lies between the image, its first part, and the device table.
    places = {region["use"]: region["base"] for region in dump["regions"]}
    pool = range(dump["base"], places[3])
    used = sum(region["size"] for region in dump["regions"] if region["base"] in pool)
    kept["pool, what this policy leaves of it"] = len(pool) - used
    return kept


def code_lines(*patterns):
    """Lines that are neither blank nor comment."""
    count = 0
    for pattern in patterns:
        for path in ROOT.glob(pattern):
            text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
            count += sum(1 for line in text.splitlines()
                         if line.strip() and not line.strip().startswith("//"))
    return count


def core_size():
    sections = {"text": 0, "constants": 0, "data": 0, "bss": 0,
                "stacks and tables of 16 CPUs": 0}
    kinds = {".text": "text", ".rodata": "constants", ".data": "data", ".bss": "bss",
             ".cpus": "stacks and tables of 16 CPUs"}
    listing = subprocess.run(["size", "-A", "-d", package.CORE], check=True,
                             capture_output=True, text=True).stdout
    for line in listing.splitlines():
        words = line.split()
        for prefix, kind in kinds.items():
            if len(words) == 3 and words[0].startswith(prefix):
                sections[kind] += int(words[1])
    objects = (ROOT / "build" / "core" / "obj").rglob("*.o")
    own = subprocess.run(["size", "-t", *map(str, objects)], check=True, capture_output=True,
                         text=True).stdout.splitlines()[-1].split()
    sections["own text and constants"] = int(own[0])
    sections["lines of C and assembler"] = code_lines("core/*/*.[chS]", "lib/*.[ch]")
    sections["lines of tables and headers"] = code_lines("include/*/*.h", "include/tables/*.def")
    sections["lines for the TPM (core/attest)"] = code_lines("core/attest/*.[chS]")
    return sections


def tables(result):
    lines = ["| round trip | instructions, 32-bit, paging off | 64-bit, paging on |",
             "|---|---:|---:|"]
    for name, costs in result["round_trips"].items():
        lines.append(f"| {TRIP_NAMES.get(name, name)} | {costs['32']:g} | {costs['64']:g} |")
    kept = result["withheld_memory"]
    lines += ["", "| memory that core keeps from domains (laptop.policy) | KiB |", "|---|---:|"]
    lines += [f"| {name} | {size // 1024} |" for name, size in kept.items()]
    rest = kept["core"] + kept["policy image"]
    lines += [f"| **core and policy image** | **{rest // 1024}** |"]
    lines += ["", "| core | |", "|---|---:|"]
    lines += [f"| {name} | {size:,} |" for name, size in result["core"].items()]
    lines += ["", measuring.table(result["measuring"])]
    lines += ["", appraisals.table(result["appraisals"])]
    return "\n".join(lines)


def update(text):
    path = ROOT / "docs" / "performance.md"
    before, _, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        sys.exit(f"bench: docs/performance.md has no lines '{BEGIN}' and '{END}'. Restore them.")
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0],
                                     epilog="Exit status: 0, or 1 if a figure can't be had.")
    parser.add_argument("--update", action="store_true", help="renew docs/performance.md")
    options = parser.parse_args()
    try:
        result = {"round_trips": round_trips(), "withheld_memory": withheld_memory(),
                  "core": core_size(), "measuring": measuring.boot(),
                  "appraisals": appraisals.all_lengths()}
    except (package.PackageError, appraisals.AppraisalError,
            measuring.MeasuringError) as error:
        sys.exit(f"bench: {error}")
    (package.BUILD / "bench.json").write_text(json.dumps(result, indent=2) + "\n")
    print(tables(result))
    if options.update:
        update(tables(result))


if __name__ == "__main__":
    main()
