#!/usr/bin/python3
"""Show that the suite notices when a protection is taken away.

A mutant is tests/mutants/NAME.patch: a header that says what it removes and which test must
then fail, and the change. Each is applied to a copy of the tree, built, and just that test is
run. A mutant is caught if the test fails; a build that fails catches nothing.
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
RESULTS = "build/tests/results.json"
TIME_LIMIT = 600  # seconds to build a mutant, and to run its test


class MutantError(Exception):
    """The mutant says nothing about the suite: it doesn't apply, build, or name a test."""


def run(*command):
    return subprocess.run([str(part) for part in command], cwd=COPY, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=TIME_LIMIT)


def header(patch):
    """What a mutant removes and the test that must fail."""
    text = patch.read_text()
    removes, fails = REMOVES.search(text), FAILS.search(text)
    if not removes or not fails:
        raise MutantError("its header lacks 'Removes: ...' or 'Fails: TEST'")
    return removes[1], fails[1]


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


def build(test):
    targets = ["all"]
    if is_unit(test):
        targets.append("build/tests/" + test.split(":")[0])
    done = run("make", "-s", *targets)
    if done.returncode != 0:
        raise MutantError(f"it doesn't build:\n{done.stdout[-2000:]}")


def is_caught(test):
    """Whether the named test fails; of a unit test's program, any of its tests."""
    (COPY / RESULTS).unlink(missing_ok=True)
    run("tests/run.py", "--json", RESULTS, test)
    results = {entry["name"]: entry["result"]
               for entry in json.loads((COPY / RESULTS).read_text())["tests"]}
    named = [result for name, result in results.items()
             if name == test or name.startswith(test + ":")]
    if not named:
        raise MutantError(f"there is no test {test}")
    return "failed" in named


def try_mutant(patch):
    """True if caught."""
    _, test = header(patch)
    applied = apply(patch)
    if applied.returncode != 0:
        raise MutantError(f"it doesn't apply any more:\n{applied.stdout}")
    try:
        build(test)
        return is_caught(test)
    finally:
        apply(patch, "--reverse")


def check():
    """Whether all patches still apply, without building anything."""
    wrong = 0
    for patch in sorted(PATCHES.glob("*.patch")):
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
    patches = [patch for patch in sorted(PATCHES.glob("*.patch"))
               if not options.names or patch.stem in options.names]
    if not patches:
        sys.exit("mutants: no such mutant. tests/mutants/ has them")
    copy_tree()
    counts = {"caught": 0, "survived": 0, "unusable": 0}
    for patch in patches:
        try:
            removes, test = header(patch)
            result = "caught" if try_mutant(patch) else "survived"
            detail = f"{removes} ({test})"
        except (MutantError, subprocess.TimeoutExpired) as error:
            result, detail = "unusable", str(error)
        counts[result] += 1
        print(f"{result:9} {patch.stem}: {detail}", flush=True)
    print(f"{len(patches)} mutants, {counts['caught']} caught, {counts['survived']} survived, "
          f"{counts['unusable']} unusable")
    return 0 if counts["caught"] == len(patches) else 1


if __name__ == "__main__":
    sys.exit(main())
