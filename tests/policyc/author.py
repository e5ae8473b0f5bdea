"""policyc as its user runs it: an author with a key, a policy's files, minisign as a judge."""
import pathlib
import re
import subprocess
import sys
import tempfile

from testing import Failure

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "tests/fuzz"))
import kernels

POLICYC = ROOT / "build" / "policyc"
LAPTOP = ROOT / "policy" / "laptop.policy"
NAMES = re.compile(r'^\s*(?:kernel|initrd|boot flat)\s+"([^"]+)"', re.MULTILINE)
OK, POLICY, USAGE, IO = 0, 1, 2, 3


def policyc(*arguments, code=OK):
    """Run policyc; fails unless it exits with `code`. Returns what it wrote to both."""
    run = subprocess.run([POLICYC, *map(str, arguments)], capture_output=True, text=True,
                         cwd=ROOT, timeout=60)
    if run.returncode != code:
        raise Failure(f"policyc {' '.join(map(str, arguments))}\n  expected exit code {code}, "
                      f"got {run.returncode}\n{run.stdout}{run.stderr}")
    return run.stdout + run.stderr


def minisign(*arguments):
    return subprocess.run(["minisign", *map(str, arguments)], capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL)


class Author:
    """A directory with a key pair and a file for each name that a policy has."""

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.temporary.name)
        self.secret, self.public = self.path / "a.key", self.path / "a.pub"
        policyc("keygen", "--secret", self.secret, "--public", self.public)
        return self

    def __exit__(self, *_):
        self.temporary.cleanup()

    def files(self, policy):
        options = []
        for name in NAMES.findall(policy.read_text()):
            path = self.path / name
            content = name.encode() * 100
            path.write_bytes(kernels.bzimage() + content if name.endswith(".kernel") else content)
            options += ["--files", f"{name}={path}"]
        return options

    def build(self, policy=LAPTOP, image="policy.img", key=None):
        image = self.path / image
        policyc("build", policy, *self.files(policy), "--key", key or self.secret, "-o", image)
        return image
