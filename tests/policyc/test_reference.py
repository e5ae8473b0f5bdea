"""policyc predict from the outside: its document read by others' means, and what it refuses.

machine/test_predict compares what it computes with what a TPM gets.
"""
import base64
import hashlib
import json
import pathlib
import struct

import disk
from author import IO, LAPTOP, OK, POLICY, ROOT, USAGE, Author, minisign, policyc
from qemu import Module
from test_bhattest import CONTRAINDICATED, REFERENCE, Case
from testing import Failure, cases, contains, equal

CORE = ROOT / "build" / "core" / "bulkhead.elf"
SMM = "ab" * 32


class Launch(Author):
    """An author, the laptop's policy, and GRUB's scripts that load it."""

    def __enter__(self):
        super().__enter__()
        self.image = self.build()
        self.signature = pathlib.Path(f"{self.image}.minisig")
        self.reference = self.path / "reference.json"
        self.embedded, self.script = self.path / "find.cfg", self.path / "grub.cfg"
        self.embedded.write_text(disk.FIND_CONFIG)
        self.script.write_text(disk.grub_config(CORE, self.modules(), "quiet 'a b'"))
        return self

    def modules(self):
        """As disk.py loads them; a file has its module's name here."""
        named = {"policy": self.image, "signature": self.signature, "trust.pub": self.public}
        named |= {name: self.path / name for name in ("work.kernel", "work.initrd", "vault.image")}
        return [Module(name, path) for name, path in named.items()]

    def options(self, **changes):
        """{option: arguments}; changes: those of another value, None to leave one out."""
        options = {"image": [self.image], "signature": ["--signature", self.signature],
                   "trust": ["--trust", self.public], "core": ["--core", CORE],
                   "files": self.files(LAPTOP), "embedded": ["--grub-embedded", self.embedded],
                   "grub": ["--grub", self.script], "smm": ["--smm", f"replaced:{SMM}"],
                   "key": ["--key", self.secret, "-o", self.reference]}
        options |= changes
        return [argument for arguments in options.values() for argument in arguments or ()]

    def predict(self, code=OK, **changes):
        return policyc("predict", *self.options(**changes), code=code)

    def document(self, **changes):
        self.predict(**changes)
        return json.loads(self.reference.read_text())

    def left(self):
        return sorted(path.name for path in self.path.iterdir() if path.name.startswith("ref"))


def folded(start, digests):
    value = bytes([start]) * 32
    for digest in digests:
        value = hashlib.sha256(value + digest).digest()
    return value.hex()


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_signed():
    """The document is the author's: minisign accepts it, and refuses it when altered; the same
    inputs give the same bytes."""
    with Launch() as launch:
        text = launch.predict()
        first = launch.reference.read_bytes()
        good = minisign("-Vm", launch.reference, "-p", launch.public)
        equal(good.returncode, 0, f"minisign -V: {good.stdout}{good.stderr}")
        contains(good.stdout, "reference values of policy laptop version 1 for qemu-q35", "comment")
        for pcr in ("8", "9", "17", "18"):
            contains(text, json.loads(first)["pcr"][pcr], "PCRs that predict shows")
        launch.predict()
        equal(launch.reference.read_bytes(), first, "the document, made again")
        launch.reference.write_bytes(first.replace(b'"version": 1', b'"version": 2'))
        equal(minisign("-Vm", launch.reference, "-p", launch.public).returncode, 1,
              "minisign -V, altered")


def test_loaded():
    """PCR 9 is the fold of the files in GRUB's order, PCR 8 that of its commands."""
    with Launch() as launch:
        document = launch.document()
        files = [("grub.cfg", launch.script), ("grub.cfg", launch.script), ("core", CORE)]
        files += [(module.name, module.path) for module in launch.modules()]
        equal(document["files"], [{"name": name, "sha256": sha256(path)} for name, path in files],
              "files")
        fold = folded(0, (bytes.fromhex(file["sha256"]) for file in document["files"]))
        equal((document["pcr9"], document["pcr"]["9"]), (fold, fold), "PCR 9")
        commands = launch.embedded.read_text().splitlines()
        commands += ["set timeout=0", "echo Loading Bulkhead ...",
                     "multiboot2 /bulkhead/bulkhead.elf quiet a b", 'quiet "a b"']
        for module in launch.modules():
            commands += [f"module2 /bulkhead/{module.path.name} name={module.name}",
                         f"name={module.name}"]
        fold = folded(0, (hashlib.sha256(line.encode()).digest() for line in [*commands, "boot"]))
        equal((document["commands"]["pcr8"], document["pcr"]["8"]), (fold, fold), "PCR 8")
        equal(document["profile"], "static", "profile")


EVENT = struct.Struct("<II4sHHIHHQ")
KINDS = {"core": 1, "policy": 2, "smm": 3, "cap": 4, "domain": 5, "start": 6}
COMPONENTS = ["core", "policy", "smm", "cap", "domain:work", "domain:vault", "start:work",
              "start:vault", "cap"]
SEQUENCE = [0, 2, 3, 4, 5, 6, 7, 8, 9]  # 1 is BOOT's, in PCR 19


def fields(document):
    """The events. SMM's isn't in the document: the machine's enrolment record says it."""
    smm = EVENT.pack(0x42480003, 64, b"BHLK", 1, 3, 3, 0xffff, 40, 0)
    smm += struct.pack("<II", 2, 0) + bytes.fromhex(SMM)
    equal(document["events"][2], {"pcr": 17, "component": "smm"}, "SMM's event")
    return [bytes.fromhex(event.get("event", smm.hex())) for event in document["events"]]


def bodies(document):
    """The events' bodies; headers are checked."""
    found = []
    equal([event["component"] for event in document["events"]], COMPONENTS, "components")
    for event, field, number in zip(document["events"], fields(document), SEQUENCE):
        tag, size, magic, form, kind, sequence, domain, length, time = EVENT.unpack_from(field)
        name, _, owner = event["component"].partition(":")
        equal((tag, size, magic, form, kind, sequence, length, time),
              (0x42480000 | KINDS[name], len(field) - 8, b"BHLK", 1, KINDS[name], number,
               len(field) - EVENT.size, 0), f"header of {event['component']}")
        equal(domain, ["work", "vault"].index(owner) if owner else 0xffff, "domain")
        equal(event["pcr"], 17 if number < 5 else 18, "PCR")
        found.append(field[EVENT.size:])
    return found


def core_digest(elf):
    """SHA-256 of the read-only segments."""
    offset, = struct.unpack_from("<Q", elf, 32)
    count, = struct.unpack_from("<H", elf, 56)
    hashed = hashlib.sha256()
    for number in range(count):
        kind, flags, start, _, _, size, _, _ = struct.unpack_from("<IIQQQQQQ", elf,
                                                                 offset + 56 * number)
        if kind == 1 and not flags & 2:
            hashed.update(elf[start:start + size])
    return hashed.digest()


def tables_digest(image):
    """SHA-256 of the image but for the rows of files."""
    header = struct.Struct("<8sIIQQQ32s32s4QQII")
    start, count = struct.unpack_from("<II", image, header.size + 8)
    return hashlib.sha256(image[:start] + image[start + 80 * count:]).digest()


def test_events():
    """Each event says what the layout in evlog.h says, of the files as this test reads them; PCR
    17 and 18 are their fold."""
    with Launch() as launch:
        document = launch.document()
        core, policy, _, cap, work, vault, start_work, start_vault, last = bodies(document)
        image = launch.image.read_bytes()
        key = base64.b64decode(launch.public.read_text().split()[-1])[10:]
        equal(document["policy"]["author"], key.hex(), "author")
        equal(core, core_digest(CORE.read_bytes()), "core's digest")
        equal(policy, hashlib.sha256(image).digest() +
              hashlib.sha256(launch.signature.read_bytes()).digest() + key +
              struct.pack("<Q", 1) + tables_digest(image), "policy's event")
        equal((cap, last), (b"", b""), "CAPs")
        for body, names, domain in ((work, ("work.kernel", "work.initrd"), "work"),
                                    (vault, ("vault.image",), "vault")):
            rows = b"".join(struct.pack("<IIQ", role, 0, (launch.path / name).stat().st_size) +
                            bytes.fromhex(sha256(launch.path / name))
                            for name, role in zip(names, (1, 2) if len(names) == 2 else (3,)))
            equal(body, struct.pack("<32sII", domain.encode(), len(names), 0) + rows, domain)
        dumped = json.loads(policyc("dump", "--json", launch.image))["domains"]
        for body, row in zip((start_work, start_vault), dumped):
            equal(body, struct.pack("<4BIQQQ", row["kind"], row["label"], row["interrupts"],
                                    row["boot"], 1 << row["cores"][0], row["memory_size"],
                                    row["load_gpa"], row["entry_gpa"]) +
                  hashlib.sha256(row["cmdline"].encode()).digest(), f"start of {row['name']}")
        digests = [hashlib.sha256(field).digest() for field in fields(document)]
        for pcr, measured in ((17, digests[:4]), (18, digests[4:])):
            equal(document["pcr"][str(pcr)], folded(0xff, measured), f"PCR {pcr}")


def test_policy():
    """The document names the policy; its matrix is the digest of what dump --matrix shows, which
    is the same for other files and versions, and another for other rights."""
    with Launch() as launch:
        said = launch.document()["policy"]
        equal((said["name"], said["version"], said["machine"]), ("laptop", 1, "qemu-q35"), "policy")
        equal(said["tables"], tables_digest(launch.image.read_bytes()).hex(), "tables")
        matrix = policyc("dump", "--matrix", launch.image)
        equal(said["matrix"], hashlib.sha256(matrix.encode()).hexdigest(), "matrix")
        shown = policyc("verify", launch.image, LAPTOP)
        contains(shown, f"tables  {said['tables']}\nmatrix  {said['matrix']}\n", "verify")
        text = LAPTOP.read_text().replace('"machines/', f'"{ROOT}/policy/machines/')
        for change, is_same in (("version 2", True), ("version 1 attest optional", False)):
            changed = launch.path / "changed.policy"
            new = text.replace("version 1", change).replace("attest required", "")
            changed.write_text(new)
            image = launch.build(changed, "changed.img")
            equal(policyc("dump", "--matrix", image) == matrix, is_same, f"same matrix: {change}")


def test_unmeasured():
    """Without a loader that measures, PCR 8 and 9 are as after a reset, and no file is listed."""
    with Launch() as launch:
        document = launch.document(embedded=None, grub=None, smm=None, loader=["--unmeasured"])
        equal((document["profile"], document["files"]), ("unmeasured", []), "profile and files")
        equal((document["pcr"]["8"], document["pcr9"]), ("00" * 32, "00" * 32), "PCRs 8 and 9")
        equal("17" in document["pcr"], False, "PCR 17, without knowing SMM")


def test_check():
    """--check accepts the values that the same files give, names what differs, and needs the
    author's signature."""
    with Launch() as launch:
        launch.predict()
        check = {"key": ["--check", launch.reference]}
        contains(launch.predict(**check), "PCR 18  ", "check")
        text = launch.predict(**check, smm=["--smm", "none"], code=POLICY)
        contains(text, "pcr.17 is ", "difference")
        equal(text.count(" is "), 1, "differences")
        launch.script.write_text(launch.script.read_text().replace("echo", "# echo"))
        text = launch.predict(**check, code=POLICY)
        for place in ("commands.pcr8", "files[0].sha256", "files[1].sha256", "pcr9", "pcr.8",
                      "pcr.9"):
            contains(text, f"{place} is ", "difference")
        equal(text.count(" is "), 6, "differences")
        launch.reference.write_text("[" * 5000)
        contains(launch.predict(**check, code=POLICY), "is no signature of", "altered values")
        minisign("-Sm", launch.reference, "-s", launch.secret)
        contains(launch.predict(**check, code=POLICY), "this is no JSON", "no JSON")
        launch.reference.write_text('["bulkhead-reference-1"]')
        minisign("-Sm", launch.reference, "-s", launch.secret)
        contains(launch.predict(**check, code=POLICY), "the document is ", "another document")


def test_verifier_reads_it():
    """bhattest takes the document for reference values, of another machine than the one that it
    appraises, whether or not SMM is known; with a digit altered it doesn't."""
    def appraise(code):
        with Case() as case:  # each appraisal uses a nonce up
            return case.appraise(reference=launch.reference, author=launch.public, code=code)

    with Launch() as launch:
        for smm in (None, ["--smm", "none"]):
            launch.predict(smm=smm)
            contains(appraise(CONTRAINDICATED), "C601", "the appraisal")
        text = launch.reference.read_text()
        fold = json.loads(text)["pcr9"]
        launch.reference.write_text(text.replace(fold, fold[::-1]))
        minisign("-Sm", launch.reference, "-s", launch.secret)
        contains(appraise(REFERENCE), "E501", "the appraisal")


def damaged(path, offset, launch):
    """A copy with one bit changed."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    copy = launch.path / f"damaged-{path.name}"
    copy.write_bytes(data)
    return copy


def other_author(launch):
    policyc("keygen", "--secret", launch.path / "b.key", "--public", launch.path / "b.pub")
    return launch.path / "b.key", launch.path / "b.pub"


def with_script(launch, old, new):
    text = launch.script.read_text()
    equal(text.count(old), 1, f"{old!r} in grub.cfg")
    launch.script.write_text(text.replace(old, new))
    return {}


def scripts_line(launch, line):
    return with_script(launch, "boot\n", f"{line}\nboot\n")


REFUSED = {  # what is changed, exit status, what is said
    "altered image": (lambda l: {"image": [damaged(l.image, 9000, l)]}, POLICY,
                      "was altered after it was signed"),
    "another author": (lambda l: {"trust": ["--trust", other_author(l)[1]]}, POLICY,
                       "is by another author's key"),
    "another-key": (lambda l: {"key": ["--key", other_author(l)[0], "-o", l.reference]}, POLICY,
                    "is not the key that"),
    "no key": (lambda l: {"key": ["--key", l.public, "-o", l.reference]}, IO,
               "not a minisign secret key"),
    "signature of something else": (lambda l: {"signature": ["--signature", l.public]}, POLICY,
                                    "is no minisign signature"),
    "no core": (lambda l: {"core": ["--core", l.image]}, POLICY, "is not core: it is no 64-bit ELF"),
    "damaged core": (lambda l: {"core": ["--core", damaged(CORE, 57, l)]}, POLICY,
                     "its program headers lie outside of it"),
    "a file missing": (lambda l: {"files": l.files(LAPTOP)[2:]}, POLICY,
                       'no file is given for "work.kernel". Add --files work.kernel=PATH'),
    "another file": (lambda l: {"files": [*l.files(LAPTOP)[2:], "--files", f"work.kernel={CORE}"]},
                     POLICY, "work.kernel is not the file that"),
    "a file too many": (lambda l: {"files": [*l.files(LAPTOP), "--files", f"more={CORE}"]}, POLICY,
                        "GRUB never loads the module more"),
    "a file called core": (lambda l: {"files": [*l.files(LAPTOP), "--files", f"core={CORE}"]},
                           POLICY, "call another file core"),
    "a file with a long name": (
        lambda l: {"files": [*l.files(LAPTOP), "--files", f"{'n' * 32}={CORE}"]}, POLICY,
        "names of modules have at most 31 characters"),
    "a file called policy": (lambda l: {"files": [*l.files(LAPTOP), "--files", f"policy={CORE}"]},
                             POLICY, "two modules are called policy"),
    "module not loaded": (lambda l: with_script(l, "name=trust.pub", "name=trust.old"), POLICY,
                          "grub.cfg:6: no file is given for the module trust.old"),
    "a condition": (lambda l: scripts_line(l, "if true; then"), POLICY, "grub.cfg:10: it has a"),
    "a variable": (lambda l: scripts_line(l, 'echo "$root"'), POLICY, "grub.cfg:10: between double"),
    "a menu": (lambda l: scripts_line(l, "menuentry x {"), POLICY, "menus can't be predicted"),
    "another command": (lambda l: scripts_line(l, "insmod gzio"), POLICY, "`insmod` can't be"),
    "no script": (lambda l: {"grub": None}, USAGE, "needs --grub-embedded and --grub"),
    "scripts of nobody": (lambda l: {"loader": ["--unmeasured"]}, USAGE, "or --unmeasured"),
    "bad SMM": (lambda l: {"smm": ["--smm", "replaced:12"]}, USAGE, "64 hexadecimal digits"),
    "SMM twice": (lambda l: {"more": ["--smm", "none"]}, USAGE, "twice who handles SMIs"),
    "core twice": (lambda l: {"more": ["--core", CORE]}, USAGE, "was given twice --core"),
    "nothing to do": (lambda l: {"key": None}, USAGE, "needs --key and -o, or --check"),
    "sign and check": (lambda l: {"more": ["--check", l.script]}, USAGE, "or --check"),
    "an unknown option": (lambda l: {"more": ["--frob"]}, USAGE, "to do with --frob"),
    "an option without value": (lambda l: {"more": ["--grub"]}, USAGE, "something behind --grub"),
    "no such file": (lambda l: {"core": ["--core", "/no/such"]}, IO, "/no/such can't be read"),
    "no such module": (lambda l: {"files": ["--files", "a=/no/such"]}, IO, "/no/such can't be read"),
    "no such place": (lambda l: {"key": ["--key", l.secret, "-o", "/no/such/place"]}, IO,
                      "/no/such/place can't be written"),
    "nothing to compare with": (lambda l: {"key": ["--check", l.reference]}, IO, "can't be read"),
}


@cases({name: (name,) for name in REFUSED})
def test_refused(name):
    """What can't be predicted, or would be refused by core, is told with place and remedy; no
    document is left."""
    change, code, said = REFUSED[name]
    with Launch() as launch:
        contains(launch.predict(**change(launch), code=code), said, "output")
        equal(launch.left(), [], "reference values left")


def test_signature_unwritten():
    """Where the signature can't be written, its document goes, too."""
    with Launch() as launch:
        blocked = pathlib.Path(f"{launch.reference}.minisig")
        (blocked / "full").mkdir(parents=True)
        contains(launch.predict(code=IO), "can't be written", "output")
        if launch.left() != [blocked.name]:
            raise Failure(f"files left: {launch.left()}")
