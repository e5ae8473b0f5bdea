"""policyc from the outside: its commands, exit codes, files, and minisign as a judge."""
import base64
import json
import pathlib
import stat
import subprocess

from author import IO, LAPTOP, NAMES, OK, POLICY, ROOT, USAGE, Author, kernels, minisign, policyc
from testing import cases, contains, equal

SHIPPED = {path.stem: (path,) for path in
           (LAPTOP, ROOT / "policy" / "bench.policy", ROOT / "tests" / "machine" / "standin.policy")}


@cases(SHIPPED)
def test_shipped_policies(policy):
    """A policy that ships has no errors, compiles, and its image says what it says."""
    contains(policyc("check", policy), "no errors", "check")
    with Author() as author:
        image = author.build(policy)
        contains(policyc("verify", image, policy), "says what", "verify")


def test_minisign_accepts():
    """Debian's minisign accepts the signature, and refuses it for altered bytes."""
    with Author() as author:
        image = author.build()
        good = minisign("-Vm", image, "-p", author.public)
        equal(good.returncode, 0, f"minisign -V: {good.stdout}{good.stderr}")
        contains(good.stdout, "Trusted comment: policy laptop version 1", "trusted comment")
        data = bytearray(image.read_bytes())
        data[5000] ^= 1
        image.write_bytes(data)
        equal(minisign("-Vm", image, "-p", author.public).returncode, 1, "minisign -V, altered")


def test_minisign_keys():
    """policyc signs with a key that minisign made, and minisign with one that policyc made."""
    with Author() as author:
        secret, public = author.path / "m.key", author.path / "m.pub"
        made = minisign("-G", "-W", "-s", secret, "-p", public)
        equal(made.returncode, 0, f"minisign -G: {made.stderr}")
        image = author.build(key=secret)
        equal(minisign("-Vm", image, "-p", public).returncode, 0, "signature by minisign's key")
        lines = secret.read_text().splitlines()
        bytes_ = bytearray(base64.b64decode(lines[1]))
        bytes_[70] ^= 1  # of the seed
        secret.write_text(f"{lines[0]}\n{base64.b64encode(bytes_).decode()}\n")
        contains(policyc("build", LAPTOP, *author.files(LAPTOP), "--key", secret, "-o", image,
                         code=IO), "it is damaged", "a damaged key without checksum")
        equal(minisign("-Sm", image, "-s", author.secret).returncode, 0, "minisign -S")
        equal(minisign("-Vm", image, "-p", author.public).returncode, 0, "signature by our key")


def test_keygen_keeps_files():
    """Secret keys are for their owner alone, and keygen never overwrites a file."""
    with Author() as author:
        equal(stat.S_IMODE(author.secret.stat().st_mode), 0o600, "mode of the secret key")
        before = author.secret.read_bytes()
        other = author.path / "other"
        contains(policyc("keygen", "--secret", author.secret, "--public", other, code=IO),
                 "exists already", "keygen onto a secret key")
        equal((author.secret.read_bytes(), other.exists()), (before, False), "files afterwards")
        contains(policyc("keygen", "--secret", other, "--public", author.public, code=IO),
                 "exists already", "keygen onto a public key")
        equal(other.exists(), False, "half a pair")


def test_same_bytes():
    """The same policy, files and key give the same image and signature."""
    with Author() as author:
        first, second = author.build(image="1.img"), author.build(image="2.img")
        equal(first.read_bytes(), second.read_bytes(), "images")
        equal(pathlib.Path(f"{first}.minisig").read_bytes(),
              pathlib.Path(f"{second}.minisig").read_bytes(), "signatures")


def test_dump():
    """dump shows the rights of each domain, and --json the same for programs."""
    with Author() as author:
        image = author.build()
        text = policyc("dump", image)
        contains(text, "domain vault: microvm, trusted, interrupts virtual", "dump")
        contains(text, "2f8-2ff", "dump's ports")
        contains(text, "\nattestation required\n", "dump")
        contains(text, "rights     clock attest user-calls\n", "dump")
        seen = json.loads(policyc("dump", "--json", image))
        equal([d["name"] for d in seen["domains"]], ["work", "vault"], "domains")
        equal((seen["attest"], [d["rights"] for d in seen["domains"]]), (1, [0b1110, 0b1]),
              "attestation and rights")
        equal(seen["domains"][1]["ports"], [], "vault's ports")
        contains(seen["domains"][0]["ports"], [0x2f8, 0x2ff], "work's ports")
        name = seen["domains"][1]["files"][0]
        equal((name["name"], name["size"]), ("vault.image", 1100), "vault's file")


def test_output_that_is_lost():
    """Where nobody gets what was said, the exit status tells it."""
    with Author() as author, open("/dev/full", "w") as full:
        image = author.build()
        for arguments in (("--help",), ("dump", "--help"), ("check", LAPTOP), ("dump", image),
                          ("dump", "--json", image), ("verify", image, LAPTOP)):
            done = subprocess.run([ROOT / "build" / "policyc", *arguments], stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=60)
            equal(done.returncode, IO, f"{arguments[0]}'s exit status")
            contains(done.stderr, "can't be written", f"{arguments[0]}'s error")


def test_verify_finds_changes():
    """An image of another policy, or one with a bit changed, is told from the right one."""
    with Author() as author:
        image = author.build()
        changed = author.path / "changed.policy"
        text = LAPTOP.read_text().replace('"machines/', f'"{ROOT}/policy/machines/')
        changed.write_text(text.replace("devices nic, com2", "devices nic"))
        contains(policyc("verify", image, changed, code=POLICY), "work has the IOAPIC's pins",
                 "verify against a policy without com2")
        data = bytearray(image.read_bytes())
        iopm = json.loads(policyc("dump", "--json", image))["domains"][0]["iopm"] - 0x10000000
        data[iopm + 0x510 // 8] = 0
        image.write_bytes(data)
        contains(policyc("verify", image, LAPTOP, code=POLICY), "port 0x510 is open",
                 "verify of an image that opens fw_cfg")


def test_assertions_print_the_path():
    """An assertion that the bits refute is an error at its place, with the path."""
    bad = "tests/unit/policyc/bad/never-fails.policy"
    text = policyc("check", bad, code=POLICY)
    contains(text, f"{bad}:22:5: error: this assertion doesn't hold: vault's CPU reaches sign",
             "check")
    contains(text, "work reaches com2 by port 0x2f8", "check")
    contains(text, "nic does DMA in work's memory", "check")


KERNEL_POLICY = """policy "kernel" {{
    version 1
    machine "{machine}"
    domain a {{
        {kind} untrusted
        cores 0
        interrupts {interrupts}
        memory {memory}
        boot {boot} {{ kernel "k" {more} }}
    }}
}}
"""
PRIMARY = {"kind": "primary", "interrupts": "direct", "memory": "rest", "more": ""}
MICROVM = {"kind": "microvm", "interrupts": "virtual", "memory": "4 MiB", "more": ""}
MULTIBOOT = kernels.multiboot(3)


@cases({
    "bzimage": (kernels.bzimage(), PRIMARY | {"boot": "linux"}, None),
    "no-bzimage": (kernels.bzimage(False), PRIMARY | {"boot": "linux"},
                   "a can't boot k: the kernel is no bzImage. Use a relocatable"),
    "cmdline": (kernels.bzimage()[:0x238] + bytes(4) + kernels.bzimage()[0x23c:],
                PRIMARY | {"boot": "linux", "more": 'cmdline "x"'},
                "the command line is longer than the kernel takes. Shorten"),
    "pvh": (kernels.elf(True), PRIMARY | {"boot": "pvh"}, None),
    "pvh-microvm": (kernels.elf(False), MICROVM | {"boot": "pvh"}, None),
    "small-microvm": (kernels.elf(False), MICROVM | {"boot": "pvh", "memory": "2 MiB"},
                      "k wants to lie at 0x200000, 0x10 bytes long, which isn't all memory of a"),
    "over-core": (kernels.elf(True, 0x11000000), PRIMARY | {"boot": "pvh"},
                  "k wants to lie at 0x11000000"),
    "into-pool": (kernels.elf(True, 0x10000000 - 0x1000), PRIMARY | {"boot": "pvh"},
                  "k wants to lie at 0xffff000"),
    "over-rom": (kernels.elf(True, 0xf0000), PRIMARY | {"boot": "pvh"}, "k wants to lie at 0xf0000"),
    "no-note": (kernels.elf(True).replace(kernels.NOTE, bytes(len(kernels.NOTE))),
                PRIMARY | {"boot": "pvh"}, "the kernel has no PVH entry. Use an uncompressed"),
    "no-elf": (kernels.bzimage(), PRIMARY | {"boot": "pvh"}, "the kernel is no ELF program for x86"),
    "multiboot": (kernels.elf(False), MICROVM | {"boot": "multiboot"}, None),
    "no-multiboot": (kernels.elf(False).replace(MULTIBOOT, bytes(len(MULTIBOOT))),
                     MICROVM | {"boot": "multiboot"}, "the kernel has no Multiboot 1 header"),
})
def test_kernels(kernel, words, error):
    """A kernel that core would not boot is refused when the policy is built, at its name."""
    with Author() as author:
        policy, path, image = (author.path / name for name in ("a.policy", "k", "a.img"))
        machine = ROOT / "policy/machines/qemu-q35.machine"
        policy.write_text(KERNEL_POLICY.format(machine=machine, **words))
        path.write_bytes(kernel)
        text = policyc("build", policy, "--files", f"k={path}", "--key", author.secret, "-o", image,
                       code=POLICY if error else OK)
        equal(image.exists(), error is None, "an image")
        if error:
            contains(text, f"{policy}:9:", "the place")
            contains(text, error, "what is said")


def test_errors_leave_nothing():
    """Where the policy is wrong or a file is missing, all is said and no image is written."""
    with Author() as author:
        image = author.path / "x.img"
        text = policyc("build", LAPTOP, "--key", author.secret, "-o", image, code=POLICY)
        for name in NAMES.findall(LAPTOP.read_text()):
            contains(text, f'no file is given for "{name}". Add --files {name}=PATH', "errors")
        equal(sorted(p.name for p in author.path.iterdir()), ["a.key", "a.pub"], "files")


USES = {
    "nothing": ((), USAGE, "policyc check POLICY"),
    "unknown command": (("chek",), USAGE, "there is no command chek"),
    "check without policy": (("check",), USAGE, "check takes one policy"),
    "check of no file": (("check", "no-such.policy"), IO, "no-such.policy can't be read"),
    "check of a bad policy": (("check", "tests/unit/policyc/bad/empty.policy"), POLICY, "3 errors"),
    "build without key": (("build", LAPTOP, "-o", "x"), USAGE, "needs a policy, --key and -o"),
    "build with a file that isn't there": (
        ("build", LAPTOP, "--files", "a=/no/such", "--key", "/no/key", "-o", "x"), IO,
        "/no/such can't be read"),
    "build with two files of a name": (
        ("build", LAPTOP, "--files", f"a={LAPTOP}", f"a={LAPTOP}", "--key", "/no/key", "-o", "x"),
        USAGE, "two files for a"),
    "build with a policy as key": (("build", LAPTOP, "--key", LAPTOP, "-o", "x"), IO,
                                   "not a minisign secret key"),
    "keygen without names": (("keygen",), USAGE, "needs --secret and --public"),
    "dump of a text": (("dump", LAPTOP), POLICY, "is no policy image"),
    "dump of no file": (("dump", "/no/such"), IO, "/no/such can't be read"),
    "verify of one": (("verify", LAPTOP), USAGE, "an image and a policy"),
    "verify of a text": (("verify", LAPTOP, LAPTOP), POLICY, "this is no policy image"),
    "help": (("--help",), OK, "policyc verify IMAGE POLICY"),
    "check --help": (("check", "--help"), OK, "usage: policyc check"),
    "build --help": (("build", "--help"), OK, "usage: policyc build"),
    "verify --help": (("verify", "--help"), OK, "usage: policyc verify"),
    "dump --help": (("dump", "--help"), OK, "usage: policyc dump"),
    "predict --help": (("predict", "--help"), OK, "--grub-embedded FILE"),
    "predict of nothing": (("predict",), USAGE, "needs a policy image, --signature"),
    "keygen --help": (("keygen", "--help"), OK, "usage: policyc keygen"),
}


@cases(USES)
def test_use(arguments, code, expected):
    """Each way to use or misuse a command has its exit code and says what to do."""
    contains(policyc(*arguments, code=code), expected, "output")
