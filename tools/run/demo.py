"""The demonstration: its steps, and what each step's result must be."""
import os
import pathlib
import secrets
import shutil
import subprocess

import disk
import shell
import terminal
from console import MachineError
from nonce_server import NonceServer
from qemu import Config, Disk, Machine, Module
from steps import StepFailed

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build"
RUN = BUILD / "run"
GRUB_CACHE = RUN / "grub"  # the same for every run, so it stays
POLICYC = BUILD / "policyc"
POLICY = ROOT / "policy" / "laptop.policy"
CORE = BUILD / "core" / "bulkhead.elf"
DOMAIN_FILES = {  # as the policy names them
    "work.kernel": BUILD / "kernel" / "vmlinuz",
    "work.initrd": BUILD / "domains" / "work" / "initrd",
    "vault.image": BUILD / "domains" / "vault.bin",
}
STEPS = ["keys", "policy", "policy-signature", "disk", "machine", "core", "vault", "work",
         "network", "vault-sign", "altered-file"]
TROUBLE = r"^bulkhead: FATAL: .*$|^bulkhead: \w+: stopped: .*$|Kernel panic.*$"
# Seconds; emulated machines on a busy host are slow.
FIRMWARE_TIMEOUT = 180
BOOT_TIMEOUT = 180
COMMAND_TIMEOUT = 60


def relative(path):
    return os.path.relpath(path)


def run(*command):
    """Run a tool of the host; returns its exit status and all that it said."""
    try:
        done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except OSError as error:
        raise StepFailed(f"{relative(command[0])} can't be run: {error.strerror}. "
                         "Run 'make all' first.") from error
    return done.returncode, done.stdout.strip()


def must_run(*command):
    status, output = run(*command)
    if status != 0:
        raise StepFailed(f"{pathlib.Path(command[0]).name} ended with status {status}:\n{output}")
    return output


def must_be_there(*files):
    for path in files:
        if not path.exists():
            raise StepFailed(f"{relative(path)} is missing. Run 'make all' first.")


def minisign_accepts(file, signature, *key):
    """Whether minisign -V finds the signature good; StepFailed if it can't tell."""
    status, output = run("minisign", "-V", *key, "-m", file, "-x", signature)
    if status == 0 and "Signature and comment signature verified" in output:
        return True
    if status != 0 and "Signature verification failed" in output:
        return False
    raise StepFailed(f"minisign ended with status {status}:\n{output}")


class Demo:
    def __init__(self, options, steps):
        self.options = options
        self.steps = steps
        self.author_key = RUN / "author.key"
        self.author_public = RUN / "author.pub"
        self.policy_image = RUN / "policy.img"
        self.policy_signature = RUN / "policy.img.minisig"
        self.disk_image = RUN / "disk.img"

    def run(self):
        self.make_policy()
        self.make_disk()
        # The core's console must not be lost if the machine is: written as it comes.
        with open(RUN / "core.log", "w") as core_log, open(RUN / "work.log", "w") as work_log:
            with self.start() as machine:
                machine.core.on_text.append(write_through(core_log))
                machine.work.on_text.append(write_through(work_log))
                self.check(machine)
                if terminal.is_there() and not self.options.check:
                    self.offer_shell(machine)

    def make_policy(self):
        with self.steps.step("keys", "Making a throw-away author key"):
            must_run(POLICYC, "keygen", "--secret", self.author_key, "--public", self.author_public)
            must_be_there(self.author_key, self.author_public)
        with self.steps.step("policy", f"Compiling and signing {relative(POLICY)}") as step:
            must_be_there(*DOMAIN_FILES.values())
            files = [argument for name, path in DOMAIN_FILES.items()
                     for argument in ("--files", f"{name}={path}")]
            must_run(POLICYC, "build", POLICY, *files, "--key", self.author_key,
                     "-o", self.policy_image)
            must_be_there(self.policy_image, self.policy_signature)
            step.detail = f"{self.policy_image.stat().st_size} bytes, " + relative(self.policy_image)
        with self.steps.step("policy-signature", "Checking the policy's signature by minisign"):
            if not minisign_accepts(self.policy_image, self.policy_signature,
                                    "-p", self.author_public):
                raise StepFailed("minisign refuses the signature that policyc made")

    def make_disk(self):
        what = "Building a disk with GRUB, core, policy and domains"
        with self.steps.step("disk", what, disk.DiskError) as step:
            must_be_there(CORE)
            modules = [Module("policy", self.policy_image),
                       Module("signature", self.policy_signature),
                       Module("trust.pub", self.author_public)]
            modules += [Module(name, path) for name, path in DOMAIN_FILES.items()]
            disk.build(self.disk_image, CORE, modules, GRUB_CACHE, bios=False)
            step.detail = f"{self.disk_image.stat().st_size >> 20} MiB, {relative(self.disk_image)}"

    def start(self):
        options = self.options
        config = Config(boot=Disk(self.disk_image), memory_mib=options.memory, cpus=options.cpus,
                        tpm=True, screen=True, time_limit=None, directory=RUN)
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
        with self.steps.step("core", "Waiting for core, loaded and measured by GRUB",
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
            got = work.output(f"wget -T 20 -q -O - {server.url}", COMMAND_TIMEOUT)
            if got != server.nonce:
                raise StepFailed(f"work fetched {got!r} instead of {server.nonce!r}")
            step.detail = f"work fetched {got}"

    def check_signature(self, work, vault_key):
        message, signature = RUN / "message", RUN / "message.minisig"
        text = f"Signed by vault for work, {secrets.token_hex(16)}\n"
        message.write_text(text)
        with self.steps.step("vault-sign", "Having vault sign a file of work's; minisign checks "
                             "it on the host", MachineError) as step:
            work.output(f"echo '{text.strip()}' >/tmp/message", COMMAND_TIMEOUT)
            signature.write_text(work.output("vault sign /tmp/message", COMMAND_TIMEOUT) + "\n")
            if not minisign_accepts(message, signature, "-P", vault_key):
                raise StepFailed("minisign refuses vault's signature:\n" + signature.read_text())
            step.detail = f"minisign -V accepts {relative(signature)}"
        with self.steps.step("altered-file", "Flipping one bit of the file") as step:
            altered = bytearray(message.read_bytes())
            altered[secrets.randbelow(len(altered))] ^= 1 << secrets.randbelow(8)
            altered_file = RUN / "message.altered"
            altered_file.write_bytes(altered)
            if minisign_accepts(altered_file, signature, "-P", vault_key):
                raise StepFailed("minisign accepts vault's signature for an altered file")
            step.detail = "minisign -V refuses the altered file"

    def offer_shell(self, machine):
        size = shutil.get_terminal_size()
        shell.Shell(machine.work).run(f"stty rows {size.lines} columns {size.columns}")
        machine.work.send("\n")
        print(f"\nThis is work's shell. {terminal.LEAVE_NAME} leaves it and ends the machine. "
              f"Core's console appears\nbetween its lines and in {relative(RUN / 'core.log')}. "
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
