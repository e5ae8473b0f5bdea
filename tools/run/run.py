#!/usr/bin/python3
"""Show Bulkhead at work on an emulated PC, and check each step.

Compiles and signs policy/laptop.policy, boots it by UEFI and GRUB under QEMU, and
has vault sign a file for work with a key that work never sees. On a terminal it
ends in work's shell; elsewhere it ends with exit status 0 only if each step's
result was as expected. build/run/summary.json tells the steps' results.
"""
import argparse
import pathlib
import re
import shutil
import signal
import sys

from console import MachineError
from demo import RUN, STEPS, Demo
from package import GRUB_CACHE
from steps import StepFailed, Steps


def parse_options():
    parser = argparse.ArgumentParser(description=re.sub(r"\n\n", "\n", __doc__))
    parser.add_argument("--check", action="store_true",
                        help="end after the checks on a terminal, too")
    parser.add_argument("--memory", type=int, default=1024, metavar="MIB",
                        help="the machine's memory (default: %(default)s)")
    parser.add_argument("--cpus", type=int, default=2, metavar="N",
                        help="the machine's CPUs (default: %(default)s)")
    parser.add_argument("--json", type=pathlib.Path, default=RUN / "summary.json", metavar="FILE",
                        help="write the summary here (default: build/run/summary.json)")
    return parser.parse_args()


def clean():
    """Nothing of an earlier run may pass for this one's."""
    RUN.mkdir(parents=True, exist_ok=True)
    for path in RUN.iterdir():
        if path.is_dir() and path != GRUB_CACHE:
            shutil.rmtree(path)
        elif not path.is_dir():
            path.unlink()


def main():
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    clean()
    steps = Steps(STEPS, options.json)
    try:
        Demo(options, steps).run()
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
