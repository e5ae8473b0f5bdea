"""Other people's tools read what a TPM signed and what stands in its log."""
import pathlib
import tempfile

import tools
from attester import Attester
from swtpm import Swtpm
from testing import equal
from wire import Claim


def made(tpm, directory):
    return Attester(tpm, pathlib.Path(directory))


def test_evidence():
    """python3-cbor2 reads evidence and writes the same bytes, openssl finds the signature good,
    tpm2_eventlog's digests lead to the TPM's PCR 17-19."""
    with Swtpm() as tpm, tempfile.TemporaryDirectory() as directory:
        tools.agree(made(tpm, directory).evidence())


def test_dynamic_launch():
    """After a dynamic launch tpm2_eventlog computes the TPM's own PCR 18 and 19."""
    with Swtpm() as tpm, tempfile.TemporaryDirectory() as directory:
        tpm.dynamic_launch(b"core")
        attester = made(tpm, directory)
        attester.events = [event for event in attester.events if event.pcr != 17]
        claims, _ = tools.decode(attester.evidence())
        values = tools.eventlog(claims[Claim.LOG])[1]
        equal({n: v.hex() for n, v in values.items()},
              {n: claims[Claim.PCRS][n].hex() for n in (18, 19)}, "PCRs")


def test_altered_evidence():
    """openssl, tpm2_eventlog's digests and minisign notice what was altered."""
    with Swtpm() as tpm, tempfile.TemporaryDirectory() as directory:
        attester = made(tpm, directory)
        attester.write()
        claims, _ = tools.decode((attester.directory / "evidence").read_bytes())
        attest, pcrs = bytearray(claims[Claim.ATTEST]), dict(claims[Claim.PCRS])
        attest[-1] ^= 1
        equal(tools.openssl_accepts(attest, claims[Claim.SIGNATURE], claims[Claim.AK]), False,
              "openssl accepts an altered quote")
        pcrs[19] = bytes(32)
        try:
            tools.eventlog_agrees(claims[Claim.LOG], pcrs)
        except tools.Failure:
            pass
        else:
            raise tools.Failure("other PCR values pass for the log's")
        reference = attester.directory / "reference.json"
        equal(tools.minisign_accepts(reference, attester.author.public), True, "minisign accepts")
        reference.write_text(reference.read_text() + " ")
        equal(tools.minisign_accepts(reference, attester.author.public), False,
              "minisign accepts altered reference values")
