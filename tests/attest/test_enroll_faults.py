"""bhattest enroll when a TPM's command fails: whichever it is."""
import shutil
import struct
import tempfile

from enrolment import ENROLMENT, FREE, INDICES, Liar, Site, slots, tool
from testing import Failure, cases, contains, equal, limit
from tpm import Tpm

FLUSH_CONTEXT = 0x165
RC_FAILURE = struct.pack(">HII", 0x8001, 10, 0x101)


class Faulty:
    """Answers the command of a number with TPM_RC_FAILURE, in the TPM's place. Not flushes: what
    they would flush would stay, whatever a program does."""

    def __init__(self, number):
        self.left = number
        self.has_failed = False

    def answer(self, wires, command):
        code, = struct.unpack_from(">I", command, 6)
        if code != FLUSH_CONTEXT:
            self.left -= 1
            if self.left == -1:
                self.has_failed = True
                return RC_FAILURE
        return wires[0].ask(command)


def fails_at(site, new, number):
    """Enrol a copy of a new TPM, whose command of that number fails. False: it takes fewer."""
    tpm = Tpm(site.directory / str(number))
    shutil.copytree(new.directory, tpm.directory)
    site.owner_auth = tpm.directory / "owner.auth"
    with tpm.for_tools() as tcti:
        faulty = Faulty(number)
        with Liar([tcti], faulty.answer) as through:
            try:
                said = site.enroll(through, tpm, code=ENROLMENT)
            except Failure:
                if faulty.has_failed:
                    raise
                return False
        contains(said, "failed with 101, ", f"command {number}")
        contains(said, "TPM2_", f"command {number}")
        equal(site.record.exists(), False, "a record was written")
        equal(slots(tcti), FREE, f"slots after command {number}")
        site.enroll(tcti, tpm)
        site.record.unlink()
        for index, attributes in INDICES.items():
            contains(tool(tcti, "tpm2_nvreadpublic", index).lower(), attributes, index)
    shutil.rmtree(tpm.directory)
    return True


PARTS = 4


@limit(300)
@cases({str(part): (part,) for part in range(PARTS)})
def test_any_command_fails(part):
    """Whichever command fails, enroll says so, writes no record, and leaves nothing in the TPM's
    slots; and the next enrolment goes on from there, until all is right."""
    with tempfile.TemporaryDirectory() as directory:
        site = Site(directory)
        new = site.tpm()
        number = part
        while fails_at(site, new, number):
            number += PARTS
        equal(number > 60, True, f"an enrolment takes {number} commands, about")
