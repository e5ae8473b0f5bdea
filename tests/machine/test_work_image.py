"""work's kernel and initramfs on a plain machine, without Bulkhead below."""
import pathlib
import subprocess
import tempfile

import shell
from nonce_server import NonceServer
from qemu import Config, Kernel, Machine
from testing import contains, equal

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WORK = Kernel(ROOT / "build/kernel/vmlinuz", initrd=ROOT / "build/domains/work/initrd",
              append="console=ttyS1 quiet")


def test_shell_and_network():
    """The image boots to a shell with drivers, network and job control.

    This kernel has no driver for the machine's IOMMU, so nothing is translated here: that the
    network works through the IOMMU can only be shown with Bulkhead below.
    """
    with Machine(Config(boot=WORK)) as machine, NonceServer() as server:
        machine.work.expect(shell.READY, timeout=60)
        work = shell.Shell(machine.work)
        equal(work.output(f"wget -q -O - {server.url}"), server.nonce, "what work fetched")
        contains(work.output("cut -d ' ' -f 1 /proc/modules").split(), "msr", "loaded modules")
        # A shell of its own: when it prints, it already is what Ctrl-C goes to.
        machine.work.send("sh -c \"echo wait''ing; exec sleep 1000\"\n")
        machine.work.expect(r"^waiting$")
        machine.work.send("\x03")
        machine.work.expect("work# ", timeout=10)
        equal(work.run("sleep 0 & wait; false")[0], 1, "exit status of a false command")


def test_no_network_card():
    """Without a network card the image says so and offers its shell all the same."""
    with Machine(Config(boot=WORK, network=False)) as machine:
        machine.work.expect(r"^work: no network card$", timeout=60)
        machine.work.expect(shell.READY, timeout=10)


def test_reproducible():
    """The same files make the same initramfs, whatever their times and the user's umask."""
    script = ROOT / "domains/work/initramfs.py"
    with tempfile.TemporaryDirectory() as directory:
        images = [pathlib.Path(directory, name) for name in ("one", "two")]
        for image, umask in zip(images, (0o077, 0o022)):
            subprocess.run([script, "--kernel", ROOT / "build/kernel", "-o", image], check=True,
                           umask=umask)
        equal(images[0].read_bytes() == images[1].read_bytes(), True, "the two images are the same")
