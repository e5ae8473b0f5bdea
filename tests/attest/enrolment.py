"""A machine to enrol, and an authority: what tests of bhattest enroll stand on."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import threading

from testing import Failure, contains, equal
from tpm import Tpm, neighbours

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BHATTEST, POLICYC = ROOT / "build" / "bhattest", ROOT / "build" / "policyc"
EK, AK = "0x81010001", "0x81014248"
COUNTER, BASE, TRUST = "0x1804200", "0x1804201", "0x1804202"
INDICES = {COUNTER: "0x22040018", BASE: "0x22042808", TRUST: "0x22042808"}  # and attributes
FREE = [3, 3, 0]  # slots of a TPM that nobody uses
SET_LOCALITY = 5  # swtpm's control command
DONE, ENROLMENT, USAGE, INTERNAL = 0, 5, 64, 70
# TPMA_OBJECT of the attestation key, as tpm2_create spells it
AK_ATTRIBUTES = "fixedtpm|fixedparent|sensitivedataorigin|noda|restricted|sign"
AK_POLICY = "f3d7b918b2fa2a1c108cc717e7fb52f543184580a34e9fdbba2fbb2bbd11b07b"
EK_PURPOSE = "2.23.133.8.1"


def run(*command, code=0, environment=()):
    """Run a program; fails unless it exits with `code`. Returns what it wrote to both."""
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT, timeout=60,
                          env={**os.environ, **dict(environment)})
    output = done.stdout.decode(errors="replace")
    if done.returncode != code:
        raise Failure(f"{' '.join(str(part) for part in command)}\n  expected exit status {code}, "
                      f"got {done.returncode}\n{output}")
    return output


class Site:
    """A directory with an authority's key, an author's trust.pub, and TPMs."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.authority, self.authority_public = self.keys("authority")
        _, self.trust = self.keys("trust")
        self.owner_auth = self.directory / "owner.auth"
        self.record = self.directory / "record.json"
        self.tpms = []

    def keys(self, name):
        pair = self.directory / f"{name}.key", self.directory / f"{name}.pub"
        run(POLICYC, "keygen", "--secret", pair[0], "--public", pair[1])
        return pair

    def tpm(self):
        self.tpms.append(Tpm.manufacture(self.directory / f"tpm{len(self.tpms)}"))
        return self.tpms[-1]

    def enroll(self, tcti, tpm, *more, code=DONE, **changed):
        """Run bhattest enroll; `changed` options replace the right ones, None leaves one out."""
        options = {"tcti": tcti, "ek_ca": tpm.ek_ca, "key": self.authority, "trust": self.trust,
                   "owner_auth": self.owner_auth, **changed}
        words = [word for name, value in options.items() if value is not None
                 for word in ("--" + name.replace("_", "-"), value)]
        return run(BHATTEST, "enroll", *words, *more, "-o", self.record, code=code)

    def record_values(self):
        return json.loads(self.record.read_text())

    def owner(self):
        return "hex:" + self.owner_auth.read_text().strip()


@contextlib.contextmanager
def machine():
    """A site with one TPM, switched on: the site, the TPM, its TCTI."""
    with tempfile.TemporaryDirectory() as directory:
        site = Site(directory)
        tpm = site.tpm()
        with tpm.for_tools() as tcti:
            yield site, tpm, tcti


def tool(tcti, *command, code=0):
    """One of tpm2-tools."""
    return run(*command, code=code, environment=[("TPM2TOOLS_TCTI", tcti)])


def handles(tcti):
    """What is persistent, and all NV indices."""
    return {kind: tool(tcti, "tpm2_getcap", f"handles-{kind}").lower().split()
            for kind in ("persistent", "nv-index")}


def has(tcti, handle):
    return any(handle in found for found in handles(tcti).values())


class Wire:
    """The bytes to and from a TPM, through the ports of its TCTI, and its locality."""

    def __init__(self, tcti):
        port = int(tcti.rpartition("=")[2])
        self.data = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.control = socket.create_connection(("127.0.0.1", port + 1), timeout=30)

    def close(self):
        self.data.close()
        self.control.close()

    def locality(self, number):
        self.control.sendall(struct.pack(">IB", SET_LOCALITY, number))
        if receive(self.control, 4) != bytes(4):
            raise Failure(f"swtpm refuses locality {number}")

    def ask(self, command):
        self.data.sendall(command)
        return answer_from(self.data)


def receive(connection, size):
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def answer_from(connection):
    """A command or response: its header says how long it is."""
    head = receive(connection, 10)
    return head + receive(connection, struct.unpack(">I", head[2:6])[0] - 10)


class Liar:
    """A TCTI behind which `answer` answers each command, with the help of several TPMs:
    answer(wires, command) -> response"""

    def __init__(self, tctis, answer):
        self.wires = [Wire(tcti) for tcti in tctis]
        self.answer = answer
        self.listeners = neighbours()
        self.tcti = f"swtpm:host=127.0.0.1,port={self.listeners['data'].getsockname()[1]}"
        for kind in ("data", "control"):
            threading.Thread(target=self.serve, args=(kind,), daemon=True).start()

    def serve(self, kind):
        with contextlib.suppress(OSError):  # __exit__ closes the listener
            while True:  # a client connects anew for each control command
                with self.listeners[kind].accept()[0] as connection, contextlib.suppress(EOFError):
                    self.forward(kind, connection)

    def forward(self, kind, connection):
        while kind == "data":
            connection.sendall(self.answer(self.wires, answer_from(connection)))
        while True:
            code, locality = struct.unpack(">IB", receive(connection, 5))
            if code != SET_LOCALITY:
                raise Failure(f"swtpm's control command {code}")
            for wire in self.wires:
                wire.locality(locality)
            connection.sendall(bytes(4))

    def __enter__(self):
        return self.tcti

    def __exit__(self, *_):
        for wire in self.wires:
            wire.close()
        for listener in self.listeners.values():
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()


def certificate(directory, tpm, public, *, purpose=EK_PURPOSE, ends="2099-01-01", ca=None):
    """A certificate for the public key (PEM) by the maker's CA, by GnuTLS' certtool."""
    template, made = directory / "template", directory / "made.pem"
    lines = ['cn = "test"', f'expiration_date = "{ends}"', 'activation_date = "2020-01-01"',
             "encryption_key"]
    if purpose:
        lines.append(f"key_purpose_oid = {purpose}")
    template.write_text("\n".join(lines) + "\n")
    ca = ca or tpm.directory / "ca"
    run("certtool", "--generate-certificate", "--load-pubkey", public, "--load-ca-privkey",
        ca / "signkey.pem", "--load-ca-certificate", ca / "issuercert.pem", "--template", template,
        "--outfile", made)
    return made


def ek_public(directory, tcti):
    public = directory / "ek.pem"
    tool(tcti, "tpm2_readpublic", "-c", EK, "-f", "pem", "-o", public)
    return public


def make_ak(directory, tcti, owner, attributes=AK_ATTRIBUTES, policy=AK_POLICY, parent=EK,
            algorithm="ecc256:ecdsa-sha256:null"):
    """Another attestation key at the handle, by tpm2-tools."""
    session, private, public, loaded, digest = (
        directory / name for name in ("session", "private", "public", "loaded", "digest"))
    digest.write_bytes(bytes.fromhex(policy))

    def with_session(*command):
        if parent == EK:
            tool(tcti, "tpm2_startauthsession", "--policy-session", "-S", session)
            tool(tcti, "tpm2_policysecret", "-S", session, "-c", "e")
            command += ("-P", f"session:{session}")
        tool(tcti, *command)
        if parent == EK:
            tool(tcti, "tpm2_flushcontext", session)
        else:
            tool(tcti, "tpm2_flushcontext", "-t")

    with_session("tpm2_create", "-C", parent, "-G", algorithm, "-a", attributes, "-L", digest,
                 "-u", public, "-r", private)
    with_session("tpm2_load", "-C", parent, "-u", public, "-r", private, "-c", loaded)
    tool(tcti, "tpm2_evictcontrol", "-C", "o", "-P", owner, "-c", loaded, AK)
    tool(tcti, "tpm2_flushcontext", "-t")


def copy(path, to):
    return pathlib.Path(shutil.copyfile(path, to))


def slots(tcti):
    """What programs left behind in the TPM: free slots for objects and for sessions, and sessions
    that are loaded or saved."""
    text = tool(tcti, "tpm2_getcap", "properties-variable")
    return [int(re.search(rf"TPM2_PT_HR_{name}: (0x[0-9a-fA-F]+)", text)[1], 16)
            for name in ("TRANSIENT_AVAIL", "LOADED_AVAIL", "ACTIVE")]


def is_untouched(tcti):
    """Nothing of Bulkhead's is in the TPM, and its owner has no authorisation."""
    for handle in (AK, *INDICES):
        equal(has(tcti, handle), False, f"{handle} is in the TPM")
    contains(tool(tcti, "tpm2_getcap", "properties-variable"), "ownerAuthSet:              0",
             "variable properties")
