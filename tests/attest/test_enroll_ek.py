"""bhattest enroll and the endorsement key: its certificate, and that the key which is enrolled lies
in the same TPM."""
import hashlib
import hmac
import struct

import enrolment
from enrolment import (DONE, EK, ENROLMENT, FREE, Liar, certificate, ek_public, is_untouched, machine, run,
                       slots, tool)
from testing import cases, contains, equal

READ_PUBLIC, NV_READ_PUBLIC, NV_READ = 0x173, 0x169, 0x14E
CREATE, LOAD, ACTIVATE_CREDENTIAL, START_AUTH_SESSION = 0x153, 0x157, 0x147, 0x176
QUOTE = 0x158
ALG_SHA256 = b"\0\x0b"
RH_ENDORSEMENT = 0x4000000B

# Certificates: (what is given, what bhattest says)

def given(make):
    return lambda site, tpm, tcti: {"ek_cert": make(site, tpm, tcti)}


def made(**arguments):
    return given(lambda site, tpm, tcti: certificate(
        site.directory, tpm, ek_public(site.directory, tcti), **arguments))


def of_other_key(site, tpm, _):
    with site.tpm().for_tools() as tcti:
        return certificate(site.directory, tpm, ek_public(site.directory, tcti))


def of_ec_key(site, tpm, _):
    key, public = site.directory / "ec.key", site.directory / "ec.pem"
    run("certtool", "--generate-privkey", "--key-type", "ecdsa", "--outfile", key)
    run("certtool", "--load-privkey", key, "--pubkey-info", "--outfile", public)
    return certificate(site.directory, tpm, public)


def not_a_certificate(text):
    def make(site, _tpm, _tcti):
        path = site.directory / "certificate"
        path.write_bytes(text)
        return path
    return given(make)


def issuer_only(site, tpm, _):
    return {"ek_ca": tpm.directory / "ca" / "issuercert.pem"}


def altered(site, tpm, tcti):
    """The TPM's own certificate, one bit of its signature flipped."""
    path = site.directory / "altered.der"
    tool(tcti, "tpm2_nvread", "0x1c00002", "-o", path)
    data = bytearray(path.read_bytes())
    size = int.from_bytes(data[2:4], "big") + 4
    data[size - 1] ^= 1
    path.write_bytes(data)
    return path


def signed_by_ek_certificate(site, tpm, _):
    """A leaf is no CA: one certificate more below the maker's chain."""
    key = site.directory / "leaf.key"
    run("certtool", "--generate-privkey", "--key-type", "rsa", "--bits", "2048", "--outfile", key)
    public = site.directory / "leaf.pem"
    run("certtool", "--load-privkey", key, "--pubkey-info", "--outfile", public)
    ca = site.directory / "leaf"
    ca.mkdir()
    enrolment.copy(key, ca / "signkey.pem")
    enrolment.copy(certificate(site.directory, tpm, public), ca / "issuercert.pem")
    with_leaf = site.directory / "with-leaf.pem"
    with_leaf.write_text(tpm.ek_ca.read_text() + (ca / "issuercert.pem").read_text())
    return ca, with_leaf


def leaf_as_ca(site, tpm, tcti):
    ca, with_leaf = signed_by_ek_certificate(site, tpm, tcti)
    return {"ek_ca": with_leaf, "ek_cert": certificate(
        site.directory, tpm, ek_public(site.directory, tcti), ca=ca)}


@cases({
    "wrong-root": (lambda site, tpm, tcti: {"ek_ca": site.tpm().ek_ca}, "doesn't lead to"),
    "expired": (made(ends="2021-01-01"), "certificate has expired"),
    "unlike-the-key": (given(of_other_key), "for another key"),
    "of-another-kind-of-key": (given(of_ec_key), "no RSA key"),
    "of-another-purpose": (made(purpose=None), "purpose 2.23.133.8.1"),
    "of-a-web-server": (made(purpose="1.3.6.1.5.5.7.3.1"), "purpose 2.23.133.8.1"),
    "issuer-without-root": (issuer_only, "doesn't lead to"),
    "signed-by-no-ca": (leaf_as_ca, "doesn't lead to"),
    "altered": (given(altered), "doesn't lead to"),
    "empty": (not_a_certificate(b""), "no X.509 certificate"),
    "garbage": (not_a_certificate(b"\x30\x82\x01\x00" + b"\x55" * 300), "no X.509 certificate"),
    "garbage-in-pem": (not_a_certificate(b"-----BEGIN CERTIFICATE-----\nAAAA\n"),
                       "no X.509 certificate"),
    "missing": (lambda *_: {"ek_cert": "/nonexistent"}, "/nonexistent can't be read"),
    "ca-missing": (lambda *_: {"ek_ca": "/nonexistent"}, "can't be read as certificates"),
})
def test_certificate(changed, says):
    """An endorsement key's certificate that proves nothing is refused, and nothing is changed in
    the TPM before that is known."""
    with machine() as (site, tpm, tcti):
        options = changed(site, tpm, tcti)
        contains(site.enroll(tcti, tpm, code=ENROLMENT, **options), says, "what enroll says")
        equal(site.record.exists() or site.owner_auth.exists(), False, "a file was written")
        is_untouched(tcti)
        equal(slots(tcti), FREE, "slots")


def test_certificate_file():
    """A certificate in a file will do, in PEM or DER."""
    with machine() as (site, tpm, tcti):
        path = certificate(site.directory, tpm, ek_public(site.directory, tcti))
        site.enroll(tcti, tpm, ek_cert=path)
        der = site.directory / "made.der"
        run("openssl", "x509", "-in", path, "-outform", "der", "-out", der)
        site.enroll(tcti, tpm, ek_cert=der)


class LyingMachine:
    """What a machine does that has a TPM of its own, and shows another's endorsement key and
    certificate. To its own TPM it speaks of that one's key."""

    def __init__(self, site, shown, own):
        ek = hashlib.sha256(struct.pack(">I", RH_ENDORSEMENT) + name_of(site, shown, EK)).digest()
        self.parent = ALG_SHA256 + ek  # the qualified name of the key that is shown
        self.own_ek = name_of(site, own, EK)
        self.own_ak = self.nonce = b""

    def answer(self, wires, command):
        shown, own = wires
        code, handle = struct.unpack_from(">II", command, 6)
        if code in (READ_PUBLIC, NV_READ_PUBLIC, NV_READ) and handle in (int(EK, 16), 0x1C00002):
            return shown.ask(command)
        if code in (CREATE, LOAD):
            command = self.authorized(command, [self.own_ek])
        elif code == ACTIVATE_CREDENTIAL:
            command = self.authorized(command, [self.own_ak, self.own_ek])
        answer = own.ask(command)
        if code == START_AUTH_SESSION:
            self.nonce = answer[16:]
        elif code == READ_PUBLIC and len(answer) > 2 * (2 + 34):
            # as if the key were a child of the key that is shown
            self.own_ak = answer[-2 - 34 - 34:-2 - 34]
            qualified = ALG_SHA256 + hashlib.sha256(self.parent + self.own_ak).digest()
            answer = answer[:-34] + qualified
        return answer

    def authorized(self, command, names):
        """The command, its policy session's HMAC made anew (part 1, 19.6.5), with these names."""
        start = 10 + 4 * len(names) + 4
        end = start + struct.unpack_from(">I", command, start - 4)[0]
        parameters = command[6:10] + b"".join(names) + command[end:]
        at = end - 2 - 32 - 1  # the last session: its attributes, and its HMAC
        size = struct.unpack_from(">H", command, end - 34)[0]
        equal(size, 32, "size of the policy session's HMAC")
        caller = command[end - 35 - 32:end - 35]
        text = hashlib.sha256(parameters).digest() + caller + self.nonce + command[at:at + 1]
        return command[:end - 32] + hmac.digest(b"", text, "sha256") + command[end:]


def test_machine_that_lies():
    """A machine that shows another's endorsement key and certificate can't have its own key
    enrolled: no TPM holds both, and ActivateCredential fails."""
    with machine() as (site, genuine, genuine_tcti), site.tpm().for_tools() as own_tcti:
        liar = LyingMachine(site, genuine_tcti, own_tcti)
        with Liar([genuine_tcti, own_tcti], liar.answer) as tcti:
            said = site.enroll(tcti, genuine, code=ENROLMENT)
        contains(said, "TPM2_ActivateCredential failed", "what enroll says")
        equal(site.record.exists(), False, "a record was written")
        is_untouched(genuine_tcti)
        # The same without the lie, in the same way: it is the only thing that was wrong.
        liar = LyingMachine(site, own_tcti, own_tcti)
        with Liar([own_tcti], lambda wires, command: liar.answer(wires * 2, command)) as tcti:
            site.enroll(tcti, site.tpms[1])


class MadeUp:
    """A machine, or a TPM, that alters the answer to one command, and seals it again."""

    def __init__(self, code, handles, alter):
        self.code, self.handles, self.alter = code, handles, alter

    def answer(self, wires, command):
        answer = wires[0].ask(command)
        code, = struct.unpack_from(">I", command, 6)
        if code != self.code:
            return answer
        start = 10 + 4 * self.handles + 4
        end = start + struct.unpack_from(">I", command, start - 4)[0]
        caller = command[end - 35 - 32:end - 35]  # nonce of the last session, the policy session
        size, = struct.unpack_from(">I", answer, 10)
        parameters = self.alter(bytearray(answer[14:14 + size]))
        attributes, own = answer[-35:-34], answer[-67:-35]
        digest = hashlib.sha256(bytes(4) + command[6:10] + parameters).digest()
        seal = hmac.digest(b"", digest + own + caller + attributes, "sha256")
        return answer[:14] + bytes(parameters) + answer[14 + size:-32] + seal


def flipped(offset):
    def alter(parameters):
        parameters[offset] ^= 1
        return parameters
    return alter


FIRMWARE = -2 - 32 - 10 - 8  # from the end of TPMS_ATTEST: digest, selection of one bank, version


def firmware_flipped(parameters):
    size, = struct.unpack_from(">H", parameters)
    parameters[2 + size + FIRMWARE] ^= 1
    return parameters


@cases({
    "the-secret": (ACTIVATE_CREDENTIAL, 2, flipped(33), "another secret"),
    "no-secret": (ACTIVATE_CREDENTIAL, 2, lambda p: struct.pack(">H", 32) + bytes(32), "another secret"),
    "firmware-in-the-quote": (QUOTE, 1, firmware_flipped, "expected a good signature"),
    "nonce-of-the-quote": (QUOTE, 1, flipped(2 + 4 + 2 + 2 + 34 + 2), "expected extraData"),
    "magic-of-the-quote": (QUOTE, 1, flipped(2), "expected TPMS_ATTEST with magic"),
    "nothing": (None, 0, None, None),
})
def test_made_up_answers(code, handles, alter, says):
    """What a TPM would have to say for the authority can't be made up."""
    with machine() as (site, tpm, tcti):
        with Liar([tcti], MadeUp(code, handles, alter).answer) as through:
            said = site.enroll(through, tpm, code=ENROLMENT if says else DONE)
        if says:
            contains(said, says, "what enroll says")
        equal(site.record.exists(), not says, "whether a record was written")


def name_of(site, tcti, handle):
    path = site.directory / "name"
    tool(tcti, "tpm2_readpublic", "-c", handle, "-n", path)
    return path.read_bytes()
