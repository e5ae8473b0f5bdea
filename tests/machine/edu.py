"""QEMU's edu device as a hostile bus master, driven from outside the machine.

    with edu.attacker(Kernel(core)) as (machine, device):
        machine.core.expect(...)
        device.write_to(0x11000000, b"...")

Its registers are written through QEMU's debug stub, which reaches them as a CPU would, and
PCI configuration space by the monitor's port commands: no code in the machine takes part,
so what stops the device is what core set up before.
"""
import contextlib
import pathlib
import re
import socket
import tempfile

from qemu import Config, Machine
from testing import Failure

FUNCTION = 4 << 3  # 00:04.0, where the launcher puts it
PCI_COMMAND, PCI_BAR0 = 0x04, 0x10
MEMORY_AND_MASTER = 0x0006

# Registers (QEMU's docs/specs/edu.txt)
DMA_FROM, DMA_TO, DMA_COUNT, DMA_COMMAND = 0x80, 0x88, 0x90, 0x98
DMA_START, DMA_TO_MEMORY = 1, 2
BUFFER = 0x40000  # the device's own memory, for its DMA engine only
BUFFER_SIZE = 4096

CONFIG_ADDRESS, CONFIG_DATA = 0xcf8, 0xcfc

# The IOMMU, and where core has its device table (include/hw/amdvi.h, bulkhead/layout.h)
IOMMU_CONTROL = 0xfed80018
DEVICE_TABLE, ENTRY_SIZE = 0x10e00000, 32
UNKNOWN_SOURCE = 0x00a0  # the id that QEMU charges with edu's writes to FEEx_xxxx
INTERRUPTS = 0xfee00000  # | APIC id << 12
FIXED, SMI, NMI, INIT, EXTINT = 0, 2, 4, 5, 7  # delivery modes, bits 10:8 of the data


class DebugStub:
    """QEMU's gdb stub with physical addresses. The machine stands still while it is connected."""

    def __init__(self, path):
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.connect(str(path))
        self.received = b""
        self.ask("Qqemu.PhyMemMode:1")

    def ask(self, packet):
        self.connection.sendall(f"${packet}#{sum(packet.encode()) % 256:02x}".encode())
        while True:
            found = re.search(rb"\$([^#]*)#..", self.received)
            if found:
                self.received = self.received[found.end():]
                self.connection.sendall(b"+")
                return found[1].decode()
            data = self.connection.recv(4096)
            if not data:
                raise Failure("QEMU closed its debug stub")
            self.received += data

    def write(self, address, data):
        answer = self.ask(f"M{address:x},{len(data):x}:{data.hex()}")
        if answer != "OK":
            raise Failure(f"writing {len(data)} bytes at {address:#x}: the debug stub says {answer}")

    def close(self):
        self.ask("D")  # detach: the machine goes on
        self.connection.close()


class Edu:
    def __init__(self, machine, stub_path):
        self.machine = machine
        self.stub_path = stub_path
        self.bar = None

    def monitor(self, command):
        return self.machine.qmp("human-monitor-command", **{"command-line": command})

    def config_read(self, function, offset):
        """A double word of PCI configuration space."""
        self.monitor(f"o /w {CONFIG_ADDRESS:#x} {1 << 31 | function << 8 | offset:#x}")
        said = self.monitor(f"i /w {CONFIG_DATA:#x}")
        return int(said.split("=")[1], 16)

    def config_write(self, function, offset, value):
        self.monitor(f"o /w {CONFIG_ADDRESS:#x} {1 << 31 | function << 8 | offset:#x}")
        self.monitor(f"o /w {CONFIG_DATA:#x} {value:#x}")

    def read_register(self, address):
        """8 bytes of physical memory, by one access of that size."""
        said = self.monitor(f"xp /1gx {address:#x}")
        return int(said.split(":")[1], 16)

    def write_memory(self, *writes):
        """Write (address, bytes) pairs as a CPU would."""
        stub = DebugStub(self.stub_path)
        for address, data in writes:
            stub.write(address, data)
        stub.close()

    def is_master(self):
        return bool(self.config_read(FUNCTION, PCI_COMMAND) & 4)

    def turn_on(self):
        """What a driver does: let the device decode its addresses and do DMA."""
        self.config_write(FUNCTION, PCI_COMMAND, MEMORY_AND_MASTER)
        self.bar = self.config_read(FUNCTION, PCI_BAR0) & ~0xf

    def transfer(self, source, target, count, command):
        if self.bar is None:
            self.turn_on()
        quads = ((DMA_FROM, source), (DMA_TO, target), (DMA_COUNT, count),
                 (DMA_COMMAND, command | DMA_START))
        self.write_memory(*((self.bar + offset, value.to_bytes(8, "little"))
                            for offset, value in quads))
        while self.read_register(self.bar + DMA_COMMAND) & DMA_START:
            pass  # each look is an exchange with QEMU; the machine's time limit ends it

    def read_from(self, address, count):
        """DMA from memory into the device's buffer."""
        self.transfer(address, BUFFER, count, 0)

    def write_buffer_to(self, address, count):
        """DMA of what the device's buffer holds to memory."""
        self.transfer(BUFFER, address, count, DMA_TO_MEMORY)

    # For counter-checks: an attack that fails must succeed once nothing stops it.

    @contextlib.contextmanager
    def instead(self, address, value):
        """A quadword of memory or registers holds another value for a while."""
        before = self.read_register(address)
        self.write_memory((address, value.to_bytes(8, "little")))
        yield
        self.write_memory((address, before.to_bytes(8, "little")))

    def without_iommu(self):
        return self.instead(IOMMU_CONTROL, 0)

    def without_remapping(self):
        """Interrupts of the id that edu's are charged to pass: IV=0."""
        return self.instead(DEVICE_TABLE + UNKNOWN_SOURCE * ENTRY_SIZE + 16, 0)

    def fill_buffer(self, data, scratch=0x20000000):
        """Bring data into the device's buffer by way of memory that nobody uses."""
        with self.without_iommu():
            self.write_memory((scratch, data))
            self.read_from(scratch, len(data))
            self.write_memory((scratch, bytes(len(data))))

    def interrupt(self, mode, vector=0, apic=0):
        """Raise an interrupt as a device can: by a DMA write to the interrupt range."""
        self.fill_buffer((mode << 8 | vector).to_bytes(4, "little"))
        self.write_buffer_to(INTERRUPTS | apic << 12, 4)


def debug_stub(directory):
    """The stub's path in that directory, and the arguments with which QEMU offers it there."""
    path = pathlib.Path(directory, "gdb")
    return path, ("-chardev", f"socket,id=gdb,path={path},server=on,wait=off",
                  "-gdb", "chardev:gdb")


@contextlib.contextmanager
def attacker(boot, **options):
    """A machine with edu that boots that, and the device."""
    with tempfile.TemporaryDirectory() as directory:
        path, stub = debug_stub(directory)
        with Machine(Config(boot=boot, edu=True, extra=stub, **options)) as machine:
            yield machine, Edu(machine, path)
