"""A machine on which the stand-in attacks, and what can be seen of its attacks from outside.

    with standin.machine() as machine:
        machine.attack("icr")
        machine.expect_denied("ipi", 0x1000000000040fe)
        machine.expect_intact()
"""
import contextlib
import json
import re
import struct

import core_alone
import machine as bulkhead
import package
from testing import contains, equal

POLICY = package.ROOT / "tests/machine/standin.policy"
FILES = {"standin.image": package.BUILD / "domains/standin.bin",
         "vault.image": package.BUILD / "domains/vault.bin"}
CORE_TROUBLE = r"^bulkhead: FATAL: .*$|^bulkhead: vault: stopped: .*$"
TROUBLE = r"^standin: \S+ BREACH.*$|^standin: error: .*$|^stopped by exception .*$|" \
          rf"^bulkhead: work: stopped: .*$|{CORE_TROUBLE}"

# What attacks write where they may not (domains/intruder): by MOV at these places of each page,
# since what a denied MOV was to write may well be seen on core's stack; by DMA, 32 bytes, anywhere.
MOV_TRACE, MOV_OFFSETS = struct.pack("<Q", 0x0badc0de0badc0de), (0, 0x808, 0xff8)
DMA_TRACE = MOV_TRACE * 4
CANARY_GPA, CANARY_WORDS = 0xff000, 512  # include/bulkhead/vault.h
CANARY = b"".join(struct.pack("<Q", (0x59524e4148423a01 + i * 0x9e3779b97f4a7c15) % 2**64)
                  for i in range(CANARY_WORDS))
DEVICE_TABLE = (0x10e00000, 0x200000)  # include/bulkhead/layout.h
DENIED = (3, 0, 1, 0)  # an entry that lets nothing pass, by the AMD IOMMU specification
PLATFORM_FUNCTIONS = (0x00, 0x08, 0xf8, 0xfa, 0xfb)  # host bridge, IOMMU, LPC, AHCI, SMBus
GRANTED = (0x18, 0x20, 0xa0)  # nic, edu, the I/O APIC
OWN_MEMORY = (0x100000, 0x100000)  # where the stand-in's program, buffers and stack lie

# Interrupt remapping tables (AMD IOMMU specification, 2.2.5; include/bulkhead/image.h), whose
# entries hold an APIC id: in this machine it is the core's number.
INTERRUPT_TABLE = 0x000fffffffffffc0
ENTRIES, USED_ENTRIES, REMAP = 2048, 512, 0x4000

# Registers that only core may write and whose change no domain sees: PCI functions by their place
# in ECAM, which SeaBIOS and OVMF put elsewhere, and the IOMMU's first 20h bytes (tables, control).
ECAM = (0xb0000000, 0xe0000000)
PLATFORM = {"host bridge": 0x00 << 12, "IOMMU's function": 0x08 << 12, "LPC bridge": 0xf8 << 12,
            "AHCI": 0xfa << 12, "SMBus": 0xfb << 12}
PCI_STATUS = slice(6, 8)  # changes by itself
IOMMU = (0xfed80000, 0x20)


def dump(image):
    """What the image gives to whom, as policyc reads it."""
    return json.loads(package.must_run(package.POLICYC, "dump", "--json", image))


class Outside:
    """A machine, seen from outside: its memory, its CPUs, core's console."""

    def __init__(self, running, image):
        self.machine = running
        self.core, self.work = running.core, running.work
        self.image = image.read_bytes()
        self.policy = dump(image)
        self.domains = {domain["name"]: domain for domain in self.policy["domains"]}

    def note_platform(self):
        """Once core is up and before an attack: what expect_intact() compares with."""
        self.platform = platform_registers(self.machine.read_memory)

    def expect_denied(self, kind, address, details=".*"):
        """Core's console must name the attempt, behind those that were named before."""
        self.core.expect(rf"^bulkhead: work: denied {kind} at {address:#x} \({details}\)", 10)

    def core_lines(self, word):
        """Lines of core's console with that word."""
        return [line for line in self.core.text.splitlines() if word in line]

    def strange_core_lines(self):
        """Lines of core's console that begin neither as core's own nor as a domain's."""
        return [line for line in self.core.text.splitlines()
                if line and not line.startswith(("bulkhead: ", "["))]

    def remapped(self):
        """Slices of the image where core keeps interrupts of work's devices, if it does."""
        if len(self.domains["work"]["cores"]) == 1:
            return []
        roots = [entry["dte"][2] & INTERRUPT_TABLE for entry in self.policy["dtes"]]
        return [slice(root - self.policy["base"], root - self.policy["base"] + REMAP)
                for root in roots]

    def platform_functions(self):
        """Configuration space of the functions that are nobody's: {bdf: its 64 double words}."""
        def monitor(command):
            return self.machine.qmp("human-monitor-command", **{"command-line": command})

        def read(bdf, reg):
            monitor(f"o /w 0xcf8 {0x80000000 | bdf << 8 | reg:#x}")
            return int(monitor("i /w 0xcfc").split("=")[1], 16)

        space = {bdf: [read(bdf, reg) for reg in range(0, 256, 4)] for bdf in PLATFORM_FUNCTIONS}
        equal([hex(space[bdf][0]) for bdf in (0x00, 0xf8)], ["0x29c08086", "0x29188086"],
              "ids of Q35's host bridge and LPC bridge")
        return space

    def expect_open_devices(self, expected):
        """The device table's entries that let anything pass are those of these requester ids."""
        table = struct.unpack("<262144Q", self.machine.read_memory(*DEVICE_TABLE))
        found = {device for device in range(65536) if table[4 * device:4 * device + 4] != DENIED}
        equal(found, set(expected), "devices that the device table lets pass")

    def expect_unchanged(self):
        """Seen from outside: core's code and the rights of all domains are as they were."""
        read = self.machine.read_memory
        image = read(self.policy["base"], len(self.image))
        for place in self.remapped():
            check_interrupts(image[place], self.domains["work"]["cores"])
            image = image[:place.start] + self.image[place] + image[place.stop:]
        equal(image == self.image, True, "the policy image in memory is the one that was signed")
        for place, expected in constant_core().items():
            equal(read(place, len(expected)) == expected, True,
                  f"core's code and constants at {place:x} are as they were linked")

    def expect_intact(self):
        """Seen from outside: core's code, rights of all domains and vault's canary are as they
        were, and nothing that attacks write stands where it may not."""
        read = self.machine.read_memory
        self.expect_unchanged()
        vault = self.domains["vault"]
        equal(read(vault["memory_base"] + CANARY_GPA, len(CANARY)) == CANARY, True,
              "vault's canary is whole")
        for name, registers in platform_registers(read).items():
            changed = [hex(n) for n, pair in enumerate(zip(self.platform[name], registers))
                       if pair[0] != pair[1]]
            equal(changed, [], f"registers of {name} that have changed")
        for region in self.policy["regions"]:
            traces = traces_in(read(region["base"], region["size"]))
            equal([hex(region["base"] + at) for at in traces], [], "places that an attack wrote to")


class Standin(Outside):
    """Such a machine on which the stand-in waits for commands."""

    def __init__(self, running, image):
        super().__init__(running, image)
        running.vault_key()
        self.work.expect(r"^standin: ready$", bulkhead.BOOT_TIMEOUT, unless=TROUBLE)
        self.note_platform()

    def attack(self, name, timeout=60):
        """The attack must be refused; returns how, in the stand-in's words."""
        self.work.send(f"attack {name}\n")
        return self.work.expect(rf"^standin: {re.escape(name)}: refused \((.*)\)$", timeout,
                                unless=TROUBLE)[1]

    def attack_to_its_end(self, name, timeout=60):
        """The attack must end the stand-in's domain; returns why core has stopped it."""
        self.work.send(f"attack {name}\n")
        self.work.expect(rf"^standin: {re.escape(name)}: expects to be stopped$", timeout,
                         unless=TROUBLE)
        return self.core.expect(r"^bulkhead: work: stopped: (.*) \(exit .*$", timeout,
                                unless=rf"^standin: \S+ BREACH.*$|{CORE_TROUBLE}")[1]

    def expect_vault(self):
        """Vault answers that it is intact."""
        self.work.send("check\n")
        self.work.expect(r"^standin: check: refused \(vault is intact\)$", 60, unless=TROUBLE)

    def expect_waiting_vault(self, nobodys=0):
        """For a machine without work: all CPUs sleep where core waits for doorbells, but for as
        many as have no domain."""
        self.machine.wait_until_halted()
        registers = self.machine.qmp("human-monitor-command",
                                     **{"command-line": "info registers -a"})
        places = [int(rip, 16) for rip in re.findall(r"RIP=(\w+)", registers)]
        found = [core_function_at(rip) for rip in places]
        expected = {"svm_window", "svm_doze"}
        equal(len([name for name in found if name not in expected]), nobodys,
              f"CPUs that don't wait in core's window: {found}")
        equal(found.count("domains_run"), nobodys, f"CPUs of nobody: {found}")

    def expect_no_secret(self):
        """No word of vault's canary has come into the stand-in's memory."""
        own = words_of(FILES["standin.image"].read_bytes())  # it knows how they are computed
        got = words_of(self.machine.read_memory(*OWN_MEMORY)) & words_of(CANARY) - own
        equal({hex(word) for word in got}, set(), "words of vault's canary in the attacker's hands")


def check_interrupts(remap, cores):
    """An interrupt remapping table lets fixed interrupts pass, to these cores, and nothing else."""
    for index, entry in enumerate(struct.unpack_from(f"<{ENTRIES}I", remap)):
        allowed = entry & 0xff == 1 and entry >> 8 & 0xff in cores and 0x20 <= entry >> 16 <= 0xfe
        equal((hex(entry), entry == 0 or allowed and index < USED_ENTRIES), (hex(entry), True),
              f"entry {index} of an interrupt remapping table")


def platform_registers(read):
    """{name: bytes} of PLATFORM's functions and the IOMMU; read: Machine.read_memory."""
    found = [base for base in ECAM if read(base, 2) == b"\x86\x80"]
    equal(len(found), 1, "places of ECAM, where the host bridge shows its vendor")
    registers = {"IOMMU": read(*IOMMU)}
    for name, offset in PLATFORM.items():
        config = bytearray(read(found[0] + offset, 256))
        config[PCI_STATUS] = bytes(2)
        registers[name] = bytes(config)
    return registers


def traces_in(memory):
    """Offsets of what attacks write in a region of memory, which begins at a page."""
    by_mov = (found.start() for found in re.finditer(re.escape(MOV_TRACE), memory))
    by_dma = (found.start() for found in re.finditer(re.escape(DMA_TRACE), memory))
    return [*(at for at in by_mov if at % 0x1000 in MOV_OFFSETS), *by_dma]


def words_of(memory):
    return set(struct.unpack_from(f"<{len(memory) // 8}Q", memory))


def core_function_at(address):
    """The name of core's function that holds the address."""
    listing = package.must_run("nm", "--numeric-sort", package.CORE)
    found = ""
    for line in listing.splitlines():
        place, kind, name = line.split()
        if int(place, 16) > address:
            break
        found = name
    return found


def constant_core():
    """{address: bytes} of core's image that nobody may write: its code and its constants."""
    elf = package.CORE.read_bytes()
    start = core_alone.symbol("core_text_start")
    end = core_alone.symbol("core_rodata_end")
    header_at, = struct.unpack_from("<Q", elf, 0x20)
    size, count = struct.unpack_from("<HH", elf, 0x36)
    found = {}
    for index in range(count):
        kind, _, offset, address, _, file_size, _, _ = struct.unpack_from(
            "<IIQQQQQQ", elf, header_at + index * size)
        first, last = max(address, start), min(address + file_size, end)
        if kind == 1 and first < last:
            found[first] = elf[offset + first - address:offset + last - address]
    contains({address <= start for address in found}, True, "core's image holds its code")
    return found


@contextlib.contextmanager
def watched(view, kind=package.Package, **options):
    """A machine, wrapped into `view`, a class above. kind: the class of Package that says what
    the loader hands over; options: bulkhead()'s."""
    kept = []

    def keep(parts, directory):
        kept.append(kind(**vars(parts)))
        return kept[0]

    with bulkhead.bulkhead(change=keep, **options) as running:
        yield view(running, kept[0].policy)


def machine(**options):
    """A machine that boots the stand-in beside vault."""
    return watched(Standin, policy=POLICY, files=FILES, edu=True, **options)
