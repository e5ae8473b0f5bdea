"""What is wrong with the machine, its key, or what others say of it:
{case: (code, alteration, component, words)}. The evidence is genuine in all of them.
"""
import struct

import wire
from attester import (KERNEL, Signer, SMM_FIRMWARE, SMM_NONE, SMM_REPLACED, SoftwareKey, TpmKey,
                      domain_body)
from cases_evidence import altered, claim, flipped
from wire import Claim, Event, sha256

# 2: the enrolment record


def record(**changed):
    return altered("record", lambda values: {**values, **changed})


def signed_by_others(attester):
    attester.authority = Signer(attester.directory, "others")


def altered_after_signing(attester):
    def change():
        path = attester.directory / "record.json"
        path.write_text(path.read_text().replace('"static"', '"static" '))

    attester.after_writing = change


def of_another_tpm(attester):
    """The record of a machine that is enrolled; evidence of one that isn't."""
    other = SoftwareKey(attester.tpm)
    attester.alter.record = lambda values: {
        **values, "ak_public": other.public.hex(), "ak_name": wire.name_of(other.public).hex()}


OTHER_EK = wire.storage_public()
ENROLMENT = {
    "record-forged": ("E201", signed_by_others, None, "its signature isn't that"),
    "record-altered": ("E201", altered_after_signing, None, "its signature isn't that"),
    "record-expired": ("E201", record(issued=1_500_000_000, expires=1_600_000_000), None,
                       "it has expired"),
    "record-of-the-future": ("E201", record(issued=3_900_000_000), None, "issued in the future"),
    "record-of-another-tpm": ("E201", of_another_tpm, None, "AK "),
    "record-of-another-ek": ("E201", record(
        ek_public=OTHER_EK.hex(), ueid=(b"\1" + sha256(OTHER_EK)).hex()), None, "UEID "),
    "record-whose-ueid-is-not-its-ek": ("E201", record(ueid="01" + "55" * 32), None,
                                        "\"ueid\" isn't that"),
    "record-whose-name-is-not-its-key": ("E201", record(ak_name="000b" + "66" * 32), None,
                                         "\"ak_name\" isn't that"),
    "evidence-of-another-ek": ("E201", claim(Claim.UEID, lambda ueid: flipped(ueid)), None,
                               "UEID "),
    "evidence-without-ueid": ("E201", altered("claims", lambda claims: {
        n: c for n, c in claims.items() if n != Claim.UEID}), None, "none"),
    "another-ak": ("E201", claim(Claim.AK, lambda ak: flipped(ak)), None, "AK "),
    "ak-trailing-byte": ("E201", claim(Claim.AK, lambda ak: ak + b"\0"), None, "AK "),
    "record-unpinned": ("E201", altered("record", lambda values: {
        k: v for k, v in values.items() if k not in ("pcr", "smm", "profile")}), None,
                        "pinned PCRs"),
    "record-of-another-format": ("E201", record(format="bulkhead-enrolment-2"), None, '"format"'),
    "record-not-json": ("E201", altered("record", lambda _: "{"), None,
                        "expected near end of file"),
    "record-empty": ("E201", altered("record", lambda _: ""), None, "expected near end of file"),
}

# 3: the key


def ak(made=TpmKey, **arguments):
    def alteration(attester):
        attester.make_key = lambda tpm: made(tpm, **arguments)

    return alteration


AK = wire.ATTRIBUTES_AK
KEY = {
    "ak-with-user-auth": ("E202", ak(attributes=AK | 0x40), None, "50472h"),
    "ak-with-user-auth-alone": ("E202", ak(attributes=AK | 0x40, locality=None), None, "50472h"),
    "ak-unrestricted": ("E202", ak(attributes=AK & ~0x10000), None, "40432h"),
    "ak-with-dictionary-lockout": ("E202", ak(attributes=AK & ~0x400), None, "50032h"),
    "ak-of-another-policy": ("E202", ak(locality=0), None, "authPolicy"),
    "ak-not-fixed-to-the-tpm": ("E202", ak(SoftwareKey, attributes=AK & ~0x2), None, "50430h"),
    "ak-not-fixed-to-its-parent": ("E202", ak(SoftwareKey, attributes=AK & ~0x12), None, "50420h"),
    "ak-from-outside": ("E202", ak(SoftwareKey, attributes=AK & ~0x20), None, "50412h"),
    "ak-that-decrypts": ("E202", ak(SoftwareKey, attributes=AK | 0x20000), None, "70432h"),
    "ak-cleared-by-startup": ("E202", ak(SoftwareKey, attributes=AK | 0x4), None, "50436h"),
    "ak-of-unknown-attributes": ("E202", ak(SoftwareKey, attributes=AK | 0x80000000), None,
                                 "80050432h"),
    "ak-of-another-curve": ("E202", ak(SoftwareKey, curve=4), None, "curve"),
    "ak-of-another-scheme": ("E202", ak(SoftwareKey, algorithm=0x1A), None, "scheme 18h"),
    "ak-of-another-hash": ("E202", ak(SoftwareKey, hashed=4), None, "the scheme's hash"),
    "ak-not-on-the-curve": ("E202", ak(SoftwareKey, x=b"\1" * 32), None, "a point of P-256"),
}

# 12: reference values


def reference_by_others(attester):
    attester.author = Signer(attester.directory, "others")


def reference_altered_after_signing(attester):
    def change():
        path = attester.directory / "reference.json"
        path.write_text(path.read_text().replace('"laptop"', '"laptoq"'))

    attester.after_writing = change


def reference(**changed):
    return altered("reference", lambda values: {**values, **changed})


def another_was_meant(attester):
    """Evidence bound to other reference values than those that are given."""
    attester.reference_id = b"\x77" * 32


def older(attester):
    """A newer version of the policy was seen before; this machine runs the older one, validly
    signed, and has reference values to match."""
    attester.seen_before = attester.version + 1


def of_another_authors_policy(attester):
    """The policy and its reference values are another author's, but for who signs these."""
    given, attester.author = attester.author, Signer(attester.directory, "others")
    attester.file["trust.pub"].content = attester.author.public.read_bytes()
    attester.happens()
    attester.reference = attester.reference_values()
    attester.author = given


REFERENCE = {
    "reference-of-another-authors-policy": ("E501", of_another_authors_policy, None,
                                            "signed by one author, of a policy by another"),
    "reference-forged": ("E501", reference_by_others, None, "its signature isn't that"),
    "reference-altered": ("E501", reference_altered_after_signing, None,
                          "its signature isn't that"),
    "reference-older": ("E501", older, None, "version 8 or newer, seen before; version 7"),
    "reference-not-meant": ("E501", another_was_meant, None, "asked for"),
    "reference-of-another-author": ("E501", altered("reference", lambda values: {
        **values, "policy": {**values["policy"], "author": "88" * 32}}), None,
                                    '"policy" isn\'t what its event says'),
    "reference-of-another-format": ("E501", reference(format="bulkhead-reference-2"), None,
                                    '"format"'),
    "reference-without-events": ("E501", reference(events=[]), None, '"events"'),
    "reference-not-json": ("E501", altered("reference", lambda _: "{"), None,
                           "expected near end of file"),
    "reference-not-an-object": ("E501", altered("reference", lambda _: "[]"), None, '"format"'),
    "reference-of-another-profile": ("E501", reference(profile="unmeasured"), None,
                                     "profile unmeasured"),
    "reference-empty": ("E501", altered("reference", lambda _: ""), None,
                        "expected near end of file"),
}

# 13: what runs


def other_file(*names, measured=True):
    """Another file of that name; `measured`: core's events say so, too."""

    def alteration(attester):
        for name in names:
            attester.file[name].content += b", altered"
        if measured:
            attester.happens()

    return alteration


def other_firmware(pcr):
    def alteration(attester):
        attester.firmware[pcr] += b", altered"

    return alteration


def other(**changed):
    """Something else that core measures."""

    def alteration(attester):
        for name, value in changed.items():
            setattr(attester, name, value)
        attester.happens()

    return alteration


def old_core(attester):
    """A genuine core of before: GRUB and core say the same of it."""
    attester.core = sha256(b"core of last year")
    other_file("core")(attester)


def lying_core(attester):
    """A patched core that extends the genuine one's digests: PCR 17 is as it should be."""
    other_file("core", measured=False)(attester)


def core_that_names_genuine_files(attester):
    """The vault is another, GRUB measured it, and core claims the genuine one."""
    other_file("vault.image", measured=False)(attester)


def commands(change):
    def alteration(attester):
        change(attester.commands)

    return alteration


def resigned_beside_the_same_file(attester):
    """vault was meant to have the same bytes as work's initrd, and has others."""
    attester.file["vault.image"].content = attester.file["work.initrd"].content
    attester.happens()
    attester.reference = attester.reference_values()
    other_file("policy", "signature", "vault.image")(attester)


def resigned_without_initrd(attester):
    """A policy that the author signed has work do without its initrd, which GRUB loads still."""
    other_file("policy", "signature")(attester)
    attester.find("DOMAIN", 0).body = domain_body("work", [(KERNEL, attester.file["work.kernel"])])


def without_vault(attester):
    attester.events = wire.numbered([e for e in attester.events if e.domain != 1])
    attester.domains = ("work",)


def with_third_domain(attester):
    body = struct.pack("<32sII", b"third", 0, 0)
    attester.events.insert(7, Event(18, "DOMAIN", body, 2))
    attester.events.insert(10, Event(18, "START", attester.events[9].body, 2))
    wire.numbered(attester.events)
    attester.domains = (*attester.domains, "third")


def other_start(attester):
    """vault starts with more memory than its policy's author meant."""
    start = attester.find("START", 1)
    start.body = start.body[:8] + struct.pack("<Q", 1 << 30) + start.body[16:]


def unmeasured(attester):
    """Loaded by QEMU's -kernel, say: 8 and 9 are zero."""
    attester.commands, attester.files = [], []


def told_unmeasured(accepted):
    """Enrolled as unmeasured, with reference values to match; rules that want `accepted`."""

    def alteration(attester):
        unmeasured(attester)
        record(profile="unmeasured")(attester)
        reference(profile="unmeasured")(attester)
        attester.rules["profile"] = accepted

    return alteration


def measured_as_unmeasured(attester):
    """PCR 8 and 9 aren't zero: somebody did measure, and what he measured nobody compares."""
    told_unmeasured("unmeasured")(attester)
    attester.commands = [b"grub_cmd: boot"]


def dynamic_base(attester):
    """PCR 17-19 start at zero, as after SKINIT, on a machine that is enrolled as static."""
    genuine = attester.boot

    def boot():
        attester.tpm.dynamic_launch(b"")
        genuine()

    attester.boot = boot


def reference_says_smm(*handlers):
    """Reference values that say what handles SMIs, too: the machine's handler, what they say."""

    def alteration(attester):
        own, said = (struct.pack("<II", SMM_REPLACED, 0) + sha256(handler) for handler in handlers)
        row = next(row for row in attester.reference["events"] if row["component"] == "smm")
        row["event"] = Event(17, "SMM", said, sequence=3).encode().hex()
        other(smm=own)(attester)

    return alteration


MACHINE = {
    "smm-unlike-the-reference": ("C601", reference_says_smm(b"firmware's handler", b"another"),
                                 "smm"),
    "smm-unlike-the-record": ("C601", reference_says_smm(b"patched", b"patched"), "smm"),
    "firmware-0": ("C601", other_firmware(0), "firmware"),
    "firmware-2": ("C601", other_firmware(2), "firmware"),
    "firmware-4": ("C601", other_firmware(4), "firmware"),
    "firmware-7": ("C601", other_firmware(7), "firmware"),
    "loader-commands": ("C601", commands(lambda c: c.append(b"grub_cmd: ls")), "loader"),
    "loader-command-missing": ("C601", commands(lambda c: c.pop()), "loader"),
    "core-old": ("C601", old_core, "core"),
    "core-that-lies": ("C601", lying_core, "core"),
    "core-that-hides-a-file": ("C601", core_that_names_genuine_files, "core"),
    "trusted-key-replaced": ("C601", other_file("trust.pub", measured=False), "core"),
    "core-measured-otherwise": ("C601", other(core=sha256(b"another core")), "core"),
    "policy-of-the-author": ("C601", other(tables=sha256(b"other tables")), "policy"),
    "policy-version": ("C601", other(version=8), "policy"),
    "smm-handler-patched": ("C601", other(
        smm=struct.pack("<II", SMM_REPLACED, 0) + sha256(b"patched")), "smm"),
    "smm-handler-of-firmware": ("C601", other(
        smm=struct.pack("<II32x", SMM_FIRMWARE, 0)), "smm"),
    "smm-handler-gone": ("C601", other(smm=struct.pack("<II32x", SMM_NONE, 0)), "smm"),
    "vault-resigned": ("C601", other_file("policy", "signature", "vault.image"), "vault"),
    "work-resigned": ("C601", other_file("policy", "signature", "work.initrd"), "work"),
    "vault-resigned-beside-the-same-file": ("C601", resigned_beside_the_same_file, "vault"),
    "work-resigned-without-initrd": ("C601", resigned_without_initrd, "work"),
    "vault-started-otherwise": ("C601", other_start, "vault"),
    "domain-missing": ("C601", without_vault, "vault"),
    "domain-unknown": ("C601", with_third_domain, "third"),
    "unmeasured-as-static": ("C601", unmeasured, "core"),
    "measured-as-unmeasured": ("C601", measured_as_unmeasured, "loader"),
    "ff-base-offered-as-dynamic": ("E201", record(profile="dynamic"), None, '"profile"'),
    "dynamic-base-offered-as-static": ("E306", dynamic_base, "PCR 17"),
}

# 15: the relying party's rules


def rules(change):
    def alteration(attester):
        change(attester.rules)

    return alteration


def crashed(attester):
    attester.events.append(Event(19, "CRASH", bytes(32), 1, 3_000_000, len(attester.events)))


def stopped(attester):
    attester.events.append(Event(19, "STOP", bytes(32), 1, 3_000_000, len(attester.events)))


def violation(kind, domain=1):
    return lambda attester: attester.events.append(Event(
        19, "VIOLATION", struct.pack("<IIQ", wire.VIOLATIONS[kind], 0, 0x123000), domain,
        3_000_000, len(attester.events)))


def log_full(attester):
    attester.events.append(Event(19, "LOG_FULL", b"", wire.NOBODY, 3_000_000,
                                 len(attester.events)))


def settings_changed(attester):
    """PCR 1, which the record pins, too: what users set in the firmware."""
    pinned = {str(pcr): wire.extended(bytes(32), [sha256(content)]).hex()
              for pcr, content in enumerate(attester.firmware)}
    record(pcr=pinned)(attester)
    other_firmware(1)(attester)


def hidden_smis(limit):
    """Firmware hides SMIs from core; the rules allow that many."""
    def change(attester):
        attester.alter.report = lambda told: {**told, 2: 2**64 - 1}
        rules(lambda r: r.update(smis=limit))(attester)

    return change


RULES = {
    "crashed": ("C602", crashed, "vault"),
    "stopped": ("C602", stopped, "vault"),
    "violation-not-allowed": ("C602", violation("memory-read"), "vault"),
    "violation-of-a-trusted-domain": ("C602", violation("port-read"), "vault"),
    "more-violations-than-allowed": ("C602", rules(
        lambda r: r["domains"]["work"]["violations"].update({"port-read": 1})), "work"),
    "violations-warn": ("W603", rules(
        lambda r: r["domains"]["work"]["violations"].update({"port-read": "warn"})), "work"),
    "vault-without-rules": ("C602", rules(lambda r: r["domains"].pop("vault")), "vault"),
    "rules-of-a-domain-that-is-not-there": ("C602", rules(
        lambda r: r["domains"].update(third={})), "third"),
    "work-without-rules": ("C602", rules(lambda r: r["domains"].pop("work")), "work"),
    "static-is-not-enough": ("C602", rules(lambda r: r.update(profile="dynamic")), "profile"),
    "unmeasured-is-not-enough": ("C602", told_unmeasured("static"), "profile"),
    "unmeasured": ("W603", told_unmeasured("unmeasured"), "profile"),
    "settings-changed": ("W603", settings_changed, "settings"),
    "more-smis-than-allowed": ("C602", rules(lambda r: r.update(smis=2)), "smis"),
    "hidden-smis-are-more": ("C602", hidden_smis(2**40), "smis"),
    "hidden-smis-warn": ("W603", hidden_smis("warn"), "smis"),
    "smis-warn": ("W603", rules(lambda r: r.update(smis="warn")), "smis"),
    "log-full": ("W603", log_full, "log"),
}

CASES = {**ENROLMENT, **KEY, **REFERENCE, **MACHINE, **RULES}
