"""Rows of include/tables/intercepts.def and exits.def, and policies that name them."""
import re

from author import ROOT

TABLES = ROOT / "include" / "tables"
WORDS = ("CR", "DR", "EXCEPTION", "MISC1", "MISC2", "MISC3")
MACHINE = ROOT / "policy" / "machines" / "qemu-q35.machine"


def read_intercepts():
    """{name: (exit code, rule)}"""
    rows = re.findall(r'^INTERCEPT\((\w+), (\w+), (\d+), (\w+), ".*"\)$',
                      (TABLES / "intercepts.def").read_text(), re.MULTILINE)
    return {name: (32 * WORDS.index(word) + int(bit), rule) for name, word, bit, rule in rows}


def read_exits():
    """{code: (NAME, handler)}"""
    rows = re.findall(r'^EXIT\((-?\w+), (\w+), (\w+), ".*"\)$',
                      (TABLES / "exits.def").read_text(), re.MULTILINE)
    return {int(code, 0): (name, handler) for code, name, handler in rows}


def policy(directory, domain, image="standin.image"):
    """A policy file with one domain, which has these statements; returns its path."""
    path = directory / "intercepts.policy"
    path.write_text(f"""policy "intercepts" {{
    version 1
    machine "{MACHINE}"
    attest optional
    domain work {{
        primary untrusted
        cores 0
        interrupts direct
        memory rest
        boot flat "{image}" at 0x100000
        devices com2, pit, pic
        {domain}
    }}
}}
""")
    return path


def text_of(name):
    """The text of a row of intercepts.def."""
    return re.search(rf'^INTERCEPT\({name}, .*, "(.*)"\)$',
                     (TABLES / "intercepts.def").read_text(), re.MULTILINE)[1]
