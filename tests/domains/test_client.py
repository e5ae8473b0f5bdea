"""work's programs on a system without Bulkhead: they must say what is wrong, and never hang."""
import subprocess

from testing import cases, contains, equal

VAULT = "build/domains/work/bin/vault"
ATTEST = "build/domains/work/bin/attest"
NONCE = "0123456789abcdef" * 4


def run(*arguments, program=VAULT):
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
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


@cases({
    "nothing": ([], "nonce is missing"),
    "short": (["0" * 63], "nonce must be 64 hexadecimal digits"),
    "long": (["0" * 66], "nonce must be 64 hexadecimal digits"),
    "no-digits": (["g" * 64], "nonce must be 64 hexadecimal digits"),
    "two": ([NONCE, NONCE], "more than one nonce"),
    "option": ([NONCE, "-x", "y"], "unknown option"),
    "no-value": ([NONCE, "-o"], "lacks its value"),
    "reference": ([NONCE, "--reference", "00"], "--reference takes 64"),
    "verifier-key": ([NONCE, "--verifier-key", "x" * 64], "--verifier-key takes 64"),
    "domain-key": ([NONCE, "--domain-key", ""], "--domain-key takes 64"),
})
def test_attest_wrong_usage(arguments, problem):
    """Wrong usage of attest is named, points to --help, and has a status of its own."""
    status, output, error = run(*arguments, program=ATTEST)
    equal(status, 2, "exit status")
    equal(output, "", "standard output")
    contains(error, problem, "standard error")
    contains(error, "attest --help", "standard error")


def test_attest_outside_bulkhead():
    """Without Bulkhead below, attest tries no hypercall, names the cause, and writes nothing."""
    status, output, error = run(NONCE, "--base64", program=ATTEST)
    equal((status, output), (1, ""), "exit status and standard output")
    contains(error, "doesn't run under Bulkhead", "standard error")


def test_attest_help():
    """--help shows what attest takes, and each exit status."""
    status, output, error = run("--help", program=ATTEST)
    equal((status, error), (0, ""), "exit status and standard error")
    for part in ("attest NONCE", "-o FILE", "--base64", "5 this machine isn't enrolled"):
        contains(output, part, "help")
