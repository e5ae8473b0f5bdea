"""The steps of a demonstration while its machine runs: what core, vault and work say and do."""
import re
import secrets
import shutil

import shell
import terminal
from attestation import reference_id
from console import MachineError
from nonce_server import NonceServer
from package import PackageError, relative, run_tool
from steps import StepFailed

# The last is GRUB's.
TROUBLE = r"^bulkhead: FATAL: .*$|^bulkhead: \w+: stopped: .*$|Kernel panic.*$|^error: .*$"
REFUSAL = r"^bulkhead: FATAL: .*$"
RAN = r"^\[.*|^bulkhead: \w+: starts on core \d"  # a domain's line, or core's before it runs one
# Seconds; emulated machines on a busy host are slow.
FIRMWARE_TIMEOUT = 180
BOOT_TIMEOUT = 180
COMMAND_TIMEOUT = 60
EVIDENCE_TIMEOUT = 120


def minisign_accepts(file, signature, *key):
    """Whether minisign -V finds the signature good; PackageError if it can't tell."""
    status, output = run_tool("minisign", "-V", *key, "-m", file, "-x", signature)
    if status == 0 and "Signature and comment signature verified" in output:
        return True
    if status != 0 and "Signature verification failed" in output:
        return False
    raise PackageError(f"minisign ended with status {status}:\n{output}")


def fetch_evidence(work, nonce, reference, path):
    """Have work fetch the nonce from the host, get evidence for it from core and post it back,
    into `path`."""
    with NonceServer(nonce) as server:
        got = work.output(f"wget -q -O - {server.url}", COMMAND_TIMEOUT)
        if got != nonce:
            raise StepFailed(f"work fetched {got!r} instead of {nonce!r}")
        work.output(f"attest {got} --reference {reference_id(reference)} --base64 "
                    "-o ~/evidence", EVIDENCE_TIMEOUT)
        work.output(f"wget -q -O - --post-file ~/evidence {server.evidence_url}",
                    COMMAND_TIMEOUT)
        if not server.evidence:
            raise StepFailed("work posted no evidence")
        path.write_bytes(server.evidence)


def wait_for_work(machine):
    machine.work.expect(shell.READY, BOOT_TIMEOUT, unless=TROUBLE)
    return shell.Shell(machine.work)


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


class Running:
    """A machine that has been started, step by step."""

    def __init__(self, machine, steps, directory):
        self.machine, self.steps, self.directory = machine, steps, directory

    def show_core(self):
        """Print core's lines below the running step."""
        self.shower = line_shower("core")
        self.machine.core.on_text.append(self.shower)

    def hide_core(self):
        self.machine.core.on_text.remove(self.shower)

    def check_start(self):
        """Core, vault and work come up."""
        core = self.machine.core
        with self.steps.step("core", "Waiting for core", MachineError) as step:
            step.detail = core.expect(r"^bulkhead: core .*$", FIRMWARE_TIMEOUT, unless=TROUBLE)[0]
        with self.steps.step("vault", "Waiting for vault; its public key comes by core's console",
                             MachineError) as step:
            self.vault_key = core.expect(r"^\[vault\] public key (RW[\w+/]+=*)$", BOOT_TIMEOUT,
                                         unless=TROUBLE)[1]
            core.expect(r"^\[vault\] ready$", BOOT_TIMEOUT, unless=TROUBLE)
            step.detail = self.vault_key
        with self.steps.step("work", "Waiting for the shell of work, the untrusted Linux",
                             MachineError) as step:
            self.work = wait_for_work(self.machine)
            step.detail = self.work.output("uname -sr", COMMAND_TIMEOUT)

    def check_evidence(self, nonce, reference):
        evidence = self.directory / "evidence.cbor"
        with self.steps.step("evidence", "Sending a nonce through work's network, by virtio and the "
                             "IOMMU; evidence comes back", MachineError, OSError) as step:
            fetch_evidence(self.work, nonce, reference, evidence)
            step.detail = f"{evidence.stat().st_size} bytes, {relative(evidence)}"
        return evidence

    def check_signature(self):
        message, signature = self.directory / "message", self.directory / "message.minisig"
        text = f"Signed by vault for work, {secrets.token_hex(16)}\n"
        message.write_text(text)
        with self.steps.step("vault-sign", "Having vault sign a file of work's; minisign checks "
                             "it on the host", MachineError, PackageError) as step:
            self.work.output(f"echo '{text.strip()}' >~/message", COMMAND_TIMEOUT)
            signature.write_text(self.work.output("vault sign ~/message", COMMAND_TIMEOUT) + "\n")
            if not minisign_accepts(message, signature, "-P", self.vault_key):
                raise StepFailed("minisign refuses vault's signature:\n" + signature.read_text())
            step.detail = f"minisign -V accepts {relative(signature)}"
        with self.steps.step("altered-file", "Flipping one bit of the file", PackageError) as step:
            altered = bytearray(message.read_bytes())
            altered[secrets.randbelow(len(altered))] ^= 1 << secrets.randbelow(8)
            altered_file = self.directory / "message.altered"
            altered_file.write_bytes(altered)
            if minisign_accepts(altered_file, signature, "-P", self.vault_key):
                raise StepFailed("minisign accepts vault's signature for an altered file")
            step.detail = "minisign -V refuses the altered file"

    def check_refusal(self, pattern):
        """Core refuses with just that line, runs nothing and halts; returns the line."""
        core = self.machine.core
        with self.steps.step("refusal", "Waiting for core to refuse", MachineError) as step:
            line = core.expect(REFUSAL, FIRMWARE_TIMEOUT)[0]
            if not re.search(pattern, line):
                raise StepFailed(f"core refuses for another reason than {pattern!r}:\n{line}")
            self.machine.wait_until_halted()
            ran = [*re.findall(RAN, core.text, re.MULTILINE),
                   *re.findall(r"Linux version .*", self.machine.work.text)]
            if ran:
                raise StepFailed(f"core refuses, but something has run: {ran[0]}")
            step.detail = line
        return line

    def offer_shell(self):
        size = shutil.get_terminal_size()
        self.work.run(f"stty rows {size.lines} columns {size.columns}")
        self.machine.work.send("\n")
        log = relative(self.directory / "core.log")
        print(f"\nThis is work's shell. {terminal.LEAVE_NAME} leaves it and ends the machine. "
              f"Core's console appears\nbetween its lines and in {log}. "
              "Try: vault sign /etc/passwd\n")
        terminal.use(self.machine)
