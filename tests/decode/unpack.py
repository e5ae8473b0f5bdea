#!/usr/bin/python3
"""Unpack the kernel of a bzImage: unpack.py VMLINUZ VMLINUX"""
import lzma
import pathlib
import sys

packed = pathlib.Path(sys.argv[1]).read_bytes()
start = packed.index(b"\xfd7zXZ\0")
pathlib.Path(sys.argv[2]).write_bytes(lzma.LZMADecompressor().decompress(packed[start:]))
