"""Interrupts: core's own, and those that it gives to domains."""
import contextlib
import pathlib
import re
import tempfile

import edu
import package
import standin
from machine import bulkhead
from testing import Failure, cases, contains, equal, limit


def test_strays_are_ended():
    """Interrupts that nobody waits for, of every class, on the core whose APIC is core's: each is
    counted and ended, so that doorbells still come through."""
    with tempfile.TemporaryDirectory() as directory:
        path, stub = edu.debug_stub(directory)
        with standin.machine(extra=stub) as machine:
            device = edu.Edu(machine.machine, path)
            with device.without_remapping():
                for number, vector in enumerate((0xff, 0x30, 0x71, 0xf1), 1):
                    device.interrupt(edu.FIXED, vector=vector, apic=1)
                    if number & (number - 1) == 0:
                        machine.core.expect(
                            rf"^bulkhead: CPU 1: interrupt {vector}, which nobody waits for; "
                            rf"so far {number} such$", 10, unless=standin.CORE_TROUBLE)
            machine.expect_vault()
            equal(machine.core.text.count("which nobody waits for"), 3, "lines about strays")


POLICY = package.ROOT / "tests/machine/interrupts.policy"
FILES = dict.fromkeys(("owner.image", "guest.image"), package.BUILD / "domains/interrupts.bin")
CORES = package.ROOT / "tests/machine/cores.policy"
CORES_FILES = dict.fromkeys(("other.image", "two.image"), package.BUILD / "domains/cores.bin")
END = r"^\[\w+\] all cases hold$|^bulkhead: \w+: its devices are closed$"
TROUBLE = r"^\[\w+\] FAILED: .*$|^\[\w+\] stopped by exception .*$|^bulkhead: FATAL: .*$"


@contextlib.contextmanager
def domains(paging="nested", source=POLICY, files=FILES, also="", **options):
    """A machine whose two domains try out their interrupts, paged so. also: a statement for both."""
    text = source.read_text().replace('machine "../..', f'machine "{package.ROOT}')
    equal(text.count("paging nested"), 2, f"{source}: domains by nested paging")
    with tempfile.TemporaryDirectory() as directory:
        policy = pathlib.Path(directory, source.name)
        policy.write_text(text.replace("paging nested", f"paging {paging} {also}"))
        with bulkhead(policy=policy, files=files, **options) as machine:
            yield machine


@limit(240)
@cases({"nested": ("EPYC", "nested"), "shadow": ("EPYC,-npt", "shadow 512 KiB"),
        "seen": ("EPYC", "nested", "intercept vintr")})
def test_rules(cpu, paging, also=""):
    """A domain with virtual interrupts finds in them what the manual says of each rule; one with
    direct interrupts takes the hardware's without an exit, and core's. Where a delivery faults, the
    fault's handler runs instead, and nothing comes twice. A policy may have each virtual interrupt
    seen before it is taken, which changes nothing."""
    with domains(paging, cpu=cpu, also=also) as machine:
        ends = [machine.core.expect(END, 200, unless=TROUBLE)[0] for _ in range(4)]
        equal(sorted(end[:3] for end in ends), ["[gu", "[ow", "bul", "bul"], "ends of both domains")
        owner, guest = (counts_of_exits(machine, name) for name in ("owner", "guest"))
    seen = {"VINTR"} if also else set()
    equal({"INTR", "VINTR", "HLT"} & set(owner), seen, "exits by direct interrupts")
    rings = int(re.search(r"^\[owner\] (\d+) doorbells were injected$", machine.core.text,
                          re.MULTILINE)[1])
    if not 0 < owner["NMI"] <= rings:
        raise Failure(f"{owner['NMI']} exits by NMI, for {rings} doorbells that core injected; "
                      "nothing else has one")
    equal(owner["IRET"], 5, "exits by IRET: one after each NMI, or after the fault in its place")
    equal({"INTR", "VINTR", "HLT"} & set(guest), {"INTR", "HLT"} | seen,
          "exits by virtual interrupts")
    if also and owner["VINTR"] < rings:
        raise Failure(f"{owner['VINTR']} virtual interrupts were seen, of {rings} at least")


def two_cores(paging, **options):
    """Runs the domain with two cores and the one that watches it, to the end of both."""
    with domains(paging, CORES, CORES_FILES, cpus=3, **options) as machine:
        ends = [machine.core.expect(END, 200, unless=TROUBLE)[0] for _ in range(4)]
        equal(sorted(end[:3] for end in ends), ["[ot", "[tw", "bul", "bul"], "ends of both domains")


@limit(240)
@cases({"nested": ("EPYC", "nested"), "shadow": ("EPYC,-npt", "shadow 512 KiB")})
def test_two_cores(cpu, paging):
    """Two vCPUs whose interrupts are core's: IPIs of each kind reach whom they name, none of 20,400
    is lost, INIT and SIPI start the second anew whatever it does, each has its timer and doorbells,
    TLBs are shot down by IPI, and the end of one is the other's."""
    two_cores(paging, cpu=cpu)


def counts_of_exits(machine, name):
    """{exit: how often} of a domain that has stopped, in core's words."""
    lines = re.findall(rf"^bulkhead: {name}: exits: (.*)$", machine.core.text, re.MULTILINE)
    return {word: int(count) for word, count in re.findall(r"(\w+) (\d+)", " ".join(lines))}
