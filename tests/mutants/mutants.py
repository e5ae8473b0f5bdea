#!/usr/bin/python3
"""Show that the suite notices when a protection is taken away.

A mutant is tests/mutants/NAME.patch: a header, and the change. The header's lines are

  Removes: the protection
  Fails: a test that must then fail, or a program of unit tests; as many lines as there are
  Says: a regular expression for what that failure says, so that it fails for the right reason;
        not for unit tests, which tell a line's number

Each is applied to a copy of the tree, built, and just those tests are run. A mutant is caught
if all of them fail so, and pass without it; a build that fails catches nothing.
"""
import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PATCHES = ROOT / "tests" / "mutants"
COPY = ROOT / "build" / "mutants"
REMOVES = re.compile(r"^Removes: (.+)$", re.MULTILINE)
FAILS = re.compile(r"^Fails: (\S+)$", re.MULTILINE)
SAYS = re.compile(r"^Says: (.+)$", re.MULTILINE)
RESULTS = "build/tests/results.json"
TIME_LIMIT = 600  # seconds to build a mutant, and to run its test


class MutantError(Exception):
    """The mutant says nothing about the suite: it doesn't apply, build, or name a test."""


def run(*command):
    return subprocess.run([str(part) for part in command], cwd=COPY, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=TIME_LIMIT)


def header(patch):
    """What a mutant removes, the tests that must fail, what their failures say."""
    text = patch.read_text().split("\n--- ")[0]
    removes, fails, says = REMOVES.search(text), FAILS.findall(text), SAYS.search(text)
    if not removes or not fails or not (says or all(map(is_unit, fails))):
        raise MutantError("its header lacks 'Removes: ...', 'Fails: TEST' or 'Says: ...'")
    return removes[1], fails, re.compile(says[1] if says else "")


def copy_tree():
    """The tracked files as they are now, and what is built, so that little is built again."""
    shutil.rmtree(COPY, ignore_errors=True)
    listing = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], check=True,
                             capture_output=True, text=True).stdout
    for name in filter(None, listing.split("\0")):
        if (ROOT / name).exists():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, COPY / name)
    shutil.copytree(ROOT / "build", COPY / "build", symlinks=True,
                    ignore=shutil.ignore_patterns("mutants", "chroot"))


def apply(patch, *options):
    return run("git", "apply", "--unidiff-zero", "--whitespace=nowarn", *options, patch)


def is_unit(test):
    return test.startswith("unit/")


def build(tests):
    programs = ["build/tests/" + test.split(":")[0] for test in tests if is_unit(test)]
    done = run("make", "-s", "all", *programs)
    if done.returncode != 0:
        raise MutantError(f"it doesn't build:\n{done.stdout[-2000:]}")


def run_tests(tests):
    """{name: [(result, detail) of each of its tests]}."""
    (COPY / RESULTS).unlink(missing_ok=True)
    run("tests/run.py", "--json", RESULTS,
        *sorted({test.split(":")[0] if is_unit(test) else test for test in tests}))
    entries = json.loads((COPY / RESULTS).read_text())["tests"]
    found = {test: [(entry["result"], entry["detail"]) for entry in entries
                    if entry["name"] == test or entry["name"].startswith(test + ":")]
             for test in tests}
    for test, results in found.items():
        if not results:
            raise MutantError(f"there is no test {test}")
    return found


def check_tests_pass(patches):
    """A test that fails anyway would catch every mutant."""
    tests = sorted({test for patch in patches for test in header(patch)[1]})
    build(tests)
    for test, results in run_tests(tests).items():
        for result, detail in results:
            if result != "passed":
                sys.exit(f"mutants: error: {test} doesn't pass without a mutant:\n{detail}")
    print(f"{len(tests)} tests pass without a mutant", flush=True)


def try_mutant(patch):
    """Why the mutant survives; nothing if it is caught."""
    _, tests, says = header(patch)
    applied = apply(patch)
    if applied.returncode != 0:
        raise MutantError(f"it doesn't apply any more:\n{applied.stdout}")
    try:
        build(tests)
        for test, results in run_tests(tests).items():
            details = [detail for result, detail in results if result == "failed"]
            if not details:
                return f"{test} passes"
            if not any(says.search(detail) for detail in details):
                return f"{test} fails, but doesn't say {says.pattern!r}:\n" + "\n".join(details)
        return ""
    finally:
        apply(patch, "--reverse")


def check():
    """Whether all patches still apply, without building anything."""
    wrong = 0
    for patch in sorted(PATCHES.rglob("*.patch")):
        done = subprocess.run(["git", "-C", ROOT, "apply", "--check", "--unidiff-zero", patch],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            header(patch)
            problem = done.stdout if done.returncode else ""
        except MutantError as error:
            problem = str(error)
        if problem:
            wrong += 1
            print(f"{patch.name}: {problem.strip()}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="only these mutants")
    parser.add_argument("--check", action="store_true", help="only see whether all still apply")
    options = parser.parse_args()
    if options.check:
        return 1 if check() else 0
    patches = [patch for patch in sorted(PATCHES.rglob("*.patch"))
               if not options.names or patch.stem in options.names]
    if not patches:
        sys.exit("mutants: no such mutant. tests/mutants/ has them")
    copy_tree()
    check_tests_pass(patches)
    counts = {"caught": 0, "survived": 0, "unusable": 0}
    for patch in patches:
        try:
            removes, tests, _ = header(patch)
            why = try_mutant(patch)
            result = "survived" if why else "caught"
            detail = why or f"{removes} ({', '.join(tests)})"
        except (MutantError, subprocess.TimeoutExpired) as error:
            result, detail = "unusable", str(error)
        counts[result] += 1
        print(f"{result:9} {patch.stem}: {detail}", flush=True)
    print(f"{len(patches)} mutants, {counts['caught']} caught, {counts['survived']} survived, "
          f"{counts['unusable']} unusable")
    return 0 if counts["caught"] == len(patches) else 1


if __name__ == "__main__":
    sys.exit(main())
