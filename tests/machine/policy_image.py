"""Read and damage a policy image, by the layout of include/bulkhead/image.h.

    image = PolicyImage(path)
    image.flip("domains")                       # a bit of the first row
    image.set("domains", 0, "Q", IOPM, CORE)      # a field of a row
    image.write(path)
"""
import dataclasses
import hashlib
import struct

import package

HEADER = struct.Struct("<8sIIQQQ32s32s4QQII")
SECTIONS = {  # size of a row, in the order of the header's tables
    "domains": 1248, "files": 80, "regions": 24, "channels": 80,
    "functions": 680, "dtes": 40, "cpuid": 48, "msrs": 16}
ATTEST = 144  # offset in the header
IOPM, MSRPM, TABLE = 120, 128, 136  # offsets in a domain's row


class PolicyImage:
    def __init__(self, path):
        self.data = bytearray(path.read_bytes())
        fields = HEADER.unpack_from(self.data)
        assert fields[0] == b"BHPOLICY" and fields[3] == len(self.data)
        self.base = fields[4]
        runs = struct.iter_unpack("<II", self.data[HEADER.size:HEADER.size + 8 * len(SECTIONS)])
        self.runs = dict(zip(SECTIONS, runs))

    def place(self, section, row=0, offset=0):
        """Offset in the image of a field in a row of a section."""
        start, count = self.runs[section]
        assert row < count, f"{section} has {count} rows"
        return start + row * SECTIONS[section] + offset

    def get(self, section, row, form, offset):
        return struct.unpack_from(f"<{form}", self.data, self.place(section, row, offset))[0]

    def set(self, section, row, form, offset, value):
        struct.pack_into(f"<{form}", self.data, self.place(section, row, offset), value)

    def set_header(self, form, offset, value):
        struct.pack_into(f"<{form}", self.data, offset, value)

    def table_place(self, domain, offset):
        """Offset in the image of what a domain's row points to: IOPM, MSRPM or TABLE."""
        return self.get("domains", domain, "Q", offset) - self.base

    def name_file(self, name, content):
        """The row of the file of that name asks for another content."""
        start, count = self.runs["files"]
        rows = [row for row in range(count)
                if self.data[self.place("files", row):].startswith(name.encode() + b"\0")]
        self.set("files", rows[0], "Q", 32, len(content))
        self.set("files", rows[0], "32s", 40, hashlib.sha256(content).digest())

    def flip(self, section):
        """Change a bit in a section; header and tables of the first domain count as sections."""
        places = {"header": 40, "iopm": None, "msrpm": None, "table": None}
        if section not in places:
            place = self.place(section)
        elif section == "header":
            place = places[section]
        else:
            place = self.table_place(0, {"iopm": IOPM, "msrpm": MSRPM, "table": TABLE}[section])
        self.data[place] ^= 1

    def leaf(self, domain, gpa):
        """Offset in the image of the entry of a domain's page table that maps a GPA."""
        page = self.table_place(domain, TABLE)
        for level in range(4, 0, -1):
            place = page + 8 * (gpa >> (12 + 9 * (level - 1)) & 511)
            entry = struct.unpack_from("<Q", self.data, place)[0]
            if level == 1 or entry & 0x80 or entry == 0:
                return place
            page = (entry & 0xffffffffff000) - self.base

    def write(self, path):
        path.write_bytes(self.data)


def minisign(secret, file, signature, *options):
    package.must_run("minisign", "-S", "-s", secret, "-m", file, "-x", signature, *options)


def signed_again(parts, directory, *options):
    """The package with its image signed by its author once more."""
    minisign(directory / "author.key", parts.policy, parts.signature, *options)
    return parts


def policy_names(name, path):
    """For bulkhead(change=): the policy, signed again, names the file at that path instead, which
    policyc would refuse."""
    def change(parts, directory):
        image = PolicyImage(parts.policy)
        image.name_file(name, path.read_bytes())
        image.write(parts.policy)
        parts = dataclasses.replace(parts, files={**parts.files, name: path})
        return signed_again(parts, directory)
    return change
