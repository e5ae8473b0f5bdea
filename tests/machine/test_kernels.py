"""Kernels of other people's, unchanged, as the primary domain."""
import contextlib
import lzma
import pathlib
import secrets
import stat
import struct
import sys
import tempfile

import package
from machine import TROUBLE, bulkhead
from testing import Failure, cases, limit

sys.path.insert(0, str(package.ROOT / "domains/work"))
import initramfs

POLICY = package.ROOT / "tests/machine/kernel.policy"
CMDLINE = "console=ttyS1,115200 "  # where the policy's begins
CLOUD_KERNEL = package.BUILD / "kernel/vmlinuz"
FULL_KERNEL = package.BUILD / "full-kernel/vmlinuz"
CLOUD_VERSION = r"6\.1\.0-\d+-cloud-amd64"
FULL_VERSION = r"6\.1\.0-\d+-amd64"

# The nonce is another one in each run: these lines are of no earlier one.
INIT = b"""#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
read -r version </proc/version
for word in $(/bin/busybox cat /proc/cmdline); do
    case "$word" in nonce=*) echo "init: $word on $version" ;; esac
done
exec /bin/busybox halt -f
"""


def small_initrd():
    """An initramfs whose init prints the nonce that the command line has, and halts the machine."""
    archive = initramfs.Archive()
    for name in ("bin", "dev", "proc"):
        archive.directory(name)
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.file("bin/busybox", initramfs.BUSYBOX, 0o755)
    archive.add("init", stat.S_IFREG | 0o755, INIT)
    return archive.finished()


def uncompressed(bzimage, directory):
    """The vmlinux inside of a bzImage that is packed by xz (Linux, Documentation/x86/boot.rst:
    payload_offset and payload_length, from the end of the setup sectors on)."""
    content = bzimage.read_bytes()
    offset, length = struct.unpack_from("<II", content, 0x248)
    packed = content[(content[0x1f1] + 1) * 512 + offset:][:length]
    vmlinux = directory / "vmlinux"
    vmlinux.write_bytes(lzma.LZMADecompressor().decompress(packed))
    return vmlinux


@contextlib.contextmanager
def kernel_machine(kernel, nonce, boot="linux", **options):
    """A machine whose primary boots that kernel and is given the nonce on its command line."""
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        text = POLICY.read_text().replace("boot linux", f"boot {boot}")
        text = text.replace('machine "../..', f'machine "{package.ROOT}')
        if text.count(CMDLINE) != 1:
            raise Failure(f"{POLICY} has not exactly one {CMDLINE}")
        policy, initrd = directory / "kernel.policy", directory / "initrd"
        policy.write_text(text.replace(CMDLINE, f"{CMDLINE}nonce={nonce} "))
        initrd.write_bytes(small_initrd())
        files = {"work.kernel": kernel, "work.initrd": initrd}
        with bulkhead(policy=policy, files=files, cpus=1, network=False, **options) as machine:
            yield machine


def expect_proof(machine, nonce, version):
    """work's console shows the nonce, said by a program of that kernel's, which then ends."""
    machine.work.expect(rf"^init: nonce={nonce} on Linux version {version} ", 80, unless=TROUBLE)
    machine.work.expect(r"reboot: System halted$", 20, unless=TROUBLE)


@limit(120)
@cases({"cloud": (CLOUD_KERNEL, CLOUD_VERSION), "full": (FULL_KERNEL, FULL_VERSION)})
def test_bzimage(kernel, version):
    """Debian's kernels, for clouds and for any PC, come to their first program and to their end."""
    nonce = secrets.token_hex(16)
    with kernel_machine(kernel, nonce) as machine:
        expect_proof(machine, nonce, version)


@limit(120)
def test_pvh():
    """Debian's kernel for any PC, uncompressed, is entered as its PVH note says."""
    nonce = secrets.token_hex(16)
    with tempfile.TemporaryDirectory() as name:
        vmlinux = uncompressed(FULL_KERNEL, pathlib.Path(name))
        with kernel_machine(vmlinux, nonce, boot="pvh") as machine:
            expect_proof(machine, nonce, FULL_VERSION)
