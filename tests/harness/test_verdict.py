"""A demonstration succeeds by the expected verdict alone; alterations alter what they say."""
import contextlib
import dataclasses
import json
import pathlib
import tempfile
import types

import alterations
import demo
from alterations import CASES, GENUINE, Launch
from package import PackageError
from steps import StepFailed, Steps
from testing import Failure, cases, contains, equal
from verdict import Expected, Verdict, image

NONCE = "ab" * 32
IMAGES = {"work": "11" * 32, "vault": "22" * 32}


def said(exit_status=0, profile="static", nonce=NONCE, codes=(), first=(), **changes):
    """A verdict as GENUINE expects it, but for changes: {domain: {...}}, None takes it away."""
    domains = {}
    for name, digest in IMAGES.items():
        change = changes.pop(name, {})
        if change is not None:
            domains[name] = {"tier": "affirming", "code": None, "component": None,
                             "image": digest, "starts": 1} | change
    return Verdict(nonce, profile, exit_status, codes, first, domains | changes, "what was said")


def accepted(expected, verdict, nonce=NONCE, images=None):
    try:
        expected.check(verdict, nonce, IMAGES if images is None else images)
    except StepFailed as failure:
        contains(str(failure), "not the verdict that was expected", "the failure")
        return False
    return True


def test_expected_verdict():
    """What is expected without an alteration passes."""
    equal(accepted(GENUINE.expected, said()), True, "accepted")


WORSE = {"tier": "contraindicated", "code": "C601", "component": "vault"}


@cases({
    "exit status": (said(exit_status=1),),
    "profile": (said(profile="unmeasured"),),
    "nonce": (said(nonce="cd" * 32),),
    "tier": (said(vault={"tier": "warning"}),),
    "code": (said(work={"code": "W603"}),),
    "component": (said(work={"component": "work"}),),
    "image": (said(vault={"image": "33" * 32}),),
    "no image": (said(vault={"image": None}),),
    "restarted": (said(work={"starts": 2}),),
    "domain missing": (said(vault=None),),
    "no domains": (said(vault=None, work=None),),
    "domain too many": (said(spare={"tier": "affirming", "code": None, "component": None,
                                    "image": "44" * 32, "starts": 1}),),
})
def test_any_other_verdict(verdict):
    """A verdict that differs in one thing fails the demonstration."""
    equal(accepted(GENUINE.expected, verdict), False, "accepted")


def test_contraindicated_is_expected():
    """Where something was altered an affirming verdict fails, and so does one that finds
    something else, or finds it elsewhere."""
    expected = CASES["resigned"].expected
    found = said(2, codes=("C601",), vault=WORSE)
    equal(accepted(expected, found), True, "the expected finding is accepted")
    for name, change in {
            "all": {"work": WORSE}, "work": {"work": WORSE, "vault": {}},
            "component": {"vault": WORSE | {"component": "core"}},
            "code": {"vault": WORSE | {"code": "C602"}}, "affirming": {"vault": {}},
            "another finding, too": {"codes": ("C601", "C602")}}.items():
        other = said(**({"exit_status": 2, "codes": ("C601",), "vault": WORSE} | change))
        equal(accepted(expected, other), False, f"{name}: accepted")


def test_rejection_is_expected():
    """Rejected evidence must be rejected by the expected code."""
    expected = Expected(6, "static", {}, ("E501",), "version 1")
    empty = {"work": None, "vault": None}
    equal(accepted(expected, said(6, codes=("E501",), first=("version 2", "version 1"), **empty),
                   images={}), True, "E501 by its version")
    for codes, first in (((), ()), (("E306",), ("", "version 1")), (("E501",), ("a key", "another")),
                         (("E501", "E306"), ("", "version 1"))):
        equal(accepted(expected, said(6, codes=codes, first=first, **empty), images={}), False,
              f"accepted {codes} {first}")


def test_image():
    """A domain's image is its file's SHA-256, or that of all its files' SHA-256s."""
    with tempfile.TemporaryDirectory() as directory:
        first, second = (pathlib.Path(directory, name) for name in "ab")
        first.write_bytes(b"abc")
        second.write_bytes(b"")
        equal(image(first), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
              "of one file")
        equal(image(first, second),
              "6f1290896ee81a0349174d19f4473d267a10289c40480861d5c42affffbd79f9", "of two")


class Stub:
    """In place of a verifier, and of what runs in a machine: says what it was made to say."""

    def __init__(self, **answers):
        for name, answer in answers.items():
            setattr(self, name, lambda *_, answer=answer: answer)


@cases({"affirming": (said(), 0), "warning": (said(1, work={"tier": "warning", "code": "W603"}), 1),
        "other nonce": (said(nonce="cd" * 32), 1)})
def test_demonstration(verdict, status):
    """The demonstration's step, and so its exit status, is as the verdict is; what was found is
    kept either way."""
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        steps = Steps(["verdict"], directory / "summary.json")
        options = types.SimpleNamespace(directory=directory, nonce=None)
        demonstration = demo.Demo(options, steps, GENUINE)
        demonstration.reference = None
        demonstration.verifier = Stub(challenge=NONCE, appraise=verdict)
        demo.attestation = Stub(extract=None)
        demo.images_of = lambda _: IMAGES
        with contextlib.suppress(StepFailed):
            demonstration.check_verdict(Stub(check_start=None, check_evidence=None), None)
        equal(steps.exit_status(), status, "exit status")
        equal(json.loads((directory / "verdict.json").read_text()), verdict.as_json(),
              "verdict.json")


@cases({word: (word,) for word, case in CASES.items()
        if case.alter in (alterations.alter_policy, alterations.alter_bios)
        or word in ("vault", "work")})
def test_alteration(word):
    """One bit or byte of one file differs, in a copy of the same name; the rest is untouched."""
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        (directory / "altered").mkdir()
        files = {key: directory / key for key in ("work.kernel", "work.initrd", "vault.image")}
        for path in (*files.values(), directory / "policy.img"):
            path.write_bytes(path.name.encode() * 50)
        launch = Launch(directory / "policy.img", None, None, files, core=None)
        got = CASES[word].alter(launch, None, directory / "altered")
        before, after = paths(launch), paths(got)
        changed = [key for key in before if before[key] != after[key]]
        equal(len(changed), 1, f"changed: {changed}")
        old, new = before[changed[0]] or alterations.SEABIOS, after[changed[0]]
        equal(new.name, old.name, "the name")
        differing = [i for i, pair in enumerate(zip(old.read_bytes(), new.read_bytes(), strict=True))
                     if pair[0] != pair[1]]
        equal(len(differing), 1, "bytes that differ")


def paths(launch):
    plain = {field.name: getattr(launch, field.name) for field in dataclasses.fields(launch)
             if field.name not in ("files", "uefi")}
    return plain | launch.files


def test_unknown_bios():
    """A SeaBIOS that has its handler's code nowhere, or twice, isn't altered by guessing."""
    known = alterations.SEABIOS
    with tempfile.TemporaryDirectory() as name:
        alterations.SEABIOS = pathlib.Path(name, "bios.bin")
        launch = Launch(None, None, None, {})
        for content in (b"", known.read_bytes() * 2):
            alterations.SEABIOS.write_bytes(content)
            try:
                alterations.alter_bios(launch, None, pathlib.Path(name))
            except PackageError as error:
                contains(str(error), "is not the SeaBIOS that is known here", "the refusal")
            else:
                raise Failure("altered")
