"""Core's own page tables, as QEMU reads them when core has stopped."""
import re
import subprocess

import package
from machine import TROUBLE
from test_boot import core
from testing import equal

PAGE, LARGE_PAGE = 0x1000, 0x200000
FOUR_GIB = 1 << 32
CPU_AREAS, CPU_AREA_SIZE, GUARD_PAGES = 16, 0x10000, (2, 4, 6, 8)  # core/platform/cpu.h
# QEMU's `info tlb`: virtual, physical, then flags: X no execution, P large page, C T uncached,
# U for user code, W writable
LINE = re.compile(r"(\w{16}): (\w{16}) ([X-])[G-]([P-])[D-][A-]([C-])([T-])([U-])([W-])")


def symbols():
    """{name: address} of core's image."""
    listing = subprocess.run(["nm", package.CORE], check=True, capture_output=True, text=True).stdout
    return {name: int(address, 16) for address, _, name in
            (line.split() for line in listing.splitlines() if len(line.split()) == 3)}


def mapped_pages():
    """{virtual address: flags} of each page that is mapped, a large one as one entry."""
    with core() as machine:
        machine.core.expect(TROUBLE)
        machine.wait_until_halted()
        listing = machine.qmp("human-monitor-command", **{"command-line": "info tlb"})
    pages = {}
    for line in listing.splitlines():
        found = LINE.fullmatch(line.strip())
        virtual, physical = int(found[1], 16), int(found[2], 16)
        equal(virtual, physical, "address behind a page")
        pages[virtual] = "".join(found.groups()[2:]).replace("-", "")
    return pages


def test_rights():
    """Only core's text can be executed, it and the constants can't be written, user code gets
    nothing; the first page and the pages below each stack are unmapped, all else up to 4 GiB is
    mapped."""
    pages, symbol = mapped_pages(), symbols()
    text = range(symbol["core_text_start"], symbol["core_text_end"], PAGE)
    constants = range(symbol["core_text_end"], symbol["core_rodata_end"], PAGE)
    equal(sorted(a for a, flags in pages.items() if "X" not in flags), list(text),
          "pages that can be executed")
    equal(sorted(a for a, flags in pages.items() if "W" not in flags), [*text, *constants],
          "pages that can't be written")
    equal([a for a, flags in pages.items() if "U" in flags], [], "pages open to user code")
    guards = [symbol["cpu_areas"] + area * CPU_AREA_SIZE + page * PAGE
              for area in range(CPU_AREAS) for page in GUARD_PAGES]
    missing, expected = [], 0
    for address in sorted(pages):
        missing += range(expected, address, PAGE)
        expected = address + (LARGE_PAGE if "P" in pages[address] else PAGE)
    equal(expected, FOUR_GIB, "end of what is mapped")
    equal(missing, [0, *guards], "pages that are not mapped")


def test_devices_are_uncached():
    """What lies above the machine's memory and the VGA's memory is uncached, other memory isn't."""
    pages = mapped_pages()
    uncached = sorted(a for a, flags in pages.items() if "C" in flags and "T" in flags)
    equal(uncached, [*range(0xA0000, 0xC0000, PAGE), *range(0x40000000, FOUR_GIB, LARGE_PAGE)],
          "uncached pages of a machine with 1 GiB")
