"""The memory that core keeps from domains, and how large core is."""
import json
import pathlib
import re
import subprocess
import tempfile

import package

REGIONS = {1: "core", 2: "policy image", 3: "device table"}  # enum bh_region_use


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


def memory_table(kept):
    lines = ["| memory that core keeps from domains (laptop.policy) | KiB |", "|---|---:|"]
    lines += [f"| {name} | {size // 1024} |" for name, size in kept.items()]
    rest = kept["core"] + kept["policy image"]
    return "\n".join([*lines, f"| **core and policy image** | **{rest // 1024}** |"])


def code_lines(*patterns):
    """Lines that are neither blank nor comment."""
    count = 0
    for pattern in patterns:
        for path in package.ROOT.glob(pattern):
            text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
            count += sum(1 for line in text.splitlines()
                         if line.strip() and not line.strip().startswith("//"))
    return count


def core():
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
    objects = (package.BUILD / "core" / "obj").rglob("*.o")
    own = subprocess.run(["size", "-t", *map(str, objects)], check=True, capture_output=True,
                         text=True).stdout.splitlines()[-1].split()
    sections["own text and constants"] = int(own[0])
    sections["lines of C and assembler"] = code_lines("core/*/*.[chS]", "lib/*.[ch]")
    sections["lines of tables and headers"] = code_lines("include/*/*.h", "include/tables/*.def")
    sections["lines for the TPM (core/attest)"] = code_lines("core/attest/*.[chS]")
    return sections


def core_table(sections):
    return "\n".join(["| core | |", "|---|---:|",
                      *(f"| {name} | {size:,} |" for name, size in sections.items())])
