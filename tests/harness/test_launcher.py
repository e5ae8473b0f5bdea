"""The launcher itself, with a kernel that tells what it was handed: no hypervisor needed."""
import contextlib
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import tempfile
import time

import disk
from console import MachineError
from probe import CACHE, probe_files
from qemu import Config, Disk, Kernel, Machine, Module
from testing import Failure, contains, equal

def modules_told(text):
    """(size, byte sum, name) per module line of the probe."""
    found = re.findall(r"^probe: module (\w+) (\w+) .*?name=(\S+)$", text, re.MULTILINE)
    return [(int(size, 16), int(total, 16), name) for size, total, name in found]


def expected_modules(modules):
    return [(len(data), sum(data), m.name) for m in modules for data in [m.path.read_bytes()]]


def check_boot(boot, modules, lines, **options):
    """Boot, compare what the probe tells, and type a line into its second console."""
    with Machine(Config(boot=boot, **options)) as machine:
        machine.core.expect(r"^probe: done$", timeout=60)
        equal(modules_told(machine.core.text), expected_modules(modules), "modules")
        equal(re.findall(r"^error: .*", machine.core.text, re.MULTILINE), [], "loader's errors")
        for line in lines:
            contains(machine.core.text.splitlines(), line, "the probe's lines")
        machine.work.send("hello\n")
        machine.work.expect(r"^<hello>$", timeout=10)


def test_kernel():
    """QEMU's own loader hands over kernel and modules, found by name; both consoles work."""
    with probe_files() as (kernel, modules):
        check_boot(Kernel(kernel, modules), modules, ["probe: multiboot1", "probe: no TPM"])


def test_comma_in_path():
    """A module whose path holds a comma reaches the machine."""
    with probe_files() as (kernel, modules):
        path = modules[0].path.with_name("a,b.bin")
        modules[0].path.rename(path)
        modules[0] = Module("policy", path)
        check_boot(Kernel(kernel, modules), modules, [])


def test_uefi_disk():
    """GRUB on UEFI loads the same modules, with a TPM attached."""
    with probe_files() as (kernel, modules):
        image = kernel.with_name("disk.img")
        disk.build(image, kernel, modules, CACHE)
        check_boot(Disk(image), modules,
                   ["probe: multiboot2", "probe: loaded by UEFI", "probe: TPM"], tpm=True,
                   screen=True)


def test_bios_disk():
    """The same disk image boots on a BIOS machine."""
    with probe_files() as (kernel, modules):
        image = kernel.with_name("disk.img")
        disk.build(image, kernel, modules, CACHE)
        check_boot(Disk(image, uefi=False), modules, ["probe: multiboot2"])


def failure_of(action):
    """The MachineError that the action ends with."""
    try:
        action()
    except MachineError as error:
        return str(error)
    raise Failure("no MachineError was raised")


def test_nothing_is_lost():
    """A console that nobody reads for a while loses nothing of what is written meanwhile."""
    with probe_files() as (kernel, _), Machine(Config(boot=Kernel(kernel))) as machine:
        machine.core.expect(r"^probe: done\n")
        machine.work.send("flood\n")
        while "<flood>" not in machine.work.text:
            machine.work.receive()  # of this console alone
        machine.core.expect(r"^0000270f$")
        lines = machine.core.text.partition("probe: done\n")[2].splitlines()
        equal(lines == [f"{i:08x}" for i in range(10000)], True, "all lines came, in order")


def test_missing_line():
    """A line that doesn't come fails at its timeout, with both consoles' tails."""
    with probe_files() as (kernel, modules), Machine(Config(boot=Kernel(kernel))) as machine:
        machine.core.expect("probe: done")
        started = time.monotonic()
        message = failure_of(lambda: machine.core.expect("never", timeout=1))
        if not 0.9 < time.monotonic() - started < 20:
            raise Failure(f"failed after {time.monotonic() - started:.1f} s")
        for part in ("'never' did not come within 1 s", "core| probe: done", "work| (nothing)"):
            contains(message, part, "message")


def test_unwanted_line():
    """A line given as unwanted fails the wait at once, on whichever console it comes."""
    with probe_files() as (kernel, modules), Machine(Config(boot=Kernel(kernel))) as machine:
        message = failure_of(
            lambda: machine.core.expect("never", timeout=100, unless="probe: no .*$"))
        contains(message, "core console: got 'probe: no TPM'", "message")
        message = failure_of(
            lambda: machine.work.expect("never", timeout=100, unless="probe: d.*$"))
        contains(message, "core console: got 'probe: done'", "message, waiting on the other")


def test_end_of_machine():
    """A reset ends the machine (no reboot loop), and who waits for a line is told at once."""
    with probe_files() as (kernel, modules), Machine(Config(boot=Kernel(kernel))) as machine:
        machine.core.expect("probe: done")
        machine.work.send("reset\n")
        contains(failure_of(lambda: machine.core.expect("never", timeout=100)),
                 "QEMU ended with status 0", "message")
        equal(machine.wait_for_exit(), 0, "exit status")


def test_bad_option():
    """What QEMU says when it can't start is in the failure's message."""
    with probe_files() as (kernel, modules):
        config = Config(boot=Kernel(kernel), extra=("-nosuchoption",))
        with Machine(config) as machine:
            message = failure_of(lambda: machine.core.expect("probe"))
            for part in ("QEMU ended with status 1", "-nosuchoption"):
                contains(message, part, "message")


def test_machine_time_limit():
    """The whole machine ends at its time limit, even while a longer wait is going on."""
    with probe_files() as (kernel, modules):
        with Machine(Config(boot=Kernel(kernel), time_limit=2)) as machine:
            contains(failure_of(lambda: machine.core.expect("never", timeout=100)),
                     "killed at the machine's time limit of 2 s", "message")


def test_halted():
    """A machine whose CPUs have halted is told from one that is busy."""
    with probe_files() as (kernel, modules), Machine(Config(boot=Kernel(kernel))) as machine:
        machine.core.expect("probe: done")
        contains(failure_of(lambda: machine.wait_until_halted(timeout=1)),
                 "CPUs halted after 1 s: ['0'", "message while the probe waits for a line")
        machine.work.send("halt\n")
        machine.wait_until_halted()


def test_memory_and_screen():
    """The machine's memory can be read, and a picture of its screen taken."""
    with probe_files() as (kernel, modules):
        with Machine(Config(boot=Kernel(kernel), screen=True)) as machine:
            machine.core.expect("probe: done")
            equal(machine.read_memory(0x1ff000, 4), bytes.fromhex("02b0ad1b"), "kernel's magic")
            picture = kernel.with_name("screen.png")
            machine.screenshot(picture)
            equal(picture.read_bytes()[:4], b"\x89PNG", "screenshot's first bytes")


OWNER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from qemu import *
kernel = pathlib.Path(sys.argv[2])
with Machine(Config(boot=Kernel(kernel), tpm=True, directory=kernel.parent)) as machine:
    machine.core.expect("probe: done")
    print(*(process.pid for process in machine.processes), flush=True)
    time.sleep(1000)
"""


def test_owner_killed():
    """QEMU and swtpm end with the process that started them, even if that one is killed."""
    with probe_files() as (kernel, modules):
        owner = subprocess.Popen([sys.executable, "-c", OWNER, disk.__file__.rpartition("/")[0],
                                  kernel], stdout=subprocess.PIPE, text=True)
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        equal(len(pids), 2, "number of processes started")
        ends = [os.pidfd_open(pid) for pid in pids]
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        for pid, end in zip(pids, ends):
            if not wait_readable(end, 10):
                os.kill(pid, signal.SIGKILL)
                raise Failure(f"process {pid} outlived its owner")


def wait_readable(descriptor, seconds):
    return bool(select.select([descriptor], [], [], seconds)[0])
