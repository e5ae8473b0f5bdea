"""docs/performance.svg: the recorded figures beside KVM's and Xen's, on logarithmic scales."""
import math

import trips
import workloads

WIDTH, LABELS, PLOT, RIGHT = 760, 150, 500, 110
BAR, GROUP_GAP, PANEL_GAP = 12, 10, 66
TOP = 52
WHO = {"Bulkhead": "#1a9850", "KVM": "#4575b4", "Xen": "#d98c1f"}  # seen on white and on black
STYLE = """<style>
text { font: 12px sans-serif; fill: #24292f; }
.title { font-weight: bold; }
.axis { stroke: #8b949e; stroke-opacity: 0.5; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } }
</style>"""


def text(x, y, words, anchor="start", kind=""):
    attribute = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{attribute}>{words}</text>'


def panel(top, title, rows, first, last, unit):
    """Bars of {label: {who: (value, how it is written)}} from 10^first to 10^last; and the end."""
    def place(value):
        share = (math.log10(max(value, 10 ** first)) - first) / (last - first)
        return LABELS + PLOT * share

    height = len(rows) * (len(WHO) * BAR + GROUP_GAP)
    parts = [text(0, top, title, kind="title")]
    for power in range(first, last + 1):
        x = place(10 ** power)
        parts.append(f'<line class="axis" x1="{x:g}" y1="{top + 10}" x2="{x:g}" '
                     f'y2="{top + 14 + height}"/>')
        parts.append(text(x, top + 28 + height, f"{10.0 ** power:,g}{unit}", "middle"))
    y = top + 16
    for label, values in rows.items():
        parts.append(text(LABELS - 8, y + 1.5 * BAR + 4, label, "end"))
        for who, colour in WHO.items():
            value, written = values[who]
            end = place(value)
            parts.append(f'<rect x="{LABELS}" y="{y}" width="{max(end - LABELS, 1):.1f}" '
                         f'height="{BAR - 2}" fill="{colour}"/>')
            parts.append(text(round(end + 5, 1), y + BAR - 3, written))
            y += BAR
        y += GROUP_GAP
    return parts, top + height


def round_trips(costs):
    """In 32-bit mode without paging, as KVM and Xen were measured."""
    rows = {}
    for name, by_who in trips.PEERS.items():
        values = {"Bulkhead": costs[name]["32"], **by_who}
        rows[trips.NAMES[name].split(" (")[0]] = {who: (value, f"{value:,g}")
                                                  for who, value in values.items()}
    return rows


def overheads(rows):
    """Per cent of instructions beyond the bare machine's."""
    result = {}
    for name, row in rows.items():
        ratios = {"Bulkhead": workloads.ratio(row), "KVM": workloads.KVM[name],
                  "Xen": workloads.XEN[name]}
        shares = {who: 100 * (ratio - 1) for who, ratio in ratios.items()}
        result[workloads.NAMES[name]] = {who: (share, f"{share:.2g} %" if share < 100 else
                                               f"{share:,.0f} %")
                                         for who, share in shares.items()}
    return result


def draw(figures):
    upper, end = panel(TOP, "Round trip, instructions (32-bit, paging off)",
                       round_trips(figures["trips"]), 1, 4, "")
    lower, end = panel(end + PANEL_GAP, "Linux's work, instructions beyond the bare machine's",
                       overheads(figures["workloads"]), -3, 4, " %")
    legend = []
    for i, (who, colour) in enumerate(WHO.items()):
        x = LABELS + 110 * i
        legend += [f'<rect x="{x}" y="12" width="12" height="12" fill="{colour}"/>',
                   text(x + 18, 22, who)]
    height = end + 44
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Bulkhead, KVM and Xen">')
    return "\n".join([head, STYLE, *legend, *upper, *lower, "</svg>"]) + "\n"
