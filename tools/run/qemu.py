"""Run a QEMU machine and talk to its consoles.

    with Machine(Config(boot=Kernel(core, modules))) as machine:
        machine.core.expect(r"^bulkhead: .*ready", timeout=30)
        machine.work.send("ls\n")

COM1 is the core's console, COM2 the one of the domain that is granted it.
Nothing here sleeps or polls: every wait is a select on the consoles, whose
pipes close when QEMU ends. The machine ends with the `with` block, at its time limit, and with
the process that started it, however that one ends.
"""
import contextlib
import ctypes
import dataclasses
import fcntl
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from console import Console, MachineError
from tpm import Tpm

OVMF_CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
OVMF_VARS = "/usr/share/OVMF/OVMF_VARS_4M.fd"
PR_SET_PDEATHSIG = 1
PIPE_SIZE = 1 << 20  # the most that Linux lets an ordinary user have


@dataclasses.dataclass(frozen=True)
class Module:
    """A file that the loader hands over, found by `name=NAME` in its string."""

    name: str
    path: pathlib.Path


@dataclasses.dataclass(frozen=True)
class Kernel:
    """Boot by QEMU's own loader: Multiboot 1 with modules, or a Linux kernel."""

    kernel: pathlib.Path
    modules: tuple = ()
    initrd: pathlib.Path = None  # for Linux, which takes no modules
    append: str = ""

    def arguments(self, directory):
        arguments = ["-kernel", str(self.kernel)]
        # QEMU splits -initrd at commas; a doubled comma stands for one.
        strings = [f"{module.path} name={module.name}".replace(",", ",,")
                   for module in self.modules]
        if self.initrd:
            strings.append(str(self.initrd))
        if strings:
            arguments += ["-initrd", ",".join(strings)]
        if self.append:
            arguments += ["-append", self.append]
        return arguments


@dataclasses.dataclass(frozen=True)
class Disk:
    """Boot from a disk image by the machine's firmware: OVMF (UEFI) or SeaBIOS."""

    image: pathlib.Path
    uefi: bool = True
    # UEFI's variables, kept from boot to boot: made where there are none; None: new ones each time
    variables: pathlib.Path = None

    def arguments(self, directory):
        arguments = []
        if self.uefi:
            variables = self.variables or pathlib.Path(directory, "ovmf-variables.fd")
            if not self.variables or not variables.exists():
                shutil.copyfile(OVMF_VARS, variables)
            arguments += ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF_CODE}",
                          "-drive", f"if=pflash,format=raw,file={comma(variables)}"]
        # snapshot=on: the image stays as it was built
        return arguments + [
            "-drive", f"if=none,id=disk,format=raw,snapshot=on,file={comma(self.image)}",
            "-device", "ide-hd,drive=disk,bus=ide.0,bootindex=0"]


@dataclasses.dataclass
class Config:
    boot: object  # Kernel or Disk
    memory_mib: int = 1024
    cpus: int = 2
    cpu: str = "EPYC,+svm"
    iommu: bool = True
    network: bool = True  # virtio-net at 00:03.0 behind QEMU's user networking
    edu: bool = False  # QEMU's DMA test device at 00:04.0
    screen: bool = False  # VGA at 00:02.0, for the framebuffer console
    tpm: object = False  # at FED40000h: True is one that was never used, or a Tpm
    extra: tuple = ()  # further arguments for QEMU
    time_limit: float = 120  # seconds for the whole machine; None: no limit
    directory: pathlib.Path = None  # for the run's files; None: a temporary one


def comma(path):
    """A path inside a QEMU option, where a comma would end it."""
    return str(path).replace(",", ",,")


def command_line(config, directory, monitor, tpm):
    """QEMU's arguments. monitor, tpm: descriptors of connected sockets, tpm None for a machine
    without one; the consoles are named pipes in the directory."""
    arguments = [
        "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
        # Never KVM: guests that run their own guests hang on some hosts' nested KVM.
        "-machine", "q35", "-accel", "tcg", "-cpu", config.cpu,
        "-smp", str(config.cpus), "-m", str(config.memory_mib),
        "-chardev", f"pipe,id=core,path={comma(directory / 'core')}", "-serial", "chardev:core",
        "-chardev", f"pipe,id=work,path={comma(directory / 'work')}", "-serial", "chardev:work",
        "-chardev", f"socket,id=monitor,fd={monitor}", "-mon", "chardev=monitor,mode=control"]
    if config.iommu:  # first, so that it always lies at 00:01.0
        arguments += ["-device", "amd-iommu,intremap=on"]
    if config.screen:
        arguments += ["-device", "VGA,addr=02.0"]
    if config.network:
        arguments += ["-netdev", "user,id=net", "-device",
                      "virtio-net-pci,netdev=net,addr=03.0,disable-legacy=on,"
                      "iommu_platform=on,romfile="]
    if config.edu:
        arguments += ["-device", "edu,addr=04.0,dma_mask=0xffffffffffffffff"]
    if tpm is not None:
        arguments += ["-chardev", f"socket,id=tpm,fd={tpm}", "-tpmdev", "emulator,id=tpm,chardev=tpm",
                      "-device", "tpm-tis,tpmdev=tpm"]
    return arguments + config.boot.arguments(directory) + list(config.extra)


def die_with_parent():
    """For preexec_fn: have the kernel kill the child when its parent ends, however it ends."""
    parent = os.getpid()
    libc = ctypes.CDLL(None, use_errno=True)

    def in_child():
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the line above
            os._exit(1)

    return in_child


class Machine:
    def __init__(self, config):
        self.config = config
        self.processes = []
        self.sockets = []
        self.pipes = []
        self.logs = []  # what QEMU and swtpm say
        self.watchdog = None

    def __enter__(self):
        self.own_directory = None
        if self.config.directory:
            self.directory = pathlib.Path(self.config.directory)
        else:
            self.own_directory = tempfile.TemporaryDirectory(prefix="bulkhead-machine-")
            self.directory = pathlib.Path(self.own_directory.name)
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def socket_pair(self):
        ours, theirs = socket.socketpair()
        self.sockets += [ours, theirs]
        return ours, theirs

    def named_pipe(self, name):
        """Returns the descriptor to read from it; nothing waits for the other end.

        Consoles are pipes, as a pipe joins small writes: QEMU writes character by character,
        and of those a socket takes some 280 until it is read. Then the serial port is not
        ready for long enough that who waits with a limit drops characters.
        """
        path = self.directory / name
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.pipes.append(descriptor)
        os.set_blocking(descriptor, True)
        with contextlib.suppress(PermissionError):  # the user's pipes have used up their share
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        return descriptor

    def open_console(self, name):
        """Returns the Console; the pipe's end that QEMU will have is kept open until it has."""
        output, qemu_end = self.named_pipe(f"{name}.out"), self.named_pipe(f"{name}.in")
        keys = os.open(self.directory / f"{name}.in", os.O_WRONLY)
        self.pipes.append(keys)
        return Console(name, output, keys, self), qemu_end

    def start(self):
        tpm = self.start_tpm() if self.config.tpm else None
        self.core, core_end = self.open_console("core")
        self.work, work_end = self.open_console("work")
        self.consoles = [self.core, self.work]
        monitor, monitor_end = self.socket_pair()
        self.monitor = monitor.makefile("rwb", buffering=0)
        arguments = command_line(self.config, self.directory, monitor_end.fileno(), tpm)
        self.started = time.monotonic()
        self.qemu = self.spawn(arguments, [monitor_end.fileno()] + ([] if tpm is None else [tpm]))
        if self.config.time_limit:
            self.watchdog = threading.Timer(self.config.time_limit, self.qemu.kill)
            self.watchdog.daemon = True
            self.watchdog.start()
        monitor_end.close()  # so that QEMU's end closes the monitor
        # QEMU greets when it has opened the consoles. If it has ended instead, they have no end
        # to be told of.
        if not self.monitor.readline():
            self.core.is_open = self.work.is_open = False
        for descriptor in (core_end, work_end):
            self.pipes.remove(descriptor)
            os.close(descriptor)

    def spawn(self, arguments, descriptors):
        log = open(self.directory / f"{arguments[0]}.log", "w+", errors="replace")
        self.logs.append(log)
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   pass_fds=descriptors, preexec_fn=die_with_parent())
        self.processes.append(process)
        return process

    def start_tpm(self):
        """Start the TPM; returns the descriptor through which QEMU drives it."""
        if isinstance(self.config.tpm, Tpm):
            return self.config.tpm.attach(self)
        fresh = self.directory / "tpm"
        shutil.rmtree(fresh, ignore_errors=True)
        return Tpm(fresh).attach(self)

    def stop(self):
        if self.watchdog:
            self.watchdog.cancel()
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        for opened in self.sockets + self.logs:
            opened.close()
        for descriptor in self.pipes:
            os.close(descriptor)
        if self.own_directory:
            self.own_directory.cleanup()

    # Waiting

    def deadline(self, timeout):
        """When a wait of `timeout` seconds that begins now is over."""
        return time.monotonic() + timeout

    def is_running(self):
        return self.qemu.poll() is None

    def wait_for_output(self, deadline, complaint):
        """Read what comes next on any console. Raises with the complaint at the
        deadline, and when QEMU has ended and all that it wrote was read."""
        if not any(console.is_open for console in self.consoles):
            raise MachineError(self.report(f"{complaint}: {self.how_it_ended()}"))
        if not self.read(max(deadline - time.monotonic(), 0)):
            raise MachineError(self.report(complaint))

    def read(self, timeout=None, others=()):
        """Wait until a console or one of `others` has something to read, and take what has
        come on the consoles; returns all that were readable, an empty list at the timeout."""
        consoles = {c.output: c for c in self.consoles if c.is_open}
        ready = select.select([*consoles, *others], [], [], timeout)[0]
        for stream in ready:
            if stream in consoles:
                consoles[stream].receive()
        return ready

    def wait_for_exit(self, timeout=30):
        """Wait until QEMU has ended (the guest reset or powered off); returns its exit status."""
        deadline = self.deadline(timeout)
        while any(console.is_open for console in self.consoles):
            self.wait_for_output(deadline, f"the machine did not end within {timeout} s")
        return self.qemu.wait()

    def how_it_ended(self):
        status = self.qemu.wait()
        limit = self.config.time_limit
        if limit and time.monotonic() - self.started >= limit:
            return f"killed at the machine's time limit of {limit} s"
        return f"QEMU ended with status {status}"

    def report(self, complaint):
        """The complaint with what QEMU and swtpm said and the consoles' tails."""
        said = []
        for log in self.logs:
            log.seek(0)
            said += [f"  {pathlib.Path(log.name).stem}| {line.rstrip()}" for line in log
                     if "TCG doesn't support requested feature" not in line][-10:]
        return "\n".join([complaint, *said, *(console.tail() for console in self.consoles)])

    # QEMU's monitor

    def qmp(self, command, **arguments):
        """Run a QMP command; returns what it returns."""
        if not hasattr(self, "monitor_is_ready"):
            self.monitor_is_ready = True
            self.qmp("qmp_capabilities")
        request = {"execute": command, "arguments": arguments}
        self.monitor.write(json.dumps(request).encode() + b"\n")
        while True:
            line = self.monitor.readline()
            if not line:
                raise MachineError(self.report(f"{command}: {self.how_it_ended()}"))
            reply = json.loads(line)
            if "error" in reply:
                raise MachineError(f"{command}: {reply['error']['desc']}")
            if "return" in reply:
                return reply["return"]

    def wait_until_halted(self, timeout=10):
        """Wait until each CPU has executed HLT. QEMU tells only who asks, so this asks again."""
        deadline = self.deadline(timeout)
        while True:
            registers = self.qmp("human-monitor-command", **{"command-line": "info registers -a"})
            halted = re.findall(r"HLT=(\d)", registers)
            if halted and set(halted) == {"1"}:
                return
            if time.monotonic() > deadline:
                raise MachineError(self.report(f"CPUs halted after {timeout} s: {halted}"))

    def read_memory(self, address, length):
        """Bytes of the machine's physical memory, as CPU 0 outside any guest would see them."""
        path = self.directory / "memory"
        self.qmp("pmemsave", val=address, size=length, filename=str(path))
        return path.read_bytes()

    def screenshot(self, path):
        """Write what the screen shows to `path` as PNG."""
        self.qmp("screendump", filename=str(path), format="png")
