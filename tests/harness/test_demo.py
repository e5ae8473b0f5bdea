"""The demonstration's judgement: it must fail when a step's result is not as expected.

In place of the machine stand a core console with given lines and, as work's
console, a shell of this host whose `vault`, `attest` and `wget` are small scripts.
"""
import concurrent.futures
import contextlib
import hashlib
import io
import json
import os
import pathlib
import pty
import signal
import socket
import subprocess
import sys
import tempfile
import termios

import inside
import terminal
from console import Console
from qemu import Config, Machine
from steps import StepFailed, Steps
from testing import Skip, cases, contains, equal

CHECKED = ["core", "vault", "work", "evidence", "vault-sign", "altered-file"]
SIGN = 'minisign -S -W -s {key} -m "$2" -x "$2.minisig" >/dev/null </dev/null && cat "$2.minisig"'
# busybox, as in work; but here the host is not where guests see it
FETCH = 'exec /bin/busybox wget $(echo "$@" | sed s/10.0.2.2/127.0.0.1/)'
# attest NONCE --reference ID --base64 -o FILE: the evidence says what it was asked with
ATTEST = 'echo "$1 $3" | base64 -w 0 >$6'
NONCE = "5" * 64
LOST = f'case "$*" in *--post*) ;; *) echo {NONCE} ;; esac'


@contextlib.contextmanager
def stand_in(directory, core_lines, **programs):
    """A Machine without QEMU behind it."""
    bin_directory = directory / "bin"
    bin_directory.mkdir()
    for name, script in programs.items():
        (bin_directory / name).write_text(f"#!/bin/sh\n{script}\n")
        (bin_directory / name).chmod(0o755)
    pairs = [socket.socketpair(), socket.socketpair()]
    machine = Machine(Config(boot=None))
    machine.core, machine.work = (Console(name, ours.fileno(), ours.fileno(), machine)
                                  for name, (ours, _) in zip(["core", "work"], pairs))
    machine.consoles = [machine.core, machine.work]
    pairs[0][1].sendall(core_lines.encode())
    pairs[1][1].sendall(b"work: shell ready\n")
    host_shell = subprocess.Popen(["sh"], stdin=pairs[1][1], stdout=pairs[1][1],
                                  env=dict(os.environ, PATH=f"{bin_directory}:/bin:/usr/bin",
                                           HOME=str(directory)),
                                  start_new_session=True)
    try:
        yield machine
    finally:
        os.killpg(host_shell.pid, signal.SIGKILL)
        host_shell.wait()
        for ours, theirs in pairs:
            ours.close()
            theirs.close()


def make_key(directory, name):
    """A minisign key pair; returns the secret key's path and the public key's text."""
    secret, public = directory / f"{name}.key", directory / f"{name}.pub"
    subprocess.run(["minisign", "-G", "-W", "-s", secret, "-p", public], check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return secret, public.read_text().splitlines()[1]


@contextlib.contextmanager
def demonstration(core_lines="bulkhead: core 1\n[vault] public key {public}\n[vault] ready\n",
                  vault=SIGN, wget=FETCH, attest=ATTEST):
    """Runs the steps inside a machine on the stand-in; yields {step: result}, the exit status,
    the text shown and the evidence."""
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        key, public = make_key(directory, "vault")
        other_key, other_public = make_key(directory, "other")
        words = {"key": key, "other_key": other_key, "public": public,
                 "other_public": other_public}
        inside.COMMAND_TIMEOUT = inside.BOOT_TIMEOUT = inside.FIRMWARE_TIMEOUT = 3
        inside.EVIDENCE_TIMEOUT = 3
        reference = directory / "reference.json"
        reference.write_text("reference values")
        steps = Steps(list(CHECKED), directory / "summary.json")
        shown = io.StringIO()
        programs = {name: program.format(**words) for name, program in
                    {"vault": vault, "wget": wget, "attest": attest}.items()}
        evidence = None
        with stand_in(directory, core_lines.format(**words), **programs) as machine, \
                contextlib.redirect_stdout(shown), contextlib.suppress(StepFailed):
            running = inside.Running(machine, steps, directory)
            running.check_start()
            evidence = running.check_evidence(NONCE, reference).read_bytes()
            running.check_signature()
        steps.write_summary()
        told = json.loads(steps.summary.read_text())
        yield ({s["name"]: s["result"] for s in told["steps"]}, told["exit"], shown.getvalue(),
               evidence)


def test_all_as_expected():
    """With a vault that signs and a network that works each step succeeds."""
    with demonstration() as (results, status, shown, evidence):
        equal(results, {name: "ok" for name in CHECKED}, f"results; shown:\n{shown}")
        equal(status, 0, "exit status")
        reference = hashlib.sha256(b"reference values").hexdigest()
        equal(evidence, f"{NONCE} {reference}\n".encode(), "what attest was asked with")


CORE = "bulkhead: core 1\n"
VAULT = "[vault] public key {public}\n[vault] ready\n"


@cases({
    "core silent": ("core", {"core_lines": "GRUB\n"}, "did not come within 3 s"),
    "core refuses": ("vault", {"core_lines": CORE + "bulkhead: FATAL: bad policy: x. Sign it.\n"},
                     "FATAL: bad policy"),
    "vault not ready": ("vault", {"core_lines": CORE + "[vault] public key {public}\n"},
                        "did not come within 3 s"),
    "other key on the console": ("vault-sign", {
        "core_lines": CORE + "[vault] public key {other_public}\n[vault] ready\n"},
        "minisign"),
    "signed by another key": ("vault-sign", {"vault": SIGN.replace("{key}", "{other_key}")},
                              "minisign"),
    "signature of another file": ("vault-sign", {
        "vault": 'echo other >~/other; set -- sign ~/other; ' + SIGN},
        "minisign refuses"),
    "no signature": ("vault-sign", {"vault": "echo hello"}, "minisign"),
    "vault fails": ("vault-sign", {"vault": "echo no channel; exit 1"}, "no channel"),
    "no network": ("evidence", {"wget": "echo unreachable; exit 1"}, "unreachable"),
    "wrong answer from the network": ("evidence", {"wget": "echo 1234"}, "instead of"),
    "no attestation": ("evidence", {"attest": "echo core refused; exit 4"}, "core refused"),
    "evidence lost": ("evidence", {"wget": LOST}, "no evidence"),
    "evidence is no base64": ("evidence", {"attest": "echo = >$6"}, "status 1"),
    "empty evidence": ("evidence", {"attest": ": >$6"}, "no evidence"),
})
def test_unexpected_result(failing, behaviour, told):
    """The step whose result is unexpected fails, says why, and nothing runs after it."""
    with demonstration(**behaviour) as (results, status, shown, _):
        place = CHECKED.index(failing)
        equal(list(results.values()),
              ["ok"] * place + ["failed"] + ["not run"] * (len(CHECKED) - place - 1),
              f"results; shown:\n{shown}")
        equal(status, 1, "exit status")
        contains(shown, told, "what the failing step says")


def test_altered_file_accepted():
    """If minisign took an altered file for good, the last step would fail."""
    really = inside.minisign_accepts
    inside.minisign_accepts = lambda *_: True
    try:
        with demonstration() as (results, status, _, _):
            equal((results["vault-sign"], results["altered-file"], status), ("ok", "failed", 1),
                  "results of the last two steps and exit status")
    finally:
        inside.minisign_accepts = really


def typist(terminal_end, conversation):
    """Type each line of the conversation once the text before it has come."""
    seen = b""
    for awaited, typed in conversation:
        while awaited not in seen:
            seen += os.read(terminal_end, 4096)
        os.write(terminal_end, typed)
    return seen


def test_terminal():
    """The user's keys reach work, its output and core's lines reach the screen, Ctrl-] leaves,
    and the terminal is as it was."""
    try:
        user_end, program_end = pty.openpty()
    except OSError as error:
        raise Skip(f"no pseudo-terminal: {error}") from error
    before = termios.tcgetattr(program_end)
    conversation = [(b"shell ready", b"echo one''two\n"),
                    (b"onetwo", b"echo three''four\n"), (b"threefour", b"\x1d")]
    with tempfile.TemporaryDirectory() as name, \
            concurrent.futures.ThreadPoolExecutor() as pool, \
            os.fdopen(os.dup(program_end), "r") as stdin, \
            os.fdopen(os.dup(program_end), "w") as stdout, \
            stand_in(pathlib.Path(name), "bulkhead: work: denied\n") as machine:
        user = pool.submit(typist, user_end, conversation)
        before_use = sys.stdin, sys.stdout
        sys.stdin, sys.stdout = stdin, stdout
        try:
            terminal.use(machine)
        finally:
            sys.stdin, sys.stdout = before_use
        contains(user.result(timeout=10), b"core| bulkhead: work: denied", "the screen")
        equal(termios.tcgetattr(program_end), before, "the terminal's settings")
