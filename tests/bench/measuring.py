"""What measuring adds to a boot, by the program measure.c."""
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = ROOT / "build" / "tests" / "bench" / "measure"


class MeasuringError(Exception):
    """The figures can't be had."""


def boot():
    """{instructions, commands, accesses} of a boot with two domains on a machine not enrolled."""
    try:
        done = subprocess.run([PROGRAM], capture_output=True, text=True, timeout=600)
    except OSError as error:
        raise MeasuringError(f"{PROGRAM.name}: {error.strerror}. Run 'make bench'") from error
    if done.returncode != 0:
        raise MeasuringError(f"{PROGRAM.name} ended with status {done.returncode}: {done.stderr}")
    return {name: int(number) for name, number in re.findall(r"(\w+) (\d+)", done.stdout)}


def table(result):
    names = {"instructions": "instructions of core, less hashing and waiting",
             "commands": "TPM commands", "accesses": "accesses to the TPM's registers"}
    return "\n".join(["| measuring a boot with two domains | |", "|---|---:|",
                      *(f"| {names[name]} | {number:,} |" for name, number in result.items())])
