#!/usr/bin/python3
"""Measure Bulkhead: instructions an exit costs, memory core keeps, size of core, appraisals.

Instructions are counted, not timed: with QEMU's -icount the TSC counts executed
instructions, and two runs give the same figures. Appraisals are timed, beside a measure.
--update records the figures, in tests/bench/recorded.json, and puts them into
docs/performance.md and its chart; figures of parts that aren't measured this time stay as recorded.
"""
import argparse
import sys

import record


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0],
                                     epilog="Exit status: 0, or 1 if a figure can't be had.")
    parser.add_argument("--update", action="store_true",
                        help="record the figures and renew docs/performance.md")
    parser.add_argument("part", nargs="*", default=list(record.PARTS),
                        help=f"what to measure, all if none is named: {', '.join(record.PARTS)}")
    options = parser.parse_args()
    unknown = [part for part in options.part if part not in record.PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]}; there are {', '.join(record.PARTS)}")
    try:
        figures = {part: record.PARTS[part][0]() for part in options.part}
        print(record.tables(figures))
        if options.update:
            known = record.read() if len(figures) < len(record.PARTS) else {}
            figures = known | figures
            record.write(figures)
            record.PAGE.write_text(record.page_with(figures))
            record.CHART.write_text(record.chart.draw(figures))
    except record.ERRORS as error:
        sys.exit(f"bench: {error}")


if __name__ == "__main__":
    main()
