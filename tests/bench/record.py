"""The figures as they were last measured: recorded.json, and docs/performance.md made from it."""
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tools" / "run"), str(ROOT / "tests"), str(ROOT / "tests" / "attest"),
                str(ROOT / "tests" / "bench"), str(ROOT / "tests" / "machine")]

import appraisals  # noqa: E402
import chart  # noqa: E402
import measuring  # noqa: E402
import package  # noqa: E402
import size  # noqa: E402
import trips  # noqa: E402
import workloads  # noqa: E402
from console import MachineError  # noqa: E402

RECORDED = ROOT / "tests" / "bench" / "recorded.json"
CHART = ROOT / "docs" / "performance.svg"
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
# In the order of the page: how each part is measured, and shown.
PARTS = {"trips": (trips.measure, trips.table),
         "workloads": (workloads.measure, workloads.table),
         "memory": (size.withheld_memory, size.memory_table),
         "core": (size.core, size.core_table),
         "measuring": (measuring.boot, measuring.table),
         "appraisals": (appraisals.all_lengths, appraisals.table)}


class RecordError(Exception):
    """The record or the page is not as it should be."""


ERRORS = (RecordError, MachineError, package.PackageError, appraisals.AppraisalError,
          measuring.MeasuringError, workloads.WorkloadError)


def read():
    try:
        return json.loads(RECORDED.read_text())
    except (OSError, ValueError) as error:
        raise RecordError(f"{RECORDED.name}: {error}. 'make bench' writes it anew") from error


def write(figures):
    RECORDED.write_text(json.dumps(figures, indent=2) + "\n")


def tables(figures):
    return "\n\n".join(show(figures[name]) for name, (_, show) in PARTS.items()
                       if name in figures)


def page_with(figures):
    """docs/performance.md as these figures make it."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise RecordError(f"docs/performance.md has no lines '{BEGIN}' and '{END}'. Restore them")
    return f"{before}{BEGIN}\n{tables(figures)}\n{END}{after}"
