"""Interrupts of devices whose domain has several cores: each arrives on the core that it was asked
for."""
import re
import tempfile

from machine import bulkhead
from nonce_server import NonceServer
from test_cores import policy_in
from testing import Failure, cases, equal, limit


def counts(work, name):
    """Interrupts of that name so far by /proc/interrupts: number, on CPU 0, on CPU 1."""
    for line in work.output("cat /proc/interrupts").splitlines():
        if line.split()[-1] == name:
            return [int(number) for number in re.findall(r"\d+", line)[:3]]
    raise Failure(f"/proc/interrupts has no {name}")


def arrivals(work, name, cpu, traffic):
    """Has Linux move an interrupt to a CPU; how many more there are on each after the traffic."""
    number = counts(work, name)[0]
    work.output(f"echo {1 << cpu} >/proc/irq/{number}/smp_affinity")
    traffic()  # what was on its way may arrive where it was sent
    equal(work.output(f"cat /proc/irq/{number}/effective_affinity"), f"{1 << cpu:x}",
          f"CPUs of {name}")
    before = counts(work, name)
    traffic()
    after = counts(work, name)
    return after[1] - before[1], after[2] - before[2]


@limit(240)
@cases({"nested": ("EPYC", False), "shadow": ("EPYC,-npt", True)})
def test_linux(cpu, shadow):
    """Linux on two cores moves its interrupts between them: the network card's (MSI-X) and the
    serial port's (I/O APIC) arrive where /proc/irq/N/smp_affinity says and nowhere else."""
    with tempfile.TemporaryDirectory() as directory, \
            bulkhead(policy=policy_in(directory, shadow), cpu=cpu, cpus=4, time_limit=230) as machine, \
            NonceServer() as server:
        machine.vault_key()
        work = machine.shell()

        def fetch():
            equal(work.output(f"wget -q -O - {server.url}"), server.nonce, "what was fetched")

        for name, traffic in (("virtio0-input.0", fetch), ("virtio0-output.0", fetch),
                              ("ttyS1", lambda: work.output("echo"))):
            for target in (1, 0, 1):
                got = arrivals(work, name, target, traffic)
                equal((got[target] > 0, got[1 - target]), (True, 0), f"{name} on CPU {target}")
        denied = [line for line in machine.core.text.splitlines()
                  if re.search("denied (msi|ipi|dma)|ioapic-write at 0x1[0-7]", line)]
        equal(denied, [], "interrupts that were denied")
