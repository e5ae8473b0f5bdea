"""Core built for checks: at each VMRUN a model asks whether stale translations could be used, whether
a field was changed under its clean bit, and whether the VMCB is one that VMRUN takes. It stops the
machine where a rule is broken, which no test here may see."""
import dataclasses
import pathlib
import tempfile

import package
import test_cores as cores
import test_interrupts as interrupts
import test_modes as modes
from machine import bulkhead
from testing import contains, equal, limit

CHECKED = package.BUILD / "core" / "core-check.elf"
SAYS = "bulkhead: world switch: checked at each VMRUN, 4 ASIDs"
FATAL = "bulkhead: FATAL: "


def checked(parts, _directory):
    return dataclasses.replace(parts, core=CHECKED)


@limit(120)
def test_paging_modes():
    """A system that goes through all modes of paging in the smallest pool of shadow tables breaks
    no rule, and sees what it sees under the core that doesn't check."""
    text = modes.POLICY.read_text().replace('machine "../..', f'machine "{package.ROOT}')
    contains(text, "paging nested", str(modes.POLICY))
    with tempfile.TemporaryDirectory() as directory:
        policy = pathlib.Path(directory, "modes.policy")
        policy.write_text(text.replace("paging nested", "paging shadow 256 KiB"))
        with bulkhead(policy=policy, files=modes.FILES, cpus=1, network=False,
                      cpu="EPYC,-npt", change=checked) as machine:
            got = modes.transcript(machine)
            contains(machine.core.text, SAYS, "core's console")
    modes.same(got, modes.bare())


def test_interrupts():
    """Domains that try the rules of virtual and of direct interrupts break none of the world switch."""
    with bulkhead(policy=interrupts.POLICY, files=interrupts.FILES,
                  change=checked) as machine:
        for _ in range(4):
            machine.core.expect(interrupts.END, 60, unless=interrupts.TROUBLE)
        contains(machine.core.text, SAYS, "core's console")


@limit(240)
def test_linux_on_two_cores():
    """Linux on two cores, with vault beside it, breaks no rule: both of its CPUs work."""
    with tempfile.TemporaryDirectory() as directory, \
            bulkhead(policy=cores.policy_in(directory), cpus=4, time_limit=230,
                     change=checked) as machine:
        machine.vault_key()
        work = machine.shell()
        contains(machine.core.text, SAYS, "core's console")
        equal(work.output("nproc"), "2", "work's CPUs")
        contains(work.output("vault sign /init"), "untrusted comment", "what vault says")
        equal(FATAL in machine.core.text, False, "core has stopped")
