"""Both ends of the attestation but the machine: the authority that enrols it, and the verifier."""
import hashlib
import json

import disk
import verdict
from package import (BHATTEST, POLICYC, ROOT, PackageError, make_keys, must_be_there, must_run,
                     run_tool)

RULES = ROOT / "policy" / "laptop.rules.json"
# bhattest's exit statuses that say how an appraisal went; any other is a failure of its own.
APPRAISED = range(0, 7)
RAW = ("attest.bin", "signature.bin", "ak.pub.bin", "pcrs.json", "log.bin", "report.cbor")


class Authority:
    """Enrols machines. Its key is nobody else's: not the policy's author's."""

    def __init__(self, directory):
        self.secret, self.public = make_keys(directory, "authority")
        self.owner_auth = directory / "owner.auth"  # the TPM's owner's; made at enrolment
        self.record = directory / "record.json"

    def enrol(self, tpm, trusted_key):
        """Create the TPM's attestation key and NV indices, check its maker's certificate, and
        write the record."""
        with tpm.for_tools() as tcti:
            output = must_run(BHATTEST, "enroll", "--tcti", tcti, "--ek-ca", tpm.ek_ca,
                              "--key", self.secret, "--trust", trusted_key,
                              "--owner-auth", self.owner_auth, "-o", self.record)
        must_be_there(self.record)
        return output

    def pin(self, evidence, state):
        """Add to the record how the machine boots, from a boot that is trusted. state: where the
        nonces of our own challenges are kept."""
        return must_run(BHATTEST, "enroll", "--pin", evidence, "--record", self.record,
                        "--key", self.secret, "--state", state, "-o", self.record)


class Verifier:
    """Asks and appraises. It knows the authority's and the author's public keys alone."""

    def __init__(self, directory, authority, author_public, profile):
        """profile: the weakest launch that it accepts."""
        self.state = directory / "verifier"
        self.authority, self.author_public = authority, author_public
        self.rules = directory / "rules.json"
        self.rules.write_text(json.dumps(json.loads(RULES.read_text()) | {"profile": profile},
                                         indent=1) + "\n")

    def challenge(self, nonce=None):
        """A nonce that evidence must contain, 64 hexadecimal digits: a new one, if none is given."""
        chosen = ("--nonce", nonce) if nonce else ()
        return must_run(BHATTEST, "challenge", "--state", self.state, *chosen)

    def appraise(self, evidence, reference):
        said = evidence.with_suffix(".verdict.json")
        status, text = run_tool(
            BHATTEST, "appraise", evidence, "--record", self.authority.record,
            "--authority", self.authority.public, "--reference", reference,
            "--author", self.author_public, "--rules", self.rules, "--state",
            self.state, "-o", said)
        if status not in APPRAISED:
            raise PackageError(f"bhattest appraise ended with status {status}:\n{text}")
        found = verdict.read(said.read_text(), text)
        if found.exit != status:
            raise PackageError(f"bhattest appraise ended with status {status}, but wrote "
                               f"{found.exit} into {said}")
        return found


def predict(launch, secret, path):
    """Write what a verifier must find of such a machine, signed by the author, and GRUB's scripts
    beside it."""
    must_be_there(launch.core)
    files = [part for name, file in launch.files.items() for part in ("--files", f"{name}={file}")]
    loader = ["--unmeasured"]
    if launch.uefi:
        embedded, script = path.with_name("embedded.cfg"), path.with_name("grub.cfg")
        embedded.write_text(disk.FIND_CONFIG)
        script.write_text(disk.grub_config(launch.core, launch.modules()))
        loader = ["--grub-embedded", embedded, "--grub", script]
    must_run(POLICYC, "predict", launch.policy, "--signature", launch.signature,
             "--trust", launch.trusted_key, "--core", launch.core, *files, *loader,
             "--key", secret, "-o", path)
    return path


def extract(evidence, directory):
    """The evidence's parts, as files that other tools read."""
    must_run(BHATTEST, "extract", evidence, directory)
    must_be_there(*(directory / name for name in RAW))


def reference_id(reference):
    """How evidence names the reference values that it is to be compared with."""
    return hashlib.sha256(reference.read_bytes()).hexdigest()
