"""What a policy may say of intercepts: all but the floor."""
import json
import re

import intercepts
from author import POLICY, Author, policyc
from testing import equal

SUGGESTION = {"FLOOR": "can't be left out", "OFF": "isn't intercepted anyway",
              "SHADOW": "isn't intercepted anyway", "DIRECT_OFF": "isn't intercepted anyway",
              "VIRTUAL_ONLY": "isn't intercepted anyway"}


def test_floor():
    """`no intercept` of each bit of the floor is refused; only what is by default can be left out."""
    rows = intercepts.read_intercepts()
    with Author() as author:
        path = intercepts.policy(author.path, f"no intercept {', '.join(rows)}")
        said = policyc("check", path, code=POLICY)
    refused = dict(re.findall(r"error: (\w+) (can't be left out|isn't intercepted anyway)", said))
    equal(refused, {name: SUGGESTION[rule] for name, (_, rule) in rows.items()
                    if rule != "DEFAULT"}, "names that policyc refuses, and why")


def test_each_bit():
    """Each bit that isn't bound to virtual interrupts can be switched on, and is the one meant."""
    rows = intercepts.read_intercepts()
    wanted = {name: code for name, (code, rule) in rows.items()
              if rule not in ("DIRECT_OFF", "VIRTUAL_ONLY")}
    with Author() as author:
        image = author.build(intercepts.policy(author.path, f"intercept {', '.join(wanted)}"))
        words = json.loads(policyc("dump", "--json", image))["domains"][0]["intercepts"]
    found = {32 * n + bit for n, word in enumerate(words) for bit in range(32)
             if int(str(word), 0) >> bit & 1}
    equal(sorted(found), sorted(wanted.values()), "bits of the image, by their exit codes")
