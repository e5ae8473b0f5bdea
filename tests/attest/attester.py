"""A machine that attests, made up: a TPM emulator, a boot as firmware, GRUB and core measure it,
and evidence as core writes it. Each step can be altered, so that a test alters just one.

The steps, in their order: events -> (extended) -> entries -> log -> report -> quote -> claims ->
evidence. What is altered before the quote is signed with it; what is altered after isn't.
"""
import base64
import dataclasses
import json
import struct
import subprocess
import types

import p256
import wire
from swtpm import RH_ENDORSEMENT, RS_PW, selection, selections
from testing import Failure
from wire import Claim, Event, sha256

FIRMWARE_PCRS = range(8)
PINNED = (0, 2, 4, 7)
KERNEL, INITRD, FLAT = 1, 2, 3  # enum bh_file_role
SMM_NONE, SMM_REPLACED, SMM_FIRMWARE = 1, 2, 3
RUNNING, STOPPED, CRASHED = 1, 2, 3


def unaltered(value):
    return value


def minisign(*arguments):
    done = subprocess.run(["minisign", *map(str, arguments)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Failure(f"minisign {arguments} ended with {done.returncode}:\n{done.stdout}")


class Signer:
    """A minisign key pair in files NAME.key and NAME.pub."""

    def __init__(self, directory, name):
        self.secret, self.public = directory / f"{name}.key", directory / f"{name}.pub"
        minisign("-G", "-W", "-f", "-p", self.public, "-s", self.secret)

    @property
    def public_bytes(self):
        return base64.b64decode(self.public.read_text().splitlines()[1])[10:]

    def sign(self, path):
        minisign("-S", "-s", self.secret, "-m", path, "-x", f"{path}.minisig")


class TpmKey:
    """An attestation key that the TPM made. `locality`: where its policy lets it be used; None:
    anywhere, with an empty password."""

    def __init__(self, tpm, attributes=wire.ATTRIBUTES_AK, locality=2):
        parent, self.ek = tpm.create_primary(RH_ENDORSEMENT, wire.storage_public())
        policy = b"" if locality is None else wire.policy_locality(locality)
        private, self.public = tpm.create(parent, wire.ecc_public(attributes, policy))
        self.handle = tpm.keep(tpm.load(parent, private, self.public))
        self.locality = locality
        tpm.flush(parent)

    def session(self, tpm):
        if self.locality is None:
            return RS_PW
        tpm.locality(self.locality)
        return tpm.at_locality(self.locality)

    def quote(self, tpm, qualifying, what, _):
        return tpm.quote(self.handle, self.session(tpm), qualifying, what)


class SoftwareKey:
    """A key of the test's own, of which its public area says that a TPM keeps it. It signs what
    no TPM signs: what the TPM quoted, after `alter` has changed it."""

    def __init__(self, tpm, attributes=wire.ATTRIBUTES_AK, policy=wire.policy_locality(2), **public):
        self.genuine = TpmKey(tpm)
        self.ek = self.genuine.ek
        self.key = p256.Key(b"attestation key")
        point = {name: part.to_bytes(32, "big") for name, part in zip("xy", self.key.public)}
        self.public = wire.ecc_public(attributes, policy, **{**point, **public})

    def quote(self, tpm, qualifying, what, alter):
        attest = wire.Attest.decode(self.genuine.quote(tpm, qualifying, what, unaltered)[0])
        attest.signer = wire.qualified_name(self.ek, self.public)
        attest = alter(attest)
        if isinstance(attest, wire.Attest):
            attest = attest.encode()
        return attest, wire.ecdsa_signature(*self.key.sign(attest))


@dataclasses.dataclass
class File:
    name: str
    content: bytes

    @property
    def sha256(self):
        return sha256(self.content)


def domain_body(name, files):
    return struct.pack("<32sII", name.encode(), len(files), 0) + b"".join(
        struct.pack("<IIQ", role, 0, len(file.content)) + file.sha256 for role, file in files)


def start_body(kind, label, interrupts, boot, cores, size, load, entry, cmdline):
    return struct.pack("<BBBBIQQQ", kind, label, interrupts, boot, cores, size, load, entry) \
        + sha256(cmdline)


class Attester:
    """`author` signs reference values, and the policy; `authority` signs enrolment records."""

    version = 7  # of the policy
    domains = ("work", "vault")

    def __init__(self, tpm, directory, key=TpmKey, signers=None):
        self.tpm = tpm
        self.directory = directory
        self.author, self.authority = signers or (Signer(directory, name)
                                                  for name in ("author", "authority"))
        self.make_key = key
        self.files = [File(*f) for f in (
            ("core", b"core as an ELF"), ("policy", b"the policy image"),
            ("signature", b"its signature"), ("trust.pub", self.author.public.read_bytes()),
            ("work.kernel", b"a kernel"), ("work.initrd", b"an initrd"),
            ("vault.image", b"the vault"))]
        self.file = {file.name: file for file in self.files}
        self.firmware = [b"firmware %d" % pcr for pcr in FIRMWARE_PCRS]
        self.commands = [b"grub_cmd: multiboot2 /core", b"grub_cmd: boot"]
        self.boot_id = bytes(range(16))
        self.tables = sha256(b"the policy's tables")
        self.core = sha256(b"core's text and constants")
        self.smm = struct.pack("<II", SMM_REPLACED, 0) + sha256(b"firmware's handler")
        self.nonce = bytes(32)
        self.keys = None  # (the verifier's, the domain's) X25519 public key
        self.reference_id = None
        self.domain = 0
        self.rules = {"format": "bulkhead-rules-1", "profile": "static", "domains": {
            "work": {"violations": {"port-read": "any"}}, "vault": {}}}
        self.happens()
        self.reference = self.reference_values()
        # What a test may alter: each takes what stands there and returns what shall.
        self.alter = types.SimpleNamespace(**{step: unaltered for step in (
            "entries", "log", "report", "report_bytes", "binding", "selection", "attest",
            "quote", "claims", "evidence", "record", "reference")}, order=wire.in_order)
        self.extend_beside = lambda: None  # after core's events, before the quote
        self.after_measuring = lambda: None
        self.after_writing = lambda: None
        self.authority_key, self.author_key = self.authority.public, self.author.public
        self.options = []  # more of bhattest appraise's
        self.seen_before = None  # a version of the policy that was appraised before

    # What happens on the machine

    def boot_events(self):
        """What core measures before domains run; `boot` learns the counts."""
        policy = self.file["policy"].sha256 + self.file["signature"].sha256 \
            + self.author.public_bytes + struct.pack("<Q", self.version) + self.tables
        files = [self.file[n] for n in ("work.kernel", "work.initrd", "vault.image")]
        return [
            Event(17, "CORE", self.core), Event(19, "BOOT", time=1_000_000),
            Event(17, "POLICY", policy),
            Event(17, "SMM", self.smm),
            Event(17, "CAP"),
            Event(18, "DOMAIN", domain_body("work", [(KERNEL, files[0]), (INITRD, files[1])]), 0),
            Event(18, "DOMAIN", domain_body("vault", [(FLAT, files[2])]), 1),
            Event(18, "START", start_body(1, 1, 1, 1, 1, 0, 0, 0, b"console=ttyS1"), 0),
            Event(18, "START", start_body(2, 2, 2, 2, 2, 2 << 20, 1 << 20, 1 << 20, b""), 1),
            Event(18, "CAP")]

    def happens(self):
        """The events of what the machine now is. Reference values stay."""
        self.events = wire.numbered(self.boot_events() + self.run_time_events())

    def run_time_events(self):
        return [Event(19, "VIOLATION",
                      struct.pack("<IIQ", wire.VIOLATIONS["port-read"], 0, 0x3F9), 0, 2_000_000)]

    def find(self, kind, domain=wire.NOBODY):
        return next(e for e in self.events if e.kind == kind and e.domain == domain)

    def boot(self):
        """Firmware and GRUB; ends with core's first look at the TPM."""
        self.tpm.locality(0)
        for pcr in FIRMWARE_PCRS:
            self.banks = self.tpm.pcr_event(pcr, self.firmware[pcr])
        for command in self.commands:
            self.tpm.pcr_event(8, command)
        for file in self.files:
            self.tpm.pcr_event(9, file.content)
        self.tpm.locality(2)
        self.key = self.make_key(self.tpm)
        _, _, reset, restart, _ = self.tpm.time_info()
        for event in self.events:
            if event.kind == "BOOT" and not event.body:
                event.body = struct.pack("<II", reset, restart) + self.boot_id

    def measure(self):
        """Extends all events; returns the log's entries."""
        return [wire.Entry(event.pcr, list(self.tpm.pcr_event(event.pcr, event.encode()).items()),
                           event.encode()) for event in self.events]

    def log(self):
        entries = self.alter.entries(self.measure())
        algorithms = [(algorithm, len(digest)) for algorithm, digest in self.banks.items()]
        return self.alter.log(
            wire.log_header(algorithms) + b"".join(entry.encode() for entry in entries))

    def report(self):
        """Of what the events say happened."""
        told = {0: self.boot_id, 1: len(self.events), 2: 3, 3: 40_000, 4: []}
        for number, name in enumerate(self.domains):
            own = [event for event in self.events if event.domain == number]
            kinds = [struct.unpack_from("<I", e.body)[0] for e in own
                     if e.kind in ("VIOLATION", "DMA_FAULT")]
            kinds = sorted({kind for kind in kinds if kind < len(wire.VIOLATIONS)})
            crashes = sum(e.kind == "CRASH" for e in own)
            ended = STOPPED if any(e.kind == "STOP" for e in own) else RUNNING
            told[4].append({0: name, 1: CRASHED if crashes else ended, 2: 1, 3: crashes,
                            4: {kind: 2 for kind in kinds},
                            5: max((e.sequence for e in own), default=0)})
        return wire.cbor(self.alter.report(told))

    def binding(self, log, report):
        verifier, own = self.keys or (bytes(32), bytes(32))
        return {"label": wire.BINDING_LABEL, "nonce": self.nonce, "verifier": verifier,
                "own": own, "domain": struct.pack("<H", self.domain), "log": sha256(log),
                "report": sha256(report), "reference": self.reference_id or bytes(32)}

    def claims(self):
        log = self.log()
        report = self.alter.report_bytes(self.report())
        self.extend_beside()
        self.after_measuring()
        bound = sha256(b"".join(self.alter.binding(self.binding(log, report)).values()))
        what = self.alter.selection(selections(selection(wire.QUOTED)))
        attest, signature = self.alter.quote(
            self.key.quote(self.tpm, bound, what, self.alter.attest))
        claims = {Claim.NONCE: self.nonce, Claim.UEID: b"\1" + sha256(self.key.ek),
                  Claim.PROFILE: wire.PROFILE, Claim.ATTEST: attest, Claim.SIGNATURE: signature,
                  Claim.AK: self.key.public,
                  Claim.PCRS: {pcr: self.tpm.pcr_read(pcr) for pcr in wire.QUOTED},
                  Claim.LOG: log, Claim.REPORT: report, Claim.DOMAIN: self.domain}
        if self.keys:
            claims[Claim.KEYS] = list(self.keys)
        if self.reference_id:
            claims[Claim.REFERENCE] = self.reference_id
        return claims

    def evidence(self):
        self.boot()
        self.genuine = self.claims()
        return self.alter.evidence(wire.cbor(self.alter.order(self.alter.claims(self.genuine))))

    # What others say of the machine

    def record_values(self):
        firmware = wire.Attest.decode(TpmKey(self.tpm).quote(
            self.tpm, b"", selections(), unaltered)[0]).firmware
        return {"format": "bulkhead-enrolment-1", "ueid": (b"\1" + sha256(self.key.ek)).hex(),
                "ek_public": self.key.ek.hex(), "ak_public": self.key.public.hex(),
                "ak_name": wire.name_of(self.key.public).hex(), "issued": 1_700_000_000,
                "expires": 4_000_000_000, "firmware_version": f"{firmware:016x}",
                "pcr": {str(n): wire.extended(bytes(32), [sha256(b"firmware %d" % n)]).hex()
                        for n in PINNED},
                "smm": {"mode": "replaced", "sha256": sha256(b"firmware's handler").hex()},
                "profile": "static"}

    def reference_values(self):
        component = {"CORE": "core", "POLICY": "policy", "SMM": "smm", "CAP": "cap"}
        events = []
        for event in self.events:
            if event.pcr == 19:
                continue
            name = component.get(event.kind)
            if event.kind in ("DOMAIN", "START"):
                name = f"{event.kind.lower()}:{self.domains[event.domain]}"
            row = {"pcr": event.pcr, "component": name}
            if event.kind != "SMM":
                row["event"] = event.encode().hex()
            events.append(row)
        pcr8 = wire.extended(bytes(32), map(sha256, self.commands)).hex()
        pcr9 = wire.extended(bytes(32), [file.sha256 for file in self.files]).hex()
        pcr18 = wire.extended(b"\xff" * 32, [sha256(e.encode()) for e in self.events
                                             if e.pcr == 18]).hex()
        return {"format": "bulkhead-reference-1",
                "policy": {"name": "laptop", "version": self.version, "machine": "qemu-q35",
                           "author": self.author.public_bytes.hex(), "tables": self.tables.hex(),
                           "matrix": sha256(b"who reaches what").hex()},
                "profile": "static", "commands": {"pcr8": pcr8},
                "files": [{"name": f.name, "sha256": f.sha256.hex()} for f in self.files],
                "pcr9": pcr9, "events": events, "pcr": {"8": pcr8, "9": pcr9, "18": pcr18}}

    @staticmethod
    def write_signed(path, values, signer):
        path.write_text(values if isinstance(values, str) else json.dumps(values, indent=1) + "\n")
        signer.sign(path)

    def write(self):
        """All that an appraisal reads, into the directory."""
        (self.directory / "evidence").write_bytes(self.evidence())
        self.write_signed(self.directory / "record.json", self.alter.record(self.record_values()),
                          self.authority)
        self.write_signed(self.directory / "reference.json", self.alter.reference(self.reference),
                          self.author)
        (self.directory / "rules.json").write_text(json.dumps(self.rules))
        self.after_writing()
