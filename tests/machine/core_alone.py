"""Core without a policy: it takes the machine, then stops for want of one. What it has set up by
then protects the machine from the first moment, and stays as it is, so it can be looked at."""
import pathlib
import subprocess

import disk
import package
from qemu import Disk, Kernel

STOPPED = r"^bulkhead: FATAL: missing module: .*$"
STOPPED_EARLIER = r"^bulkhead: FATAL: (?!missing module: ).*$"


def boot(loader, directory):
    if loader == "kernel":
        return Kernel(package.CORE)
    image = pathlib.Path(directory, "core.img")
    disk.build(image, package.CORE, [], package.GRUB_CACHE)
    return Disk(image, uefi=loader == "uefi")


def wait(machine):
    """Until core has stopped with all its CPUs halted."""
    machine.core.expect(STOPPED, timeout=60, unless=STOPPED_EARLIER)
    machine.wait_until_halted()


def symbol(name):
    """Address of one of core's symbols."""
    listing = subprocess.run(["nm", str(package.CORE)], check=True, capture_output=True, text=True)
    found = [line.split()[0] for line in listing.stdout.splitlines() if line.endswith(f" {name}")]
    return int(found[0], 16)
