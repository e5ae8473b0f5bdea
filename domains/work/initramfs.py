#!/usr/bin/python3
"""Build work's initramfs: busybox, the kernel's modules, /init, tools. The same
input gives the same bytes, as the policy holds the image's hash: no times, no
owners, no inode numbers of the machine that it is built on.

    initramfs.py --kernel build/kernel -o INITRD [TOOL...]
"""
import argparse
import gzip
import pathlib
import stat
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
BUSYBOX = pathlib.Path("/bin/busybox")
DIRECTORIES = ["bin", "dev", "etc", "lib", "lib/modules", "proc", "root", "sys", "tmp"]


class Archive:
    """A cpio archive in "newc" format (Linux, Documentation/driver-api/early-userspace/
    buffer-format.rst)."""

    def __init__(self):
        self.bytes = bytearray()
        self.inode = 0

    def add(self, name, mode, data=b"", device=(0, 0)):
        self.inode += 1
        path = name.encode() + b"\0"
        fields = [self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(path), 0]
        self.bytes += b"070701" + b"".join(b"%08X" % field for field in fields)
        self.append_padded(path, 110)
        self.append_padded(data, 0)

    def append_padded(self, data, before):
        """Append, up to the next multiple of 4; `before` bytes of the record precede."""
        self.bytes += data + bytes(-(before + len(data)) % 4)

    def directory(self, name):
        self.add(name, stat.S_IFDIR | 0o755)

    def file(self, name, path, mode=0o644):
        self.add(name, stat.S_IFREG | mode, path.read_bytes())

    def link(self, name, target):
        self.add(name, stat.S_IFLNK | 0o777, target.encode())

    def finished(self):
        self.add("TRAILER!!!", 0)
        return bytes(self.bytes)


def build(kernel, tools):
    """The archive's bytes. kernel: directory with modules/ and modules.load."""
    archive = Archive()
    for name in DIRECTORIES:
        archive.directory(name)
    # The kernel opens it as /init's input and output, before /init can mount anything.
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.file("init", HERE / "init", 0o755)
    for path in sorted((HERE / "etc").iterdir()):
        archive.file(f"etc/{path.name}", path, stat.S_IMODE(path.stat().st_mode) & 0o111 | 0o644)
    archive.file("bin/busybox", BUSYBOX, 0o755)
    tool_names = {tool.name for tool in tools}
    applets = subprocess.run([BUSYBOX, "--list"], stdout=subprocess.PIPE, check=True, text=True)
    for applet in sorted(set(applets.stdout.split()) - tool_names - {"busybox"}):
        archive.link(f"bin/{applet}", "busybox")
    for tool in sorted(tools, key=lambda tool: tool.name):
        archive.file(f"bin/{tool.name}", tool, 0o755)
    archive.file("lib/modules/load", kernel / "modules.load")
    for path in sorted((kernel / "modules").iterdir()):
        archive.file(f"lib/modules/{path.name}", path)
    return archive.finished()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--kernel", type=pathlib.Path, required=True)
    parser.add_argument("-o", dest="output", type=pathlib.Path, required=True)
    parser.add_argument("tools", nargs="*", type=pathlib.Path)
    arguments = parser.parse_args()
    content = build(arguments.kernel, arguments.tools)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_bytes(gzip.compress(content, 9, mtime=0))


if __name__ == "__main__":
    main()
