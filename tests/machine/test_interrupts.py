"""Interrupts: core's own, and those that it gives to domains."""
import tempfile

import edu
import standin
from testing import equal


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
