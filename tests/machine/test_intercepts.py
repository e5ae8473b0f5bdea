"""Each intercept that QEMU has bites, and changes nothing where core carries out what it sees.

The stand-in does what an intercept is for and prints the outcome (domains/intruder/standin/
probes.c); when its domain stops core prints how often it was left for what.
"""
import contextlib
import pathlib
import re
import tempfile

import intercepts
import machine
import package
from testing import Failure, cases, equal, limit

FILES = {"standin.image": package.BUILD / "domains/standin.bin"}
UNIT = package.ROOT / "tests" / "unit"
END = r"^bulkhead: work: stopped: (.*) \(exit .*\)$"
FATAL = r"^bulkhead: FATAL: .*$"

# Those that end the domain at once.
TRIPWIRES = ["idtr_read", "gdtr_read", "ldtr_read", "tr_read", "idtr_write", "gdtr_write",
             "ldtr_write", "tr_write", "pushf", "popf", "iret"]
AT_START = ["idtr_write", "gdtr_write", "tr_write"]  # which every program does
# QEMU doesn't tell RDTSCP from RDTSC. INT3 exits as INTn there, INVD as WBINVD, each by the other's
# bit: what they lead to is looked at all the same.
EXITS_AS = {"rdtscp": "RDTSC"}
ALSO = ["int3", "invd"]
# QEMU never raises these, or nothing in a domain can: what core answers is shown elsewhere.
ELSEWHERE = {
    **dict.fromkeys(["exception_bp", "exception_of", "icebp"],
                    "exits/test_exception:software_interrupts_return_behind_their_instruction"),
    **dict.fromkeys(["exception_df", "exception_ac", "exception_xf", "exception_cp",
                     "exception_hv", "exception_vc", "exception_sx"],
                    "exits/test_exception:each_exception_is_the_domains_with_its_error_code"),
    "exception_mc": "exits/test_event:the_ends_of_a_domain_are_named",
    **dict.fromkeys(["intr", "smi", "init"], "exits/test_event:pending_interrupts_reach_the_host"),
    "nmi": "exits/test_event:an_nmi_is_the_domains_that_owns_its_interrupts",
    "vintr": "vdev/test_bell:each_is_seen_before_it_is_taken_if_a_policy_wants_it",
    "ferr_freeze": "exits/test_event:rows_without_a_handler_stop_the_domain_by_name",
    **dict.fromkeys(["hlt", "idle_hlt"], "exits/test_event:hlt_sleeps_until_a_bell_rings"),
    "invd": "exits/test_event:invd_writes_back",
    "task_switch": "exits/test_event:a_task_switch_is_a_fault",
    "mwait_armed": "exits/test_event:instructions_that_no_domain_has_are_undefined",
    "xsetbv": "exits/test_event:xcr0_takes_what_the_cpu_takes",
    **dict.fromkeys(["rdpru", "invlpgb", "invlpgb_illegal", "tlbsync", "invpcid", "mcommit"],
                    "exits/test_instructions:instructions_that_cpuid_hides_are_undefined"),
    **dict.fromkeys(["efer_write_trap", "cr0_write_trap", "cr2_write_trap", "cr3_write_trap",
                     "cr4_write_trap", "cr8_write_trap"],
                    "exits/test_instructions:what_is_over_when_it_exits_goes_on"),
    "bus_lock": "exits/test_instructions:bus_locks_go_on_one_by_one",
}
ENDS = {"shutdown": "triple-fault"}  # the stand-in's attack that raises it


def carried_out():
    """The names of all others, in the table's order."""
    return [name for name in intercepts.read_intercepts()
            if name not in TRIPWIRES and name not in ELSEWHERE and name not in ENDS]


def probed(tripwires):
    """Those that the stand-in doesn't do before it takes its first command."""
    return [name for name in tripwires if name not in AT_START]


@contextlib.contextmanager
def standin(wanted):
    """A machine whose stand-in has these intercepted beside those that are always there."""
    is_ready = set(wanted).isdisjoint(AT_START)
    with tempfile.TemporaryDirectory() as name:
        said = f"intercept {', '.join(wanted)}" if wanted else ""
        policy = intercepts.policy(pathlib.Path(name), said)
        with machine.bulkhead(policy=policy, files=FILES, cpus=1, network=False) as running:
            if is_ready:
                running.work.expect(r"^standin: ready$", machine.BOOT_TIMEOUT,
                                    unless=machine.TROUBLE)
            yield running


def exits_of(running):
    """{NAME: count} of the exits that core printed when the domain stopped, and why it stopped."""
    why = running.core.expect(END, 30, unless=rf"{FATAL}|^standin: error.*$")[1]
    running.core.expect(r"^bulkhead: work: its devices are closed$", 30, unless=FATAL)
    lines = re.findall(r"^bulkhead: work: exits: (.*)$", running.core.text, re.MULTILINE)
    pairs = re.findall(r"(\w+) (\d+)(?:, |$)", "\n".join(lines), re.MULTILINE)
    return {name: int(count) for name, count in pairs}, why


def outcomes(names, wanted):
    """({name: its outcome}, exits) of a boot with these intercepts."""
    found = {}
    with standin(wanted) as running:
        for name in names:
            running.work.send(f"probe {name}\n")
            found[name] = running.work.expect(rf"^standin: {name}: (vector .*)$", 20,
                                              unless=f"{machine.TROUBLE}|^standin: error.*$")[1]
        running.work.send("attack stop\n")
        return found, exits_of(running)[0]


def can_be_wanted(name):
    return intercepts.read_intercepts()[name][1] in ("OFF", "SHADOW", "DEFAULT")


def exit_name(name):
    code = intercepts.read_intercepts()[name][0]
    return EXITS_AS.get(name, intercepts.read_exits()[code][0])


def test_every_row():
    """Each row of intercepts.def is raised on a machine, or there is a unit test that answers it."""
    rows = intercepts.read_intercepts()
    equal([name for name in [*TRIPWIRES, *ELSEWHERE, *ENDS] if name not in rows], [],
          "names that are no intercepts")
    probes = re.findall(r'P\((\w+)\)|\{"(\w+)", \w+\}',
                        (package.ROOT / "domains/intruder/standin/probes.c").read_text())
    probes = {one or other for one, other in probes}
    equal([name for name in [*carried_out(), *probed(TRIPWIRES)] if name not in probes], [],
          "intercepts that the stand-in has no probe for")
    for name, test in ELSEWHERE.items():
        path, _, function = test.partition(":")
        if f"static void {function}(" not in (UNIT / f"{path}.c").read_text():
            raise Failure(f"{name}: there is no test {test}")
    for name in TRIPWIRES:
        equal(intercepts.read_exits()[rows[name][0]][1], "unexpected", f"{name}: handler")


@limit(120)
def test_carried_out():
    """With an intercept core counts more exits of its name, and the domain sees the same as without.
    What ends the domain with an intercept doesn't without."""
    names = carried_out()
    without, few = outcomes(names + ALSO + probed(TRIPWIRES), [])
    found, many = outcomes(names + ALSO, [name for name in names if can_be_wanted(name)])
    equal(found, {name: without[name] for name in found}, "outcomes, against those without")
    for name in names:
        if intercepts.read_intercepts()[name][1] not in ("OFF", "SHADOW"):
            before, after = 0, few.get(exit_name(name), 0)  # set without being asked for
        else:
            before, after = few.get(exit_name(name), 0), many.get(exit_name(name), 0)
        if after <= before:
            raise Failure(f"{name}: {exit_name(name)} exited {after} times, expected more than "
                          f"{before}; without the intercepts {few}, with them {many}")


@cases({name: (name,) for name in TRIPWIRES})
def test_tripwire(name):
    """The domain stops when it first does it, by the exit's name."""
    with standin([name]) as running:
        if name not in AT_START:
            running.work.send(f"probe {name}\n")
        exits, why = exits_of(running)
    code = intercepts.read_intercepts()[name][0]
    exit_text = re.search(rf'^EXIT\(0x{code:03x}, \w+, \w+, "(.*)"\)$',
                          (intercepts.TABLES / "exits.def").read_text(), re.MULTILINE)[1]
    equal((why, exits.get(exit_name(name))), (exit_text, 1), f"{name}: why, and how often")


@cases({name: (name, attack) for name, attack in ENDS.items()})
def test_end(name, attack):
    """What would end the machine ends the domain."""
    with standin([]) as running:
        running.work.send(f"attack {attack}\n")
        equal(exits_of(running)[0].get(exit_name(name)), 1, f"{name}: how often")


def test_endless_exception():
    """A #DB that never ends comes by core each time, so that interrupts get their turn."""
    with standin([]) as running:
        running.work.send("endless\n")
        exits, why = exits_of(running)
    equal(why, "it asked to", "why the domain stopped, at its timer's interrupt")
    if exits.get("EXCEPTION_DB", 0) < 100:
        raise Failure(f"the chain was short: {exits}")
