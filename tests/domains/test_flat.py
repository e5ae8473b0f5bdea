"""The run-time library of bare-metal domains, on the bare machine: no hypervisor needed."""
import pathlib
import re
import subprocess

from qemu import Config, Kernel, Machine
from testing import equal

EXPECTED = """\
bss: 0 words dirty, data: 1122334455667788
nothing: no exception
ud2: exception 6 error 0 at 0
divide: exception 0 error 0 at 0
non-canonical: exception 13 error 0 at 0
beyond 4 GiB: exception 14 error 0 at 140000000
outer: exception 6 error 0 at 0
inner: exception 0
interrupts: no exception
arrived: 1 1 1
other memory before: no exception
other memory: exception 14 error 0 at 300000
null: exception 14 error 0 at 0
write code: exception 14 error 3 at {text:x}
write constants: exception 14 error 3 at {rodata:x}
read code: no exception
run data: exception 14 error 11 at DATA
run stack: exception 14 error 11 at STACK
run constants: exception 14 error 11 at {rodata:x}
guard: exception 14 error 2 at {guard:x}
window: 1122334455667788
random: good"""


DOMAINS = pathlib.Path("build/domains")


def symbols(program):
    """{name: address} of an ELF file."""
    lines = subprocess.run(["nm", program], check=True, capture_output=True, text=True).stdout
    return {name: int(address, 16) for address, _, name in map(str.split, lines.splitlines())}


def test_runtime():
    """A flat domain starts in memory full of rubbish, survives exceptions, and runs W^X."""
    places = {name[5:]: address for name, address in symbols(DOMAINS / "runtime.elf").items()
              if name.startswith("flat_")}
    kernel = Kernel(DOMAINS / "runtime-bare.elf")
    with Machine(Config(boot=kernel, cpus=1, iommu=False, network=False)) as machine:
        last = machine.core.expect(r"^stopped by exception 8,.*$", timeout=30)
        text = machine.core.text[:last.start()].strip()
    text = re.sub(r"(run data: .* at )(\w+)", r"\1DATA", text)
    text = re.sub(r"(run stack: .* at )(\w+)", r"\1STACK", text)
    equal(text.splitlines(), EXPECTED.format(**places).splitlines(), "what the program saw")
