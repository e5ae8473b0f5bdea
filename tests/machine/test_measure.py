"""What core measures before anything runs: read from its memory, replayed, and compared with what
the TPM says and with the files that were loaded."""
import base64
import collections
import contextlib
import hashlib
import pathlib
import re
import struct
import subprocess
import tempfile

import core_alone
import machine as bulkhead
import package
import standin
from broken_tpm import BrokenTpm
from qemu import Config
from testing import equal, limit

LOG_MAX = 0x10000  # core/attest/log.h
BANKS = {0x4: "sha1", 0xb: "sha256", 0xc: "sha384", 0xd: "sha512"}
CORE, POLICY, SMM, CAP, DOMAIN, START, BOOT = 1, 2, 3, 4, 5, 6, 7  # include/tables/events.def
NOBODY = 0xffff
FLAT = 2  # enum bh_boot
PCR_READ = 0x17e
LOCALITY = 2

Event = collections.namedtuple("Event", "pcr type sequence domain time body field digests")


class Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, size):
        self.at += size
        equal(self.at <= len(self.data), True, "the log is as long as it claims to be")
        return self.data[self.at - size:self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "little")


def read_log(data):
    """(banks, events) of a TCG log, by the PC Client Platform Firmware Profile."""
    reader = Reader(data)
    equal(reader.take(28), struct.pack("<II20x", 0, 3), "the header's PCR, type and digest")
    spec = Reader(reader.take(reader.number(4)))
    equal(spec.take(16), b"Spec ID Event03\0", "signature")
    spec.take(8)
    banks = [(spec.number(2), spec.number(2)) for _ in range(spec.number(4))]
    sizes = dict(banks)
    events = []
    while reader.at < len(data):
        pcr, kind = reader.number(4), reader.number(4)
        equal(kind, 6, "EV_EVENT_TAG")
        digests = {}
        for _ in range(reader.number(4)):
            algorithm = reader.number(2)
            digests[BANKS[algorithm]] = reader.take(sizes[algorithm])
        field = reader.take(reader.number(4))
        tag, size, magic, form, kind, sequence, domain, length, time = struct.unpack_from(
            "<II4sHHIHHQ", field)
        equal((tag, size, magic, form, length),
              (0x42480000 | kind, len(field) - 8, b"BHLK", 1, len(field) - 32), "an event's frame")
        events.append(Event(pcr, kind, sequence, domain, time, field[32:], field, digests))
    return [BANKS[algorithm] for algorithm, _ in banks], events


def replay(bank, events):
    """{pcr: value}; 17 to 22 begin with all bits set where there was no dynamic launch."""
    size = hashlib.new(bank).digest_size
    values = collections.defaultdict(lambda: b"\xff" * size)
    for event in events:
        digest = hashlib.new(bank, event.field).digest()
        equal(event.digests[bank].hex(), digest.hex(), f"{bank} digest of event {event.sequence}")
        values[event.pcr] = hashlib.new(bank, values[event.pcr] + digest).digest()
    return dict(values)


def log_of(running):
    """The log in core's memory: `measured` begins with its bytes, then come their place, the
    room and how many they are."""
    place = core_alone.symbol("measured")
    start, room, used = struct.unpack("<QQQ", running.read_memory(place + LOG_MAX, 24))
    equal((start, room), (place, LOG_MAX), "where the log lies, and its room")
    return running.read_memory(place, used)


def printed(running):
    """{pcr: value} as core prints them, once it has."""
    running.core.expect(r"^bulkhead: attest: PCR 18 \w+$", bulkhead.BOOT_TIMEOUT,
                        unless=bulkhead.TROUBLE)
    return {int(pcr): bytes.fromhex(value) for pcr, value in
            re.findall(r"^bulkhead: attest: PCR (\d+) (\w+)", running.core.text, re.MULTILINE)}


def held(tpm):
    """{pcr: value} as the TPM itself answered core's TPM2_PCR_Reads."""
    values = {}
    for command in tpm.commands:
        if command.code == PCR_READ and command.locality == LOCALITY:
            count, algorithm, size, *bits = struct.unpack_from(">IHB3B", command.response, 14)
            pcrs = [pcr for pcr in range(24) if bits[pcr // 8] >> pcr % 8 & 1]
            equal((count, algorithm, size, len(pcrs)), (1, 0xb, 3, 1), "what core reads at once")
            values[pcrs[0]] = command.response[-32:]
    return values


@contextlib.contextmanager
def built():
    """The stand-in's Package."""
    with tempfile.TemporaryDirectory() as name:
        yield package.build(pathlib.Path(name), standin.POLICY, standin.FILES)


@contextlib.contextmanager
def booted(parts, tpm=True):
    with tempfile.TemporaryDirectory() as name:
        boot = bulkhead.boot_of(parts, "kernel", pathlib.Path(name))
        with bulkhead.BulkheadMachine(Config(boot=boot, edu=True, tpm=tpm)) as running:
            yield running


@limit(150)
def test_log_replays():
    """The log in core's memory replays, in each of the TPM's banks, and in SHA-256 to what the TPM
    holds in PCR 17 and 18, as core prints it; all of it before a domain starts."""
    with tempfile.TemporaryDirectory() as directory, built() as parts:
        tpm = BrokenTpm(directory)  # which only listens
        with booted(parts, tpm) as running:
            values = printed(running)
            running.vault_key()
            data = log_of(running)
            said = running.core.text
        banks, events = read_log(data)
        equal(banks, ["sha1", "sha256", "sha384", "sha512"], "banks")
        replayed = {bank: replay(bank, events) for bank in banks}["sha256"]
        equal({pcr: replayed[pcr].hex() for pcr in (17, 18)},
              {pcr: value.hex() for pcr, value in values.items()}, "PCR 17 and 18 as printed")
        equal({pcr: value.hex() for pcr, value in held(tpm).items()},
              {pcr: value.hex() for pcr, value in values.items()}, "PCR 17 and 18 in the TPM")
        equal([(locality, pcr, field) for locality, pcr, field in tpm.events() if locality],
              [(LOCALITY, event.pcr, event.field) for event in events], "what the TPM was given")
        equal([event.sequence for event in events], list(range(len(events))), "sequence")
        equal([(event.pcr, event.type, event.domain) for event in events],
              [(17, CORE, NOBODY), (19, BOOT, NOBODY), (17, POLICY, NOBODY), (17, SMM, NOBODY),
               (17, CAP, NOBODY), (18, DOMAIN, 0), (18, DOMAIN, 1), (18, START, 0), (18, START, 1),
               (18, CAP, NOBODY)], "events")
        equal([event.time == 0 for event in events], [event.pcr != 19 for event in events],
              "events without a time, as they have to be predictable")
        equal("starts on core" in said[:said.index("attest: PCR 18")], False,
              "a domain started before all was measured")


def linked_core(path):
    """The read-only segments of an ELF file, one behind the other."""
    elf = path.read_bytes()
    header_at, = struct.unpack_from("<Q", elf, 0x20)
    size, count = struct.unpack_from("<HH", elf, 0x36)
    found = b""
    for index in range(count):
        kind, flags, offset, _, _, file_size, _, _ = struct.unpack_from("<IIQQQQQQ", elf,
                                                                        header_at + index * size)
        equal(kind != 1 or not flags & 2 or file_size == 0, True,
              "nothing that is loaded can be written")
        if kind == 1:
            found += elf[offset:offset + file_size]
    return found


def sha256(data):
    return hashlib.sha256(data).digest()


def tables_of(image):
    """The policy image without the rows of its files: struct bh_header has its tables behind magic,
    four sizes and numbers, version, two names, denied entry, features and the wish to attest."""
    tables = struct.calcsize("<8sIIQQQ32s32s32sQII")
    offset, count = struct.unpack_from("<II", image, tables + 8)  # the second is `files`
    equal(image[:8], b"BHPOLICY", "a policy image")
    equal(count, 2, "rows of files")
    return image[:offset] + image[offset + count * 80:]


@limit(150)
def test_measures_what_was_loaded():
    """Events hold the digests of core's file, of the policy with signature, author and tables, and
    of each domain's files; and how the domains start."""
    with built() as parts:
        with booted(parts) as running:
            printed(running)
            events = read_log(log_of(running))[1]
        equal(events[0].body.hex(), sha256(linked_core(parts.core)).hex(), "CORE")
        image = parts.policy.read_bytes()
        author = base64.b64decode(parts.trusted_key.read_text().splitlines()[1])[10:]
        expected = (sha256(image) + sha256(parts.signature.read_bytes()) + author +
                    struct.pack("<Q", 1) + sha256(tables_of(image)))
        equal(events[2].body.hex(), expected.hex(), "POLICY")
        mode, pad = struct.unpack_from("<II", events[3].body)
        equal((mode, pad, events[3].body[8:] == bytes(32)), (2, 0, False),
              "SMM: SeaBIOS's handler was replaced")
        for event, name, file in zip(events[5:7], (b"work", b"vault"),
                                     ("standin.image", "vault.image")):
            content = parts.files[file].read_bytes()
            expected = struct.pack("<32sII", name, 1, 0) + struct.pack("<IIQ", 3, 0, len(content))
            equal(event.body.hex(), (expected + sha256(content)).hex(), f"DOMAIN {name}")
        domains = standin.dump(parts.policy)["domains"]
        for event, domain in zip(events[7:9], domains):
            kind, label, interrupts, boot, cores, _, load, entry = struct.unpack_from(
                "<4BIQQQ", event.body)
            equal((boot, cores, load, entry), (FLAT, 1 << domain["cores"][0], domain["load_gpa"],
                                               domain["entry_gpa"]), f"START {domain['name']}")
            equal(event.body[32:].hex(), sha256(domain["cmdline"].encode()).hex(), "command line")


def changed_core(parts, directory):
    """Core with another version in its greeting, which changes nothing else."""
    elf = parts.core.read_bytes()
    greeting = b"core %s at %x-%lx"
    equal(elf.count(greeting), 1, "greetings in core's file")
    copy = pathlib.Path(directory, "changed.elf")
    copy.write_bytes(elf.replace(greeting, b"Core %s at %x-%lx"))
    return package.Package(**{**vars(parts), "core": copy})


@limit(200)
def test_pcrs_tell_cores_apart():
    """Two boots of the same files give the same PCR 17 and 18; a core that differs in one byte
    gives another PCR 17. No two boots have the same PCR 19."""
    with tempfile.TemporaryDirectory() as directory, built() as parts:
        values, runtime = [], []
        for boot in (parts, parts, changed_core(parts, directory)):
            with booted(boot) as running:
                values.append(printed(running))
                runtime.append(replay("sha256", read_log(log_of(running))[1])[19])
        equal(values[0], values[1], "PCRs of the same files")
        equal(values[2][17] == values[0][17], False, "another core has the same PCR 17")
        equal(values[2][18], values[0][18], "PCR 18 with another core")
        equal(len(set(runtime)), 3, "different PCR 19s")


@limit(120)
def test_other_tools_read_the_log():
    """tpm2_eventlog reads core's log and computes the same PCR values from it."""
    with tempfile.TemporaryDirectory() as directory, built() as parts:
        with booted(parts) as running:
            values = printed(running)
            data = log_of(running)
        path = pathlib.Path(directory, "log.bin")
        path.write_bytes(data)
        said = subprocess.run(["tpm2_eventlog", path], check=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
        found = said[said.index("\npcrs:"):]
        bank = found[found.index("  sha256:"):found.index("  sha384:")]
        computed = {int(pcr): bytes.fromhex(value) for pcr, value in
                    re.findall(r"^\s+(\d+)\s*: 0x(\w+)$", bank, re.MULTILINE)}
        # It begins PCR 17 with zeros, as after a dynamic launch: so does this.
        expected = {}
        for event in read_log(data)[1]:
            before = expected.get(event.pcr, bytes(32))
            expected[event.pcr] = sha256(before + sha256(event.field))
        equal(computed, expected, "PCRs by tpm2_eventlog")
        equal(set(values) <= set(computed), True, "it has the PCRs that core prints")


ACCESS, ACTIVE = 0, 0x20  # TCG PTP, 6.5.2.4: activeLocality
LOCALITIES = [0xfed40000 + 0x1000 * n for n in range(5)]


@limit(120)
def test_domains_do_not_reach_the_tpm():
    """A domain that reads and writes the TPM's pages gets nothing and changes nothing: the TPM hears
    no command, and no locality is taken. Core has relinquished its own."""
    with tempfile.TemporaryDirectory() as directory:
        tpm = BrokenTpm(directory)  # which only listens
        with standin.machine(tpm=tpm) as machine:
            heard = len(tpm.commands)
            machine.attack("platform-registers")
            machine.expect_intact()
            equal(len(tpm.commands), heard, "commands that the TPM has heard")
            equal([machine.machine.read_memory(page + ACCESS, 1)[0] & ACTIVE
                   for page in LOCALITIES], [0] * 5, "activeLocality of each")
        equal({command.locality for command in tpm.commands[-10:]}, {LOCALITY},
              "localities of the last commands: core's")
