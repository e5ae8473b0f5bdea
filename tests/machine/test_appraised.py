"""Evidence of domains that boot by PVH and by Multiboot, appraised from end to end."""
import base64
import contextlib
import json
import pathlib
import tempfile
import types

import attestation
import package
import shell
import verdict
from broken_tpm import BrokenTpm
from qemu import Config, Kernel, Machine
from test_kernels import FULL_KERNEL, build_told, uncompressed
from testing import equal, limit

POLICY = package.ROOT / "tests/machine/appraised.policy"
RULES = {"format": "bulkhead-rules-1", "profile": "unmeasured", "domains": {
    "work": {"violations": {kind: "any" for kind in ("ioapic-write", "msr-read", "port-read",
                                                     "port-write", "pci-write")}},
    "told": {"stopped": 1}}}

# By QEMU's -kernel: nothing but core itself measures.
FINE = verdict.Finding("warning", "W603", "profile")


class Owner:
    """Signs the policy, enrols the machine at its first boot, and knows what it must be."""

    def __init__(self, directory):
        self.directory = directory
        self.tpm = BrokenTpm.manufacture(directory / "tpm")
        self.secret, self.public = package.make_keys(directory)
        self.authority = attestation.Authority(directory)
        self.verifier = attestation.Verifier(directory, self.authority, self.public, "unmeasured")
        self.verifier.rules.write_text(json.dumps(RULES))
        self.reference = directory / "reference.json"

    def launch(self, files, name):
        image = self.directory / name
        return package.Package(image, package.compile_policy(POLICY, files, self.secret, image),
                               self.public, files)

    def enrol(self, launch):
        self.authority.enrol(self.tpm, self.public)
        attestation.predict(types.SimpleNamespace(**vars(launch), uefi=False), self.secret,
                            self.reference)

    @contextlib.contextmanager
    def booted(self, launch):
        """work's shell, when told has said all and stopped."""
        boot = Kernel(launch.core, tuple(launch.modules()))
        with Machine(Config(boot=boot, tpm=self.tpm, network=False)) as machine:
            machine.core.expect(r"^bulkhead: told: stopped: it asked to ", 60)
            machine.work.expect(shell.READY, 120, unless=r"^bulkhead: (FATAL|work: stopped): .*$")
            yield shell.Shell(machine.work)

    def evidence(self, work, name):
        text = work.output(f"attest {self.verifier.challenge()} --base64 --reference "
                           f"{attestation.reference_id(self.reference)}", 60)
        path = self.directory / name
        path.write_bytes(base64.b64decode(text))
        return path

    def appraise(self, work, name):
        return self.verifier.appraise(self.evidence(work, name), self.reference)


def check(said, launch, **domains):
    """domains: the Finding of each."""
    equal({name: verdict.Finding(row["tier"], row["code"], row["component"])
           for name, row in said.domains.items()}, domains, f"domains of the verdict\n{said.text}")
    files = launch.files
    equal({name: row["image"] for name, row in said.domains.items()},
          {"work": verdict.image(files["work.kernel"], files["work.initrd"]),
           "told": verdict.image(files["told.kernel"], files["module"])}, "images")


@limit(240)
def test_pvh_and_multiboot():
    """A Linux by its PVH note and a microVM by Multiboot, with a module, are found to be what
    policyc predicted. Where the module is another one, in a policy of the same author's, it is that
    microVM that is found to be something else."""
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        owner = Owner(directory)
        files = {"work.kernel": uncompressed(FULL_KERNEL, directory),
                 "work.initrd": package.LAPTOP_FILES["work.initrd"],
                 "told.kernel": directory / "told.kernel", "module": directory / "module"}
        build_told(files["told.kernel"])
        files["module"].write_text("its content")
        other = directory / "other-module"
        other.write_text("its contend")
        launch = owner.launch(files, "first.img")
        owner.enrol(launch)
        with owner.booted(launch) as work:
            owner.authority.pin(owner.evidence(work, "pinned"), owner.verifier.state)
            check(owner.appraise(work, "first"), launch, work=FINE, told=FINE)
        launch = owner.launch(files | {"module": other}, "second.img")
        with owner.booted(launch) as work:
            check(owner.appraise(work, "second"), launch, work=FINE,
                  told=verdict.Finding("contraindicated", "C601", "told"))
