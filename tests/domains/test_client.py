"""The vault program on a system without Bulkhead: it must say what is wrong, and never hang."""
import subprocess

from testing import cases, contains, equal

VAULT = "build/domains/work/bin/vault"


def run(*arguments):
    done = subprocess.run([VAULT, *arguments], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@cases({
    "nothing": ([], "nothing to do"),
    "command": (["frobnicate"], "unknown command"),
    "no-file": (["sign"], "sign needs a file"),
    "two-files": (["sign", "a", "b"], "sign takes one file"),
    "option": (["sign", "a", "-x"], "sign takes one file"),
    "more": (["key", "x"], "too many arguments"),
    "comment": (["sign", "Makefile", "-c", "x" * 121], "longer than 120 characters"),
})
def test_wrong_usage(arguments, problem):
    """Wrong usage is named, points to --help, and has a status of its own."""
    status, output, error = run(*arguments)
    equal(status, 2, "exit status")
    equal(output, "", "standard output")
    contains(error, problem, "standard error")
    contains(error, "vault --help", "standard error")


@cases({"sign": (["sign", "Makefile"],), "key": (["key"],), "check": (["check"],)})
def test_outside_bulkhead(arguments):
    """Without Bulkhead below, no hypercall is tried and the cause is named."""
    status, output, error = run(*arguments)
    equal(status, 1, "exit status")
    equal(output, "", "standard output")
    contains(error, "doesn't run under Bulkhead", "standard error")


def test_missing_file():
    """A file that can't be read is named before vault is asked."""
    status, _, error = run("sign", "/no/such/file")
    equal(status, 1, "exit status")
    contains(error, "/no/such/file: No such file or directory", "standard error")


def test_help():
    """--help shows each command on standard output."""
    status, output, error = run("--help")
    equal((status, error), (0, ""), "exit status and standard error")
    for command in ("vault sign FILE", "vault key", "vault check"):
        contains(output, command, "help")


def test_intruder_outside_bulkhead():
    """Without Bulkhead below, the intruder attacks nothing: it would hit the machine itself."""
    done = subprocess.run(["build/domains/work/bin/intruder"], capture_output=True, text=True)
    equal((done.returncode, done.stdout), (2, ""), "exit status and standard output")
    contains(done.stderr, "nothing is tried", "standard error")
