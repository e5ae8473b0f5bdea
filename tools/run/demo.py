"""The demonstration: its steps, and what each step's result must be."""
import secrets
import shutil

import disk
import shell
import terminal
from console import MachineError
from nonce_server import NonceServer
from package import (BUILD, GRUB_CACHE, LAPTOP_FILES, LAPTOP_POLICY, Package, PackageError,
                     compile_policy, make_keys, must_be_there, relative, run_tool)
from qemu import Config, Disk, Machine
from steps import StepFailed

RUN = BUILD / "run"
STEPS = ["keys", "policy", "policy-signature", "disk", "machine", "core", "vault", "work",
         "network", "vault-sign", "altered-file"]
# The last is GRUB's.
TROUBLE = r"^bulkhead: FATAL: .*$|^bulkhead: \w+: stopped: .*$|Kernel panic.*$|^error: .*$"
# Seconds; emulated machines on a busy host are slow.
FIRMWARE_TIMEOUT = 180
BOOT_TIMEOUT = 180
COMMAND_TIMEOUT = 60


def minisign_accepts(file, signature, *key):
    """Whether minisign -V finds the signature good; PackageError if it can't tell."""
    status, output = run_tool("minisign", "-V", *key, "-m", file, "-x", signature)
    if status == 0 and "Signature and comment signature verified" in output:
        return True
    if status != 0 and "Signature verification failed" in output:
        return False
    raise PackageError(f"minisign ended with status {status}:\n{output}")


class Demo:
    def __init__(self, options, steps):
        self.options = options
        self.steps = steps
        self.directory = options.directory
        self.disk_image = self.directory / "disk.img"

    def run(self):
        self.make_policy()
        self.make_disk()
        machine = self.start()
        try:
            # Written as it comes: what the consoles said must outlive the machine.
            with open(self.directory / "core.log", "w") as core_log, \
                    open(self.directory / "work.log", "w") as work_log:
                machine.core.on_text.append(write_through(core_log))
                machine.work.on_text.append(write_through(work_log))
                self.check(machine)
                if terminal.is_there() and not self.options.check:
                    self.offer_shell(machine)
        finally:
            machine.stop()

    def make_policy(self):
        with self.steps.step("keys", "Making a throw-away author key", PackageError):
            secret, public = make_keys(self.directory)
        with self.steps.step("policy", f"Compiling and signing {relative(LAPTOP_POLICY)}",
                             PackageError) as step:
            image = self.directory / "policy.img"
            signature = compile_policy(LAPTOP_POLICY, LAPTOP_FILES, secret, image)
            step.detail = f"{image.stat().st_size} bytes, {relative(image)}"
        with self.steps.step("policy-signature", "Checking the policy's signature by minisign",
                             PackageError):
            if not minisign_accepts(image, signature, "-p", public):
                raise StepFailed("minisign refuses the signature that policyc made")
        self.package = Package(image, signature, public, LAPTOP_FILES)

    def make_disk(self):
        what = "Building a disk with GRUB, core, policy and domains"
        with self.steps.step("disk", what, PackageError, disk.DiskError) as step:
            must_be_there(self.package.core)
            disk.build(self.disk_image, self.package.core, self.package.modules(), GRUB_CACHE,
                       bios=False)
            step.detail = f"{self.disk_image.stat().st_size >> 20} MiB, {relative(self.disk_image)}"

    def start(self):
        options = self.options
        config = Config(boot=Disk(self.disk_image), memory_mib=options.memory, cpus=options.cpus,
                        tpm=True, screen=True, time_limit=None, directory=self.directory)
        what = (f"Starting a PC: {options.cpus} CPUs, {options.memory} MiB, "
                "AMD IOMMU, TPM, UEFI firmware")
        with self.steps.step("machine", what, MachineError, OSError) as step:
            machine = Machine(config).__enter__()
            try:
                status = machine.qmp("query-status")["status"]
            except BaseException:
                machine.stop()
                raise
            step.detail = f"QEMU is {status}, process {machine.qemu.pid}"
        return machine

    def check(self, machine):
        show_core = line_shower("core")
        machine.core.on_text.append(show_core)
        with self.steps.step("core", "Waiting for core, loaded by GRUB",
                             MachineError) as step:
            step.detail = machine.core.expect(r"^bulkhead: core .*$", FIRMWARE_TIMEOUT,
                                              unless=TROUBLE)[0]
        with self.steps.step("vault", "Waiting for vault; its public key comes by core's console",
                             MachineError) as step:
            vault_key = machine.core.expect(r"^\[vault\] public key (RW[\w+/]+=*)$", BOOT_TIMEOUT,
                                            unless=TROUBLE)[1]
            machine.core.expect(r"^\[vault\] ready$", BOOT_TIMEOUT, unless=TROUBLE)
            step.detail = vault_key
        with self.steps.step("work", "Waiting for the shell of work, the untrusted Linux",
                             MachineError) as step:
            machine.work.expect(shell.READY, BOOT_TIMEOUT, unless=TROUBLE)
            work = shell.Shell(machine.work)
            step.detail = work.output("uname -sr", COMMAND_TIMEOUT)
        self.check_network(work)
        self.check_signature(work, vault_key)
        machine.core.on_text.remove(show_core)

    def check_network(self, work):
        with self.steps.step("network", "Fetching a secret from the host, by virtio through the "
                             "IOMMU", MachineError) as step, NonceServer() as server:
            got = work.output(f"wget -q -O - {server.url}", COMMAND_TIMEOUT)
            if got != server.nonce:
                raise StepFailed(f"work fetched {got!r} instead of {server.nonce!r}")
            step.detail = f"work fetched {got}"

    def check_signature(self, work, vault_key):
        message, signature = self.directory / "message", self.directory / "message.minisig"
        text = f"Signed by vault for work, {secrets.token_hex(16)}\n"
        message.write_text(text)
        with self.steps.step("vault-sign", "Having vault sign a file of work's; minisign checks "
                             "it on the host", MachineError, PackageError) as step:
            work.output(f"echo '{text.strip()}' >/tmp/message", COMMAND_TIMEOUT)
            signature.write_text(work.output("vault sign /tmp/message", COMMAND_TIMEOUT) + "\n")
            if not minisign_accepts(message, signature, "-P", vault_key):
                raise StepFailed("minisign refuses vault's signature:\n" + signature.read_text())
            step.detail = f"minisign -V accepts {relative(signature)}"
        with self.steps.step("altered-file", "Flipping one bit of the file", PackageError) as step:
            altered = bytearray(message.read_bytes())
            altered[secrets.randbelow(len(altered))] ^= 1 << secrets.randbelow(8)
            altered_file = self.directory / "message.altered"
            altered_file.write_bytes(altered)
            if minisign_accepts(altered_file, signature, "-P", vault_key):
                raise StepFailed("minisign accepts vault's signature for an altered file")
            step.detail = "minisign -V refuses the altered file"

    def offer_shell(self, machine):
        size = shutil.get_terminal_size()
        shell.Shell(machine.work).run(f"stty rows {size.lines} columns {size.columns}")
        machine.work.send("\n")
        log = relative(self.directory / "core.log")
        print(f"\nThis is work's shell. {terminal.LEAVE_NAME} leaves it and ends the machine. "
              f"Core's console appears\nbetween its lines and in {log}. "
              "Try: vault sign /etc/passwd\n")
        terminal.use(machine)


def write_through(file):
    def write(text):
        file.write(text)
        file.flush()

    return write


def line_shower(name):
    """A listener that prints a console's lines below the running step."""
    pending = ""

    def show(text):
        nonlocal pending
        *lines, pending = (pending + text).split("\n")
        for line in lines:
            if line.strip():
                print(f"      {name}| {line}", flush=True)

    return show
