"""A domain with several cores: Debian's kernel on two of the machine's four."""
import hashlib
import pathlib
import re
import subprocess
import tempfile

import package
from machine import bulkhead
from nonce_server import NonceServer
from testing import cases, contains, equal, limit

HERE = pathlib.Path(__file__).resolve().parent
NUMBERS = 50000
FLAGS = ("-Os", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector",
         "-fno-asynchronous-unwind-tables", "-fcf-protection=none", "-Wl,--build-id=none",
         "-Wl,-n", "-Wl,--no-warn-rwx-segments", "-s")


def policy_in(directory, shadow=False):
    """laptop.policy with core 2 for work beside core 0; core 1 stays vault's, core 3 nobody's."""
    text = package.LAPTOP_POLICY.read_text()
    for old, new in (("cores 0\n", "cores 0, 2\n"), ("attest required", "attest optional"),
                     ('machine "', f'machine "{package.LAPTOP_POLICY.parent}/')):
        contains(text, old, "laptop.policy")
        text = text.replace(old, new, 1)
    if shadow:
        for interrupts, pool in (("direct", "8 MiB"), ("virtual", "256 KiB")):
            contains(text, f"interrupts {interrupts}\n", "laptop.policy")
            text = text.replace(f"interrupts {interrupts}\n",
                                f"interrupts {interrupts} paging shadow {pool}\n", 1)
    path = pathlib.Path(directory, "cores.policy")
    path.write_text(text)
    return path


def send_program(work, source):
    """Compiles the program on the host and sends it to work by the console; returns its place."""
    with tempfile.TemporaryDirectory() as directory:
        program = pathlib.Path(directory, "program")
        subprocess.run(["gcc", *FLAGS, "-o", program, source], check=True)
        content = program.read_bytes()
    for start in range(0, len(content), 200):
        text = "".join(f"\\x{byte:02x}" for byte in content[start:start + 200])
        work.output(f"printf '{text}' >>/tmp/program")
    work.output("chmod +x /tmp/program")
    return "/tmp/program"


def interrupts(work, name):
    """How many interrupts of a kind each CPU has had, by /proc/interrupts."""
    line = work.output(f"grep '^ *{name}:' /proc/interrupts")
    return [int(number) for number in re.findall(r"\d+", line)]


@limit(240)
@cases({"nested": ("EPYC", False), "shadow": ("EPYC,-npt", True)})
def test_linux(cpu, shadow):
    """Debian's kernel brings up its two cores and no others by INIT and SIPI; programs on both get
    right results, and what one takes out of a page table the other doesn't see any more."""
    expected = hashlib.sha256("".join(f"{n}\n" for n in range(1, NUMBERS + 1)).encode()).hexdigest()
    with tempfile.TemporaryDirectory() as directory, \
            bulkhead(policy=policy_in(directory, shadow), cpu=cpu, cpus=4, time_limit=230) as machine, \
            NonceServer() as server:
        key = machine.vault_key()
        work = machine.shell()
        contains(machine.core.text, "bulkhead: work: CPU 1 starts on core 2", "core's console")
        equal(work.output("grep ^apicid /proc/cpuinfo").split("\n"),
              ["apicid\t\t: 0", "apicid\t\t: 2"], "work's CPUs")
        contains(work.output("dmesg"), "smpboot: Allowing 2 CPUs, 0 hotplug CPUs", "its messages")
        for mask in (1, 2):
            equal(work.output(f"seq 1 {NUMBERS} | taskset {mask} sha256sum").split()[0], expected,
                  f"hash by the CPU of mask {mask}")
        before = interrupts(work, "TLB")
        equal(work.output(send_program(work, HERE / "shootdown.c")), "all pages were new",
              "what the second CPU saw")
        equal(interrupts(work, "TLB")[1] - before[1] > 50, True, "IPIs that ended translations")
        contains(work.output("vault sign /init"), "untrusted comment", f"vault, key {key}")
        equal(work.output(f"taskset 2 wget -q -O - {server.url}"), server.nonce, "what was fetched")
        denied = [line for line in machine.core.text.splitlines() if "denied ipi" in line]
        equal(denied, [], "IPIs that were denied")
