"""The probe: a kernel that tells what it was handed, for tests of loaders and machines."""
import contextlib
import pathlib
import subprocess
import tempfile

from qemu import Module

HERE = pathlib.Path(__file__).resolve().parent
CACHE = HERE.parent.parent / "build" / "run" / "grub"


@contextlib.contextmanager
def probe_files():
    """A directory with the probe kernel and two modules, one with a comma in its name."""
    with tempfile.TemporaryDirectory() as directory:
        kernel = pathlib.Path(directory, "probe.elf")
        subprocess.run(["gcc", "-m32", "-O1", "-ffreestanding", "-fno-pic", "-fno-stack-protector",
                        "-fno-asynchronous-unwind-tables", "-nostdlib", "-static",
                        "-Wl,-Ttext=0x200000,--build-id=none", "-Wl,--section-start=.multiboot=0x1ff000",
                        "-o", kernel, HERE / "probe.S", HERE / "probe.c"], check=True)
        modules = []
        for name, content in {"policy": b"abc" * 1000, "work.kernel": b"\xff" * 5000}.items():
            path = pathlib.Path(directory, f"{name}.bin")
            path.write_bytes(content)
            modules.append(Module(name, path))
        yield kernel, modules
