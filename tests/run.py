#!/usr/bin/python3
"""Run the test suite: cmocka programs, machine tests, script tests.

Shows each test with its result and duration, and ends with the line
`N passed, N failed, N skipped`. Exit status 0 only if at least one test ran,
none failed, and the skipped ones are those that tests/SKIPS gives a reason for.
"""
import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import suite

COLOURS = {"passed": "32", "failed": "31", "skipped": "33"}


def read_skips(path):
    """{test name: reason} of a file of `name: reason` lines, # for comments."""
    skips = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, found, reason = line.partition(": ")
        if not found or not reason.strip():
            sys.exit(f"{path}:{number}: error: expected `test name: reason`, got {line!r}")
        skips[name.strip()] = reason.strip()
    return skips


class Reporter:
    def __init__(self, skips, is_whole_suite, documents=()):
        self.skips = skips
        self.documents = documents
        self.is_whole_suite = is_whole_suite
        self.results = []
        self.coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def word(self, result):
        text = f"{result:7}"
        return f"\033[{COLOURS[result]}m{text}\033[0m" if self.coloured else text

    def show(self, result):
        self.results.append(result)
        print(f"{self.word(result.result)} {result.seconds:7.2f} s  {result.name}")
        if result.result == "skipped":
            reason = self.skips.get(result.name)
            print("    " + (reason or f"not listed in tests/SKIPS: {result.detail.strip()}"))
        elif result.result == "failed":
            if result.proves:
                print(f"    proves: {result.proves}")
            for line in result.detail.rstrip().splitlines():
                print(f"    {line}")
        sys.stdout.flush()

    def count(self, kind):
        return sum(r.result == kind for r in self.results)

    def complaints(self):
        """What makes the run fail besides failed tests."""
        for result in self.results:
            if result.result == "skipped" and result.name not in self.skips:
                yield f"{result.name} was skipped but is not listed with a reason in tests/SKIPS"
        if self.is_whole_suite:
            for name in self.skips.keys() - {r.name for r in self.results}:
                yield f"tests/SKIPS lists {name}, but there is no such test"
            yield from self.unproved()
        if self.count("passed") + self.count("failed") == 0:
            yield "no test was run"

    def unproved(self):
        """Tests that a document relies on and that didn't run."""
        ran = [r.name for r in self.results if r.result != "skipped"]
        for document in self.documents:
            for name in sorted(suite.named_by(document.read_text())):
                if not any(suite.is_of(name, test) for test in ran):
                    yield f"{document} says that {name} shows something, but it didn't run"

    def finish(self):
        complaints = list(self.complaints())
        for complaint in complaints:
            print(f"error: {complaint}")
        print(f"{self.count('passed')} passed, {self.count('failed')} failed, "
              f"{self.count('skipped')} skipped", flush=True)
        return 1 if complaints or self.count("failed") else 0

    def as_dict(self):
        return {"tests": [dataclasses.asdict(r) for r in self.results],
                "passed": self.count("passed"), "failed": self.count("failed"),
                "skipped": self.count("skipped")}


def run_all(jobs, workers, reporter):
    """Run the jobs side by side, show their results in the jobs' order."""
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(suite.run, job) for job in jobs]
        try:
            for future in futures:
                for result in future.result():
                    reporter.show(result)
        except BaseException:
            for future in futures:
                future.cancel()
            suite.stop_all()
            raise


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("filters", nargs="*", metavar="NAME",
                        help="run only the tests whose program's or function's name contains this")
    parser.add_argument("--list", action="store_true", help="show the tests, run none")
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path, help="write the results here")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), metavar="N",
                        help="tests at the same time (default: number of cores)")
    parser.add_argument("--shows", action="append", default=[], metavar="DOCUMENT",
                        type=pathlib.Path, help="the whole suite fails unless each test that this "
                        "document names between backticks has run")
    parser.add_argument("--tests", type=pathlib.Path, default=suite.TESTS, metavar="DIR",
                        help="take tests and SKIPS from this directory")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    tests = arguments.tests.resolve()
    skips = read_skips(tests / "SKIPS")
    jobs = suite.selected(suite.find(tests), arguments.filters)
    if arguments.list:
        for job in jobs:
            print(job.name + (f": {job.proves}" if job.proves else ""))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    reporter = Reporter(skips, not arguments.filters, arguments.shows)
    run_all(jobs, max(arguments.jobs, 1), reporter)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(reporter.as_dict(), indent=1) + "\n")
    return reporter.finish()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
