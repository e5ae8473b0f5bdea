"""The verifier is worth something only as far as it shares nothing with the emitter."""
import pathlib
import re

from testing import equal

POLICYC = pathlib.Path(__file__).resolve().parent.parent.parent / "tools" / "policyc"
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def reached(path, seen):
    """All headers of policyc's own that a file includes, by others' ways too."""
    for name in INCLUDE.findall(path.read_text()):
        for base in (path.parent, POLICYC, POLICYC / "front"):
            header = (base / name).resolve()
            if header.exists() and header not in seen:
                seen.add(header)
                reached(header, seen)
                break
    return seen


def crossings(from_part, to_part):
    return sorted(f"{path.name} -> {header.name}"
                  for path in (POLICYC / from_part).glob("*.[ch]")
                  for header in reached(path, set()) if header.parent.name == to_part)


def test_apart():
    """No file of emit/ includes one of verify/, or the other way round."""
    equal(crossings("emit", "verify"), [], "emit/ includes verify/")
    equal(crossings("verify", "emit"), [], "verify/ includes emit/")


def test_crossings_are_seen():
    """The check above sees includes: both parts include the front."""
    equal(crossings("verify", "front") != [], True, "verify/ includes front/")
    equal(crossings("emit", "front") != [], True, "emit/ includes front/")
