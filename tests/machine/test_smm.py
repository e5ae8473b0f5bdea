"""No SMI runs code that somebody else could have written, whatever the firmware left behind."""
import contextlib
import dataclasses
import pathlib
import shutil
import tempfile

import core_alone
import edu
from qemu import Config, Disk, Machine, OVMF_VARS, comma
from testing import cases, equal

# SeaBIOS has moved SMBASE to A0000h, OVMF without SMM has left it at 30000h.
LOADERS = {"seabios": ("kernel",), "ovmf": ("uefi",)}

# In real mode, data segments from 0: movl $MARK, (500h); rsm
MARK = 0x600dc0de
MARK_PLACE = 0x500
ATTACK = b"\x66\xc7\x06\x00\x05" + MARK.to_bytes(4, "little") + b"\x0f\xaa"
ENTRIES = (0x38000, 0xa8000)  # where CPUs would look for it that had not been moved

SMRAM = 0x9c  # the double word of the host bridge that holds it in its second byte
STUB_COUNT = 0x40
STUB_SPACING = 0x1000


def mark(machine):
    return int.from_bytes(machine.read_memory(MARK_PLACE, 4), "little")


def counts(machine, cpus):
    stubs = core_alone.symbol("smm_stubs")
    return [int.from_bytes(machine.read_memory(stubs + cpu * STUB_SPACING + STUB_COUNT, 4),
                           "little") for cpu in range(cpus)]


def smram_control(device):
    """Without D_CLS, which can only hide more."""
    return device.config_read(0, SMRAM) >> 8 & 0xdf


@contextlib.contextmanager
def taken(loader, **options):
    with tempfile.TemporaryDirectory() as directory:
        boot = core_alone.boot(loader, directory)
        with edu.attacker(boot, **options) as (machine, device):
            machine.core.expect(r"^bulkhead: SMM: \d+ CPUs relocated, SMRAM locked$", timeout=60)
            core_alone.wait(machine)
            yield machine, device


@cases(LOADERS)
def test_smi_runs_core_stub_only(loader):
    """An SMI to any CPU comes to core's stub, not to a handler planted where firmware had one."""
    with taken(loader, cpus=4) as (machine, device):
        equal(counts(machine, 4), [1] * 4, "SMIs that core has sent itself")
        device.write_memory((MARK_PLACE, bytes(4)), *((entry, ATTACK) for entry in ENTRIES))
        expected = [1] * 4
        for cpu in (3, 0, 1, 2, 0):
            with device.without_remapping():
                device.interrupt(edu.SMI, apic=cpu)
            machine.wait_until_halted()
            expected[cpu] += 1
            equal(counts(machine, 4), expected, f"SMIs by CPU after one to CPU {cpu}")
        equal(hex(mark(machine)), "0x0", "the planted handler's mark")

        device.write_memory((core_alone.symbol("smm_stubs"), ATTACK))
        with device.without_remapping():
            device.interrupt(edu.SMI)
        machine.wait_until_halted()
        equal(hex(mark(machine)), hex(MARK), "counter-check: it works where a CPU does look")


@cases(LOADERS)
def test_smram_stays_locked(loader):
    """SMRAM is closed and locked: its register ignores writes, A8000h shows no handler."""
    with taken(loader, screen=True) as (machine, device):
        hidden = machine.read_memory(0xa8000, 16)
        handler = machine.read_memory(core_alone.symbol("smm_relocate"), 16)
        equal(hidden == handler, False, "the handler in SMRAM is seen from outside")
        equal(hex(smram_control(device)), "0x1a", "SMRAM control")
        for value in (0x4a, 0x0a, 0x02, 0x00, 0xff):
            device.monitor(f"o /b {edu.CONFIG_DATA + 1:#x} {value:#x}")
            equal(hex(smram_control(device)), "0x1a", f"SMRAM control after writing {value:#x}")
        equal(machine.read_memory(0xa8000, 16), hidden, "memory at A8000h")


@dataclasses.dataclass(frozen=True)
class LockedFirmware(Disk):
    """OVMF with SMM: it keeps its handler in memory that it has locked."""

    def arguments(self, directory):
        variables = pathlib.Path(directory, "variables.fd")
        shutil.copyfile(OVMF_VARS, variables)
        return ["-machine", "smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on",
                "-drive", "if=pflash,unit=0,format=raw,readonly=on,"
                "file=/usr/share/OVMF/OVMF_CODE_4M.secboot.fd",
                "-drive", f"if=pflash,unit=1,format=raw,file={comma(variables)}",
                *Disk(self.image, uefi=False).arguments(directory)]


def test_locked_firmware_is_told():
    """Where firmware has locked SMRAM first, core says that its handler stays, and goes on."""
    with tempfile.TemporaryDirectory() as directory:
        image = core_alone.boot("uefi", directory).image
        with Machine(Config(boot=LockedFirmware(image))) as machine:
            machine.core.expect(r"^bulkhead: SMM: 0 CPUs relocated, 2 native: their SMI handler "
                                r"is the firmware's, which has locked it$", timeout=60)
            core_alone.wait(machine)
