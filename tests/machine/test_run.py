"""make run's demonstration as its user meets it: tools/run/run.py, on a terminal and without."""
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import pty
import re
import secrets
import select
import signal
import subprocess
import tempfile
import termios
import time
import types

import alterations
import demo
import package
from steps import StepFailed, Steps
from testing import Failure, Skip, cases, contains, equal, limit

RUN = package.ROOT / "tools/run/run.py"
LEAVE = b"\x1d"  # Ctrl-]
TIMEOUT = 400  # two boots, on a busy host
ENROLLED = ["keys", "policy", "policy-signature", "reference", "disk", "tpm", "enrol"]
STEPS = [*ENROLLED, "first-boot", "pin", "machine", "core", "vault", "work", "evidence", "verdict",
         "vault-sign", "altered-file"]
RAW = ["attest.bin", "signature.bin", "ak.pub.bin", "pcrs.json", "log.bin", "report.cbor",
       "evidence.cbor", "record.json", "reference.json"]
AFFIRMING = ("affirming", None, None)


def results(directory):
    """What summary.json tells: [(step, result)] and the exit status."""
    summary = json.loads(pathlib.Path(directory, "summary.json").read_text())
    return [(step["name"], step["result"]) for step in summary["steps"]], summary["exit"]


def machine_process(text):
    """Process id of the demonstration's QEMU."""
    found = re.search(r"QEMU is running, process (\d+)", text)
    if not found:
        raise Failure(f"the output names no process of QEMU:\n{text}")
    return int(found[1])


def check_ended(process_id):
    """No process may be left of the machine."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process_id, 0)
        raise Failure(f"QEMU, process {process_id}, outlives the demonstration")


def run(directory, *options):
    """Run the demonstration without a terminal; returns its exit status and output."""
    done = subprocess.run([RUN, "--directory", directory, *options], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=TIMEOUT)
    print(done.stdout)
    return done.returncode, done.stdout


def verdict(directory):
    return json.loads(pathlib.Path(directory, "verdict.json").read_text())


def findings(said):
    return {name: (domain["tier"], domain["code"], domain["component"])
            for name, domain in said["domains"].items()}


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@limit(TIMEOUT + 10)
def test_without_terminal():
    """Without a terminal each step runs and succeeds, and the demonstration ends by itself. A
    verifier that asked with the nonce given has found both domains to be what the policy's author
    said, and what it found, and found it in, is there for others to read."""
    nonce = secrets.token_hex(32)
    with tempfile.TemporaryDirectory() as directory:
        status, output = run(directory, "--nonce", nonce)
        equal(results(directory), ([(step, "ok") for step in STEPS], 0), "the summary")
        equal(status, 0, "exit status")
        check_ended(machine_process(output))
        contains(pathlib.Path(directory, "core.log").read_text(), "[vault] ready", "core.log")
        contains(pathlib.Path(directory, "work.log").read_text(), "work: shell ready", "work.log")

        said = verdict(directory)
        equal({key: said[key] for key in said if key != "domains"},
              {"nonce": nonce, "profile": "static", "exit": 0}, "verdict.json")
        equal(findings(said), {"work": AFFIRMING, "vault": AFFIRMING}, "tiers")
        equal(said["domains"]["vault"]["image"], sha256(package.LAPTOP_FILES["vault.image"]),
              "vault's image")
        equal([domain["starts"] for domain in said["domains"].values()], [1, 1], "starts")
        missing = [name for name in RAW if not pathlib.Path(directory, name).exists()]
        equal(missing, [], "files that are missing beside verdict.json")
        contains(pathlib.Path(directory, "attest.bin").read_bytes()[:4], b"\xffTCG", "attest.bin")


@limit(TIMEOUT + 10)
def test_refusal():
    """Where core refuses to run anything the demonstration says so and fails, long before any
    time limit: here the machine lacks a CPU that the policy names."""
    with tempfile.TemporaryDirectory() as directory:
        status, output = run(directory, "--cpus", "1")
        failing = STEPS.index("first-boot")
        equal(results(directory),
              ([(step, "ok") for step in STEPS[:failing]] + [("first-boot", "failed")] +
               [(step, "not run") for step in STEPS[failing + 1:]], 1), "the summary")
        equal(status, 1, "exit status")
        contains(output, "got 'bulkhead: FATAL: ", "what the failing step says")


REFUSED = {
    "policy": r"module policy was altered after it was signed",
    "signature": r"module signature is by another author's key",
    "vault": r"isn't the one that the policy names: vault, vault\.image",
    "work": r"isn't the one that the policy names: work, work\.initrd",
}


@limit(TIMEOUT + 10)
@cases({word: (word, line) for word, line in REFUSED.items()})
def test_tamper_refused(word, line):
    """What is altered behind an enrolled machine's back core itself refuses, by name."""
    with tempfile.TemporaryDirectory() as directory:
        status, _ = run(directory, "--tamper", word)
        equal(status, 0, "exit status")
        equal(results(directory), ([(step, "ok") for step in
                                    [*ENROLLED, "alter", "machine", "refusal"]], 0), "the summary")
        said = verdict(directory)
        equal({key: said[key] for key in said if key != "refusal"},
              {"nonce": None, "profile": None, "exit": None, "domains": {}}, "verdict.json")
        equal(bool(re.search(line, said["refusal"])), True, f"core's line {said['refusal']!r}")


@limit(TIMEOUT + 10)
def test_tamper_rollback():
    """An older policy that the author has signed core refuses, as the TPM has seen a newer one;
    and older reference values the verifier refuses."""
    with tempfile.TemporaryDirectory() as directory:
        status, _ = run(directory, "--tamper", "rollback")
        equal(status, 0, "exit status")
        said = verdict(directory)
        equal((said["exit"], said["domains"]), (6, {}), "the verdict by older reference values")
        contains(said["refusal"], "rollback", "core's line")


def pcrs(directory, evidence):
    """PCR values in evidence of the demonstration's."""
    parts = pathlib.Path(directory, f"{evidence}.parts")
    parts.mkdir()
    package.must_run(package.BHATTEST, "extract", pathlib.Path(directory, evidence), parts)
    return json.loads((parts / "pcrs.json").read_text())


ALL = ("contraindicated", "C601")
CONTRAINDICATED = {
    "resigned": ("static", {"work": AFFIRMING, "vault": (*ALL, "vault")}),
    "core": ("static", {"work": (*ALL, "core"), "vault": (*ALL, "core")}),
    "smm": ("unmeasured", {"work": (*ALL, "smm"), "vault": (*ALL, "smm")}),
}


@limit(TIMEOUT + 10)
@cases({word: (word, *expected) for word, expected in CONTRAINDICATED.items()})
def test_tamper_appraised(word, profile, domains):
    """What core can't or doesn't refuse the verifier finds, and names."""
    with tempfile.TemporaryDirectory() as directory:
        status, _ = run(directory, "--tamper", word)
        equal(status, 0, "exit status")
        said = verdict(directory)
        equal((said["exit"], said["profile"]), (2, profile), "exit status and profile in verdict.json")
        equal(findings(said), domains, "findings")
        if word == "core":
            first, second = (pcrs(directory, name) for name in ("first.cbor", "evidence.cbor"))
            differing = [pcr for pcr in first if first[pcr] != second[pcr] and pcr != "19"]
            equal(differing, ["9"], "PCRs in which another core shows that lies in PCR 17")


def test_unknown_tampering():
    """A word that is none is a usage error, which lists those that are; so is a nonce that is
    none. Nothing is run."""
    with tempfile.TemporaryDirectory() as directory:
        status, output = run(directory, "--tamper", "everything")
        equal(status, 2, "exit status")
        contains(output, "policy, signature, rollback, vault, work, resigned, core, smm",
                 "what it says")
        status, output = run(directory, "--nonce", "12")
        equal(status, 2, "exit status")
        contains(output, "64 hexadecimal digits", "what it says")
        equal(list(pathlib.Path(directory).iterdir()), [], "files")


@limit(TIMEOUT + 10)
def test_unexpected_refusal():
    """An alteration that core refuses for another reason than the expected one fails the
    demonstration."""
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        case = dataclasses.replace(alterations.CASES["policy"], refusal="for no reason at all")
        steps = Steps(case.steps(), directory / "summary.json")
        options = types.SimpleNamespace(directory=directory, memory=1024, cpus=2, nonce=None,
                                        check=True)
        with contextlib.suppress(StepFailed):
            demo.Demo(options, steps, case).run()
        steps.write_summary()
        equal(results(directory), ([(step, "ok") for step in [*ENROLLED, "alter", "machine"]] +
                                   [("refusal", "failed")], 1), "the summary")


class User:
    """Somebody at a terminal: reads the screen and types."""

    def __init__(self, screen):
        self.screen = screen
        self.text = ""
        self.seen = 0
        self.deadline = time.monotonic() + TIMEOUT

    def read(self):
        """Take what comes next; False when nobody is left to write."""
        if not select.select([self.screen], [], [], max(self.deadline - time.monotonic(), 0))[0]:
            raise Failure(f"the screen stands still:\n{self.text}")
        try:
            data = os.read(self.screen, 65536)
        except OSError:  # EIO: no process has the terminal open any more
            data = b""
        self.text += data.decode(errors="replace").replace("\r", "")
        return bool(data)

    def wait(self, text):
        """Until the text comes, behind what was waited for before."""
        while text not in self.text[self.seen:]:
            if not self.read():
                raise Failure(f"{text!r} did not come:\n{self.text}")
        self.seen = self.text.index(text, self.seen) + len(text)

    def type(self, keys):
        os.write(self.screen, keys)

    def wait_for_end(self):
        while self.read():
            pass


@contextlib.contextmanager
def demonstration_on_terminal(directory):
    """Yields (User, process); the terminal is the controlling one of the demonstration."""
    try:
        screen, program_end = pty.openpty()
    except OSError as error:
        raise Skip(f"no pseudo-terminal: {error}") from error
    before = termios.tcgetattr(program_end)
    with subprocess.Popen(["setsid", "--ctty", RUN, "--directory", directory], stdin=program_end,
                          stdout=program_end, stderr=program_end) as process:
        os.close(program_end)  # so that the screen has an end when the demonstration has
        try:
            yield User(screen), process
            equal(termios.tcgetattr(screen), before, "the terminal's settings")
        finally:
            process.terminate()
            os.close(screen)


@limit(TIMEOUT + 10)
def test_terminal():
    """On a terminal the user ends in work's shell: it answers, Ctrl-C goes to what runs there,
    vault signs what the user asks for, and Ctrl-] ends the machine and gives the terminal back."""
    with tempfile.TemporaryDirectory() as directory:
        with demonstration_on_terminal(directory) as (user, process):
            user.wait("Ctrl-] leaves it and ends the machine")
            user.wait("work# ")
            user.type(b"echo $((40 + 2)) answers\n")
            user.wait("\n42 answers\n")
            # A shell of its own: when it prints, it already is what Ctrl-C goes to.
            user.type(b"sh -c \"echo wait''ing; exec sleep 1000\"\n")
            user.wait("\nwaiting\n")
            user.type(b"\x03")
            user.wait("work# ")
            user.type(b"vault sign /etc/passwd\n")
            user.wait("\nuntrusted comment: ")
            user.wait("work# ")
            user.type(LEAVE)
            user.wait_for_end()
            equal(process.wait(30), 0, f"exit status; the screen:\n{user.text}")
            check_ended(machine_process(user.text))
        equal(results(directory), ([(step, "ok") for step in STEPS], 0), "the summary")
