"""Kernels of other people's, unchanged, as the primary domain."""
import contextlib
import json
import lzma
import pathlib
import re
import secrets
import stat
import struct
import subprocess
import sys
import tempfile

import package
from machine import TROUBLE, bulkhead
from policy_image import policy_names
from testing import Failure, cases, contains, equal, limit

sys.path[:0] = [str(package.ROOT / "domains/work"), str(package.ROOT / "tests/fuzz")]
import initramfs
import kernels

HERE = package.ROOT / "tests/machine"
POLICY = HERE / "kernel.policy"
CMDLINE = "console=ttyS1,115200 "  # where the policy's begins
CLOUD_KERNEL = package.BUILD / "kernel/vmlinuz"
FULL_KERNEL = package.BUILD / "full-kernel/vmlinuz"
VGA_TEXT = (0xb8000, 80 * 25 * 2)  # a character and its color each
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
def kernel_machine(kernel, nonce="none", boot="linux", **options):
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


def build_told(kernel):
    """The kernel of tests/machine/told.c."""
    directory = kernel.parent
    # The C library's needs headers for 32 bits, which aren't installed.
    (directory / "assert.h").write_text("#define static_assert _Static_assert\n")
    subprocess.run(["gcc", "-m32", "-std=c11", "-Wall", "-Wextra", "-Werror", "-O1",
                    f"-I{directory}", f"-I{package.ROOT}/include", "-ffreestanding", "-fno-pic",
                    "-fno-stack-protector", "-fno-asynchronous-unwind-tables",
                    "-fno-toplevel-reorder", "-nostdlib", "-static",
                    "-Wl,-Ttext-segment=0x200000,--build-id=none,-z,noexecstack",
                    "-o", kernel, HERE / "told.c"], check=True)


def lines_of(machine, domain):
    """What the domain's kernel has said, without its lines about memory, and those."""
    said = re.findall(rf"^\[{domain}\] (.*?)\r?$", machine.core.text, re.MULTILINE)
    memory = [tuple(int(part, 16) for part in line.split()[1:]) for line in said
              if line.startswith("memory:")]
    return [line for line in said if not line.startswith("memory:")], memory


def predicted(parts, directory):
    """PCR 18 as policyc computes it."""
    reference = directory / "reference.json"
    files = [part for name, path in parts.files.items() for part in ("--files", f"{name}={path}")]
    package.must_run(package.POLICYC, "predict", parts.policy, "--signature", parts.signature,
                     "--trust", parts.trusted_key, "--core", parts.core, *files, "--unmeasured",
                     "--smm", "none", "--key", parts.policy.parent / "author.key", "-o", reference)
    return json.loads(reference.read_text())["pcr"]["18"]


@limit(60)
def test_told():
    """A kernel is told its command line, its modules with their strings, and its memory, as a
    primary by Multiboot and as a microVM by PVH; nothing else is called its memory. All of their
    files and words are measured as was predicted. Modules in a primary's way move. Core leaves the
    screen to who has the VGA."""
    words = {name: secrets.token_hex(8) for name in ("KERNEL", "FIRST", "ASIDE")}
    contents = {name: secrets.token_hex(16) for name in ("first", "second", "initrd")}
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        text = (HERE / "told.policy").read_text().replace('machine "../..',
                                                          f'machine "{package.ROOT}')
        for word, value in words.items():
            text = text.replace(f"of {word}", f"of {value}")
        policy = directory / "told.policy"
        policy.write_text(text)
        files = {f"{domain}.kernel": directory / domain for domain in ("work", "aside")}
        for file in files.values():
            build_told(file)
        for file, content in contents.items():
            files[file] = directory / file
            files[file].write_text(content)
        parts = []
        with bulkhead("bios-text", policy=policy, files=files, network=False, tpm=True, screen=True,
                      change=lambda built, _: parts.append(built) or built) as machine:
            pcr18 = machine.core.expect(r"^bulkhead: attest: PCR 18 (\w+)$", 30)[1]
            equal(pcr18, predicted(parts[0], directory), "PCR 18, and what policyc predicts")
            for _ in range(2):
                machine.core.expect(r"^\[\w+\] end$", 30, unless=r"^bulkhead: FATAL: .*$")
            work, memory = lines_of(machine, "work")
            aside, aside_memory = lines_of(machine, "aside")
            loaded = dict(re.findall(r"module: (\S+) at (\w+)-", machine.core.text))
            screen = machine.read_memory(*VGA_TEXT)[::2].decode("latin-1")
    equal(work, [f"multiboot: words of {words['KERNEL']}",
                 f"string: words of {words['FIRST']}", f"content: {contents['first']}",
                 "string: ", f"content: {contents['second']}", "end"], "what work was told")
    equal(aside, [f"pvh: words of {words['ASIDE']}", "string: ", f"content: {contents['initrd']}",
                  "end"], "what aside was told")
    in_the_way = {name for name, at in loaded.items() if 0x200000 <= int(at, 16) < 0x274000}
    equal(in_the_way & set(files), set(files), "files that GRUB has put where work's kernel must be")
    contains(screen, "bulkhead: work: starts on core 0", "the screen's last line of core's")
    equal(words["KERNEL"] in screen, False, "core shows what the VGA's owner says on his screen")
    usable = [(start, start + size) for start, size, kind in memory if kind == 1]
    contains([start <= 0x1000000 and end <= 0x10000000 for start, end in usable], True,
             f"work's memory ends at the pool: {usable}")
    equal([(start, end) for start, end in usable if start < 0x11200000 and end > 0x10000000], [],
          "work's memory in the hole")
    equal(sum(size for _, size, kind in aside_memory if kind == 1), (4 << 20) - 3 * 4096,
          "aside's memory, without the pages that tell it of it")
    equal(aside_memory[-1][0] + aside_memory[-1][1], 4 << 20, "the end of aside's memory")


@limit(60)
@cases({
    "over-core": (0x11000000, None, r"placed outside of usable memory: work, work\.kernel"),
    "over-rom": (0xf0000, None, r"placed outside of usable memory: work, work\.kernel"),
    "no-entry": (0x100000, kernels.NOTE, r"has no PVH entry: work, work\.kernel"),
})
def test_bad_kernel(place, without, reason):
    """A kernel that would lie where its domain has no memory, or says no entry, isn't started."""
    with tempfile.TemporaryDirectory() as name:
        kernel = pathlib.Path(name, "kernel")
        content = kernels.elf(True, place)
        kernel.write_bytes(content.replace(without, bytes(len(without))) if without else content)
        files = pathlib.Path(name, "good")
        files.write_bytes(kernels.elf(True))
        with kernel_machine(files, boot="pvh", change=policy_names("work.kernel", kernel)) as machine:
            machine.expect_refusal(reason)
