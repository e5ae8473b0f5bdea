"""What a verifier says, and what it must say for a demonstration to have succeeded."""
import dataclasses
import hashlib
import json

from steps import StepFailed


@dataclasses.dataclass(frozen=True)
class Finding:
    """Of a domain: AR4SI's tier; code and component of its gravest finding, if there is one."""

    tier: str
    code: str = None
    component: str = None


AFFIRMING = Finding("affirming")


@dataclasses.dataclass(frozen=True)
class Verdict:
    nonce: str
    profile: str
    exit: int
    codes: tuple  # of all findings, each once
    first: tuple  # what the first of them expected, and what it got
    domains: dict  # {name: {tier, code, component, image, starts}}
    text: str  # for people

    def as_json(self):
        return {"nonce": self.nonce, "profile": self.profile, "exit": self.exit,
                "domains": self.domains}


@dataclasses.dataclass(frozen=True)
class Expected:
    """A whole verdict. Of evidence that is rejected: no domains."""

    exit: int
    profile: str
    domains: dict  # {name: Finding}
    codes: tuple = ()  # of all findings, each once
    because: str = ""  # how what was expected, and what was got, begins in the first of them

    def check(self, verdict, nonce=None, images=None):
        """StepFailed if the verdict is another one. nonce: the one that was asked with; images:
        {domain: image()}."""
        for what, got, expected in self.comparisons(verdict, nonce, images):
            if got != expected:
                raise StepFailed(f"{verdict.text}\nThis is not the verdict that was expected. "
                                 f"{what}:\n  expected: {expected}\n  got:      {got}")

    def comparisons(self, verdict, nonce, images):
        yield "Exit status", verdict.exit, self.exit
        yield "Profile", verdict.profile, self.profile
        yield "Domains", {name: Finding(said["tier"], said["code"], said["component"])
                          for name, said in verdict.domains.items()}, self.domains
        yield "Findings", verdict.codes, self.codes
        if self.because:
            yield (f"A finding that begins {self.because!r}",
                   any(text.startswith(self.because) for text in verdict.first), True)
        if nonce:
            yield "Nonce", verdict.nonce, nonce
        if images:
            yield "Images", {name: said["image"] for name, said in verdict.domains.items()}, images
            yield "Starts", {name: said["starts"] for name, said in verdict.domains.items()}, \
                dict.fromkeys(images, 1)


OLDER_REFERENCE = Expected(6, "static", {}, ("E501",), "version 1")
# What verdict.json says where there was no evidence to appraise.
NONE = {"nonce": None, "profile": None, "exit": None, "domains": {}}


def image(*files):
    """How verdicts name what a domain runs: its file's SHA-256; of several files, that of all their
    SHA-256s."""
    digests = [hashlib.sha256(path.read_bytes()).digest() for path in files]
    return digests[0].hex() if len(digests) == 1 else hashlib.sha256(b"".join(digests)).hexdigest()


def read(output, text):
    """The verdict that `bhattest appraise` has written as JSON; text: how it told people."""
    said = json.loads(output)
    findings = said["findings"]
    codes = tuple(dict.fromkeys(finding["code"] for finding in findings))
    first = (findings[0]["expected"], findings[0]["got"]) if findings else ()
    return Verdict(said["nonce"], said["profile"], said["exit"], codes, first, said["domains"],
                   text)
