"""TPMs for machines: state that outlives them, tools between boots, and TPMs that fail."""
import contextlib
import hashlib
import os
import pathlib
import random
import select
import socket
import struct
import subprocess
import tempfile
import time

import broken_tpm
import disk
from broken_tpm import BrokenTpm, first_at_locality, first_of
from probe import CACHE, probe_files
from qemu import Config, Disk, Machine
from testing import cases, equal
from tpm import CMD_INIT, CMD_SET_LOCALITY, STARTUP, Tpm, hand_over, tell

NV_INDEX, EK_CERTIFICATE = "0x1500001", "0x1c00002"
GET_RANDOM = struct.pack(">HIIH", 0x8001, 12, 0x17b, 8)
GOT_RANDOM = 10 + 2 + 8
SILENCE = 0.3  # seconds without an answer that stand for none at all
# TPM2_PCR_Extend of PCR 17, SHA-256, with an empty password
EXTEND_17 = struct.pack(">HIIIIIHBHIH", 0x8002, 65, 0x182, 17, 9, 0x40000009, 0, 0, 0, 1, 0xb)
EXTEND_17 += b"\x11" * 32
RC_LOCALITY = 0x907


def tool(tcti, *command):
    done = subprocess.run(command, env=dict(os.environ, TPM2TOOLS_TCTI=tcti), check=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    return done.stdout


def test_state_outlives():
    """What tools leave in a TPM's NV memory is there when it is switched on again; and shutting
    it down in order leaves its clock safe."""
    with tempfile.TemporaryDirectory() as directory:
        tpm = Tpm.manufacture(directory)
        with tpm.for_tools() as tcti:
            tool(tcti, "tpm2_nvdefine", NV_INDEX, "-s", "4")
            subprocess.run(["tpm2_nvwrite", NV_INDEX, "-i", "-"], input=b"kept", check=True,
                           env=dict(os.environ, TPM2TOOLS_TCTI=tcti))
        with Tpm(directory).for_tools() as tcti:
            equal(tool(tcti, "tpm2_nvread", NV_INDEX), b"kept", "the index")
            equal("safe: yes" in tool(tcti, "tpm2_readclock").decode(), True, "a safe clock")


def test_maker_certifies():
    """The endorsement key's certificate in the TPM leads to the maker's CA, and to no other's."""
    with tempfile.TemporaryDirectory() as directory:
        tpm, other = (Tpm.manufacture(pathlib.Path(directory, name)) for name in ("one", "other"))
        certificate = pathlib.Path(directory, "ek.der")
        with tpm.for_tools() as tcti:
            certificate.write_bytes(tool(tcti, "tpm2_nvread", EK_CERTIFICATE))
        accepted = [subprocess.run(["openssl", "verify", "-CAfile", maker.ek_ca, certificate],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    .returncode == 0 for maker in (tpm, other)]
        equal(accepted, [True, False], "whether openssl accepts the certificate")


def test_tools_set_locality():
    """Over the TCTI's two ports a tool extends PCR 17 at locality 2, and can't at locality 0."""
    with tempfile.TemporaryDirectory() as directory, Tpm(directory).for_tools() as tcti:
        port = int(tcti.rpartition("=")[2])
        with socket.create_connection(("127.0.0.1", port)) as data:
            codes = []
            for locality in (0, 2):
                with socket.create_connection(("127.0.0.1", port + 1)) as control:
                    tell(control, struct.pack(">IB", CMD_SET_LOCALITY, locality))
                data.sendall(EXTEND_17)
                codes.append(struct.unpack_from(">I", data.recv(4096), 6)[0])
        equal(codes, [RC_LOCALITY, 0], "response codes at localities 0 and 2")


class Emulator:
    """Drives a TPM through a control channel as QEMU does."""

    def __init__(self):
        self.sockets = []
        self.processes = []

    def spawn(self, command, descriptors):
        self.processes.append(subprocess.Popen(command, pass_fds=descriptors))

    def socket_pair(self):
        self.sockets += socket.socketpair()
        return self.sockets[-2:]

    def start(self, tpm):
        self.control = socket.socket(fileno=os.dup(tpm.attach(self)))
        self.data, theirs = self.socket_pair()
        self.sockets.append(self.control)
        hand_over(self.control, theirs)
        tell(self.control, struct.pack(">II", CMD_INIT, 0))
        self.ask(0, STARTUP)

    def ask(self, locality, command, patience=10.0):
        """The answer and after how many seconds it came, rounded down; None if none comes."""
        tell(self.control, struct.pack(">IB", CMD_SET_LOCALITY, locality))
        self.data.sendall(command)
        begun = time.monotonic()
        if not select.select([self.data], [], [], patience)[0]:
            return None, 0
        return self.data.recv(4096), int(time.monotonic() - begun)

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()
        for opened in self.sockets:
            opened.close()


@contextlib.contextmanager
def driven(**options):
    with tempfile.TemporaryDirectory() as directory:
        emulator, tpm = Emulator(), BrokenTpm(directory, **options)
        try:
            emulator.start(tpm)
            yield emulator, tpm
        finally:
            emulator.stop()


HEAD = b"\x80\x01\x00\x00\x00\x14\x00\x00\x00\x00"
FAULTS = {  # what comes, by (is None, length, first ten bytes, whole seconds)
    "mute": (broken_tpm.MUTE, (True, 0, b"", 0)),
    "slow": (broken_tpm.slow(1.1), (False, GOT_RANDOM, HEAD, 1)),
    "error": (broken_tpm.error(), (False, 10, bytes.fromhex("80010000000a00000101"), 0)),
    "tag": (broken_tpm.tag(0x1234), (False, GOT_RANDOM, b"\x12\x34" + HEAD[2:], 0)),
    "length": (broken_tpm.length(0xffffffff),
               (False, GOT_RANDOM, HEAD[:2] + b"\xff\xff\xff\xff" + HEAD[6:], 0)),
    "cut": (broken_tpm.cut(13), (False, 13, HEAD[:5] + b"\x0d" + HEAD[6:], 0)),
    "garbled": (broken_tpm.garbled(random.Random(1)), (False, GOT_RANDOM, HEAD, 0)),
}


@cases(FAULTS)
def test_fault(fault, expected):
    """A failing TPM is genuine before the point where it breaks, and breaks there as it should;
    what the TPM itself answered is kept."""
    with driven(fault=fault, breaks_at=first_at_locality(2)) as (emulator, tpm):
        good, _ = emulator.ask(0, GET_RANDOM)
        equal((len(good), good[:10]), (GOT_RANDOM, HEAD), "the answer before it breaks")
        for _ in range(2 if expected[0] is False else 1):
            got, seconds = emulator.ask(2, GET_RANDOM, SILENCE if expected[0] else 10)
            told = (got is None, len(got or b""), (got or b"")[:10], seconds)
            equal(told, expected, "the answer when it is broken")
        kept = tpm.commands[-1]
        equal((kept.locality, kept.code, len(kept.response)), (2, 0x17b, GOT_RANDOM),
              "what is kept of the last command")
        equal(expected[0] or len(got) != GOT_RANDOM or got != kept.response or seconds > 0, True,
              "a difference to the TPM's own answer")


def test_recovers():
    """A TPM that fails twice works again then; a fault begins at the command that was named."""
    with driven(fault=broken_tpm.error(), breaks_at=first_of(0x17b, 1), lasts=2) as (emulator, _):
        answers = [emulator.ask(locality, GET_RANDOM)[0] for locality in (0, 1, 0, 1)]
        equal([len(answer) for answer in answers], [GOT_RANDOM, 10, 10, GOT_RANDOM],
              "lengths of answers")


def fold(extends, pcr):
    value = bytes(32)
    for _, number, digests in extends:
        if number == pcr:
            value = hashlib.sha256(value + digests["sha256"]).digest()
    return value


def test_measured_boot():
    """Firmware and GRUB measure the same in each boot of one machine; into PCR 9 go the files
    that GRUB loads, in that order."""
    with probe_files() as (kernel, modules), tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        image, variables = directory / "disk.img", directory / "variables.fd"
        disk.build(image, kernel, modules, CACHE, bios=False)
        boots = []
        for _ in range(2):
            tpm = BrokenTpm(directory / "tpm")
            boot = Disk(image, variables=variables)
            with Machine(Config(boot=boot, network=False, tpm=tpm)) as machine:
                machine.core.expect(r"^probe: done$", timeout=60)
            boots.append(tpm.extends())
        for pcr in range(10):
            equal(fold(boots[1], pcr), fold(boots[0], pcr), f"PCR {pcr} of two boots")
        empty = [pcr for pcr in (0, 2, 4, 7, 8, 9) if fold(boots[0], pcr) == bytes(32)]
        equal(empty, [], "PCRs that nothing was measured into")
        measured = [digests["sha256"] for _, pcr, digests in boots[0] if pcr == 9]
        files = [hashlib.sha256(path.read_bytes()).digest()
                 for path in (kernel, *(module.path for module in modules))]
        equal(measured[-len(files):], files, "the last that GRUB measured into PCR 9")
