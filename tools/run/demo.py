"""The demonstration: a machine is enrolled, booted once to pin how it boots, booted again and
appraised from outside. With an alteration (alterations.py), the second boot is the altered one."""
import contextlib
import dataclasses
import json

import attestation
import disk
import terminal
import verdict
from alterations import Launch, Owner, policy_of_version
from console import MachineError
from inside import Running, fetch_evidence, minisign_accepts, wait_for_work
from package import (BUILD, GRUB_CACHE, LAPTOP_FILES, PackageError, compile_policy, make_keys,
                     relative)
from qemu import Config, Disk, Kernel, Machine
from steps import Step, StepFailed
from tpm import Tpm

RUN = BUILD / "run"


class Demo:
    """case: what is altered, and what must come of it (alterations.CASES)."""

    def __init__(self, options, steps, case):
        self.options, self.steps, self.case = options, steps, case
        self.directory = options.directory
        self.disk_image = self.directory / "disk.img"
        self.verdict = None  # of evidence that was appraised before the last boot

    def run(self):
        self.make_policy()
        self.enrol()
        if self.case.first_boot:
            self.boot_first()
        if self.case.is_rollback:
            self.offer_older_reference()
        launch = self.alter() if self.case.alter else self.launch
        with self.started(launch, "core", self.step("machine", self.machine_text())) as machine:
            running = Running(machine, self.steps, self.directory)
            running.show_core()
            if self.case.refusal:
                self.check_refusal(running)
            else:
                self.check_verdict(running, launch)
                if not self.case.alter:
                    self.use(running)

    def step(self, name, what, *failures):
        return self.steps.step(name, what, PackageError, disk.DiskError, MachineError, OSError,
                               *failures)

    # Before anything is started

    def make_policy(self):
        with self.step("keys", "Making throw-away keys: the policy's author's, the authority's that "
                       "enrols machines"):
            secret, public = make_keys(self.directory)
            self.authority = attestation.Authority(self.directory)
            self.verifier = attestation.Verifier(
                self.directory, self.authority, public, "static" if self.case.uefi else "unmeasured")
            self.owner = Owner(secret, policy_of_version(self.case.version, self.directory))
        with self.step("policy", f"Compiling and signing {relative(self.owner.policy)}") as step:
            image = self.directory / "policy.img"
            signature = compile_policy(self.owner.policy, LAPTOP_FILES, secret, image)
            step.detail = f"{image.stat().st_size} bytes, {relative(image)}"
        with self.step("policy-signature", "Checking the policy's signature by minisign"):
            if not minisign_accepts(image, signature, "-p", public):
                raise StepFailed("minisign refuses the signature that policyc made")
        self.launch = Launch(image, signature, public, LAPTOP_FILES, uefi=self.case.uefi)
        with self.step("reference", "Predicting what a verifier must find: reference values, signed "
                       "by the author") as step:
            self.reference = attestation.predict(self.launch, secret,
                                                 self.directory / "reference.json")
            self.owner = dataclasses.replace(self.owner, reference=self.reference)
            step.detail = relative(self.reference)
        if self.case.uefi:
            with self.step("disk", "Building a disk with GRUB, core, policy and domains") as step:
                self.make_disk(self.launch)
                step.detail = (f"{self.disk_image.stat().st_size >> 20} MiB, "
                               f"{relative(self.disk_image)}")

    def make_disk(self, launch):
        disk.build(self.disk_image, launch.core, launch.modules(), GRUB_CACHE, bios=False)

    def enrol(self):
        with self.step("tpm", "Making a TPM, whose maker certifies its endorsement key"):
            self.tpm = Tpm.manufacture(self.directory / "tpm")
        with self.step("enrol", "Enrolling it: an attestation key that core alone can use") as step:
            step.detail = self.authority.enrol(self.tpm, self.launch.trusted_key)

    # Machines

    def machine_text(self):
        options = self.options
        firmware = "UEFI firmware" if self.case.uefi else "SeaBIOS"
        return (f"Starting a PC: {options.cpus} CPUs, {options.memory} MiB, "
                f"AMD IOMMU, TPM, {firmware}")

    @contextlib.contextmanager
    def started(self, launch, log, step):
        """A machine that boots so; its consoles are kept in files named after `log`, and core's
        lines are shown if that is its own console's name."""
        if launch.uefi:
            boot = Disk(self.disk_image, variables=self.directory / "uefi-variables.fd")
        else:
            boot = Kernel(launch.core, tuple(launch.modules()))
        firmware = ("-bios", str(launch.bios)) if launch.bios else ()
        config = Config(boot=boot, memory_mib=self.options.memory, cpus=self.options.cpus,
                        tpm=self.tpm, screen=True, time_limit=None, directory=self.directory,
                        extra=firmware)
        with contextlib.ExitStack() as cleanup:
            with step as told:
                machine = cleanup.enter_context(Machine(config))
                told.detail = (f"QEMU is {machine.qmp('query-status')['status']}, "
                               f"process {machine.qemu.pid}")
            # Written as it comes: what the consoles said must outlive the machine.
            for console, name in ((machine.core, log), (machine.work, log.replace("core", "work"))):
                file = cleanup.enter_context(open(self.directory / f"{name}.log", "w"))
                console.on_text.append(write_through(file))
            yield machine

    def boot_first(self):
        """A boot that is trusted: what firmware measures in it is pinned."""
        wanted = {"first": self.reference}
        if self.case.is_rollback:
            wanted |= {"newer": self.reference, "older": self.predict_older()}
        with self.step("first-boot", "Booting it a first time, which is trusted") as step:
            with self.started(self.launch, "first-core", contextlib.nullcontext(Step())) as machine:
                work = wait_for_work(machine)
                for name, reference in wanted.items():
                    fetch_evidence(work, self.verifier.challenge(), reference,
                                   self.directory / f"{name}.cbor")
            step.detail = f"work has posted {relative(self.directory / 'first.cbor')}"
        with self.step("pin", "Pinning firmware and boot path, as this evidence shows them, in the "
                       "machine's record") as step:
            step.detail = self.authority.pin(self.directory / "first.cbor", self.verifier.state)

    def predict_older(self):
        directory = self.directory / "older"
        directory.mkdir()
        launch = self.case.alter(self.launch, self.owner, directory)
        self.older_reference = attestation.predict(launch, self.owner.secret,
                                                   directory / "reference.json")
        return self.older_reference

    def offer_older_reference(self):
        """Who has seen newer reference values takes no older ones, though the author signed
        them."""
        with self.step("newer-verdict", "Appraising that boot by its reference values") as step:
            said = self.verifier.appraise(self.directory / "newer.cbor", self.reference)
            step.detail = said.text
            self.case.expected.check(said)
        with self.step("older-reference", "Appraising it by older ones, which the author has signed, "
                       "too") as step:
            self.verdict = self.verifier.appraise(self.directory / "older.cbor",
                                                  self.older_reference)
            step.detail = self.verdict.text
            verdict.OLDER_REFERENCE.check(self.verdict)

    def alter(self):
        directory = self.directory / "altered"
        directory.mkdir()
        with self.step("alter", f"Altering {self.case.does}"):
            launch = self.case.alter(self.launch, self.owner, directory)
            if launch.uefi:
                self.make_disk(launch)
        return launch

    def check_refusal(self, running):
        refusal = running.check_refusal(self.case.refusal)
        said = self.verdict.as_json() if self.verdict else verdict.NONE
        self.write_verdict({**said, "refusal": refusal})

    def check_verdict(self, running, launch):
        running.check_start()
        nonce = self.verifier.challenge(self.options.nonce)
        evidence = running.check_evidence(nonce, self.reference)
        with self.step("verdict", "Appraising the evidence, as somebody far away would") as step:
            attestation.extract(evidence, self.directory)
            said = self.verifier.appraise(evidence, self.reference)
            self.write_verdict(said.as_json())
            step.detail = said.text
            self.case.expected.check(said, nonce, images_of(launch))

    def write_verdict(self, content):
        (self.directory / "verdict.json").write_text(json.dumps(content, indent=1) + "\n")

    def use(self, running):
        running.check_signature()
        running.hide_core()
        if terminal.is_there() and not self.options.check:
            running.offer_shell()


def images_of(launch):
    return {"work": verdict.image(launch.files["work.kernel"], launch.files["work.initrd"]),
            "vault": verdict.image(launch.files["vault.image"])}


def write_through(file):
    def write(text):
        file.write(text)
        file.flush()

    return write
