"""docs/policy-language.md's tables of intercepts are those of the code."""
import re

import intercepts
from author import ROOT
from testing import equal

SEEN = {"unexpected": "the domain stops", "machine_check": "the domain stops", "undefined": "#UD",
        "general_protection": "#GP"}  # by the handler of exits.def; all others carry it out
RULES = ["FLOOR", "DIRECT_OFF", "SHADOW", "DEFAULT", "OFF"]  # in the order of the page
SHOWN_AS = {"VIRTUAL_ONLY": "OFF"}


def test_tables():
    """Each intercept stands in the table of its rule, with its text and with what core answers."""
    page = (ROOT / "docs" / "policy-language.md").read_text()
    section = page.partition("## Intercepts\n")[2].partition("\n## ")[0]
    shown = {rule: re.findall(r"^\| `(\w+)` \| (.*?) \|(?: (.*) \|)?$", table, re.MULTILINE)
             for rule, table in zip(RULES, section.split("| name | what |")[1:])}
    exits = intercepts.read_exits()
    expected = {rule: [] for rule in RULES}
    for name, (code, rule) in intercepts.read_intercepts().items():
        rule = SHOWN_AS.get(rule, rule)
        answer = SEEN.get(exits[code][1], "as without it") if rule in ("DEFAULT", "OFF") else ""
        expected[rule].append((name, intercepts.text_of(name), answer))
    for rule in RULES:
        equal(shown[rule], expected[rule], f"the page's table of the rule {rule}")
