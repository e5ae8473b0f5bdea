"""The suite runner itself: what must make a run fail, does."""
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import suite
from testing import contains, equal

RUNNER = pathlib.Path(suite.__file__).parent / "run.py"


def run_suite(files, *arguments):
    """Run the runner on a directory of {name: content}; returns status, output."""
    with tempfile.TemporaryDirectory() as directory:
        for name, content in {"SKIPS": "", **files}.items():
            pathlib.Path(directory, name).write_text(content)
        done = subprocess.run([sys.executable, RUNNER, "--tests", directory, *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def last_line(output):
    return output.splitlines()[-1]


def test_passing_and_failing():
    """A run with a passing and a failing test counts both, tells why, and fails."""
    status, output = run_suite({"test_a.py": '''
from testing import equal
def test_good():
    """Good."""
def test_bad():
    """Two is one."""
    print("a line of output")
    equal(2, 1, "the number")
'''})
    equal(status, 1, "exit status")
    equal(last_line(output), "1 passed, 1 failed, 0 skipped", "last line")
    for part in ("proves: Two is one.", "expected: 1", "got:      2", "a line of output"):
        contains(output, part, "the failure's report")


def test_listed_and_unlisted_skip():
    """A skip fails the run unless tests/SKIPS names the test with a reason."""
    test = '''
from testing import Skip
def test_good():
    """Good."""
def test_elsewhere():
    """Skips."""
    raise Skip("no hardware")
'''
    status, output = run_suite({"test_a.py": test})
    equal((status, last_line(output)), (1, "1 passed, 0 failed, 1 skipped"), "unlisted skip")
    contains(output, "no hardware", "the unlisted skip's report")
    status, output = run_suite({"test_a.py": test, "SKIPS": "test_a:elsewhere: has no such bus\n"})
    equal((status, last_line(output)), (0, "1 passed, 0 failed, 1 skipped"), "listed skip")
    contains(output, "has no such bus", "the listed skip's report")


def test_stale_skip():
    """A line of tests/SKIPS that names no test fails a run of the whole suite, not of a part."""
    files = {"test_a.py": 'def test_good():\n    """Good."""\n', "SKIPS": "test_a:bad: gone\n"}
    status, output = run_suite(files)
    equal(status, 1, "exit status of the whole suite")
    contains(output, "there is no such test", "output")
    equal(run_suite(files, "good")[0], 0, "exit status of a part")


def test_skip_without_reason_is_refused():
    """A line of tests/SKIPS without a reason is an error."""
    status, output = run_suite({"SKIPS": "test_a:elsewhere\n"})
    equal(status, 1, "exit status")
    contains(output, "SKIPS:1: error", "output")


def test_named_by_a_document():
    """A test that a document relies on must have run, in a run of the whole suite."""
    test = '''
from testing import Skip
def test_good():
    """Good."""
test_good.cases = {"one": ()}
def test_elsewhere():
    """Skips."""
    raise Skip("no hardware")
'''
    def run(document, *filters):
        with tempfile.TemporaryDirectory() as directory:
            pathlib.Path(directory, "x").mkdir()
            pathlib.Path(directory, "x", "test_a.py").write_text(test)
            pathlib.Path(directory, "SKIPS").write_text("x/test_a:elsewhere: no bus\n")
            path = pathlib.Path(directory, "page.md")
            path.write_text(document)
            done = subprocess.run([sys.executable, RUNNER, "--tests", directory, "--shows", path,
                                   *filters], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True)
        return done.returncode, done.stdout

    equal(run("`x/test_a:good` `x/test_a` `x/test_a:good[one]`")[0], 0, "exit status")
    for name in ("x/test_a:elsewhere", "x/test_a:goo", "x/test_b", "x/test_a:good[two]"):
        status, output = run(f"It works: `{name}`.")
        equal(status, 1, f"exit status with {name}")
        contains(output, f"says that {name} shows something, but it didn't run", "output")
    equal(run("`x/test_b`", "good")[0], 0, "exit status of a part of the suite")


def test_nothing_run():
    """A run without tests fails, and so does one whose filter matches none."""
    test = {"test_a.py": 'def test_good():\n    """Good."""\n'}
    equal(run_suite({})[0], 1, "exit status of an empty suite")
    equal(run_suite(test, "nosuchname")[0], 1, "exit status where the filter matches nothing")
    equal(run_suite(test, "good")[0], 0, "exit status where the filter matches")


def test_time_limit():
    """A test that hangs is killed at its limit, with the processes that it started."""
    with tempfile.NamedTemporaryFile("r") as pid_file:
        started = time.monotonic()
        status, output = run_suite({"test_a.py": f'''
import subprocess, time
from testing import limit
@limit(2)
def test_hang():
    """Hangs."""
    child = subprocess.Popen(["sleep", "1000"])
    open({pid_file.name!r}, "w").write(str(child.pid))
    child.wait()
'''})
        equal((status, last_line(output)), (1, "0 passed, 1 failed, 0 skipped"), "result")
        contains(output, "not finished within 2 s", "the hanging test's report")
        if time.monotonic() - started > 60:
            raise AssertionError("the run did not end at the test's limit")
        child = pathlib.Path("/proc", pid_file.read())
    if child.exists():
        equal((child / "stat").read_text().split()[2], "Z", "state of the test's child")


def test_process_left_behind():
    """A process that a test leaves running is killed and doesn't hold up the run."""
    started = time.monotonic()
    status, _ = run_suite({"test_a.py": '''
import subprocess
def test_leave():
    """Leaves a process behind."""
    subprocess.Popen(["sleep", "1000"])
'''})
    equal(status, 0, "exit status")
    if time.monotonic() - started > 60:
        raise AssertionError("the run waited for the process")


def test_broken_files():
    """A file that can't be loaded, a missing docstring, an early exit: each is a failure."""
    status, output = run_suite({
        "test_import.py": "import nosuchmodule\n",
        "test_none.py": "\n",
        "test_undocumented.py": "def test_a():\n    pass\n",
        "test_exit.py": 'def test_a():\n    """Leaves."""\n    raise SystemExit(0)\n',
        "test_gone.py": 'import os\ndef test_a():\n    """Vanishes."""\n    os._exit(0)\n'})
    equal((status, last_line(output)), (1, "0 passed, 5 failed, 0 skipped"), "result")


def test_cases():
    """A test with cases runs once for each, with the case's arguments and name."""
    status, output = run_suite({"test_a.py": '''
from testing import cases, equal
@cases({"one": (1,), "two": (2,)})
def test_is_one(n):
    """The number is one."""
    equal(n, 1, "n")
'''})
    equal((status, last_line(output)), (1, "1 passed, 1 failed, 0 skipped"), "result")
    contains(output, "test_a:is_one[two]", "the failed case's name")


def test_order_and_json():
    """Results stand in the files' order whatever their duration, and in the JSON file."""
    with tempfile.NamedTemporaryFile("r") as results:
        _, output = run_suite({
            "test_a.py": 'import time\ndef test_x():\n    """Slow."""\n    time.sleep(1)\n',
            "test_b.py": 'def test_x():\n    """Fast."""\n'}, "--jobs", "2", "--json", results.name)
        told = json.load(results)
    equal([t["name"] for t in told["tests"]], ["test_a:x", "test_b:x"], "order in JSON")
    if output.index("test_a:x") > output.index("test_b:x"):
        raise AssertionError(f"shown out of order:\n{output}")
    equal((told["passed"], told["failed"], told["skipped"]), (2, 0, 0), "counts in JSON")


def program_results(status, output):
    job = suite.Job("unit/p", ["p"], 1, True)
    return [(r.name, r.result) for r in suite.program_results(job, status, output, 0.5)]


def test_tap():
    """cmocka's report becomes one result per test, a skip included."""
    output = "1..3\nok 1 - a\nnot ok 2 - b\n# 0x1 != 0x2\nnot ok 3 # SKIP c\n# not ok - group\n"
    equal(program_results(1, output),
          [("unit/p:a", "passed"), ("unit/p:b", "failed"), ("unit/p:c", "skipped")], "results")


def test_tap_cut_short():
    """A program that dies, runs no test, or fails after its last test is a failure."""
    equal(program_results(-11, "1..2\nok 1 - a\n"),
          [("unit/p:a", "passed"), ("unit/p", "failed")], "after a crash")
    equal(program_results(0, ""), [("unit/p", "failed")], "without any test")
    equal(program_results(23, "1..1\nok 1 - a\nLeakSanitizer: leak\n"),
          [("unit/p:a", "passed"), ("unit/p", "failed")], "with a leak at exit")
