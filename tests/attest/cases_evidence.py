"""Alterations of evidence itself: {case: (code, alteration)}.

An alteration takes an attester before it runs. Where the code is E303, E305 and the like, parts
are exchanged behind the TPM's back; everywhere else the TPM, or a key that passes for one, signs
what was altered, so that nothing but the one check can find it.
"""
import dataclasses
import struct

import p256
import wire
from attester import SoftwareKey, TpmKey
from swtpm import ALG_SHA1, ALG_SHA256, selection, selections, sized
from wire import Claim

FLIPPED = 0x20  # any bit
AT_LEAST_ONE_MIB = bytes(1 << 20)


def altered(step, change):
    """The case that alters one step by `change`."""

    def alteration(attester):
        setattr(attester.alter, step, change)

    return alteration


def claim(number, change):
    """A claim is exchanged after the quote; `change` gives the new value for the old."""
    return altered("claims", lambda claims: {**claims, number: change(claims[number])})


def without(number):
    return altered("claims", lambda claims: {k: v for k, v in claims.items() if k != number})


def flipped(data, at=-1):
    changed = bytearray(data)
    changed[at] ^= FLIPPED
    return bytes(changed)


def forged(**fields):
    """The key signs a TPMS_ATTEST with other fields; no TPM would with a restricted key."""

    def alteration(attester):
        attester.make_key = SoftwareKey
        attester.alter.attest = lambda attest: dataclasses.replace(attest, **fields)

    return alteration


def signature(change):
    """`change` makes a TPMT_SIGNATURE of r and s."""

    def alter(quote):
        attest, signed = quote
        return attest, change(int.from_bytes(signed[6:38], "big"),
                              int.from_bytes(signed[40:72], "big"))

    return altered("quote", alter)


# 1: CBOR and limits

def longer_head(claims):
    """A length in more bytes than it needs: valid CBOR, but not deterministic."""
    return claims.replace(b"\x58\x20", b"\x59\x00\x20", 1)


def too_many_domains(attester):
    row = {1: 1, 2: 1, 3: 0, 4: {}, 5: 0}
    attester.alter.report = lambda told: {**told, 4: [{0: f"d{n}", **row} for n in range(65)]}


MALFORMED = {
    "empty": ("E101", altered("evidence", lambda _: b"")),
    "not-cbor": ("E101", altered("evidence", lambda _: b"\xff" * 100)),
    "trailing-byte": ("E101", altered("evidence", lambda data: data + b"\0")),
    "not-deterministic": ("E101", altered("evidence", longer_head)),
    "indefinite-map": ("E101", altered("evidence", lambda data: b"\xbf" + data[1:] + b"\xff")),
    "map-count-ffffffff": ("E101", altered("evidence",
                                           lambda data: b"\xba\xff\xff\xff\xff" + data[1:])),
    "bytes-length-ffffffff": ("E101", altered("evidence", lambda data: data.replace(
        b"\x58\x20", b"\x5a\xff\xff\xff\xff", 1))),
    "bytes-length-64-bit": ("E101", altered("evidence", lambda data: data.replace(
        b"\x58\x20", b"\x5b" + b"\xff" * 8, 1))),
    "claims-in-other-order": ("E101", altered("order", lambda claims: dict(
        reversed(wire.in_order(claims).items())))),
    "pcrs-in-other-order": ("E101", claim(Claim.PCRS, lambda pcrs: dict(reversed(pcrs.items())))),
    "unknown-claim": ("E101", altered("claims", lambda claims: {**claims, -70000: 1})),
    "without-log": ("E101", without(Claim.LOG)),
    "without-signature": ("E101", without(Claim.SIGNATURE)),
    "without-nonce": ("E101", without(Claim.NONCE)),
    "other-profile-tag": ("E101", claim(Claim.PROFILE, lambda _: "tag:bulkhead,2026:evidence-2")),
    "short-nonce": ("E101", claim(Claim.NONCE, lambda nonce: nonce[:31])),
    "pcr-100": ("E101", claim(Claim.PCRS, lambda pcrs: {**pcrs, 100: bytes(32)})),
    "short-pcr": ("E101", claim(Claim.PCRS, lambda pcrs: {**pcrs, 17: bytes(20)})),
    "domain-64": ("E101", claim(Claim.DOMAIN, lambda _: 64)),
    "65-domains": ("E101", too_many_domains),
    "log-too-large": ("E101", altered("log", lambda log: log + AT_LEAST_ONE_MIB)),
    "report-not-cbor": ("E101", altered("report_bytes", lambda report: report[:-1])),
    "report-trailing-byte": ("E101", altered("report_bytes", lambda report: report + b"\0")),
    "report-unknown-kind": ("E101", altered("report", lambda told: {
        **told, 4: [{**told[4][0], 4: {15: 1}}, *told[4][1:]]})),
    "report-unknown-state": ("E101", altered("report", lambda told: {
        **told, 4: [{**told[4][0], 1: 9}, *told[4][1:]]})),
}

# 4: what was signed

QUOTE = {
    "wrong-magic": ("E301", forged(magic=0xFF544348)),
    "certify-type": ("E301", forged(kind=0x8017)),
    "time-type": ("E301", forged(kind=0x8019)),
    "trailing-in-attest": ("E301", forged(trailing=b"\0")),
    "attest-cut": ("E301", altered("quote", lambda quote: (quote[0][:-1], quote[1]))),
    "attest-empty": ("E301", altered("quote", lambda quote: (b"", quote[1]))),
    "selection-count-ffffffff": ("E301", forged(what=b"\xff\xff\xff\xff")),
    "selection-size-ff": ("E301", forged(what=struct.pack(">IHB", 1, ALG_SHA256, 0xFF))),
    "signature-algorithm-rsa": ("E301", signature(
        lambda r, s: wire.ecdsa_signature(r, s, algorithm=0x14))),
    "signature-algorithm-ecdaa": ("E301", signature(
        lambda r, s: wire.ecdsa_signature(r, s, algorithm=0x1A))),
    "signature-hash-sha1": ("E301", signature(
        lambda r, s: wire.ecdsa_signature(r, s, hashed=ALG_SHA1))),
    "signature-trailing-byte": ("E301", altered(
        "quote", lambda quote: (quote[0], quote[1] + b"\0"))),
    "signature-cut": ("E301", altered("quote", lambda quote: (quote[0], quote[1][:-1]))),
    "signature-r-of-ffff-bytes": ("E301", altered("quote", lambda quote: (
        quote[0], quote[1][:4] + b"\xff\xff" + quote[1][6:]))),
    "signature-r-empty": ("E301", altered("quote", lambda quote: (
        quote[0], quote[1][:4] + sized(b"") + quote[1][38:]))),
}


def time_attest(attester):
    """The TPM itself signs its time, not PCRs."""
    attester.alter.quote = lambda _: attester.tpm.get_time(
        attester.key.handle, attester.tpm.at_locality(2), bytes(32))


def certify_attest(attester):
    attester.alter.quote = lambda _: attester.tpm.certify(
        TpmKey(attester.tpm, wire.ATTRIBUTES_AK | 0x40, locality=None).handle,
        attester.key.handle, attester.tpm.at_locality(2), bytes(32))


QUOTE["certify-by-the-tpm"] = ("E301", certify_attest)
QUOTE["time-by-the-tpm"] = ("E301", time_attest)

# 5: the signature


def signed_by_another_key(attester):
    """Another key of the same TPM, of the same attributes."""
    other = p256.Key(b"another key")
    attester.alter.quote = lambda quote: (quote[0], wire.ecdsa_signature(*other.sign(quote[0])))


def signed_by_another_ak(attester):
    def quote(_):
        bound = wire.Attest.decode(_[0]).extra
        return TpmKey(attester.tpm, attributes=wire.ATTRIBUTES_AK & ~0x400).quote(
            attester.tpm, bound, selections(selection(wire.QUOTED)), None)

    attester.alter.quote = quote


SIGNATURE = {
    "r-zero": ("E302", signature(lambda r, s: wire.ecdsa_signature(0, s))),
    "s-zero": ("E302", signature(lambda r, s: wire.ecdsa_signature(r, 0))),
    "both-zero": ("E302", signature(lambda r, s: wire.ecdsa_signature(0, 0))),
    "r-of-n": ("E302", signature(lambda r, s: wire.ecdsa_signature(p256.N, s))),
    "s-of-n": ("E302", signature(lambda r, s: wire.ecdsa_signature(r, p256.N))),
    "s-all-ones": ("E302", signature(lambda r, s: wire.ecdsa_signature(r, (1 << 256) - 1))),
    "r-all-ones": ("E302", signature(lambda r, s: wire.ecdsa_signature((1 << 256) - 1, s))),
    "r-flipped": ("E302", signature(lambda r, s: wire.ecdsa_signature(r ^ FLIPPED, s))),
    "s-flipped": ("E302", signature(lambda r, s: wire.ecdsa_signature(r, s ^ FLIPPED))),
    "r-and-s-exchanged": ("E302", signature(lambda r, s: wire.ecdsa_signature(s, r))),
    "attest-flipped": ("E302", altered("quote", lambda quote: (flipped(quote[0], -40), quote[1]))),
    "extra-data-flipped": ("E302", altered("quote", lambda q: (flipped(q[0], 50), q[1]))),
    "another-key": ("E302", signed_by_another_key),
    "another-ak-of-the-tpm": ("E302", signed_by_another_ak),
}

# 6: what was bound

BOUND = {
    "log-exchanged": ("E303", claim(Claim.LOG, lambda log: flipped(log, 200))),
    "report-exchanged": ("E303", claim(Claim.REPORT, lambda report: report.replace(
        wire.cbor("vault"), wire.cbor("vaulT")))),
    "domain-changed": ("E303", claim(Claim.DOMAIN, lambda _: 1)),
    "key-exchange-added": ("E303", altered("claims", lambda claims: {
        **claims, Claim.KEYS: [b"\x22" * 32, b"\x33" * 32]})),
    "reference-added": ("E303", altered("claims", lambda claims: {
        **claims, Claim.REFERENCE: b"\x44" * 32})),
    "extra-data-of-others": ("E303", altered("binding", lambda binding: {
        **binding, "label": b"bulkhead-quote-v2\0"})),
    "verifier-key-bound-in-the-domains-place": ("E303", altered("binding", lambda binding: {
        **binding, "verifier": b"\x11" * 32})),
}


def bound_keys(number):
    def alteration(attester):
        attester.keys = (b"\x11" * 32, b"\x22" * 32)
        change = {0: lambda keys: [b"\x33" * 32, keys[1]], 1: lambda keys: [keys[0], b"\x33" * 32],
                  2: lambda keys: [keys[1], keys[0]]}[number]
        claim(Claim.KEYS, change)(attester)

    return alteration


def key_exchange_removed(attester):
    attester.keys = (b"\x11" * 32, b"\x22" * 32)
    without(Claim.KEYS)(attester)


BOUND["verifiers-key-exchanged"] = ("E303", bound_keys(0))
BOUND["domains-key-exchanged"] = ("E303", bound_keys(1))
BOUND["keys-swapped"] = ("E303", bound_keys(2))
BOUND["key-exchange-removed"] = ("E303", key_exchange_removed)

# 7 and 8: PCRs


def quoted(*chosen):
    return altered("selection", lambda _: selections(*chosen))


PCRS = {
    "fewer-pcrs": ("E304", quoted(selection([n for n in wire.QUOTED if n != 19]))),
    "more-pcrs": ("E304", quoted(selection([*wire.QUOTED, 16]))),
    "empty-selection": ("E304", quoted()),
    "no-pcr": ("E304", quoted(selection([]))),
    "two-banks": ("E304", quoted(selection(wire.QUOTED), selection(wire.QUOTED, ALG_SHA1))),
    "sha1-bank": ("E304", quoted(selection(wire.QUOTED, ALG_SHA1))),
    "sha384-bank": ("E304", quoted(selection(wire.QUOTED, 12))),
    "the-bank-twice": ("E304", quoted(selection(wire.QUOTED), selection(wire.QUOTED))),
    "the-bank-in-two-parts": ("E304", quoted(selection(range(10)), selection([17, 18, 19]))),
    "pcr-value-flipped": ("E305", claim(Claim.PCRS, lambda pcrs: {**pcrs, 17: flipped(pcrs[17])})),
    "pcr-values-exchanged": ("E305", claim(Claim.PCRS, lambda pcrs: {
        **pcrs, 17: pcrs[18], 18: pcrs[17]})),
    "pcr-value-missing": ("E305", claim(Claim.PCRS, lambda pcrs: {
        n: value for n, value in pcrs.items() if n != 7})),
    "pcr-value-too-many": ("E305", claim(Claim.PCRS, lambda pcrs: wire.in_order({
        **pcrs, 16: bytes(32)}))),
    "pcr-digest-forged": ("E305", forged(digest=bytes(32))),
    "pcr-digest-empty": ("E305", forged(digest=b"")),
}

CASES = {**MALFORMED, **QUOTE, **SIGNATURE, **BOUND, **PCRS}
