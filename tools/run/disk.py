"""Build a disk image that boots Bulkhead by GRUB, on UEFI and on BIOS machines.

One image serves both: a partition table with one FAT partition of type EF. UEFI
firmware loads EFI/BOOT/BOOTX64.EFI from it (GRUB with its tpm module, which
measures commands into PCR 8 and files into PCR 9); a BIOS loads GRUB's boot.img
from the first sector and its core image from the sectors behind that. Both read
bulkhead/grub.cfg.
"""
import hashlib
import os
import pathlib
import struct
import subprocess
import tempfile

GRUB_LIBRARY = pathlib.Path("/usr/lib/grub")
SECTOR = 512
PARTITION_START = 1 << 20  # GRUB's core image for a BIOS lies before it
PARTITION_TYPE_ESP = 0xEF
# Both look for grub.cfg by what lies beside it, so that the firmware's naming of disks is no matter.
FIND_CONFIG = """\
search --no-floppy --set=root --file /bulkhead/grub.cfg
configfile /bulkhead/grub.cfg
"""
COMMON_MODULES = ("part_msdos fat search search_fs_file configfile normal echo test multiboot2 "
                  "reboot halt")
UEFI_MODULES = f"{COMMON_MODULES} tpm efi_gop"
BIOS_MODULES = f"{COMMON_MODULES} biosdisk vbe"


class DiskError(Exception):
    """A tool that the image is built with failed."""


def run(*command):
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=dict(os.environ, MTOOLS_SKIP_CHECK="1"))
    if done.returncode != 0:
        raise DiskError(f"{command[0]} failed with status {done.returncode}:\n{done.stdout}")


def cached(cache, name, library, modules, make):
    """The file that make(target, FIND_CONFIG as a file, modules) writes, made once for what it
    is made of. It comes into its place by renaming, as tests do this side by side."""
    kernel = library / "kernel.img"  # its time stands for GRUB's version
    inputs = f"{FIND_CONFIG}{modules}{kernel.stat().st_mtime_ns}"
    target = cache / f"{hashlib.sha256(inputs.encode()).hexdigest()[:16]}-{name}"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as directory:
            made, config = pathlib.Path(directory, name), pathlib.Path(directory, "find.cfg")
            config.write_text(FIND_CONFIG)
            make(made, config, modules)
            made.rename(target)
    return target


def uefi_grub(cache):
    library = GRUB_LIBRARY / "x86_64-efi"

    def make(target, config, modules):
        run("grub-mkstandalone", "-O", "x86_64-efi", "--directory", library,
            f"--modules={modules}", f"--install-modules={modules}", "--locales=", "--fonts=",
            "--themes=", "-o", target, f"boot/grub/grub.cfg={config}")

    return cached(cache, "BOOTX64.EFI", library, UEFI_MODULES, make)


def bios_grub(cache):
    """boot.img and the core image one behind the other, as they lie on the disk.

    boot.img reads the core image from sector 1, and that knows its own length:
    there is nothing that grub-install would have to fill in.
    """
    library = GRUB_LIBRARY / "i386-pc"

    def make(target, config, modules):
        core = target.with_name("core.img")
        run("grub-mkimage", "-O", "i386-pc", "--directory", library, "--config", config,
            "--prefix", "/boot/grub", "--output", core, *modules.split())
        target.write_bytes((library / "boot.img").read_bytes() + core.read_bytes())

    return cached(cache, "bios.img", library, BIOS_MODULES, make)


def grub_config(core, modules, arguments="", is_text=False):
    """The text of grub.cfg; a file's place on the disk is its name. is_text: a BIOS machine's screen
    stays in the text mode of 80 x 25 characters."""
    lines = ["set timeout=0", "echo 'Loading Bulkhead ...'",
             f"multiboot2 /bulkhead/{core.name} {arguments}".rstrip()]
    lines += [f"module2 /bulkhead/{m.path.name} name={m.name}" for m in modules]
    if is_text:  # not before: GRUB sets it when it reads what core's header asks for
        lines.append("set gfxpayload=text")
    return "\n".join(lines + ["boot"]) + "\n"


def partition_table(size):
    """The 66 bytes at the end of the first sector: one active partition up to the image's end."""
    entry = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", PARTITION_TYPE_ESP, b"\xfe\xff\xff",
                        PARTITION_START // SECTOR, (size - PARTITION_START) // SECTOR)
    return entry + bytes(48) + b"\x55\xaa"


def build(image, core, modules, cache, arguments="", bios=True, is_text=False):
    """Write the disk image: core (ELF), modules (name, path), GRUB for UEFI and, if bios, for BIOS.

    cache: a directory for GRUB's images, which are the same for every disk.
    """
    files = [core, *(module.path for module in modules)]
    if len({path.name for path in files}) != len(files):
        raise DiskError(f"two of the disk's files have the same name: {[p.name for p in files]}")
    content = sum(path.stat().st_size for path in files)
    size = PARTITION_START + ((content + (8 << 20)) & -(1 << 20))
    boot = bytearray(bios_grub(cache).read_bytes() if bios else SECTOR)
    if len(boot) > PARTITION_START:
        raise DiskError("GRUB's core image for BIOS does not fit before the partition")
    boot[446:512] = partition_table(size)
    with open(image, "wb") as disk:
        disk.truncate(size)
        disk.write(boot)
    partition = f"{image}@@{PARTITION_START}"
    sectors = (size - PARTITION_START) // SECTOR
    run("mformat", "-i", partition, "-T", sectors, "-h", 64, "-s", 32, "-H",
        PARTITION_START // SECTOR, "-v", "BULKHEAD", "-N", "42756c6b", "::")
    run("mmd", "-i", partition, "::/EFI", "::/EFI/BOOT", "::/bulkhead")
    run("mcopy", "-i", partition, uefi_grub(cache), "::/EFI/BOOT/BOOTX64.EFI")
    with tempfile.TemporaryDirectory() as directory:
        config = pathlib.Path(directory, "grub.cfg")
        config.write_text(grub_config(core, modules, arguments, is_text))
        run("mcopy", "-i", partition, config, *files, "::/bulkhead/")
