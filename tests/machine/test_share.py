"""Several domains on one core: what one has in its registers, and how long it may run."""
import contextlib
import pathlib
import re
import tempfile

import package
from machine import bulkhead
from testing import contains, equal, limit

POLICY = package.ROOT / "tests/machine/share.policy"
PROGRAM = package.BUILD / "domains/share.bin"
STATES = package.ROOT / "include/tables/vcpu_state.def"
TROUBLE = r"^\[\w+\] FAILED: .*$|^\[\w+\] stopped by exception .*$|^bulkhead: FATAL: .*$"
# Time is instructions, so that a loaded host changes nothing.
COUNTED = ("-icount", "shift=0,sleep=off")


@contextlib.contextmanager
def roles(policy, keys=False, **options):
    """A machine of domains that run the program, each in the role of its image's name."""
    program = PROGRAM.read_bytes()
    if keys:
        program = program.replace(b"KEYS:hidden", b"KEYS:there ")
    with tempfile.TemporaryDirectory() as name:
        files = {}
        for image in re.findall(r'boot flat "([a-z]+)\.image"', policy.read_text()):
            files[f"{image}.image"] = pathlib.Path(name) / image
            word = f"ROLE:{image}".ljust(23).encode()
            files[f"{image}.image"].write_bytes(
                program.replace(b"ROLE:none".ljust(23), word))
        with bulkhead(policy=policy, files=files, extra=COUNTED, **options) as machine:
            yield machine


@limit(120)
def test_registers():
    """Each of two domains on a core finds first values in all registers, though the other has
    filled them before, and its own in them after each turn of the other."""
    rows = re.findall(r"^VCPU_STATE\((\w+),", STATES.read_text(), re.MULTILINE)
    with roles(POLICY) as machine:
        for _ in range(2):
            machine.core.expect(r"^\[\w+\] all registers are whole$", 100, unless=TROUBLE)
        for domain in ("early", "late"):
            whole = re.findall(rf"^\[{domain}\] whole: (\w+)$", machine.core.text, re.MULTILINE)
            equal(whole, rows, f"registers that {domain} has tried")
