"""No device reaches memory or a CPU once core has begun, whatever the device is told."""
import contextlib
import re
import tempfile
import time

import core_alone
import edu
from machine import bulkhead
from package import ROOT
from testing import Failure, cases, equal

DENIED = (3, 0, 1, 0)
LOADERS = {"bios": ("kernel",), "uefi": ("uefi",)}


@contextlib.contextmanager
def attacked_core(loader="kernel"):
    with tempfile.TemporaryDirectory() as directory:
        boot = core_alone.boot(loader, directory)
        with edu.attacker(boot) as (machine, device):
            core_alone.wait(machine)
            yield machine, device


def entries(machine):
    """The device table: requester id -> quadwords."""
    table = machine.read_memory(edu.DEVICE_TABLE, 65536 * edu.ENTRY_SIZE)
    quads = [int.from_bytes(table[i:i + 8], "little") for i in range(0, len(table), 8)]
    return {device: tuple(quads[device * 4:device * 4 + 4]) for device in range(65536)}


@cases(LOADERS)
def test_table(loader):
    """All 65,536 entries deny all, the IOMMU is on and reads them, and devices are stopped."""
    with attacked_core(loader) as (machine, device):
        equal({d: e for d, e in entries(machine).items() if e != DENIED}, {}, "open entries")
        equal(hex(device.read_register(0xfed80000)), hex(edu.DEVICE_TABLE | 511), "table base")
        equal(hex(device.read_register(edu.IOMMU_CONTROL) & 0x1405), "0x1405", "IOMMU's control")
        masters = [d for d in range(256)
                   if device.config_read(d, 0) != 0xffffffff
                   and device.config_read(d, 8) >> 24 != 6
                   and device.config_read(d, edu.PCI_COMMAND) & 4]
        equal(masters, [], "functions of bus 0 that are bus masters")


# What a device would want to change: name -> address, or core's symbol
TARGETS = {
    "core's text": 0x11000000,
    "the end of core's first page": 0x11000ff0,
    "the device table": edu.DEVICE_TABLE + 0x20 * edu.ENTRY_SIZE,
    "the place of the policy": 0x10000000,
    "the last bytes below core": 0x10fffff0,
    "the reset SMBASE": 0x38000,
    "an SMI stub": "smm_stubs",
    "a CPU's area": "cpu_areas",
    "ordinary memory": 0x20000000,
}
MARK = b"written by edu!!"


def test_dma_is_denied():
    """DMA writes change nothing and DMA reads get nothing, anywhere; without IOMMU they would."""
    with attacked_core() as (machine, device):
        for name, place in TARGETS.items():
            address = core_alone.symbol(place) if isinstance(place, str) else place
            before = machine.read_memory(address, 64)
            device.fill_buffer(MARK, scratch=0x20001000)
            device.write_buffer_to(address, len(MARK))
            equal(machine.read_memory(address, 64), before, f"{name} at {address:#x}")

            device.read_from(address, len(MARK))
            with device.without_iommu():
                device.write_buffer_to(0x20002000, len(MARK))
            got = machine.read_memory(0x20002000, len(MARK))
            if any(before[:16]) and got == before[:16]:
                raise Failure(f"edu has read {name} at {address:#x}: {got!r}")

            with device.without_iommu():
                device.fill_buffer(MARK, scratch=0x20001000)
                device.write_buffer_to(address, len(MARK))
                equal(machine.read_memory(address, 16), MARK, f"counter-check: {name}")
                device.read_from(address, len(MARK))
                device.write_buffer_to(0x20002000, len(MARK))
                equal(machine.read_memory(0x20002000, 16), MARK, f"counter-check: {name}, read")
                device.write_memory((address, before))


def cpu_state(machine):
    """Where each CPU is and in which mode; an SMI that returns leaves this alone."""
    registers = machine.qmp("human-monitor-command", **{"command-line": "info registers -a"})
    return re.findall(r"(?:R?IP|CR0|EFER)=\w+", registers)


def smi_counts(machine):
    """SMIs that CPUs 0 and 1 have taken (core/smm_container/handlers.h)."""
    stubs = core_alone.symbol("smm_stubs") + 0x40
    return [int.from_bytes(machine.read_memory(stubs + cpu * 0x1000, 4), "little")
            for cpu in (0, 1)]


def wake(machine, device):
    """Have both CPUs take an SMI: QEMU keeps an INIT back from a CPU in HLT until then."""
    before = smi_counts(machine)
    with device.without_remapping():
        for cpu in (0, 1):
            device.interrupt(edu.SMI, apic=cpu)
    machine.wait_until_halted()
    equal(smi_counts(machine), [count + 1 for count in before], "SMIs")


def test_interrupts_are_denied():
    """A DMA write to FEEx_xxxx delivers no interrupt of any mode; without remapping it would."""
    with attacked_core() as (machine, device):
        state, smis = cpu_state(machine), smi_counts(machine)
        for mode in range(8):
            for apic in (0, 1, 0xff):
                device.interrupt(mode, vector=0x31, apic=apic)
        equal(smi_counts(machine), smis, "SMIs that arrived")
        wake(machine, device)
        equal(cpu_state(machine), state, "state of the CPUs")

        for name, mode in (("NMI", edu.NMI), ("INIT", edu.INIT)):
            with device.without_remapping():
                device.interrupt(mode)
                device.interrupt(edu.SMI)
            deadline = machine.deadline(10)
            while cpu_state(machine) == state:  # the CPU takes it in its own time
                if time.monotonic() > deadline:
                    raise Failure(f"counter-check: {name} did nothing")
            state = cpu_state(machine)


STANDIN = {"standin.image": ROOT / "build/domains/standin.bin",
           "vault.image": ROOT / "build/domains/vault.bin"}


@contextlib.contextmanager
def standin():
    """A machine that runs the stand-in as work, with edu granted to it; and edu."""
    with tempfile.TemporaryDirectory() as directory:
        path, stub = edu.debug_stub(directory)
        with bulkhead(policy=ROOT / "tests/machine/standin.policy", files=STANDIN, edu=True,
                      extra=stub) as machine:
            machine.work.expect(r"^standin: ready$", timeout=60)
            yield machine, edu.Edu(machine, path)


def open_entries(machine):
    return {d: e for d, e in entries(machine).items() if e != DENIED}


def test_policy_opens_its_rows_only():
    """With a policy, the entries of its devices are open and all others still deny all."""
    with standin() as (machine, _):
        found = open_entries(machine)
        equal(sorted(found), [0x18, 0x20, edu.UNKNOWN_SOURCE], "open entries")
        for device, (memory, domain, interrupts, last) in found.items():
            equal((memory & 3, domain, interrupts & 1, interrupts >> 60, last), (3, 1, 1, 2, 0),
                  f"entry of {device:#x}: V, TV; DomainID; IV; IntCtl; the rest")


def test_stopped_domain_loses_its_devices():
    """A device reaches its domain's memory, and that no more once the domain has stopped."""
    place = 0x20000000  # in work's memory, unused by the stand-in
    with standin() as (machine, device):
        device.fill_buffer(MARK, scratch=place + 0x1000)
        device.write_buffer_to(place, len(MARK))
        equal(machine.read_memory(place, 16), MARK, "work's memory after its device wrote there")

        machine.work.send("attack stop\n")
        machine.core.expect(r"^bulkhead: work: stopped: ")
        machine.core.expect(r"^bulkhead: work: its devices are closed$")
        equal(open_entries(machine), {}, "open entries")
        equal(device.is_master(), False, "edu may do DMA")
        device.turn_on()
        device.fill_buffer(b"again and again!", scratch=place + 0x1000)
        device.write_buffer_to(place, len(MARK))
        equal(machine.read_memory(place, 16), MARK, "work's memory after it had stopped")
