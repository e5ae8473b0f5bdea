"""Core that checks itself at each VMRUN (`make core-check`) has nothing to complain of."""
import dataclasses
import tempfile

import package
import test_cores as cores
import test_interrupts as interrupts
import test_modes as modes
from machine import bulkhead
from testing import cases, contains, equal, limit

CHECKED = package.BUILD / "core/core-check.elf"
CHECKS = "bulkhead: world switch: checked at each VMRUN, 4 ASIDs"


def checked(parts, _):
    return dataclasses.replace(parts, core=CHECKED)


@limit(120)
@cases({"nested": ("EPYC", "paging nested"), "shadow": ("EPYC,-npt", "paging shadow 256 KiB")})
def test_modes(cpu, paging):
    """A system that goes through all modes of paging uses no translation and no VMCB field that is
    out of date, as far as the model of the CPU's caches knows."""
    expected = modes.bare()
    modes.same(modes.under_core(cpu, paging, change=checked), expected)


@limit(240)
@cases({"nested": ("EPYC", "nested"), "shadow": ("EPYC,-npt", "shadow 512 KiB")})
def test_two_domains(cpu, paging):
    """Nor do two domains, one of which has its interrupts by V_IRQ."""
    with interrupts.domains(paging, cpu=cpu, change=checked) as machine:
        for _ in range(4):
            machine.core.expect(interrupts.END, 200, unless=interrupts.TROUBLE)


@limit(240)
@cases({"nested": ("EPYC", "nested"), "shadow": ("EPYC,-npt", "shadow 512 KiB")})
def test_two_cores(cpu, paging):
    """Nor does a domain with two vCPUs that interrupt each other."""
    interrupts.two_cores(paging, cpu=cpu, change=checked)


@limit(240)
@cases({"nested": ("EPYC", False), "shadow": ("EPYC,-npt", True)})
def test_linux_on_two_cores(cpu, shadow):
    """Nor does Linux on two cores, with vault beside it."""
    with tempfile.TemporaryDirectory() as directory, \
            bulkhead(policy=cores.policy_in(directory, shadow), cpu=cpu, cpus=4, time_limit=230,
                     change=checked) as machine:
        machine.vault_key()
        work = machine.shell()
        contains(machine.core.text, CHECKS, "core's console")
        equal(work.output("nproc"), "2", "work's CPUs")
        contains(work.output("vault sign /init"), "untrusted comment", "what vault says")
        equal("bulkhead: FATAL: " in machine.core.text, False, "core has stopped")
