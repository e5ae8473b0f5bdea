"""What root in the Linux domain tries: /dev/mem, iopl, MSRs, the APIC's page."""
import re

import standin
from test_laptop import check_signing
from testing import equal, limit

RESULT = r"^intruder: (\S+): (refused|BREACH) \((.*)\)$"
TOTAL = r"^intruder: (\d+) attacks, (\d+) refused, (\d+) breaches$"

# What core's console must name of it, in this order.
DENIED = (("memory-read", 0x10000000), ("memory-write", 0x10000000, "0xbadc0de0badc0de"),
          ("port-write", 0x510), ("port-write", 0x514), ("port-write", 0xb2, "0x1"),
          ("port-write", 0x92, "0x0"), ("pci-write", 0x0), ("msr-write", 0xc0010114),
          ("msr-write", 0xc0000080), ("msr-write", 0x1b), ("ipi", 0x01000000000040fe),
          ("ipi", 0x01000000000045fe), ("apic-write", 0x330, "0x2fe"), ("ioapic-write", 0x10))


@limit(200)
def test_root_in_linux():
    """All that root tries is refused and named; then vault signs, and rights are as they were."""
    with standin.watched(standin.Outside, time_limit=180) as machine:
        key = machine.machine.vault_key()
        work = machine.machine.shell()
        machine.note_platform()
        listed = re.findall(r"^  (\S+) ", work.output("intruder --list"), re.MULTILINE)
        status, output = work.run("intruder", timeout=120)
        tried = re.findall(RESULT, output, re.MULTILINE)
        equal([attack for attack in tried if attack[1] != "refused"], [], "attacks that got through")
        equal([name for name, _, _ in tried], listed, "attacks that were tried")
        count = str(len(listed))
        equal(re.findall(TOTAL, output, re.MULTILINE), [(count, count, "0")], "the intruder's sum")
        equal(status, 0, "the intruder's exit status")
        for attempt in DENIED:
            machine.expect_denied(*attempt)
        check_signing(work, key)
        machine.expect_intact()
