#!/usr/bin/python3
"""Turns a console font into C: the glyphs of printable ASCII, for core's text on the screen.

usage: make_font.py FONT.psf.gz OUTPUT.c

Reads PC Screen Font version 1 with a Unicode table, 8 pixels wide and 16 high.
"""
import gzip
import struct
import sys

MAGIC = b"\x36\x04"
MODE_512_GLYPHS, MODE_HAS_TABLE = 1, 2
HEIGHT = 16
FIRST, LAST = 0x20, 0x7E
END_OF_GLYPH, SEQUENCE = 0xFFFF, 0xFFFE


def read_glyphs(path):
    """Returns {code point: glyph's bytes, one a line, leftmost pixel in bit 7}."""
    with gzip.open(path) as file:
        data = file.read()
    if data[:2] != MAGIC:
        sys.exit(f"make_font.py: {path}: not a PSF font of version 1")
    mode, height = data[2], data[3]
    if height != HEIGHT or not mode & MODE_HAS_TABLE:
        sys.exit(f"make_font.py: {path}: glyphs are {height} lines high, mode {mode}: "
                 f"expected {HEIGHT} and a Unicode table")
    count = 512 if mode & MODE_512_GLYPHS else 256
    glyphs = {}
    index, is_single = 0, True
    for code, in struct.iter_unpack("<H", data[4 + count * height:]):
        if code == END_OF_GLYPH:
            index, is_single = index + 1, True
        elif code == SEQUENCE:
            is_single = False
        elif is_single:
            glyphs[code] = data[4 + index * height:4 + (index + 1) * height]
    return glyphs


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    glyphs = read_glyphs(sys.argv[1])
    lines = ["/* Made by core/platform/make_font.py */", '#include "core/platform/font.h"', "",
             "const uint8_t font[FONT_COUNT][FONT_HEIGHT] = {"]
    for code in range(FIRST, LAST + 1):
        if code not in glyphs:
            sys.exit(f"make_font.py: {sys.argv[1]}: no glyph for {chr(code)!r}")
        lines.append("    {" + ", ".join(f"0x{line:02x}" for line in glyphs[code]) + "},")
    lines.append("};")
    with open(sys.argv[2], "w") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
