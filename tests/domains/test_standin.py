"""The stand-in on the bare machine: without a hypervisor its attacks must succeed.

An attack that reports `refused` under Bulkhead proves something only if it reports a breach
where nothing protects the machine.
"""
import re

from qemu import Config, Kernel, Machine
from standin import DMA_TRACE, traces_in
from testing import Failure, cases, contains, equal

STANDIN = "build/domains/standin-bare.elf"
RESULT = r"^standin: {}: (refused|BREACH) \((.*)\)$"

# In this order: foreign-write leaves behind what dma-read finds.
SUCCEED = {
    "check": "there is no channel",
    "vault-memory": "10000000 read 0, after a write badc0de0badc0de",
    "core-memory": "11000000 read 0, after a write badc0de0badc0de",
    "foreign-write": "10000000 reads badc0de0badc0de",
    "foreign-read": "10000000 reads badc0de0badc0de",
    "dma-read": "10000000 brought badc0de0badc0de",
    "fw-cfg-read": "port 511 reads 51",  # Q, of QEMU
    "fw-cfg-dma": "the device took a request aimed at core",
    "pmbase": "port 60[0-9a-f] reads",
    "cmos": "register [0-9a-f]+ reads",
    "host-bridge": "register [0-9a-f]+ of function 0 was",
    "foreign-functions": "function 8 shows its id",  # the IOMMU
    "msr-svm-smm": "MSR c0010114 can be read",
    "msr-efer": "MSR c0000080 took",
    "msr-apic-base": "MSR 1b took",
    "msr-reads": "MSR 0 can be read",
    "msr-writes": "MSR 0 takes a write",
    "lvt": "LVT entry 330 took mode 2",
    "apic-id": "the id was 0, became 1000000",
    "ioapic": "entry 0 took mode 2",
    "wait-instructions": "MONITOR of 0 ended with -1",
    "cpuid": "CPUID shows SVM or MONITOR",
    "port-strings": "INS at port 60 ended with -1",
    "call-garbage": "number [0-9a-f]+ raised exception 6",
}


def test_attacks_succeed_without_bulkhead():
    """Each attack that the bare machine survives reports how it got through."""
    with Machine(Config(boot=Kernel(STANDIN), edu=True)) as machine:
        machine.work.expect(r"^standin: ready$", timeout=20)
        for name, breach in SUCCEED.items():
            machine.work.send(f"attack {name}\n" if name != "check" else "check\n")
            result = machine.work.expect(RESULT.format(re.escape(name)), timeout=60)
            if result[1] != "BREACH" or not re.search(breach, result[2]):
                raise Failure(f"{name} on the bare machine\n"
                              f"  expected: BREACH, {breach!r}\n  got:      {result[0]!r}")


def test_traces_are_found():
    """What the tests of containment look for in memory is what attacks leave there."""
    with Machine(Config(boot=Kernel(STANDIN), edu=True)) as machine:
        machine.work.expect(r"^standin: ready$", timeout=20)
        for name, place in (("dma-write", 0x10080000), ("foreign-write", 0x10901000)):
            equal(traces_in(machine.read_memory(place, 0x1000)), [], f"traces before {name}")
            machine.work.send(f"attack {name}\n")
            machine.work.expect(RESULT.format(name), timeout=60)
            memory = machine.read_memory(place, 0x1000)
            contains(traces_in(memory), 0, f"traces of {name} at {place:x}")
            equal(memory.startswith(DMA_TRACE), name == "dma-write", f"{name} wrote 32 bytes")


@cases({name: (name,) for name in ("reset-register", "keyboard-controller", "port-92",
                                   "triple-fault")})
def test_attack_resets_without_bulkhead(name):
    """Attacks on the reset lines end the bare machine."""
    with Machine(Config(boot=Kernel(STANDIN))) as machine:
        machine.work.expect(r"^standin: ready$", timeout=20)
        machine.work.send(f"attack {name}\n")
        machine.wait_for_exit(timeout=30)


def test_commands():
    """The stand-in lists its attacks and names what it doesn't know."""
    with Machine(Config(boot=Kernel(STANDIN))) as machine:
        machine.work.expect(r"^standin: ready$", timeout=20)
        machine.work.send("list\n")
        machine.work.expect(r"^standin: attack policy-image: ", timeout=10)
        machine.work.expect(r"^standin: fatal root-core: ", timeout=10)
        machine.work.expect(r"^standin: end of list$", timeout=10)
        machine.work.send("attack nothing\n")
        machine.work.expect(r"^standin: error: there is no attack nothing$", timeout=10)
        machine.work.send("frobnicate\n")
        machine.work.expect(r"^standin: error: unknown command: frobnicate$", timeout=10)
