"""The mutants stay usable: each still applies and names a test."""
import pathlib
import subprocess

from testing import equal

HERE = pathlib.Path(__file__).resolve().parent


def test_mutants_apply():
    """Every patch in tests/mutants/ applies to the tree and says what it removes."""
    done = subprocess.run([HERE / "mutants.py", "--check"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    equal((done.returncode, done.stdout), (0, ""), "what mutants.py --check says")
