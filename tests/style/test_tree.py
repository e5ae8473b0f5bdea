"""The tree keeps its own rules: layers, headers that stand alone, one format."""
import pathlib
import re
import shutil
import subprocess
import tempfile

from testing import Failure, equal, limit

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# From the top; a directory includes only those in lines below its own.
LAYERS = [["boot"], ["domain"], ["exits"], ["vdev"], ["smm_container"],
          ["svm", "iommu_dev", "attest"], ["mm"], ["audit"], ["policy"], ["platform"]]
RANK = {name: -rank for rank, names in enumerate(LAYERS) for name in names}
LOADERS_RESULT = "boot/boot_info.h"  # data without code: what all layers learn of the loader
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]', re.MULTILINE)
LONGEST_FILE = 420  # lines


def tracked(*patterns):
    listing = subprocess.run(["git", "-C", ROOT, "ls-files", "--", *patterns], check=True,
                             capture_output=True, text=True).stdout
    return [ROOT / name for name in listing.splitlines() if (ROOT / name).exists()]


def includes(path):
    return INCLUDE.findall(path.read_text())


def layer_errors(sources):
    """[(file, include)] that go up or sideways. sources: {path relative to core/: includes}."""
    errors = []
    for name, headers in sources.items():
        own = name.split("/")[0]
        for header in headers:
            if not header.startswith("core/") or header == "core/" + LOADERS_RESULT:
                continue
            other = header.split("/")[1]
            if other != own and RANK[other] >= RANK[own]:
                errors.append((name, header))
    return errors


def test_layers():
    """No file of core includes a header of a layer above its own, or beside it."""
    core = ROOT / "core"
    sources = {str(path.relative_to(core)): includes(path)
               for path in tracked("core/*.c", "core/*.h", "core/*.S")}
    equal(sorted({name.split("/")[0] for name in sources} - set(RANK)), [], "directories without a layer")
    equal(layer_errors(sources), [], "includes that go up")


def test_layers_can_fail():
    """An include that goes up, or to a sibling, is found."""
    equal(layer_errors({"mm/p2m.c": ["core/exits/exits.h", "core/platform/platform.h"],
                        "svm/svm.c": ["core/iommu_dev/dma.h", "core/svm/svm.h"]}),
          [("mm/p2m.c", "core/exits/exits.h"), ("svm/svm.c", "core/iommu_dev/dma.h")],
          "includes that go up")


def test_emitter_and_verifier_are_apart():
    """policyc's verifier shares no code with its emitter, nor the other way round."""
    for own, other in (("emit", "verify"), ("verify", "emit")):
        for path in tracked(f"tools/policyc/{own}/*"):
            equal([name for name in includes(path) if f"/{other}/" in name], [],
                  f"what {path.name} includes from {other}/")


@limit(120)
def test_headers_stand_alone():
    """Each header compiles by itself."""
    core_flags = ["-std=c11", "-ffreestanding", "-mgeneral-regs-only", "-I.", "-Iinclude",
                  "-fsyntax-only", "-Wall", "-Wextra", "-Werror"]
    headers = tracked("core/*.h", "lib/*.h", "include/bulkhead/*.h", "include/hw/*.h")
    # one compiler run: each header first in a unit of its own
    with tempfile.TemporaryDirectory() as directory:
        units = []
        for number, header in enumerate(headers):
            unit = pathlib.Path(directory, f"{number}.c")
            unit.write_text(f'#include "{header}"\nextern int used;\n')
            units.append(str(unit))
        done = subprocess.run(["gcc", *core_flags, *units], cwd=ROOT, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Failure(f"headers that need another header first:\n{done.stdout[:4000]}")


@limit(120)
def test_format():
    """Every C file is as clang-format writes it."""
    if not shutil.which("clang-format"):
        raise Failure("clang-format is missing. Run scripts/setup.sh test")
    files = [str(path) for path in tracked("*.c", "*.h")]
    done = subprocess.run(["clang-format", "--dry-run", *files], cwd=ROOT,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    equal(sorted(set(re.findall(r"^(\S+?):\d+:\d+: warning", done.stdout, re.MULTILINE))), [],
          "files to format with clang-format -i")


def test_files_are_short():
    """No source file is longer than a reader can hold."""
    long = {str(path.relative_to(ROOT)): lines for path in tracked("*.c", "*.h", "*.S", "*.py", "*.y")
            if (lines := path.read_text().count("\n")) > LONGEST_FILE}
    equal(long, {}, "files to split by subject")
