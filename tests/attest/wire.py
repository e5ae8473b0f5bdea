"""The bytes of evidence, written from the specifications and not by the project's own code:
CBOR (RFC 8949), the TCG's event log, TPM structures, include/bulkhead/evlog.h, evidence.h.

Everything here also writes what is wrong, where a test asks for it.
"""
import dataclasses
import hashlib
import pathlib
import re
import struct

from swtpm import ALG_ECC, ALG_ECDSA, ALG_NULL, ALG_SHA256, CURVE_P256, RH_ENDORSEMENT, sized, take_sized

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NOBODY = 0xFFFF
TAG = 0x42480000
EV_NO_ACTION, EV_EVENT_TAG = 3, 6
DIGEST_SIZES = {4: 20, 11: 32, 12: 48, 13: 64}
BINDING_LABEL = b"bulkhead-quote-v1\0"
PROFILE = "tag:bulkhead,2026:evidence-1"
QUOTED = (*range(10), 17, 18, 19)


def rows(table, macro):
    """The arguments of each row of include/tables/`table`, as they stand there."""
    text = (ROOT / "include" / "tables" / table).read_text()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return [[part.strip() for part in row.split(",")]
            for row in re.findall(rf"^{macro}\((.*?)\)\s*$", text, re.MULTILINE | re.DOTALL)]


EVENT_TYPES = {row[0]: int(row[1]) for row in rows("events.def", "EVENT")}
VIOLATIONS = {row[1].strip('"'): number
              for number, row in enumerate(rows("violations.def", "VIOLATION"))}


class Claim:
    NONCE, UEID, PROFILE = 10, 256, 265
    ATTEST, SIGNATURE, AK, PCRS, LOG, REPORT, DOMAIN, KEYS, REFERENCE = range(-65537, -65546, -1)


# CBOR, deterministic encoding

def cbor_head(major, value):
    if value < 24:
        return bytes([major << 5 | value])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 1 << 8 * size:
            return bytes([major << 5 | code]) + value.to_bytes(size, "big")
    raise ValueError(value)


def cbor(value):
    """int, bytes, str, list, dict. A dict is written in its own order: sort it by `in_order`."""
    if isinstance(value, int):
        return cbor_head(0, value) if value >= 0 else cbor_head(1, -1 - value)
    if isinstance(value, bytes):
        return cbor_head(2, len(value)) + value
    if isinstance(value, str):
        return cbor_head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return cbor_head(4, len(value)) + b"".join(map(cbor, value))
    return cbor_head(5, len(value)) + b"".join(cbor(k) + cbor(v) for k, v in value.items())


def in_order(mapping):
    """A map's keys as deterministic encoding has them: by their encoded bytes."""
    return dict(sorted(mapping.items(), key=lambda item: cbor(item[0])))


# Events

@dataclasses.dataclass
class Event:
    """What is measured. `field` takes the place of all that makes up the event field."""

    pcr: int
    kind: str
    body: bytes = b""
    domain: int = NOBODY
    time: int = 0
    sequence: int = 0
    magic: bytes = b"BHLK"
    format: int = 1
    tag: int = TAG
    number: int = None  # for a type that isn't there
    field: bytes = None

    def encode(self):
        if self.field is not None:
            return self.field
        number = EVENT_TYPES[self.kind] if self.number is None else self.number
        rest = self.magic + struct.pack("<HHIHHQ", self.format, number, self.sequence, self.domain,
                                        len(self.body), self.time) + self.body
        return struct.pack("<II", self.tag | number, len(rest)) + rest


def numbered(events):
    for number, event in enumerate(events):
        event.sequence = number
    return events


@dataclasses.dataclass
class Entry:
    """An entry of the log. Counts and sizes are told as they are, unless a test says otherwise."""

    pcr: int
    digests: list  # of (algorithm, digest)
    event: bytes
    kind: int = EV_EVENT_TAG
    count: int = None
    size: int = None

    def encode(self):
        count = len(self.digests) if self.count is None else self.count
        size = len(self.event) if self.size is None else self.size
        return struct.pack("<III", self.pcr, self.kind, count) \
            + b"".join(struct.pack("<H", algorithm) + digest for algorithm, digest in self.digests) \
            + struct.pack("<I", size) + self.event


def log_header(algorithms, count=None, size=None, signature=b"Spec ID Event03\0"):
    """TCG_PCClientPCREvent with TCG_EfiSpecIdEvent. algorithms: [(id, digest size)]"""
    event = signature + struct.pack("<IBBBBI", 0, 0, 2, 0, 2,
                                    len(algorithms) if count is None else count)
    event += b"".join(struct.pack("<HH", *algorithm) for algorithm in algorithms) + b"\0"
    return struct.pack("<II", 0, EV_NO_ACTION) + bytes(20) \
        + struct.pack("<I", len(event) if size is None else size) + event


def sha256(data):
    return hashlib.sha256(data).digest()


def extended(start, digests):
    """A PCR's SHA-256 value."""
    for digest in digests:
        start = sha256(start + digest)
    return start


# TPM structures

def policy_locality(number):
    """authPolicy that is PolicyLocality of one locality (part 3, 23.8)."""
    return sha256(bytes(32) + struct.pack(">IB", 0x16F, 1 << number))



ATTRIBUTES_AK = 0x2 | 0x10 | 0x20 | 0x400 | 0x10000 | 0x40000  # fixedTPM, fixedParent,
# sensitiveDataOrigin, noDA, restricted, sign
ATTRIBUTES_STORAGE = 0x2 | 0x10 | 0x20 | 0x40 | 0x400 | 0x10000 | 0x20000


def ecc_public(attributes, policy, x=b"", y=b"", algorithm=ALG_ECDSA, hashed=ALG_SHA256,
               curve=CURVE_P256):
    """TPMT_PUBLIC of a signing key (of its template, without a point)."""
    return struct.pack(">HHI", ALG_ECC, ALG_SHA256, attributes) + sized(policy) \
        + struct.pack(">HHHHH", ALG_NULL, algorithm, hashed, curve, ALG_NULL) + sized(x) + sized(y)


def storage_public():
    """A P-256 storage key: parent of the AK here, in the place of an RSA EK, which takes long."""
    return struct.pack(">HHI", ALG_ECC, ALG_SHA256, ATTRIBUTES_STORAGE) + sized(b"") \
        + struct.pack(">HHHHHH", 6, 128, 0x43, ALG_NULL, CURVE_P256, ALG_NULL) + sized(b"") * 2


def name_of(public):
    return struct.pack(">H", ALG_SHA256) + sha256(public)


def qualified_name(ek, public):
    """Of a child of the endorsement key (TPM 2.0 Library, part 1, 16)."""
    parent = struct.pack(">H", ALG_SHA256) + sha256(struct.pack(">I", RH_ENDORSEMENT)
                                                    + name_of(ek))
    return struct.pack(">H", ALG_SHA256) + sha256(parent + name_of(public))


def ecdsa_signature(r, s, algorithm=ALG_ECDSA, hashed=ALG_SHA256):
    """TPMT_SIGNATURE"""
    return struct.pack(">HH", algorithm, hashed) + sized(r.to_bytes(32, "big")) \
        + sized(s.to_bytes(32, "big"))


@dataclasses.dataclass
class Attest:
    """TPMS_ATTEST of a quote, field by field."""

    extra: bytes
    clock: int
    reset: int
    restart: int
    safe: int
    firmware: int
    what: bytes  # TPML_PCR_SELECTION
    digest: bytes
    signer: bytes
    magic: int = 0xFF544347
    kind: int = 0x8018
    trailing: bytes = b""

    @classmethod
    def decode(cls, data):
        """A TPM's own."""
        magic, kind = struct.unpack_from(">IH", data)
        signer, at = take_sized(data, 6)
        extra, at = take_sized(data, at)
        clock, reset, restart, safe, firmware = struct.unpack_from(">QIIBQ", data, at)
        at += 25
        count, = struct.unpack_from(">I", data, at)
        end = at + 4
        for _ in range(count):
            end += 3 + data[end + 2]
        digest, after = take_sized(data, end)
        return cls(extra, clock, reset, restart, safe, firmware, data[at:end], digest, signer,
                   magic, kind, data[after:])

    def encode(self):
        return struct.pack(">IH", self.magic, self.kind) + sized(self.signer) + sized(self.extra) \
            + struct.pack(">QIIBQ", self.clock, self.reset, self.restart, self.safe,
                          self.firmware) + self.what + sized(self.digest) + self.trailing
