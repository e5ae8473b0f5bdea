"""What an attacker in ring 0 of the untrusted domain tries, each attack on a machine of its own.

The stand-in judges what it can see and asks vault; here core's console and the machine's memory
are looked at from outside.
"""
import contextlib
import pathlib
import tempfile

import package
import qemu
import standin
from testing import cases, contains, equal, limit

PATTERN = "0xbadc0de0badc0de"

# Attack: what core's console must say of it, in this order: kind, address, details.
PORTS = {
    "fw-cfg-read": (("port-write", 0x510), ("port-read", 0x511)),
    "fw-cfg-dma": (("port-write", 0x514), ("port-write", 0x518)),
    "pmbase": (("port-read", 0x600), ("port-write", 0x630, "0xffffffff"), ("port-write", 0x668),
               ("port-write", 0x604, "0x3c00")),
    "apm": (("port-write", 0xb2, "0x1"), ("port-write", 0xb3)),
    "port-92": (("port-write", 0x92, "0x0"), ("port-write", 0x92, "0x3")),
    "keyboard-controller": (("port-write", 0x64, "0xd1"), ("port-write", 0x60, "0xdd"),
                            ("port-write", 0x64, "0xfe")),
    "reset-register": (("port-write", 0xcf9, "0x2"), ("port-write", 0xcf9, "0x6"),
                       ("port-write", 0xcf9, "0xe")),
    "cmos": (("port-write", 0x70), ("port-read", 0x71)),
    "isa-dma": (("port-write", 0x0), ("port-write", 0x87), ("port-write", 0xdf)),
    "core-console": (("port-write", 0x3f8, "0x58"),),
    "straddling": (("port-read", 0x2ff, "0x2"), ("port-read", 0x2fe, "0x4"),
                   ("port-read", 0xcff, "0x2")),
    "port-strings": (("port-read", 0x60, "0x1"), ("port-write", 0x511, "0x1"),
                     ("port-write", 0xffff, "0x4")),
}
MSRS = {
    "msr-svm-smm": tuple((kind, number) for number in (
        0xc0010114, 0xc0010117, 0xc0010111, 0xc0010112, 0xc0010113, 0xc0010116)
        for kind in ("msr-read", "msr-write")),
    "msr-efer": (("msr-write", 0xc0000080, "0x1500"),),
    "msr-apic-base": (("msr-write", 0x1b, "0xfef00900"), ("msr-write", 0x1b, "0xfee00d00"),
                      ("msr-write", 0x1b, "0xfee00100")),
    "msr-memory-map": (("msr-write", 0xc0010010), ("msr-write", 0xc0010015),
                       ("msr-write", 0xc001001a), ("msr-write", 0xc0010020),
                       ("msr-write", 0xc0010056)),
    "msr-outside": (("msr-read", 0x2000), ("msr-write", 0x40000000), ("msr-write", 0xffffffff)),
}
MEMORY = {
    "policy-image": (("memory-read", 0x10000000), ("memory-write", 0x10000000, PATTERN),
                     ("memory-write", 0x10000ff8, PATTERN)),
    "vault-memory": (("memory-read", 0x10000000), ("memory-write", 0x10000000, PATTERN)),
    "device-table": (("memory-read", 0x10e00000), ("memory-write", 0x10e00000, PATTERN)),
    "core-memory": (("memory-read", 0x11000000), ("memory-write", 0x11000000, PATTERN)),
    "platform-registers": (("memory-write", 0xa0000, PATTERN), ("memory-write", 0xfed80000),
                           ("memory-write", 0xff000000)),
    "foreign-read": (("memory-read", 0x10000003, "0x1"), ("memory-read", 0x100007ff, "0x2"),
                     ("memory-read", 0x10000ffc, "0x4"), ("memory-read", 0x10000000, "0x8")),
    "foreign-write": (("memory-write", 0x10000005, "0xde"), ("memory-write", 0x100007ff, "0xc0de"),
                      ("memory-write", 0x10000000, PATTERN)),
    "foreign-execute": (("memory-execute", 0x10000000, "0x10000000"),),
    "straddle": (("memory-read", 0x10000000, "0x8"), ("memory-write", 0x10000000, "0x0"),
                 ("memory-write", 0x111ffffc, "0x0")),
    "rom": (("memory-write", 0xc0000), ("memory-write", 0xff000)),
}
PCI = {
    "host-bridge": (("pci-write", 0x0), ("pci-write", 0x1)),
    "foreign-functions": (("pci-write", 0x80000), ("pci-write", 0x80001)),
    "address-in-parts": (("port-write", 0xcf8), ("port-write", 0xcfa), ("port-write", 0xcfb)),
}
INTERRUPTS = {
    "icr": (("ipi", 0x01000000000040fe), ("ipi", 0x02000000000048fe), ("ipi", 0x000c40fe),
            ("ipi", 0x01000000000042fe), ("ipi", 0x01000000000044fe), ("ipi", 0x01000000000045fe),
            ("ipi", 0x01000000000046fe)),
    "ipi": (("ipi", 0x0100000000004071), ("ipi", 0x0100000000000071),
            ("ipi", 0xff00000000004071), ("ipi", 0x0200000000004f71)),
    "ipi-self": (("ipi", 0x4271), ("ipi", 0x4371), ("ipi", 0x4571), ("ipi", 0x4671),
                 ("ipi", 0x4771)),
    "lvt": tuple(("apic-write", entry, f"{mode << 8 | 0xfe:#x}")
                 for entry in (0x330, 0x340, 0x350, 0x360, 0x370) for mode in (2, 5, 7)),
    "apic-registers": (("apic-write", 0x400, "0xffffffff"), ("memory-write", 0xfee00300, "0x500"),
                       ("memory-write", 0xfee00302, "0x500")),
    "ioapic": (("ioapic-write", 0x10, "0x2fe"), ("ioapic-write", 0x10, "0x4fe"),
               ("ioapic-write", 0x10, "0x5fe"), ("ioapic-write", 0x10, "0x7fe"),
               ("ioapic-write", 0x2e, "0x7fe")),
    "ioapic-fire": (("ioapic-write", 0x14, "0x271"), ("ioapic-write", 0x14, "0x471")),
    "apic-id": (("apic-write", 0x20, "0x1000000"),),
    "lvt-timer": (),  # these bits of its entry are reserved, and ignored
}
INSTRUCTIONS = {
    "svm-instructions": tuple(("instruction", code) for code in (
        0x80, 0x82, 0x83, 0x84, 0x85, 0x86, 0x7a)),
    "wait-instructions": (("instruction", 0x8a), ("instruction", 0x8b), ("instruction", 0x73)),
    "refused-instructions": (("instruction", 0x6f),),
    "reserved-bits": (("msr-write", 0xc0000080, "0x1500"), ("msr-write", 0xc0000080, "0x400")),
    "call-garbage": (("hypercall", 0x4248f6ea),),
    "smi-handler": (("pci-write", 0x9d, "0x4a"), ("port-write", 0x630, "0x21"),
                    ("port-write", 0xb2, "0x0"), ("ipi", 0x4200), ("ipi", 0x0100000000004200)),
    # These have an effect that is the domain's own, or none.
    "lme-without-pae": (), "mode-orders": (), "caches-off": (), "invd": (), "cpuid": (),
    "vector-registers": (), "general-registers": (), "debug-registers": (),
    "call-foreign-text": (("hypercall", 0x42480004),),
    # A number that no channel has is how a domain learns that it has no more; ringing is allowed.
    "call-foreign-channels": (), "call-doorbell-flood": (),
    "evidence-foreign": (("hypercall", 0x42480006), ("hypercall", 0x42480008)),
    "evidence-sizes": (), "evidence-registers": (),
    "evidence-flood": (("hypercall", 0x42480006),),
}
# QEMU's IOMMU doesn't report what it denies.
DEVICES = {"dma-read": (), "dma-write": (), "dma-straddle": (), "dma-interrupts": (), "msi": (),
           "bar-move": ()}
ATTACKS = {**PORTS, **MSRS, **MEMORY, **PCI, **INTERRUPTS, **INSTRUCTIONS, **DEVICES}


@cases({name: (name, denied) for name, denied in ATTACKS.items()})
def test_attack(name, denied):
    """The attack is refused and named on core's console; vault, core and all rights stay intact."""
    looks = name in PCI or name == "smi-handler"
    with standin.machine() as machine:
        before = machine.platform_functions() if looks else None
        machine.attack(name)
        if looks:
            equal(machine.platform_functions(), before, "configuration space of nobody's functions")
        for attempt in denied:
            machine.expect_denied(*attempt)
        machine.expect_vault()
        machine.expect_intact()
        machine.expect_open_devices(standin.GRANTED)
        machine.expect_no_secret()


# What has the topmost of the domain's own page tables in it.
ROOTS = {"core": 0x11000000, "policy": 0x10000000, "device-table": 0x10e00000,
         "iommu": 0xfed80000, "rom": 0xf0000, "nowhere": 1 << 39}

# Attack that core answers by stopping the domain: core's reason, and what was denied before.
ENDS = {
    **{f"root-{name}": ("its page tables lie in memory", (("memory-read", address),))
       for name, address in ROOTS.items()},
    "page-zero": ("its code changed", ()),  # core can't look at it
    "read-modify-write": ("not by a plain move", (("memory-write", 0x11000000),)),
    "string-copy": ("not by a plain move", (("memory-read", 0x10000000),)),
    "foreign-stack": ("not by a plain move", (("memory-write", 0x10000ff8),)),
    "foreign-idt": ("not by a plain move", (("memory-read", 0x10000060),)),
    "triple-fault": ("shutdown (triple fault)", ()),
    "stop": ("it asked to", ()),
}


@cases({name: (name, *row) for name, row in ENDS.items()})
def test_end(name, reason, denied):
    """What core can't answer otherwise stops the attacker's domain and no other."""
    with standin.machine() as machine:
        before = machine.core.expected_up_to
        contains(machine.attack_to_its_end(name), reason, "why core stopped it")
        machine.core.expected_up_to = before  # the attempt is named before its end
        for attempt in denied:
            machine.expect_denied(*attempt)
        machine.expect_waiting_vault()
        machine.expect_intact()
        machine.expect_open_devices(())
        machine.expect_no_secret()


# Messages of cores-msi: address and delivery mode; the vector is 83h. Core 1 is vault's.
MESSAGES = tuple((0xfee00000 | to << 12 | flags, mode) for to, flags, mode in (
    (0, 0, 2), (0, 0, 4), (0, 0, 5), (0, 0, 7), (1, 0, 0), (1, 8, 1), (1, 0, 2), (1, 0, 4),
    (1, 0, 5), (0xff, 0, 4), (0xff, 0, 5), (3, 12, 4)))

# Attack of a domain with cores 0 and 2; vault's is core 1, core 3 nobody's.
CORES = {
    "cores-ipi": tuple(("ipi", high << 56 | 0x4071 | low | mode << 8)
                       for high, low in ((1, 0), (3, 0), (0x0f, 0), (2, 0x800))
                       for mode in (0, 4, 5, 6)),
    "cores-storm": (),
    "cores-sipi": (("memory-execute", 0xa0000),),
    "cores-text": (),
    "cores-code": (("ipi", 0x0100000000004500),),
    "cores-msi": tuple(("msi-write", 0x200000 if table is None else 0x180020 + n % table,
                        f"{address << 32 | mode << 8 | 0x83:#x}")
                       for table in (None, 4) for n, (address, mode) in enumerate(MESSAGES)),
}
CORES_ENDS = {"cores-stop": "it asked to", "cores-triple-fault": "shutdown (triple fault)"}


@contextlib.contextmanager
def two_cores():
    """A machine on which the stand-in has two cores of four."""
    with changed_policy("cores 0\n", "cores 0, 2\n") as policy:
        with standin.watched(standin.Standin, policy=policy, files=standin.FILES, edu=True,
                             cpus=4) as machine:
            yield machine


@cases({name: (name, denied) for name, denied in CORES.items()})
def test_cores(name, denied):
    """A domain with two cores reaches no third one, and what its second core changes while core
    looks has no effect beyond the domain."""
    with two_cores() as machine:
        machine.attack(name)
        for attempt in denied:
            machine.expect_denied(*attempt)
        machine.expect_vault()
        machine.expect_intact()
        machine.expect_open_devices(standin.GRANTED)
        machine.expect_no_secret()
        equal(machine.core_lines(": stopped: "), [], "domains that were stopped")
        equal(machine.strange_core_lines(), [], "lines that core didn't begin")


@cases({name: (name, reason) for name, reason in CORES_ENDS.items()})
def test_cores_end(name, reason):
    """With one core all of a domain's cores stop, once, and then its devices are cut off."""
    with two_cores() as machine:
        contains(machine.attack_to_its_end(name), reason, "why core stopped it")
        machine.core.expect(r"^bulkhead: work: its devices are closed$", 10)
        machine.expect_waiting_vault(nobodys=1)
        machine.expect_intact()
        machine.expect_open_devices(())
        equal(len(machine.core_lines("work: stopped")), 1, "ends that core told")


def test_every_attack_is_tried():
    """The stand-in has no attack that the tests here don't try."""
    with standin.machine() as machine:
        machine.work.send("list\n")
        machine.work.expect(r"^standin: end of list$", 30)
        found = {"attack": set(), "fatal": set(), "cores": set()}
        for line in machine.work.text.splitlines():
            words = line.split(" ", 3)
            if words[0] == "standin:" and words[1] in found:
                found[words[1]].add(words[2].removesuffix(":"))
        equal(found["attack"], ATTACKS.keys() | SWEEPS.keys(), "attacks of the stand-in")
        equal(found["fatal"], set(ENDS), "attacks that end the stand-in")
        equal(found["cores"], CORES.keys() | CORES_ENDS.keys(), "attacks with two cores")


# What tests/machine/standin.policy gives by name, as the machine description has it: COM2, PIT,
# PIC. Of PCI, 4 bytes of CF8h and all that lies within CFCh-CFFh are virtual.
OPEN_PORTS = {0x20, 0x21, 0x40, 0x41, 0x42, 0x43, 0x61, 0xa0, 0xa1, *range(0x2f8, 0x300)}
VIRTUAL = {4: 2, 2: 3, 1: 4}  # accesses of so many bytes

# MSRs that the CPU switches with the domain, and the branch predictor's barrier.
OPEN_MSRS = {0x49, 0x174, 0x175, 0x176, *range(0xc0000081, 0xc0000085),
             *range(0xc0000100, 0xc0000104)}
MSRS_OF_THE_MAP = 3 * 0x2000


def closed_accesses():
    """How many of all port accesses of 1, 2 and 4 bytes the policy lets nobody do."""
    count = 0
    for size in (1, 2, 4):
        open_here = sum(all(port + i in OPEN_PORTS for i in range(size)) for port in OPEN_PORTS)
        count += 0x10000 - open_here - VIRTUAL[size]
    return count


def expect_open(domain):
    """The image's bitmaps open these ports and MSRs and no others."""
    ports = {port for first, last in domain["ports"] for port in range(first, last + 1)}
    equal(sorted(ports), sorted(OPEN_PORTS), "ports that the image opens")
    equal(sorted(row["number"] for row in domain["msrs_open"]), sorted(OPEN_MSRS),
          "MSRs that the image opens")
    equal([row["number"] for row in domain["msrs_open"] if not row["read"]], [0x49],
          "MSRs that are open for writes alone")


# Sweep: what was tried, and a count that core's console reaches.
SWEEPS = {
    "port-reads": (f"{closed_accesses()} reads of 1, 2 and 4 bytes", "port-read", 1 << 17),
    "port-writes": (f"{2 * closed_accesses()} writes of 1, 2 and 4 bytes", "port-write", 1 << 18),
    "msr-reads": (f"{MSRS_OF_THE_MAP} MSRs", "msr-read", 1 << 14),
    "msr-writes": (f"{MSRS_OF_THE_MAP} MSRs", "msr-write", 1 << 14),
}


@cases({name: (name, *row) for name, row in SWEEPS.items()})
@limit(300)
def test_sweep(name, tried, kind, count):
    """Every port access and every MSR that the policy doesn't give is refused, and counted."""
    with standin.machine(time_limit=280) as machine:
        expect_open(machine.domains["work"])
        contains(machine.attack(name, timeout=240), tried, "what was tried")
        machine.core.expect(rf"^bulkhead: work: denied {kind} at .*, {count} times by now$", 10)
        machine.expect_vault()
        machine.expect_intact()


@contextlib.contextmanager
def changed_policy(old, new):
    """The path of the stand-in's policy with a line changed."""
    text = standin.POLICY.read_text().replace("../../policy", str(package.ROOT / "policy"))
    contains(text, old, "the stand-in's policy")
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, "changed.policy")
        path.write_text(text.replace(old, new, 1))
        yield path


def test_foreign_text_with_the_right_to_log():
    """A domain that may log has core print its own memory, and nobody else's."""
    with changed_policy("calls user", "calls user\n        may log") as policy:
        with standin.watched(standin.Standin, policy=policy, files=standin.FILES,
                             edu=True) as machine:
            machine.attack("call-foreign-text")
            machine.expect_vault()
            lines = [line for line in machine.core.text.splitlines() if line.startswith("[work]")]
            equal(lines, [], "what core has printed for the stand-in")


PLANTED = 0x600dc0de600dc0de
PLANTED_AT = {"vault's memory": 0x180000, "the channel": 0x8000}  # where nothing is put later


def test_memory_is_scrubbed():
    """What stood in the memory of vault and channel before is gone when they get it."""
    with standin.machine() as machine:
        places = {"vault's memory": machine.domains["vault"]["memory_base"],
                  "the channel": machine.policy["channels"][0]["base"]}
    places = {name: base + PLANTED_AT[name] for name, base in places.items()}
    elsewhere = 0x20000000
    devices = [part for place in (*places.values(), elsewhere) for part in (
        "-device", f"loader,addr={place:#x},data={PLANTED:#x},data-len=8")]
    with standin.machine(extra=tuple(devices)) as machine:
        found = {name: int.from_bytes(machine.machine.read_memory(place, 8), "little")
                 for name, place in (*places.items(), ("nobody's", elsewhere))}
        equal(found, {**dict.fromkeys(places, 0), "nobody's": PLANTED}, "what was planted")


class LowModules(package.Package):
    """GRUB puts modules as low as it can. Here the one that is placed at 1 MiB comes to lie there
    itself, so that no other lies in its way: what comes first fills the memory below."""

    def modules(self):
        filler = self.policy.with_name("filler")
        filler.write_bytes(bytes(0x10000))
        first = qemu.Module("standin.image", self.files["standin.image"])
        return [qemu.Module("filler", filler), first,
                *(module for module in super().modules() if module != first)]


@limit(180)
def test_smi_handler_on_uefi():
    """OVMF leaves SMBASE at 30000h, in the attacker's memory: a handler planted there never runs."""
    with standin.machine(loader="uefi", kind=LowModules, time_limit=160) as machine:
        machine.attack("smi-handler")
        for attempt in ATTACKS["smi-handler"]:
            machine.expect_denied(*attempt)
        machine.expect_vault()
        machine.expect_intact()
