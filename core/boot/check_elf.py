#!/usr/bin/python3
"""Checks of core's ELF file that its loaders and its page tables rely on.

usage: check_elf.py FILE

- the Multiboot headers lie where loaders look for them (first 8 KiB and first 32 KiB);
- the bytes to load are one flat piece: Multiboot 1's address header loads them by that rule;
- no segment is both writable and executable, each begins on a page;
- nothing writable is loaded: all that is can be measured before and after.
"""
import struct
import sys

PT_LOAD = 1
EXECUTE, WRITE = 1, 2


def fail(message):
    sys.exit(f"check_elf.py: {sys.argv[1]}: {message}")


def segments(image):
    """Yields (flags, offset, address, file size) of each PT_LOAD segment (ELF-64, figure 6)."""
    offset, = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    for i in range(count):
        kind, flags, start, vaddr, paddr, file_size, _, _ = struct.unpack_from(
            "<IIQQQQQQ", image, offset + i * size)
        if kind != PT_LOAD:
            continue
        if vaddr != paddr:
            fail(f"segment {i} runs at {vaddr:#x} but is loaded at {paddr:#x}")
        yield flags, start, vaddr, file_size


def check_header(image, magic, limit, step):
    for offset in range(0, min(limit, len(image) - 4), step):
        if struct.unpack_from("<I", image, offset)[0] == magic:
            return
    fail(f"no Multiboot header {magic:#x} in the first {limit} bytes: keep .header first in core.ld.in")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as file:
        image = file.read()
    if image[:5] != b"\x7fELF\x02":
        fail("not an ELF64 file")
    check_header(image, 0x1BADB002, 8192, 4)
    check_header(image, 0xE85250D6, 32768, 8)
    shift = None
    for flags, offset, address, file_size in segments(image):
        if flags & WRITE and flags & EXECUTE:
            fail(f"the segment at {address:#x} is writable and executable")
        if address % 4096:
            fail(f"the segment at {address:#x} doesn't begin on a page")
        if file_size == 0:
            continue
        if flags & WRITE:
            fail(f"the segment at {address:#x} is loaded and writable: core has initialised data")
        if shift is None:
            shift = address - offset
        if address - offset != shift:
            fail(f"the segment at {address:#x} lies at {offset:#x} in the file, "
                 f"not at {address - shift:#x}: not one flat piece")
    if shift is None:
        fail("nothing to load")


if __name__ == "__main__":
    main()
