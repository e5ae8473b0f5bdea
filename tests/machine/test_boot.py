"""The way from the loaders into core, up to where it asks for a policy."""
import contextlib
import pathlib
import re
import sys
import tempfile

import disk
import machine as bulkhead
import package
from console import MachineError
from qemu import Config, Disk, Kernel, Machine, Module
from testing import cases, contains, equal

sys.path.insert(0, str(package.ROOT / "core/platform"))
import make_font  # noqa: E402  (core's own reader of the console font)

FONT = package.BUILD / "fonts/Lat15-VGA16.psf.gz"
LAST_LINE = r"^bulkhead: FATAL: missing module: name=trust\.pub\. .*\.$"
LOADER = {"kernel": "qemu, Multiboot 1", "bios": r"GRUB \S+, Multiboot2",
          "uefi": r"GRUB \S+, Multiboot2 on UEFI"}


@contextlib.contextmanager
def core(loader="kernel", names=("policy", "signature"), **options):
    """A machine that boots core with modules of these names, 5000 bytes of nothing each."""
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        modules = []
        for index, module in enumerate(names):
            path = directory / f"module{index}"
            path.write_bytes(bytes(5000))
            modules.append(Module(module, path))
        if loader == "kernel":
            boot = Kernel(package.CORE, tuple(modules))
        else:
            image = directory / "disk.img"
            disk.build(image, package.CORE, modules, package.GRUB_CACHE)
            boot = Disk(image, uefi=loader == "uefi")
        with bulkhead.BulkheadMachine(Config(boot=boot, **options)) as running:
            yield running


@cases({f"{loader}-{memory}-{cpus}": (loader, memory, cpus) for loader, memory, cpus in (
    ("kernel", 1024, 1), ("kernel", 2048, 4), ("bios", 1024, 4), ("bios", 2048, 2),
    ("uefi", 1024, 2), ("uefi", 2048, 4))})
def test_boot(loader, memory, cpus):
    """Every loader brings memory map and modules, all CPUs start, all halt when core stops."""
    with core(loader, memory_mib=memory, cpus=cpus) as running:
        running.core.expect(bulkhead.CORE_UP, timeout=60)
        running.core.expect(rf"^bulkhead: loader: {LOADER[loader]}$")
        usable = int(running.core.expect(r"^bulkhead: memory: (\d+) KiB usable")[1])
        if not 0.95 * memory < usable / 1024 <= memory:
            raise MachineError(running.report(f"{usable} KiB usable of {memory} MiB"))
        for name in ("policy", "signature"):
            found = running.core.expect(rf"^bulkhead: module: {name} at (\w+)-(\w+)$")
            equal(int(found[2], 16) - int(found[1], 16), 5000, f"size of module {name}")
        running.core.expect(rf"^bulkhead: machine: {cpus} CPUs")
        running.core.expect(LAST_LINE)
        running.wait_until_halted()


def screen_text(image):
    """The lines of text that a PPM image shows in core's font, each as long as the screen's."""
    header = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", image)
    width, height = int(header[1]), int(header[2])
    pixels = image[header.end():]
    glyphs = {glyph: chr(code) for code, glyph in make_font.read_glyphs(FONT).items()
              if make_font.FIRST <= code <= make_font.LAST}

    def line_bits(x, y):
        bits = [pixels[3 * (y * width + x + i)] != 0 for i in range(8)]
        return sum(bit << 7 - i for i, bit in enumerate(bits))

    def character(row, column):
        glyph = bytes(line_bits(8 * column, 16 * row + y) for y in range(16))
        return glyphs.get(glyph, "\N{REPLACEMENT CHARACTER}")

    return ["".join(character(row, column) for column in range(width // 8))
            for row in range(height // 16)]


@cases({"bios": ("bios",), "uefi": ("uefi",)})
def test_screen(loader):
    """What core prints on its serial console can be read on the screen."""
    with core(loader, screen=True) as running, tempfile.TemporaryDirectory() as directory:
        running.core.expect(LAST_LINE, timeout=60)
        running.wait_until_halted()
        picture = pathlib.Path(directory, "screen.ppm")
        running.qmp("screendump", filename=str(picture))
        shown = screen_text(picture.read_bytes())
        columns = len(shown[0])
        for line in running.core.text.splitlines():
            if line.startswith("bulkhead: "):
                contains(shown, line[:columns].ljust(columns), "the lines on the screen")


@cases({
    "no-svm": ("EPYC,-svm", r"this CPU has no SVM: CPU 0, AMD EPYC Processor"),
    "no-long-mode": ("qemu32", r"unsuitable CPU: it has no long mode or no NX"),
})
def test_unsuitable_cpu(cpu, reason):
    """A CPU that core can't work with is refused, by a message that says what it lacks."""
    with core(cpu=cpu) as running:
        running.expect_refusal(reason)


@cases({
    "missing": (("policy", "signature"), r"missing module: name=trust\.pub"),
    "twice": (("policy", "signature", "policy"), r"two modules have the same name: name=policy"),
    "misspelt": (("policy", "sign/ature"), r"a module's name= .*: module 2: "),
    "too-many": (tuple(f"m{i}" for i in range(17)), r"more modules than core can hold"),
})
def test_bad_modules(names, reason):
    """Modules that are missing, ambiguous or misnamed are refused, and the message names them."""
    with core(names=names) as running:
        running.expect_refusal(reason)
