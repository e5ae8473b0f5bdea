"""Every page of the machine, in every way that a CPU can use it, against what the policy says.

The program (tests/domains/sweep.c) says what it could do with which pages; core counts what it has
denied. Both must be what `policyc dump` reads in the image, for a primary and for a microVM; and that
must be what policy and machine description say, as a person reads them.
"""
import contextlib
import pathlib
import re
import tempfile

import package
import standin
from testing import cases, contains, equal, limit

POLICY = package.ROOT / "tests/machine/sweep.policy"
PROGRAM = package.BUILD / "domains/sweep.bin"
FILES = dict.fromkeys(("work.image", "cell.image"), PROGRAM)
TROUBLE = r"^bulkhead: FATAL: .*$|^\[\w+\] stopped by exception .*$|" \
          r"^bulkhead: \w+: stopped: (?!it asked to).*$"
POOLS = {"work": "4 MiB", "cell": "1 MiB"}
PAGE = 0x1000
RANGES = ((0, 1 << 32), *((base, base + 0x200000) for base in (
    1 << 32, 6 << 30, 1 << 39, 0xfd00000000, 0xffffe00000)))

# What the policy grants: read, write, run, be a page table. The program doesn't see what it writes to
# devices, and the channel lies in the hole wherever policyc puts it.
ROM, RAM, DEVICE, READ, SHARED = "r-x-", "rwxt", "r--t", "r---", "rw-t"
GRANTED = {
    "work": ((0, 0xa0000, RAM), (0xc0000, 0x100000, ROM), (0x100000, 0x10000000, RAM),
             (0x11200000, 0x80000000, RAM), (0xd0000000, 0xd0001000, DEVICE),
             (0xd0004000, 0xd0008000, DEVICE), (0xd0100000, 0xd0200000, DEVICE),
             (0xfee00000, 0xfee01000, READ)),
    "cell": ((0, 0x200000, RAM), (0x200000, 0x210000, SHARED)),
}

# As the program has them: where somebody has something, and how seldom pages elsewhere are tried
# otherwise than by reading.
SOMEWHERE = ((0, 0x400000), (0x10000000, 0x11200000), (0xd0000000, 0xd0200000),
             (0xfec00000, 0xfef00000))
SPARSE, TURN = 64, {"w": 16, "x": 32, "t": 48}


@contextlib.contextmanager
def sweep(cpu, paging):
    """The machine once both domains have tried all pages."""
    text = POLICY.read_text().replace('machine "../..', f'machine "{package.ROOT}')
    for pool in POOLS.values():
        contains(text, "paging nested", str(POLICY))
        text = text.replace("paging nested", paging.format(pool), 1)
    with tempfile.TemporaryDirectory() as directory:
        policy = pathlib.Path(directory, "sweep.policy")
        policy.write_text(text)
        with standin.watched(standin.Outside, policy=policy, files=FILES, edu=True, cpu=cpu,
                             memory_mib=2048, time_limit=560) as machine:
            for _ in POOLS:
                machine.core.expect(r"^bulkhead: \w+: its devices are closed$", 540, unless=TROUBLE)
            yield machine


def seen(machine, name):
    """[(first, end, what)] as the program says."""
    lines = re.findall(rf"^\[{name}\] sweep: (\w+) (\w+) (\S+)$", machine.core.text, re.MULTILINE)
    return [(int(first, 16), int(end, 16), what) for first, end, what in lines]


def rights(domain, is_shadow):
    """{page: what can be done with it} by what the image grants. What is written to a device can't
    be read again, so that the program doesn't see it: `W`."""
    found = {}
    for span in domain["memory"]:
        is_table = span["write"] and not (is_shadow and span["uncached"])
        what = ("r" if span["read"] else "-") + \
            ("-" if not span["write"] else "W" if span["uncached"] else "w") + \
            ("x" if span["execute"] else "-") + ("t" if is_table else "-")
        for gpa in range(span["gpa"], span["gpa"] + span["size"], PAGE):
            found[gpa // PAGE] = what
        if is_shadow and span["hpa"] == 0:  # core can't read there
            found[span["gpa"] // PAGE] = what.replace("t", "-")
    return found


def merged(pages):
    """[(first, end, what)] of {page: what} over all ranges, as the program would say."""
    ranges = []
    for first, end in RANGES:
        for page in range(first // PAGE, end // PAGE):
            what = pages.get(page, "----").replace("W", "-")
            if ranges and ranges[-1][1:] == (page * PAGE, what):
                ranges[-1] = (ranges[-1][0], (page + 1) * PAGE, what)
            else:
                ranges.append((page * PAGE, (page + 1) * PAGE, what))
    return ranges


def meant(name, channel):
    """{page: what can be done with it} by the policy, with nested paging."""
    letters = {"work": ((channel["base"], channel["base"] + channel["size"], READ),), "cell": ()}
    return {page: what for first, end, what in (*GRANTED[name], *letters[name])
            for page in range(first // PAGE, end // PAGE)}


def is_due(page, way):
    return page % SPARSE == TURN[way] or any(
        first <= page * PAGE < end for first, end in SOMEWHERE)


def denials(pages, own_code):
    """How often core must have denied each kind to the program, by its own rules."""
    reads = writes = calls = 0
    last = "----"
    for first, end in RANGES:
        for page in range(first // PAGE, end // PAGE):
            what = pages.get(page, "----")
            if page in own_code:
                last = what
                continue
            is_tried = "r" in what or last != "----"
            reads += "r" not in what
            if is_tried or is_due(page, "w"):
                writes += "w" not in what.lower()
            if is_tried:
                reads += "r" not in what
            if "r" in what or is_due(page, "x"):
                calls += "x" not in what
            if is_due(page, "t") or what[:3] != last[:3]:
                reads += "t" not in what
            last = what
    return {"memory-read": reads, "memory-write": writes, "memory-execute": calls}


def counted(machine, name):
    """What core has counted of these."""
    found = re.findall(rf"^bulkhead: {name}: denied in all: (\S+) (\d+)$", machine.core.text,
                       re.MULTILINE)
    return {kind: int(count) for kind, count in found}


def own_code():
    """Pages of the program's code, which it leaves as they are."""
    listing = package.must_run("nm", PROGRAM.with_suffix(".elf"))
    first, end = (int(re.search(rf"^(\w+) . {name}$", listing, re.MULTILINE)[1], 16)
                  for name in ("flat_text", "flat_rodata"))
    return range(first // PAGE, end // PAGE)


@limit(600)
@cases({"nested": ("EPYC", "paging nested"), "shadow": ("EPYC,-npt", "paging shadow {}")})
def test_every_page(cpu, paging):
    """Each page below 4 GiB, and some above, can be read, written, run and be a page table as far
    as the policy says and no further; what is denied is counted, and ends nobody."""
    with sweep(cpu, paging) as machine:
        for domain in machine.policy["domains"]:
            name, pages = domain["name"], rights(domain, "shadow" in paging)
            equal(merged(rights(domain, False)), merged(meant(name, machine.policy["channels"][0])),
                  f"what the image grants {name}")
            equal(seen(machine, name), merged(pages), f"what {name} can do")
            equal(counted(machine, name), denials(pages, own_code()), f"what core denied {name}")
        machine.expect_unchanged()
