"""The instruction decoder against another's, over real code."""
import pathlib
import re
import subprocess

from testing import Failure

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
COMPARE = ROOT / "build" / "tests" / "decode" / "compare"
CORE = ROOT / "build" / "core" / "bulkhead.elf"


def compare(*arguments):
    done = subprocess.run([COMPARE, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    return done.returncode, done.stdout


def test_real_code():
    """Core's own code, as code of each mode: both decoders agree on each instruction."""
    status, said = compare("0", CORE)
    counts = re.search(r"^(\d+) instructions compared in 16-bit, (\d+) in 32-bit, (\d+) in 64-bit "
                       r"code; core knows (\d+) of them: no difference$", said, re.MULTILINE)
    if status != 0 or not counts or min(map(int, counts.groups())) < 1000:
        raise Failure(f"status {status}:\n{said}")
