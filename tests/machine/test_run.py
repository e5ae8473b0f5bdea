"""make run's demonstration as its user meets it: tools/run/run.py, on a terminal and without."""
import contextlib
import json
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import tempfile
import termios
import time

import package
from testing import Failure, Skip, contains, equal, limit

RUN = package.ROOT / "tools/run/run.py"
LEAVE = b"\x1d"  # Ctrl-]
TIMEOUT = 200
STEPS = ["keys", "policy", "policy-signature", "disk", "machine", "core", "vault", "work",
         "network", "vault-sign", "altered-file"]


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


@limit(TIMEOUT + 10)
def test_without_terminal():
    """Without a terminal each step runs and succeeds, and the demonstration ends by itself."""
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run([RUN, "--directory", directory], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=TIMEOUT)
        print(done.stdout)
        equal(results(directory), ([(step, "ok") for step in STEPS], 0), "the summary")
        equal(done.returncode, 0, "exit status")
        check_ended(machine_process(done.stdout))
        contains(pathlib.Path(directory, "core.log").read_text(), "[vault] ready", "core.log")
        contains(pathlib.Path(directory, "work.log").read_text(), "work: shell ready", "work.log")


@limit(TIMEOUT + 10)
def test_refusal():
    """Where core refuses to run anything the demonstration says so and fails, long before any
    time limit: here the machine lacks a CPU that the policy names."""
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run([RUN, "--cpus", "1", "--directory", directory],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT)
        print(done.stdout)
        failing = STEPS.index("vault")
        equal(results(directory),
              ([(step, "ok") for step in STEPS[:failing]] + [("vault", "failed")] +
               [(step, "not run") for step in STEPS[failing + 1:]], 1), "the summary")
        equal(done.returncode, 1, "exit status")
        contains(done.stdout, "got 'bulkhead: FATAL: ", "what the failing step says")
        check_ended(machine_process(done.stdout))


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
