"""Several domains on one core: what one has in its registers, and how long it may run.

The domains are one program, which has a role for each name that a domain has here."""
import contextlib
import dataclasses
import pathlib
import re
import tempfile

import package
from machine import bulkhead
from testing import Failure, cases, equal, limit

PROGRAM = package.BUILD / "domains/share.bin"
CHECKED = package.BUILD / "core/core-check.elf"
MACHINE = package.ROOT / "policy/machines/qemu-q35.machine"
STATES = package.ROOT / "include/tables/vcpu_state.def"
TROUBLE = r"^\[\w+\] FAILED: .*$|^\[\w+\] stopped by exception .*$|^bulkhead: FATAL: .*$"
# Time is instructions, so that a loaded host changes nothing.
COUNTED = ("-icount", "shift=0,sleep=off")
SLICE = 1000000  # instructions in 1 ms
SWITCH = 30000   # far more than a switch takes, and what core does in between

DOMAIN = """
    domain {name} {{
        microvm untrusted
        cores {cores}
        interrupts virtual
        {slice}
        {paging}
        memory 2 MiB
        boot flat "{name}.image" at 0x100000
        may log
    }}
"""
CHANNEL = """
    channel table {{
        size 4 KiB
        {0} read write ring
        {1} read write ring
    }}
"""
POLICY = """
policy "share" {{
    version 1
    machine "{machine}"
    attest optional
{parts}
    never untrusted reach platform
}}
"""


def policy_of(directory, domains, channel, paging):
    """domains: {{name: cores}}; channel: the names of its ends."""
    used = [core for cores in domains.values() for core in cores]
    parts = [DOMAIN.format(name=name, cores=", ".join(map(str, cores)), paging=paging,
                           slice="slice 1 ms" if any(used.count(n) > 1 for n in cores) else "")
             for name, cores in domains.items()]
    if channel:
        parts.append(CHANNEL.format(*channel))
    path = pathlib.Path(directory) / "share.policy"
    path.write_text(POLICY.format(machine=MACHINE, parts="".join(parts)))
    return path


@contextlib.contextmanager
def roles(domains, channel=(), paging="", keys=False, extra=COUNTED, **options):
    """A machine of domains, {name: cores}, which do what their names say."""
    program = PROGRAM.read_bytes()
    if keys:
        program = program.replace(b"KEYS:hidden", b"KEYS:there ")
    with tempfile.TemporaryDirectory() as directory:
        files = {}
        for name in domains:
            files[f"{name}.image"] = pathlib.Path(directory) / name
            word = f"ROLE:{name}".ljust(23).encode()
            files[f"{name}.image"].write_bytes(program.replace(b"ROLE:none".ljust(23), word))
        with bulkhead(policy=policy_of(directory, domains, channel, paging), files=files,
                      extra=extra, **options) as machine:
            yield machine


def checked(parts, _):
    return dataclasses.replace(parts, core=CHECKED)


@limit(120)
@cases({"nested": ({},), "shadow": ({"cpu": "EPYC,-npt", "paging": "paging shadow 256 KiB"},),
        "keys": ({"cpu": "EPYC-Milan,+svm", "keys": True},), "checked": ({"change": checked},)})
def test_registers(options):
    """Each of two domains on a core finds first values in all registers, though the other has
    filled them before, and its own in them after each turn of the other."""
    rows = re.findall(r"^VCPU_STATE\((\w+),", STATES.read_text(), re.MULTILINE)
    with roles({"early": [0], "late": [0]}, ("early", "late"), **options) as machine:
        for _ in range(2):
            machine.core.expect(r"^\[\w+\] all registers are whole$", 100, unless=TROUBLE)
        for domain in ("early", "late"):
            whole = re.findall(rf"^\[{domain}\] whole: (\w+)$", machine.core.text, re.MULTILINE)
            equal(whole, rows, f"registers that {domain} has tried")


def at_most(value, limit, what):
    if int(value) > limit:
        raise Failure(f"{what}\n  expected: at most {limit}\n  got:      {value}")


def at_least(value, limit, what):
    if int(value) < limit:
        raise Failure(f"{what}\n  expected: at least {limit}\n  got:      {value}")


@limit(60)
@cases({"spins": ("spins",), "exits": ("exits",), "wakes": ("wakes",), "sleeps": ("sleeps",),
        "all": ("spins", "wakes", "exits", "sleeps")})
def test_turns(*others):
    """Whatever others do on its core, a domain runs undisturbed for at least its slice, and is
    back after theirs."""
    with roles(dict.fromkeys(["measures", *others], [0]), cpus=1) as machine:
        turns = machine.core.expect(
            r"^\[measures\] (\d+) turns, the shortest (\d+), away (\d+) at most$", 50,
            unless=TROUBLE)
    at_least(turns[1], 5, "turns")
    at_least(turns[2], SLICE - SWITCH, "its shortest turn")
    at_most(turns[3], len(others) * (SLICE + SWITCH), "how long it was away")


@limit(60)
def test_answers():
    """Who asks another domain on its core has an answer within two slices each of two domains
    there that never rest: one before the question is read, one before the answer is."""
    with roles(dict.fromkeys(["asks", "spins", "answers", "exits"], [0]), ("asks", "answers"),
               cpus=1) as machine:
        answers = machine.core.expect(r"^\[asks\] (\d+) answers, the longest after (\d+)$", 50,
                                      unless=TROUBLE)
    equal(answers[1], "30", "answers")
    at_most(answers[2], 4 * (SLICE + SWITCH), "how long one took")


@limit(60)
@cases({"seen": ("intercept pause", 0, SWITCH), "unseen": ("", SLICE - SWITCH, SLICE + SWITCH)})
def test_pause(intercept, least, most):
    """Who spins with PAUSE for another on its core keeps it to the end of its slice, or, where a
    policy has PAUSE intercepted, gives it up at once."""
    with roles({"passes": [0], "returns": [0]}, ("passes", "returns"), intercept, cpus=1) as machine:
        passes = machine.core.expect(r"^\[returns\] (\d+) passes in (\d+)$", 50, unless=TROUBLE)
    at_least(int(passes[2]) // int(passes[1]), least, "time for each")
    at_most(int(passes[2]) // int(passes[1]), most, "time for each")


@limit(60)
@cases({"stops": ("stops",), "crashes": ("crashes",)})
def test_end(name):
    """When a domain stops, by itself or by a triple fault, another on its core goes on."""
    with roles({name: [0], "beats": [0]}, cpus=1) as machine:
        machine.core.expect(rf"^\[{name}\] ends now$", 50, unless=TROUBLE)
        machine.core.expect(rf"^bulkhead: {name}: stopped: ", 20, unless=TROUBLE)
        for _ in range(4):
            machine.core.expect(r"^\[beats\] beat$", 20, unless=TROUBLE)


CLOSED = r"^bulkhead: (\w+): its devices are closed$"
UNANSWERED = TROUBLE + r"|^bulkhead: \w+: a core of it doesn't answer$"


@limit(90)
@cases({"nested": ({},), "checked": ({"change": checked},)})
def test_two_cores(options):
    """Two domains have the same two cores, each boots on the other one's second: they start their
    second vCPUs, wake them by IPIs, and stop at once without waiting for each other."""
    with roles({"left": [0, 1], "right": [1, 0]}, ("left", "right"), extra=(),
               **options) as machine:
        ends = {machine.core.expect(CLOSED, 80, unless=UNANSWERED)[1] for _ in range(2)}
    equal(ends, {"left", "right"}, "domains that have stopped")


@limit(90)
def test_two_cores_and_an_end():
    """One of them stops, on both cores; the other goes on there."""
    with roles({"left": [0, 1], "stays": [1, 0]}, ("left", "stays"), extra=()) as machine:
        equal(machine.core.expect(CLOSED, 80, unless=UNANSWERED)[1], "left", "who has stopped")
        for _ in range(4):
            machine.core.expect(r"^\[stays\] beat$", 20, unless=UNANSWERED)
