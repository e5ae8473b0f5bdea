"""Round trips cost no more than was recorded, and the documents show what was recorded."""
import record
import trips
import workloads
from testing import Failure, contains, equal

AGAIN = ("If the growth is meant, say why in the commit and record it: make bench PARTS=trips "
         "(tests/bench/recorded.json and docs/performance.md)")


def test_no_round_trip_grows():
    """No exit costs more than 2 % more instructions than recorded, with paging and without."""
    found = sorted(trips.complaints(record.read()["trips"], trips.measure()))
    if found:
        raise Failure("\n".join([*found, AGAIN]))


def test_growth_is_told():
    """A row that grows by more than 2 % is told with both figures; so is one that comes or goes."""
    before = {"cpuid": {"32": 100.0, "64": 100.0}, "rdmsr": {"32": 50.0}}
    after = {"cpuid": {"32": 102.0, "64": 102.1}, "vmmcall": {"64": 70.0}}
    equal(sorted(trips.complaints(before, after)),
          ["CPUID, 64-bit, paging on: grew from 100 to 102.1 instructions, by 2.1%; 2% are let pass",
           "RDMSR APIC_BASE, 32-bit, paging off: not measured any more",
           "VMMCALL, 64-bit, paging on: not recorded yet"], "complaints")


def test_chart_shows_the_record():
    """docs/performance.svg is drawn from the recorded figures, and has each round trip's and
    workload's."""
    figures = record.read()
    drawn = record.CHART.read_text()
    equal(drawn, record.chart.draw(figures), "docs/performance.svg: 'make bench' draws it")
    for name in trips.PEERS:
        contains(drawn, f">{figures['trips'][name]['32']:,g}<", f"the chart's {name}")
    equal(drawn.count("<rect"), 3 * (1 + len(trips.PEERS) + len(workloads.NAMES)), "bars")


def test_page_shows_the_record():
    """The tables of docs/performance.md are made from the recorded figures."""
    equal(record.PAGE.read_text(), record.page_with(record.read()),
          "docs/performance.md: change the text around the tables, and let 'make bench' write them")
