"""Find the suite's tests and run one of them.

Two kinds of job: a cmocka program (many tests, reported by TAP) and a Python
function (one test). Each runs in a process group of its own that is killed when
its time is over, with everything it started.
"""
import dataclasses
import importlib.util
import json
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback

TESTS = pathlib.Path(__file__).resolve().parent
ROOT = TESTS.parent
UNIT_PROGRAMS = ROOT / "build" / "tests" / "unit"
IMPORT_PATH = [str(TESTS), str(ROOT / "tools" / "run"),
               *(str(TESTS / name) for name in ("attest", "bench", "harness", "machine", "policyc"))]
PROGRAM_LIMIT = 60
FUNCTION_LIMIT = 120


@dataclasses.dataclass
class Result:
    name: str
    result: str  # passed, failed, skipped
    seconds: float
    detail: str = ""  # why it failed or was skipped
    proves: str = ""


@dataclasses.dataclass
class Job:
    """One process to run. `problem` is set where there is nothing to run."""

    name: str
    command: list
    time_limit: float
    is_program: bool
    proves: str = ""
    problem: str = ""


def short_name(tests, path):
    return str(path.relative_to(tests).with_suffix(""))


def program_jobs(tests):
    for source in sorted((tests / "unit").rglob("test_*.c")):
        program = UNIT_PROGRAMS / source.relative_to(tests / "unit").with_suffix("")
        problem = "" if program.exists() else (
            f"{program} was not built: does the unit.mk beside {source.name} name it?")
        yield Job(short_name(tests, source), [str(program)], PROGRAM_LIMIT, True, problem=problem)


def load(path):
    for entry in IMPORT_PATH:
        if entry not in sys.path:
            sys.path.insert(0, entry)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def function_jobs(tests):
    for path in sorted(tests.rglob("test_*.py")):
        stem = short_name(tests, path)
        try:
            module = load(path)
        except Exception:  # a file that can't be loaded is a failed test, whatever the cause
            yield Job(stem, [], 0, False, problem=traceback.format_exc(limit=-3))
            continue
        functions = [(n, f) for n, f in vars(module).items() if n.startswith("test_")]
        if not functions:
            yield Job(stem, [], 0, False, problem="this file has no test_* function")
        for name, function in functions:
            yield from jobs_of_function(path, f"{stem}:{name[5:]}", name, function)


def jobs_of_function(path, full_name, name, function):
    proves = " ".join((function.__doc__ or "").split())
    problem = "" if proves else "has no docstring that says what it proves"
    time_limit = getattr(function, "time_limit", FUNCTION_LIMIT)
    for case in getattr(function, "cases", {None: ()}):
        command = [sys.executable, str(TESTS / "suite.py"), str(path), name]
        suffix = ""
        if case is not None:
            command.append(case)
            suffix = f"[{case}]"
        yield Job(full_name + suffix, command, time_limit, False, proves, problem)


TEST_NAME = re.compile(r"[a-z_]+(?:/[a-z_]+)*/test_\w+(?::\w+(?:\[[^\]]+\])?)?")


def named_by(text):
    """The tests that a document names, between backticks."""
    return {word for word in re.findall(r"`([^`\n]+)`", text) if TEST_NAME.fullmatch(word)}


def is_of(name, test):
    """Is `test`, a result's name, what `name` means: itself, a file's test, or one of its cases?"""
    return test == name or test.startswith((f"{name}:", f"{name}["))


def find(tests=TESTS):
    """All jobs, in the order in which results are shown."""
    return list(program_jobs(tests)) + list(function_jobs(tests))


def selected(jobs, filters):
    """The jobs whose name contains one of the filters; all where there are none."""
    return [job for job in jobs if not filters or any(f in job.name for f in filters)]


running = set()  # process groups, for stop_all()


def stop_all():
    for group in list(running):
        kill_group(group)


def kill_group(group):
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def read_until_end(streams, process, time_limit):
    """Read the streams to their ends; False where the time limit came first.

    What the process leaves running when it ends is killed, so that it can't
    hold the streams open.
    """
    deadline = time.monotonic() + time_limit
    taken = {stream: b"" for stream in streams}
    ended = os.pidfd_open(process.pid)
    is_open = {ended, *streams}
    in_time = True
    while is_open:
        left = max(deadline - time.monotonic(), 0) if in_time else None
        ready = select.select(list(is_open), [], [], left)[0]
        if not ready:
            in_time = False
            kill_group(process.pid)
        for stream in ready:
            if stream == ended:
                kill_group(process.pid)
                is_open.discard(ended)
                continue
            chunk = os.read(stream, 65536)
            taken[stream] += chunk
            if not chunk:
                is_open.discard(stream)
    os.close(ended)
    return taken, in_time


def execute(job):
    """Run the job's process; returns its exit status, output, report, in time?"""
    # What a killed test leaves in its temporary directory goes with that directory.
    with tempfile.TemporaryDirectory(prefix="bulkhead-test-") as directory:
        return execute_in(directory, job)


def execute_in(directory, job):
    report_read, report_write = os.pipe()
    environment = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP", TEST_REPORT_FD=str(report_write),
                       PYTHONDONTWRITEBYTECODE="1", TMPDIR=directory)
    with subprocess.Popen(job.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, pass_fds=[report_write], cwd=ROOT,
                          env=environment, start_new_session=True) as process:
        running.add(process.pid)
        os.close(report_write)
        try:
            output_stream = process.stdout.fileno()
            taken, in_time = read_until_end([output_stream, report_read], process,
                                            job.time_limit)
            process.wait()
        finally:
            kill_group(process.pid)
            running.discard(process.pid)
            os.close(report_read)
    output = taken[output_stream].decode(errors="replace")
    return process.returncode, output, taken[report_read].decode(), in_time


def tail(text, lines=60):
    return "\n".join(text.rstrip().splitlines()[-lines:])


def run(job):
    """Run one job; returns the list of its tests' Results."""
    if job.problem:
        return [Result(job.name, "failed", 0.0, job.problem, job.proves)]
    started = time.monotonic()
    try:
        status, output, report, in_time = execute(job)
    except OSError as error:
        return [Result(job.name, "failed", 0.0, f"cannot be run: {error}", job.proves)]
    seconds = time.monotonic() - started
    if not in_time:
        detail = f"not finished within {job.time_limit} s, killed\n{tail(output)}"
        return [Result(job.name, "failed", seconds, detail, job.proves)]
    if job.is_program:
        return program_results(job, status, output, seconds)
    return [function_result(job, status, output, report, seconds)]


TAP_LINE = re.compile(r"(ok|not ok) \d+ (?:- (?P<name>.+)|# SKIP (?P<skip>.+))")


def program_results(job, status, output, seconds):
    """cmocka's TAP: a plan, a line per test, messages as comments after it."""
    results, planned = [], 0
    for line in output.splitlines():
        plan = re.fullmatch(r"1\.\.(\d+)", line)
        found = TAP_LINE.fullmatch(line)
        if plan:
            planned += int(plan[1])
        elif found and found["skip"]:
            results.append(Result(f"{job.name}:{found['skip']}", "skipped", 0.0))
        elif found:
            result = "passed" if found[1] == "ok" else "failed"
            results.append(Result(f"{job.name}:{found['name']}", result, 0.0))
        elif results and results[-1].result != "passed" and not line.startswith("# not ok - "):
            results[-1].detail += line.removeprefix("# ") + "\n"
    if results:
        results[0].seconds = seconds  # the program's time, cmocka's TAP tells no other
    any_failed = any(r.result == "failed" for r in results)
    if len(results) < max(planned, 1) or (status != 0 and not any_failed):
        detail = (f"{len(results)} of {planned} tests reported, exit status {status}\n"
                  f"{tail(output)}")
        results.append(Result(job.name, "failed", 0.0 if results else seconds, detail))
    return results


def function_result(job, status, output, report, seconds):
    if report:
        told = json.loads(report)
        detail = told["detail"]
        if told["result"] == "failed" and output:
            detail += f"\n--- the test's output\n{tail(output)}"
        return Result(job.name, told["result"], seconds, detail, job.proves)
    detail = f"the test's process ended without a report, exit status {status}\n{tail(output)}"
    return Result(job.name, "failed", seconds, detail, job.proves)


def run_one_function(path, name, case=None):
    """In the child: call the test, write {result, detail} to the report's pipe."""
    module = load(pathlib.Path(path))
    import console  # on the path since load()
    import testing

    function = getattr(module, name)
    arguments = function.cases[case] if case is not None else ()
    result, detail = "passed", ""
    try:
        function(*arguments)
    except testing.Skip as reason:
        result, detail = "skipped", str(reason)
    except (testing.Failure, console.MachineError) as failure:
        frames = traceback.extract_tb(failure.__traceback__)
        place = next(f for f in reversed(frames) if f.filename == path)
        result = "failed"
        detail = f"{failure}\n  at {os.path.relpath(path, ROOT)}:{place.lineno}: {place.line}"
    except BaseException:  # SystemExit too: a test that leaves early has not passed
        result, detail = "failed", traceback.format_exc()
    sys.stdout.flush()
    with os.fdopen(int(os.environ["TEST_REPORT_FD"]), "w") as report:
        json.dump({"result": result, "detail": detail}, report)


if __name__ == "__main__":
    run_one_function(*sys.argv[1:])
