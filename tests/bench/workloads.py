"""What Linux's work costs, in executed instructions: on the bare machine, and as Bulkhead's work."""
import pathlib
import re
import subprocess
import sys
import tempfile

import package
from qemu import Config, Kernel, Machine
from trips import ICOUNT

ROOT = package.ROOT
sys.path.append(str(ROOT / "domains" / "work"))

import initramfs  # noqa: E402

POLICY = ROOT / "tests" / "bench" / "linux.policy"
KERNEL = package.BUILD / "kernel" / "vmlinuz"
BUILT = package.BUILD / "tests" / "bench"
DONE = r"^bench: done\r?$"
APIC_WRITES = "APIC writes"  # of the nested page faults: the rest has another cause
SHADOW_POOL = "8 MiB"
SECONDS = 900  # for a boot and all workloads, on a busy host
# Instructions x bare on the same emulated CPU, counted in the same way: Debian 12's KVM with the
# same kernel as guest, and Xen 4.17 with it as PVH dom0.
KVM = {"compute": 1.004, "calls": 1.003, "processes": 1.005, "faults": 1.220, "pipes": 1.005,
       "sleeps": 4.5}
XEN = {"compute": 1.006, "calls": 1.006, "processes": 1.024, "faults": 1.002, "pipes": 1.018,
       "sleeps": 12.0}
NAMES = {"compute": "SHA-256, 64 KiB", "calls": "system call", "processes": "fork and exec",
         "faults": "page fault", "pipes": "pipe, to and fro", "sleeps": "sleep of 1 ms"}


class WorkloadError(Exception):
    """The figures can't be had."""


def archive(path):
    files = initramfs.Archive()
    files.directory("dev")
    files.add("dev/console", 0o20644, device=(5, 1))
    files.file("init", BUILT / "workloads", 0o755)
    files.file("nothing", BUILT / "nothing", 0o755)
    path.write_bytes(files.finished())
    return path


def command_line():
    return re.search(r'cmdline "(.*)"', POLICY.read_text())[1]


def core_arguments():
    """The plugin's arguments that count core's instructions and exits, by their handlers."""
    listing = package.must_run("nm", package.CORE)
    symbols = {name: int(address, 16) for address, _, name in
               (line.split() for line in listing.splitlines())}
    handlers = [f"at={name[5:].upper()}:{address:x}" for name, address in symbols.items()
                if name.startswith("exit_") and name != "exit_unexpected"]
    first, end = (int(word, 16) for word in core_range())
    return [f"core={first:x}-{end:x}", f"at={APIC_WRITES}:{symbols['vdev_write_apic']:x}", *handlers]


def core_range():
    listing = package.must_run("readelf", "-lW", package.CORE)
    texts = re.findall(r"LOAD\s+\S+ (0x\w+) \S+ \S+ (0x\w+) R E", listing)
    first = min(int(address, 16) for address, _ in texts)
    return hex(first), hex(max(int(address, 16) + int(size, 16) for address, size in texts))


def run(boot, directory, arguments=()):
    """[(name, count, {counter: how much of it})] of one machine."""
    out = pathlib.Path(directory, "counters")
    plugin = ",".join([f"{BUILT / 'count.so'},out={out}", *arguments])
    config = Config(boot=boot, cpus=1, network=False, time_limit=SECONDS,
                    extra=(*ICOUNT, "-seed", "1", "-rtc", "base=2026-01-01,clock=vm",
                           "-plugin", plugin))
    with Machine(config) as machine:
        machine.work.expect(DONE, SECONDS)
        text = machine.work.text
    marks = {}
    for line in out.read_text().splitlines():
        words = re.findall(r"(\D+) (\d+)(?: |$)", line)
        counters = {counter: int(value) for counter, value in words}
        marks[counters.pop("mark")] = counters
    rows = []
    for name, count in re.findall(r"^bench: (\S+) (\d+)\r?$", text, re.MULTILINE):
        number = list(NAMES).index(name)
        before, after = marks[2 * number], marks[2 * number + 1]
        rows.append((name, int(count), {counter: value - before.get(counter, 0)
                                        for counter, value in after.items()
                                        if value != before.get(counter, 0)}))
    return rows


def run_as_work(initrd, policy):
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        parts = package.build(directory, policy, {"work.kernel": KERNEL, "work.initrd": initrd})
        return run(Kernel(parts.core, tuple(parts.modules())), directory, core_arguments())


def changed_policy(directory, old, new):
    path = directory / "changed.policy"
    path.write_text(POLICY.read_text().replace("../../policy/", f"{ROOT / 'policy'}/")
                    .replace(old, new))
    return path


def shadow_policy(directory):
    """The same policy, paged by shadow tables."""
    return changed_policy(directory, "cores 0", f"cores 0\n        paging shadow {SHADOW_POOL}")


def as_figures(count, counted):
    return {"count": count, "work": counted["all"], "core": counted.get("core", 0),
            "exits": {key: value for key, value in counted.items()
                      if key not in ("all", "core")}}


def measure_briefly():
    """measure() without the workloads that take long, and without shadow tables."""
    line = f"{command_line()} brief"
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        initrd = archive(directory / "initrd")
        bare = run(Kernel(KERNEL, initrd=initrd, append=line), directory)
        work = run_as_work(initrd, changed_policy(directory, command_line(), line))
    return {name: {"bare": alone["all"], **as_figures(count, nested)}
            for (name, count, alone), (_, _, nested) in zip(bare, work)}


def measure():
    """{name: {count, bare, work, core, exits: {handler: number}, shadow: {the same}}}"""
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        initrd = archive(directory / "initrd")
        bare = run(Kernel(KERNEL, initrd=initrd, append=command_line()), directory)
        work = run_as_work(initrd, POLICY)
        shadow = run_as_work(initrd, shadow_policy(directory))
    done = [row[:2] for row in bare]
    if done != [row[:2] for row in work] or done != [row[:2] for row in shadow] or \
            len(done) != len(NAMES):
        raise WorkloadError("the bare machine did other workloads than Bulkhead's")
    return {name: {"bare": alone["all"], **as_figures(count, nested),
                   "shadow": as_figures(count, shadowed)}
            for (name, count, alone), (_, _, nested), (_, _, shadowed)
            in zip(bare, work, shadow)}


def exits_of(row):
    """{reason: exits an operation}, with writes to the local APIC told apart from other NPFs."""
    exits = dict(row["exits"])
    apic = exits.pop(APIC_WRITES, 0)
    fault = "NPF" if "NPF" in exits else "PF"  # nested paging or shadow tables
    exits[fault] = exits.get(fault, 0) - apic
    return {reason: number / row["count"] for reason, number in {APIC_WRITES: apic, **exits}.items()
            if number}


def ratio(row):
    return row["work"] / row["bare"]


def table(rows):
    lines = ["| workload | instructions on the bare machine, each | Bulkhead, x bare | of these in "
             "core, each | exits, each | KVM, x bare | Xen, x bare |",
             "|---|---:|---:|---:|---|---:|---:|"]
    for name, row in rows.items():
        exits = ", ".join(f"{number:.3g} {reason}" for reason, number in exits_of(row).items())
        lines.append(f"| {NAMES[name]} | {row['bare'] / row['count']:,.0f} | {ratio(row):.4f} | "
                     f"{row['core'] / row['count']:,.2f} | {exits or 'none'} | {KVM[name]:g} | "
                     f"{XEN[name]:g} |")
    return "\n".join([*lines, "", *shadow_table(rows)])


def shadow_table(rows):
    lines = [f"| workload, paged by shadow tables ({SHADOW_POOL}) | Bulkhead, x bare | of these in "
             "core, each | exits, each |", "|---|---:|---:|---|"]
    for name, row in rows.items():
        shadow = row["shadow"]
        exits = ", ".join(f"{number:.3g} {reason}" for reason, number in exits_of(shadow).items())
        lines.append(f"| {NAMES[name]} | {shadow['work'] / row['bare']:.4f} | "
                     f"{shadow['core'] / row['count']:,.2f} | {exits} |")
    return lines
