"""What other people's tools say of evidence: tpm2_eventlog, openssl, python3-cbor2.

For evidence made up here and for what core itself hands out.
"""
import pathlib
import re
import subprocess
import tempfile

import wire
from testing import Failure, equal
from wire import Claim

STATIC, DYNAMIC = b"\xff" * 32, bytes(32)  # where PCR 17-22 start
P256_SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")


def run(*command, data=None):
    done = subprocess.run([str(part) for part in command], input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.decode(errors="replace")


def must_run(*command, data=None):
    status, output = run(*command, data=data)
    if status != 0:
        raise Failure(f"{command[0]} ended with status {status}:\n{output}")
    return output


def decode(evidence):
    """By python3-cbor2, which must also write the same bytes again as canonical CBOR."""
    try:
        import cbor2
    except ImportError as error:
        raise Failure("python3-cbor2 is missing. Run scripts/setup.sh test") from error
    claims = cbor2.loads(evidence)
    equal(cbor2.dumps(claims, canonical=True), evidence, "evidence, written again by python3-cbor2")
    report = cbor2.loads(claims[Claim.REPORT])
    equal(cbor2.dumps(report, canonical=True), claims[Claim.REPORT], "the report, written again")
    return claims, report


def eventlog(log):
    """tpm2_eventlog's reading: {PCR: SHA-256 digests of its events}, {PCR: value it computes}."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(log)
        file.flush()
        text = must_run("tpm2_eventlog", file.name)
    for word in ("WARN", "ERROR"):
        if word in text:
            raise Failure(f"tpm2_eventlog complains:\n{text[:2000]}")
    listed, _, computed = text.partition("\npcrs:")
    digests = {}
    for part in listed.split("- EventNum:")[1:]:
        pcr, kind = (re.search(rf"{name}: (\S+)", part)[1] for name in ("PCRIndex", "EventType"))
        if kind != "EV_NO_ACTION":
            found = re.search(r'AlgorithmId: sha256\s+Digest: "([0-9a-f]+)"', part)
            digests.setdefault(int(pcr), []).append(bytes.fromhex(found[1]))
    bank = re.search(r"\n  sha256:\n((?:    .*\n)+)", computed)
    values = {int(pcr): bytes.fromhex(value)
              for pcr, value in re.findall(r"(\d+) *: 0x([0-9a-f]+)", bank[1])}
    return digests, values


def eventlog_agrees(log, pcrs, start=STATIC):
    """tpm2_eventlog reads the log, and its digests lead to the TPM's values. It computes values
    from zero, where PCR 17-22 start after a dynamic launch only: then they are the TPM's."""
    digests, values = eventlog(log)
    equal(sorted(digests), [17, 18, 19], "PCRs that tpm2_eventlog finds in the log")
    for pcr, extended in digests.items():
        equal(values[pcr].hex(), wire.extended(DYNAMIC, extended).hex(),
              f"PCR {pcr} as tpm2_eventlog computes it, and from its digests")
        equal(wire.extended(start, extended).hex(), pcrs[pcr].hex(),
              f"PCR {pcr} from tpm2_eventlog's digests, and the TPM's")
    if start == DYNAMIC:
        equal({n: v.hex() for n, v in values.items()}, {n: pcrs[n].hex() for n in values},
              "PCRs by tpm2_eventlog and the TPM's")


def openssl_accepts(attest, signature, ak):
    """Whether openssl finds the ECDSA signature good: raw r and s to DER, TPMT_PUBLIC to SPKI."""
    def integer(value):
        value = value.lstrip(b"\0") or b"\0"
        value = b"\0" + value if value[0] & 0x80 else value
        return bytes([2, len(value)]) + value

    both = integer(signature[6:38]) + integer(signature[40:72])
    point = b"\4" + ak[-66:-34] + ak[-32:]  # ends with two TPM2Bs of 32 bytes
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        for file, data in (("key.der", P256_SPKI + point), ("attest", attest),
                           ("signature", bytes([0x30, len(both)]) + both)):
            (directory / file).write_bytes(data)
        must_run("openssl", "pkey", "-pubin", "-inform", "DER", "-in", directory / "key.der",
                 "-out", directory / "key.pem")
        status, output = run("openssl", "dgst", "-sha256", "-verify", directory / "key.pem",
                             "-signature", directory / "signature", directory / "attest")
    if status == 0 and "Verified OK" in output:
        return True
    if status != 0 and "Verification failure" in output:
        return False
    raise Failure(f"openssl ended with status {status}:\n{output}")


def minisign_accepts(path, public):
    status, output = run("minisign", "-V", "-p", public, "-m", path)
    if status not in (0, 1):
        raise Failure(f"minisign ended with status {status}:\n{output}")
    return status == 0


def agree(evidence, start=STATIC):
    """All of them agree about this evidence. Returns its claims and its report."""
    claims, report = decode(evidence)
    equal(openssl_accepts(claims[Claim.ATTEST], claims[Claim.SIGNATURE], claims[Claim.AK]), True,
          "the quote's signature is good, says openssl")
    eventlog_agrees(claims[Claim.LOG], claims[Claim.PCRS], start)
    return claims, report
