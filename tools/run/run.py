#!/usr/bin/python3
"""Show Bulkhead at work on an emulated PC, and check each step.

Compiles and signs policy/laptop.policy, enrols a machine with its TPM, boots it by
UEFI and GRUB under QEMU, has a verifier appraise from outside what runs there, and
has vault sign a file for work with a key that work never sees. On a terminal it
ends in work's shell; elsewhere it ends with exit status 0 only if each step's
result, the verdict above all, was just as expected. In the run's directory
summary.json tells the steps' results, and verdict.json the verdict; beside it lie
the evidence, its parts, the enrolment record and the reference values.
"""
import argparse
import fcntl
import os
import pathlib
import re
import shutil
import signal
import sys

from alterations import CASES, GENUINE
from console import MachineError
from demo import RUN, Demo
from package import GRUB_CACHE, relative
from steps import StepFailed, Steps


def absolute_path(name):
    return pathlib.Path(name).resolve()


def nonce(text):
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError("a nonce has 64 hexadecimal digits")
    return text.lower()


def tampering(word):
    if word not in CASES:
        raise argparse.ArgumentTypeError(f"nothing is known to tamper with as {word!r}. Give one of: "
                                         + ", ".join(CASES))
    return word


def parse_options():
    tamper = "".join(f"\n  {word:12}{case.does}" for word, case in CASES.items())
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="--tamper alters one thing behind the enrolled machine's back. Then the exit status "
        f"is 0 only\nif core or the verifier has found just that:{tamper}")
    parser.add_argument("--check", action="store_true",
                        help="end after the checks on a terminal, too")
    parser.add_argument("--memory", type=int, default=1024, metavar="MIB",
                        help="the machine's memory (default: %(default)s)")
    parser.add_argument("--cpus", type=int, default=2, metavar="N",
                        help="the machine's CPUs (default: %(default)s)")
    parser.add_argument("--directory", type=absolute_path, default=RUN, metavar="DIR",
                        help="an empty directory for the run's files (default: build/run, "
                        "which is emptied first)")
    parser.add_argument("--nonce", type=nonce, metavar="HEX",
                        help="the verifier's nonce (make run NONCE=HEX; default: a new one)")
    parser.add_argument("--tamper", type=tampering, metavar="WHAT",
                        help="what to alter (make run TAMPER=WHAT)")
    return parser.parse_args()


def take(directory):
    """Have the directory for this run alone until this process ends. Nothing of an earlier run
    may pass for this one's."""
    directory.mkdir(parents=True, exist_ok=True)
    try:
        fcntl.flock(os.open(directory, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"error: another run uses {relative(directory)}. Wait until it has ended, or give "
                 "this one a directory of its own by --directory.")
    found = [path for path in directory.iterdir() if path != GRUB_CACHE]
    if directory != RUN and found:
        sys.exit(f"error: {relative(directory)} is not empty. Give a new directory by --directory.")
    for path in found:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def main():
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    take(options.directory)
    case = CASES[options.tamper] if options.tamper else GENUINE
    steps = Steps(case.steps(), options.directory / "summary.json")
    try:
        Demo(options, steps, case).run()
    except StepFailed as failure:
        print(f"Bulkhead's demonstration failed at step '{failure}'.", flush=True)
    except MachineError as error:  # after the last step, in the user's hands
        print(error)
    finally:
        steps.write_summary()
    return steps.exit_status()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
