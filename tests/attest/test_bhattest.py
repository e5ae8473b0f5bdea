"""bhattest from the outside: its command line, and the document that it makes."""
import pathlib
import re
import subprocess

from testing import Failure, contains, equal

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BHATTEST = ROOT / "build" / "bhattest"
DONE, USAGE = 0, 64


def bhattest(*arguments, code=DONE):
    """Run bhattest; fails unless it exits with `code`. Returns what it wrote to both."""
    run = subprocess.run([BHATTEST, *map(str, arguments)], capture_output=True, text=True,
                         cwd=ROOT, timeout=60)
    if run.returncode != code:
        raise Failure(f"bhattest {' '.join(map(str, arguments))}\n  expected exit code {code}, "
                      f"got {run.returncode}\n{run.stdout}{run.stderr}")
    return run.stdout + run.stderr


def test_help_lists_every_command():
    """Each command that bhattest's help lists explains itself."""
    commands = set(re.findall(r"^  bhattest ([a-z]+)", bhattest("--help"), re.MULTILINE))
    contains(commands, "explain", "commands")
    for command in commands:
        contains(bhattest(command, "--help"), f"usage: bhattest {command}", f"{command} --help")


def test_wrong_command_lines_are_refused():
    """A command line that is wrong exits with 64 and says where help is."""
    for arguments in ((), ("no",), ("explain",), ("explain", "E999"), ("explain", "E101", "E201")):
        contains(bhattest(*arguments, code=USAGE), "bhattest", str(arguments))


def test_explain():
    """explain says what a code means, what to do, and its exit status."""
    text = bhattest("explain", "C601")
    for part in ("reference values", "check 13 of 15", "exit status 2", "Find out who"):
        contains(text, part, "explain C601")


def test_codes_document():
    """docs/codes.md is what bhattest explain --all makes."""
    equal((ROOT / "docs" / "codes.md").read_text(), bhattest("explain", "--all"),
          "docs/codes.md; renew it by build/bhattest explain --all > docs/codes.md")
