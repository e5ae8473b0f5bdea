"""Every flipped bit, every prefix."""
import pathlib
import re
import subprocess
import tempfile

import bundle
from testing import Failure, cases, limit

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SWEEP = ROOT / "build" / "tests" / "fuzz" / "sweep"


@limit(240)
@cases({"evidence": ("evidence",), "record": ("record",), "reference": ("reference",)})
def test_sweep(what):
    """No flipped bit and no prefix of evidence is accepted or crashes the verifier, nor of an
    enrolment record, reference values, or their signatures (AddressSanitizer, UBSan)."""
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        bundle.write(directory)
        least = 8 * (directory / f"{what}.json" if what != "evidence"
                     else directory / what).stat().st_size
        done = subprocess.run([SWEEP, what, name], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
    told = re.search(r"^(\d+) altered, 0 accepted$", done.stdout, re.MULTILINE)
    if done.returncode != 0 or not told or int(told[1]) < least:
        raise Failure(f"sweep {what} ended with status {done.returncode}:\n{done.stdout[-4000:]}")
