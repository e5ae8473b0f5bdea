"""How many appraisals one core does in a second, beside bare verifications of a signature."""
import pathlib
import re
import subprocess
import tempfile

import bundle

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = ROOT / "build" / "tests" / "bench" / "appraise"
TOLD = re.compile(r"^appraisals (\S+) verifications (\S+) log (\d+)$", re.MULTILINE)
MORE_EVENTS = (0, 100, 1000, 4000)  # behind those of the boot; more than 1 MiB is refused
SECONDS = 3


class AppraisalError(Exception):
    """The program that counts them fails."""


def measure(more_events, seconds=SECONDS):
    """{events, log bytes, appraisals and verifications a second}"""
    with tempfile.TemporaryDirectory() as name:
        bundle.write(pathlib.Path(name), more_events)
        done = subprocess.run([PROGRAM, name, str(seconds)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
    told = TOLD.fullmatch(done.stdout.strip())
    if done.returncode != 0 or not told:
        raise AppraisalError(f"{PROGRAM.name} ended with status {done.returncode}: {done.stdout}")
    return {"events": bundle.EVENTS + more_events, "log": int(told[3]),
            "appraisals": float(told[1]), "verifications": float(told[2])}


def all_lengths():
    return [measure(more) for more in MORE_EVENTS]


def table(rows):
    lines = ["| events | log, bytes | appraisals/s | of bare P-256 verifications/s | "
             "appraisal, ms |", "|---:|---:|---:|---:|---:|"]
    for row in rows:
        share = row["appraisals"] / row["verifications"]
        lines.append(f"| {row['events']:,} | {row['log']:,} | {row['appraisals']:,.0f} | "
                     f"{share:.0%} of {row['verifications']:,.0f} | "
                     f"{1000 / row['appraisals']:.3f} |")
    return "\n".join(lines)
