"""Small kernels, for the fuzz target `kernel`: ELF of both classes with a PVH note and a Multiboot 1
header, and one of Multiboot's own addresses."""
import struct

CODE = 0x100000
MULTIBOOT = 0x1badb002
NOTE = struct.pack("<III", 4, 4, 18) + b"Xen\0"


def multiboot(flags, *addresses):
    return struct.pack("<III", MULTIBOOT, flags, -(MULTIBOOT + flags) % 2**32) \
        + struct.pack(f"<{len(addresses)}I", *addresses)


def elf(is_64, code=CODE):
    """A segment of code with 4 KiB of zeros behind it, one of notes, and one of data."""
    note = NOTE + struct.pack("<I", code + 0x10)
    number, header_size, program_size = ("Q", 64, 56) if is_64 else ("I", 52, 32)
    content_at = header_size + 3 * program_size
    content = multiboot(3) + note + bytes(64)
    programs = [(1, content_at, code, len(content), len(content) + 4096),
                (4, content_at + 12, code, len(note), len(note)),
                (1, content_at, 2 * CODE, 16, 16)]
    header = struct.pack("<4sBBB9xHHI", b"\x7fELF", 2 if is_64 else 1, 1, 1, 2,
                         62 if is_64 else 3, 1)
    header += struct.pack(f"<3{number}IHHHHHH", code + 8, header_size, 0, 0, header_size,
                          program_size, 3, 0, 0, 0)
    table = b""
    for kind, offset, address, file_size, size in programs:
        table += struct.pack("<IIQQQQQQ", kind, 7, offset, address, address, file_size, size, 8) \
            if is_64 else struct.pack("<8I", kind, offset, address, address, file_size, size, 7, 8)
    return header + table + content


def bzimage(is_right=True):
    """One that asks for what Debian's kernels ask for."""
    image = bytearray(4096)
    image[0x1f1] = 1  # setup sectors
    struct.pack_into("<H2s4sH", image, 0x1fe, 0xaa55, b"\xeb\x6a", b"HdrS" if is_right else b"none",
                     0x20f)
    image[0x211] = 1  # loaded high
    struct.pack_into("<I", image, 0x22c, 0x7fffffff)  # the initrd's end
    struct.pack_into("<IBBHI", image, 0x230, 0x200000, 1, 21, 3, 2047)
    struct.pack_into("<QI", image, 0x258, 0x1000000, 0x2000000)
    return bytes(image)


def inputs():
    own = multiboot(0x10003, CODE, CODE, 0, CODE + 8192, CODE + 32)
    return [elf(True), elf(False), own + bytes(96)]
