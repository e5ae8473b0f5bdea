"""Fuzz targets, without a fuzzer: genuine inputs, their prefixes, and copies altered by chance."""
import pathlib
import subprocess
import tempfile

import bundle
from testing import Failure, cases, limit

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FUZZ = ROOT / "build" / "tests" / "fuzz"
# How many altered copies of each input: some ten seconds' work in all.
ALTERED = {"attest": 1500, "decode": 5000, "events": 1000, "evidence": 3000, "kernel": 20000,
           "log": 1000, "record": 2000,
           "reference": 2000, "report": 2000, "rules": 5000, "signature": 1500, "tpm": 2000}


def run(target, altered, inputs, bundle_directory):
    done = subprocess.run([FUZZ / target, str(altered), *inputs],
                          env={"BULKHEAD_BUNDLE": bundle_directory, "PATH": "/usr/bin:/bin"},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0 or f"{len(inputs)} files" not in done.stdout:
        raise Failure(f"{target} ended with status {done.returncode}:\n{done.stdout[-6000:]}")


@limit(120)
@cases({target: (target,) for target in ALTERED})
def test_altered_inputs(target):
    """No input makes the target crash, or accept what it must not (AddressSanitizer, UBSan)."""
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        bundle.write(directory)
        for kind, altered in (("genuine", ALTERED[target]), ("limit", 0)):
            inputs = sorted((directory / "corpus" / target).glob(f"{kind}-*"))
            if inputs:
                run(target, altered, inputs, name)
