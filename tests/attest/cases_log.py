"""Alterations of the log, the events, the report, and the TPM's state: {case: (code, alteration)}.

The TPM signs all of them. E306: the log was edited, so it no longer leads to the PCR values.
E307: what the log says was extended, too, as whoever has locality 2 could.
"""
import dataclasses
import struct

import wire
from attester import CRASHED, RUNNING, STOPPED
from cases_evidence import altered, flipped, forged
from swtpm import ALG_SHA1, ALG_SHA256
from wire import Event


# 9: the log's syntax, and its replay


def entries(change):
    """`change` edits the list of entries in place."""

    def edit(listed):
        change(listed)
        return listed

    return altered("entries", edit)


def exchange(listed, a, b):
    listed[a], listed[b] = listed[b], listed[a]


def move(number, pcr):
    def change(listed):
        listed[number].pcr = pcr

    return entries(change)


def only_sha1(listed):
    listed[5].digests = [d for d in listed[5].digests if d[0] == ALG_SHA1]


def algorithm_twice(listed):
    """Two SHA-256 digests: one for who replays, one for who looks at the event."""
    listed[5].digests.append((ALG_SHA256, wire.sha256(b"another event")))


def other_order(listed):
    listed[5].digests.reverse()


def unknown_algorithm(listed):
    listed[5].digests[0] = (0x7777, listed[5].digests[0][1])


def no_digest(listed):
    listed[5].digests = []


def field(name, value, number=-1):
    def change(listed):
        setattr(listed[number], name, value)

    return entries(change)


def cut_last(listed):
    del listed[-1]


def header(**changed):
    """Another Spec ID event before the same events."""

    def change(attester):
        banks = [(algorithm, size) for algorithm, size in wire.DIGEST_SIZES.items()]
        old = wire.log_header(banks)
        made = wire.log_header(changed.pop("banks", banks), **changed)
        attester.alter.log = lambda log: made + log.removeprefix(old)

    return change


def replaced_event(listed):
    listed[-1].event = flipped(listed[-1].event, 30)
    listed[-1].digests = [(ALG_SHA256, wire.sha256(listed[-1].event))
                          if algorithm == ALG_SHA256 else (algorithm, digest)
                          for algorithm, digest in listed[-1].digests]


def extended_beside(pcr, event=b"not by core"):
    def alteration(attester):
        attester.extend_beside = lambda: attester.tpm.pcr_event(pcr, event)

    return alteration


def many_events(attester):
    """More than evidence holds, each as short as can be."""
    entry = wire.Entry(19, [(ALG_SHA256, bytes(32))], b"").encode()
    attester.alter.log = lambda _: wire.log_header([(ALG_SHA256, 32)]) + 8193 * entry


BANKS = list(wire.DIGEST_SIZES.items())
REPLAY = {
    "last-event-cut": ("E306", entries(cut_last)),
    "first-event-cut": ("E306", entries(lambda listed: listed.pop(0))),
    "event-deleted": ("E306", entries(lambda listed: listed.pop(6))),
    "event-duplicated": ("E306", entries(lambda listed: listed.insert(6, listed[6]))),
    "events-reordered": ("E306", entries(lambda listed: exchange(listed, 5, 6))),
    "event-in-another-pcr": ("E306", move(6, 17)),
    "events-swapped-between-pcrs": ("E306", lambda attester: altered("entries", lambda listed: [
        dataclasses.replace(e, pcr={17: 18, 18: 17}.get(e.pcr, e.pcr)) for e in listed])(attester)),
    "event-exchanged-with-its-digest": ("E306", entries(replaced_event)),
    "extended-beside-core-17": ("E306", extended_beside(17)),
    "extended-beside-core-18": ("E306", extended_beside(18)),
    "extended-beside-core-19": ("E306", extended_beside(19)),
    "sha1-only-event": ("E306", entries(only_sha1)),
    "algorithm-twice": ("E306", entries(algorithm_twice)),
    "algorithms-in-other-order": ("E306", entries(other_order)),
    "unknown-algorithm": ("E306", entries(unknown_algorithm)),
    "no-digest": ("E306", entries(no_digest)),
    "digest-count-ffffffff": ("E306", field("count", 0xFFFFFFFF)),
    "event-size-ffffffff": ("E306", field("size", 0xFFFFFFFF)),
    "event-size-one-more": ("E306", lambda attester: field(
        "size", len(attester.events[-1].encode()) + 1)(attester)),
    "event-size-1025": ("E306", entries(lambda listed: listed.append(
        wire.Entry(19, listed[-1].digests, bytes(1025))))),
    "log-of-pcr-100": ("E306", field("pcr", 100)),
    "log-of-pcr-ffffffff": ("E306", field("pcr", 0xFFFFFFFF)),
    "log-of-pcr-0": ("E306", field("pcr", 0)),
    "no-action-event": ("E306", field("kind", wire.EV_NO_ACTION)),
    "ipl-event": ("E306", field("kind", 13)),
    "8193-events": ("E306", many_events),
    "empty-log": ("E306", altered("log", lambda _: b"")),
    "header-alone": ("E306", altered("entries", lambda _: [])),
    "log-cut": ("E306", altered("log", lambda log: log[:-1])),
    "log-trailing-byte": ("E306", altered("log", lambda log: log + b"\0")),
    "header-cut": ("E306", altered("log", lambda log: log[:40])),
    "spec-id-with-fewer-banks": ("E306", header(banks=BANKS[:2])),
    "spec-id-with-more-banks": ("E306", header(banks=[*BANKS, (0x27, 32)])),
    "spec-id-with-other-sizes": ("E306", header(banks=[(4, 20), (11, 20), *BANKS[2:]])),
    "spec-id-with-a-bank-twice": ("E306", header(banks=[*BANKS, BANKS[1]])),
    "spec-id-without-sha256": ("E306", header(banks=[b for b in BANKS if b[0] != ALG_SHA256])),
    "spec-id-count-ffffffff": ("E306", header(count=0xFFFFFFFF)),
    "spec-id-size-ffffffff": ("E306", header(size=0xFFFFFFFF)),
    "spec-id-other-signature": ("E306", header(signature=b"Spec ID Event02\0")),
}

# 10: events that core can't have written; the TPM has them all


def events(change):
    """`change` edits the events that are measured; their numbers stay."""
    return lambda attester: change(attester.events)


def event(place, **changed):
    def change(listed):
        for name, value in changed.items():
            setattr(listed[place], name, value)

    return events(change)


def appended(*added):
    def change(listed):
        for one in added:
            one = dataclasses.replace(one, sequence=len(listed))
            listed.append(one)

    return events(change)


def swapped_times(listed):
    listed[-1].time, listed[1].time = listed[1].time, listed[-1].time


def payload_unlike_digest(listed):
    listed[-1].event = flipped(listed[-1].event, 24)


def another_violation(step):
    """A second violation, whose number is off by `step`."""

    def change(listed):
        body = struct.pack("<IIQ", wire.VIOLATIONS["port-write"], 0, 0x70)
        listed.append(Event(19, "VIOLATION", body, 0, 3_000_000, len(listed) + step))

    return events(change)


def sequence_swapped(attester):
    another_violation(0)(attester)
    attester.events[-1].sequence -= 1
    attester.events[-2].sequence += 1


def all_in(pcr, number):
    return event(number, pcr=pcr)


EVENTS = {
    "payload-unlike-digest": ("E307", entries(payload_unlike_digest)),
    "sequence-swapped": ("E307", sequence_swapped),
    "event-extended-twice": ("E307", events(lambda listed: listed.insert(6, listed[6]))),
    "policy-after-smm": ("E307", lambda attester: (
        exchange(attester.events, 2, 3), wire.numbered(attester.events))),
    "starts-exchanged": ("E307", lambda attester: (
        exchange(attester.events, 7, 8), wire.numbered(attester.events))),
    "sequence-gap": ("E307", another_violation(1)),
    "sequence-repeated": ("E307", another_violation(-1)),
    "sequence-from-1": ("E307", events(lambda listed: [
        setattr(e, "sequence", e.sequence + 1) for e in listed])),
    "event-extended-into-another-pcr": ("E307", all_in(18, 2)),
    "boot-in-17": ("E307", all_in(17, 1)),
    "violation-in-18": ("E307", all_in(18, -1)),
    "unknown-type": ("E307", event(-1, number=99)),
    "type-unlike-tag": ("E307", event(-1, tag=wire.TAG | 4)),
    "unknown-tag": ("E307", event(-1, tag=0x52480000)),
    "unknown-format": ("E307", event(-1, format=2)),
    "wrong-magic-in-event": ("E307", event(-1, magic=b"BHLX")),
    "short-event": ("E307", event(-1, field=b"BHLK")),
    "empty-event": ("E307", event(-1, field=b"")),
    "short-body": ("E307", event(-1, body=bytes(15))),
    "long-body": ("E307", event(-1, body=bytes(17))),
    "padding-not-zero": ("E307", event(-1, body=struct.pack("<IIQ", 3, 1, 0))),
    "unknown-kind-of-violation": ("E307", event(-1, body=struct.pack("<IIQ", 15, 0, 0))),
    "unknown-domain-in-event": ("E307", event(-1, domain=2)),
    "nobodys-violation": ("E307", event(-1, domain=wire.NOBODY)),
    "second-in-17-after-cap": ("E307", appended(Event(
        17, "SMM", struct.pack("<II32x", 1, 0)))),
    "domain-after-cap": ("E307", appended(Event(18, "START", bytes(64), 1))),
    "second-cap": ("E307", appended(Event(18, "CAP"))),
    "domain-twice": ("E307", event(6, body=struct.pack("<32sII", b"work", 0, 0))),
    "no-boot": ("E307", lambda attester: (
        attester.events.pop(1), wire.numbered(attester.events))),
    "behind-log-full": ("E307", appended(
        Event(19, "LOG_FULL", time=3_000_000), Event(19, "STOP", bytes(32), 0, 4_000_000))),
    "no-cap-in-17": ("E307", lambda attester: (
        attester.events.pop(4), wire.numbered(attester.events))),
    "no-cap-in-18": ("E307", lambda attester: (
        attester.events.pop(9), wire.numbered(attester.events))),
    "time-in-17": ("E307", event(0, time=5)),
    "time-goes-back": ("E307", events(swapped_times)),
    "second-boot": ("E307", lambda attester: attester.events.append(
        Event(19, "BOOT", time=3_000_000, sequence=len(attester.events)))),
    "body-in-cap": ("E307", event(4, body=b"x")),
    "core-twice": ("E307", lambda attester: (
        attester.events.insert(1, dataclasses.replace(attester.events[0])),
        wire.numbered(attester.events))),
    "number-of-files-ffffffff": ("E307", event(
        6, body=struct.pack("<32sII", b"vault", 0xFFFFFFFF, 0))),
    "domain-name-without-zero": ("E307", event(6, body=struct.pack("<32sII", b"v" * 32, 0, 0))),
    "smm-mode-9": ("E307", event(3, body=struct.pack("<II32x", 9, 0))),
}

# 11: reset, resume, firmware


def power_cycled(attester):
    """A native operating system replays a log of an earlier boot after a reset."""
    genuine = attester.boot

    def boot():
        genuine()
        attester.tpm.power_cycle()
        genuine()

    attester.boot = boot


def resumed(attester):
    """Suspended and resumed since core measured: 17-22 began again at FF..FF, somebody extended
    the same events again."""

    def extend_again():
        attester.tpm.suspend()
        attester.tpm.locality(2)
        for event_ in attester.events:
            attester.tpm.pcr_event(event_.pcr, event_.encode())
        attester.key = attester.make_key(attester.tpm)

    attester.after_measuring = extend_again


STATE = {
    "replayed-after-a-reset": ("E308", power_cycled),
    "replayed-after-suspend": ("E308", resumed),
    "clock-not-safe": ("E308", forged(safe=0)),
    "clock-safe-2": ("E301", forged(safe=2)),
    "reset-count-changed": ("E308", forged(reset=77)),
    "restart-count-changed": ("E308", forged(restart=77)),
    "firmware-changed": ("E308", forged(firmware=1)),
}

# 14: the report


def report(change):
    """`change` edits what the report tells, before it is quoted."""

    def edit(told):
        change(told)
        return told

    return altered("report", edit)


def of_work(key, value):
    return report(lambda told: told[4][0].update({key: value}))


def ended(kind, state):
    """work ended by an event, of which the report says nothing."""

    def alteration(attester):
        attester.events.append(Event(19, kind, bytes(32), 0, 3_000_000, len(attester.events)))
        of_work(1, state)(attester)

    return alteration


def happened(*kinds, body=bytes(32)):
    """Events of work's, which the report tells as it tells any."""

    def alteration(attester):
        for number, kind in enumerate(kinds):
            attester.events.append(Event(19, kind, body if kind != "RESTART" else bytes(8), 0,
                                         3_000_000 + number, len(attester.events)))

    return alteration


def log_full_after_stop(attester):
    """The log has no room for more, but it had for work's end."""
    happened("STOP")(attester)
    attester.events.append(Event(19, "LOG_FULL", time=4_000_000, sequence=len(attester.events)))
    of_work(1, RUNNING)(attester)


def second_violation(attester):
    attester.events.append(dataclasses.replace(
        attester.events[-1], sequence=len(attester.events), time=3_000_000))


def asked_by_nobody(attester):
    attester.domain = 5


REPORT = {
    "stopped-twice": ("E309", happened("STOP", "STOP")),
    "crashed-after-a-stop": ("E309", happened("STOP", "CRASH")),
    "restarted-while-running": ("E309", happened("RESTART")),
    "restart-number-zero": ("E309", happened("CRASH", "RESTART")),
    "second-violation-of-a-kind": ("E309", second_violation),
    "log-full-hides-a-stop": ("E309", log_full_after_stop),
    "asked-by-nobody": ("E309", asked_by_nobody),
    "running-but-crashed": ("E309", ended("CRASH", RUNNING)),
    "running-but-stopped": ("E309", ended("STOP", RUNNING)),
    "stopped-but-crashed": ("E309", ended("CRASH", STOPPED)),
    "crashed-but-stopped": ("E309", ended("STOP", CRASHED)),
    "crashed-without-event": ("E309", of_work(1, CRASHED)),
    "crashes-without-event": ("E309", of_work(3, 1)),
    "violations-hidden": ("E309", of_work(4, {})),
    "violations-of-another-kind": ("E309", of_work(4, {1: 2})),
    "violation-without-event": ("E309", of_work(4, {3: 2, 4: 1})),
    "started-twice-without-event": ("E309", of_work(2, 2)),
    "never-started": ("E309", of_work(2, 0)),
    "last-event-of-another": ("E309", of_work(5, 9)),
    "another-name": ("E309", of_work(0, "vaul")),
    "names-exchanged": ("E309", report(lambda told: told[4].reverse())),
    "domain-left-out": ("E309", report(lambda told: told[4].pop())),
    "domain-added": ("E309", report(lambda told: told[4].append({**told[4][1], 0: "third"}))),
    "no-domains": ("E309", report(lambda told: told[4].clear())),
    "next-number-higher": ("E309", report(lambda told: told.update({1: told[1] + 1}))),
    "next-number-lower": ("E309", report(lambda told: told.update({1: told[1] - 1}))),
    "boot-id-of-another-boot": ("E309", report(lambda told: told.update({0: bytes(16)}))),
}

CASES = {**REPLAY, **EVENTS, **STATE, **REPORT}
