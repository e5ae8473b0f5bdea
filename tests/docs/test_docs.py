"""What the documents say of the tree is so: links, files, tests, commands, policies, figures."""
import pathlib
import re
import subprocess
import tempfile

import suite
from testing import Failure, contains, equal

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
POLICYC = ROOT / "build" / "policyc"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OF_THE_TREE = ("core/", "docs/", "domains/", "include/", "lib/", "policy/", "scripts/", "tests/",
               "tools/", ".ci/")


def tracked(*patterns):
    listing = subprocess.run(["git", "-C", ROOT, "ls-files", "--cached", "--others",
                              "--exclude-standard", "--", *patterns], check=True,
                             capture_output=True, text=True).stdout
    return [name for name in listing.splitlines() if (ROOT / name).exists()]


def documents():
    """{name: text} of every document of the project."""
    return {name: (ROOT / name).read_text() for name in tracked("*.md")}


def without_blocks(text):
    return FENCE.sub("", text)


def quoted(text):
    """What stands between single backticks."""
    return re.findall(r"`([^`\n]+)`", without_blocks(text))


def complain(errors, what):
    errors = list(errors)
    if errors:
        raise Failure(f"{what}\n  " + "\n  ".join(sorted(errors)))


# Links and files.

def anchors(text):
    """The names by which a page's headings are linked to."""
    headings = re.findall(r"^#+ +(.+?) *$", without_blocks(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def link_errors(pages):
    for page, text in pages.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", without_blocks(text)):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            path = (ROOT / page).parent / name
            if not path.exists():
                yield f"{page}: {target}"
            elif anchor and anchor not in anchors(path.read_text() if name else text):
                yield f"{page}: {target}: no such heading"


def test_links():
    """Each relative link leads to a file of the tree, and to a heading of it where it names one."""
    complain(link_errors(documents()), "links that lead nowhere")


def test_links_can_fail():
    """A link to a missing file, or to a missing heading, is found."""
    page = {"docs/x.md": "# A b\n[1](no.md) [2](#a-b) [3](#c) [4](architecture.md#architecture)"}
    equal(list(link_errors(page)), ["docs/x.md: no.md", "docs/x.md: #c: no such heading"],
          "links that lead nowhere")


def path_errors(pages):
    for page, text in pages.items():
        for word in quoted(text):
            if word.startswith(OF_THE_TREE) and re.fullmatch(r"[\w./*-]+", word) and \
                    not suite.TEST_NAME.fullmatch(word) and not list(ROOT.glob(word.rstrip("/"))):
                yield f"{page}: {word}"


def test_paths():
    """Each file or directory of the tree that a document names is there."""
    complain(path_errors(documents()), "paths that don't exist")


def test_paths_can_fail():
    """A path that doesn't exist is found; one that does, and the name of a test, are not."""
    text = "`core/no.c` `core/svm/vmrun.S` `core/*/pci.c` `lib/` `domains/test_no`"
    equal(list(path_errors({"x": text})), ["x: core/no.c"], "paths that don't exist")


# Tests.

def existing_tests():
    """Names of all tests: of programs, of their functions, of functions with and without cases."""
    names = set()
    for job in suite.find():
        names |= {job.name, job.name.partition("[")[0]}
        if job.is_program:
            source = (ROOT / "tests" / f"{job.name}.c").read_text()
            functions = re.findall(r"^static void (\w+)\(void \*\*state\)", source, re.MULTILINE)
            names |= {f"{job.name}:{function}" for function in functions}
    return names


def name_errors(pages, known):
    files = {name.partition(":")[0] for name in known}
    for page, text in pages.items():
        for word in quoted(text):
            if suite.TEST_NAME.fullmatch(word) and word not in known and word not in files:
                yield f"{page}: {word}"


def test_tests():
    """Each test that a document names is in the suite."""
    pages, known = documents(), existing_tests()
    complain(name_errors(pages, known), "tests that tests/run.py --list doesn't know")
    for page in ("docs/status.md", "docs/threat-model.md"):
        if sum(bool(suite.TEST_NAME.fullmatch(word)) for word in quoted(pages[page])) < 20:
            raise Failure(f"{page} names fewer than 20 tests")


def test_tests_can_fail():
    """A test that doesn't exist is found, whichever part of its name is wrong."""
    own = "docs/test_docs:tests_can_fail"
    known = existing_tests()
    contains(known, own, "the suite's tests")
    contains(known, "unit/lib/test_memory:comparisons_have_the_right_sign", "the suite's tests")
    text = f"`{own}` `docs/test_docs` `docs/test_no` `docs/test_docs:no` `unit/lib/test_memory:no`"
    equal(list(name_errors({"x": text}, known)),
          ["x: docs/test_no", "x: docs/test_docs:no", "x: unit/lib/test_memory:no"], "tests")


def test_attacks():
    """Each attack that the threat model names is one of the intruder's, and each of the intruder's
    is named there."""
    sources = "".join((ROOT / name).read_text() for name in tracked("domains/intruder/*.c"))
    written = set(re.findall(r'^    \{"([a-z0-9-]+)", \w+, "', sources, re.MULTILINE))
    table = (ROOT / "docs/threat-model.md").read_text().partition("<!-- attacks -->")[2]
    rows = [line for line in table.partition("<!-- end of attacks -->")[0].splitlines()
            if line.startswith("|")][2:]
    named = {word for row in rows for word in quoted(row.split("|")[3])}
    equal(named - written, set(), "attacks that the intruder doesn't know")
    equal(written - named, set(), "attacks that docs/threat-model.md leaves out")


def mechanism_errors(text):
    """Rows of docs/pacifica.md that don't name a file of the tree and a test."""
    table = text.partition("<!-- mechanisms -->")[2].partition("<!-- end of mechanisms -->")[0]
    for row in [line for line in table.splitlines() if line.startswith("|")][2:]:
        mechanism, _, where, shown = (cell.strip() for cell in row.strip("|").split("|"))
        if not any(word.startswith(OF_THE_TREE) for word in quoted(where)):
            yield f"{mechanism}: no file"
        if not any(suite.TEST_NAME.fullmatch(word) for word in quoted(shown)):
            yield f"{mechanism}: no test"


def test_mechanisms():
    """Each mechanism in docs/pacifica.md has a file that implements it and a test that shows it.

    That they exist is checked for all documents, and that the tests ran by `tests/run.py --shows`.
    """
    text = (ROOT / "docs" / "pacifica.md").read_text()
    complain(mechanism_errors(text), "mechanisms of docs/pacifica.md")
    if text.count("\n| ") < 20:
        raise Failure("docs/pacifica.md has fewer than 20 mechanisms")


def test_mechanisms_can_fail():
    """A mechanism without file or test is found."""
    rows = "| m | 1 | `core/svm/svm.c` | `a/test_b` |\n| n | 1 | svm | `test` |\n"
    equal(list(mechanism_errors("<!-- mechanisms -->\n|a|b|c|d|\n|---|---|---|---|\n" + rows)),
          ["n: no file", "n: no test"], "errors")


# Commands.

def make_targets():
    names = tracked("Makefile", "*.mk")
    rules = "".join((ROOT / name).read_text() for name in names)
    return set(re.findall(r"^([a-z][a-z-]*):(?!=)", rules, re.MULTILINE))


def make_commands(text):
    commands = "\n".join(body for _, body in FENCE.findall(text)).splitlines() + quoted(text)
    return {found[1] for command in commands
            if (found := re.match(r"(?:[$#] )?make ([a-z-]+)\b", command.strip()))}


def test_commands():
    """Each `make ...` that a document shows is a target, and README shows run and test."""
    pages, targets = documents(), make_targets()
    complain([f"{page}: make {command}" for page, text in pages.items()
              for command in make_commands(text) - targets], "commands without a target")
    equal({"run", "test"} - make_commands(pages["README.md"]), set(), "commands README leaves out")


# Policies.

def policies(text):
    return [body for kind, body in FENCE.findall(text) if kind == "policy"]


def plain(policy):
    """A policy without lines of comment, and without what Linux's command line says."""
    policy = re.sub(r"^ *#.*\n", "", policy, flags=re.MULTILINE)
    return re.sub(r'cmdline ".*"', 'cmdline "..."', policy)


def check(text):
    """policyc's exit status and what it says of a policy's text."""
    with tempfile.TemporaryDirectory() as directory:
        pathlib.Path(directory, "machines").symlink_to(ROOT / "policy" / "machines")
        path = pathlib.Path(directory, "example.policy")
        path.write_text(text)
        done = subprocess.run([POLICYC, "check", path], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def test_policies():
    """Each policy that a document shows passes policyc check; README's is policy/laptop.policy."""
    for page, text in documents().items():
        for policy in policies(text):
            status, said = check(policy)
            if status != 0:
                raise Failure(f"{page}: policyc refuses\n{policy}\n{said}")
    shown = policies((ROOT / "README.md").read_text())
    equal(len(shown), 1, "policies in README.md")
    contains(plain((ROOT / "policy" / "laptop.policy").read_text()), plain(shown[0]),
             "README.md shows another policy than policy/laptop.policy: copy that")


def test_policies_can_fail():
    """A wrong policy in a document would be found."""
    text = (ROOT / "policy" / "laptop.policy").read_text()
    equal(check(text)[0], 0, "policyc's status for laptop.policy")
    equal(check(text.replace("devices nic", "devices cmos"))[0], 1, "status with a platform device")


def test_language():
    """docs/policy-language.md names each word of the language, each intercept and each MSR."""
    page = (ROOT / "docs" / "policy-language.md").read_text()
    known = set(re.findall(r"[\w-]+", page))

    def names(path, pattern):
        found = set(re.findall(pattern, (ROOT / path).read_text(), re.MULTILINE))
        if not found:
            raise Failure(f"{path} has no line like {pattern!r}")
        return {f"{path}: {name}" for name in found - known}

    complain(names("tools/policyc/front/words.c", r'^    \{"([\w-]+)", TOKEN_') |
             names("include/tables/intercepts.def", r"^INTERCEPT\((\w+),") |
             names("include/tables/msrs.def", r"^MSR\((\w+),") |
             names("include/tables/ports.def", r"^PORT\([^)]*?, (\w+), \""),
             "words that docs/policy-language.md leaves out")


# Figures.

def measured(row):
    """A number of docs/performance.md."""
    page = (ROOT / "docs" / "performance.md").read_text()
    figure = re.search(rf"^\| \**{row}\** \| \**([\d.,]+)", page, re.MULTILINE)[1]
    return float(figure.replace(",", ""))


def test_figures():
    """README's bounds of size and speed hold, and by no more than a fifth: docs/performance.md."""
    page = " ".join((ROOT / "README.md").read_text().split())
    for pattern, row, unit in (
            (r"CPUID round trip takes fewer than (\d+) instructions", "CPUID", 1),
            (r"keeps less than ([\d.]+) MiB", "core and policy image", 1 / 1024),
            (r"fewer than ([\d,]+) lines of C and assembler", "lines of C and assembler", 1)):
        found = re.search(pattern, page)
        if not found:
            raise Failure(f"README.md has nothing like {pattern!r}")
        said, real = float(found[1].replace(",", "")), measured(row) * unit
        if not real < said <= 1.2 * real:
            raise Failure(f"README.md says {found[0]!r}, docs/performance.md {real:g}")


def test_readme_is_short():
    """A reader gets through README.md."""
    lines = (ROOT / "README.md").read_text().count("\n")
    if lines >= 200:
        raise Failure(f"README.md has {lines} lines, not fewer than 200")
