"""A TPM that fails: between QEMU and a genuine one, from a chosen command on.

    tpm = BrokenTpm(directory, fault=MUTE, breaks_at=first_at_locality(2))
    with bulkhead(tpm=tpm) as machine: ...
    tpm.commands        # all that came, broken or not, with the TPM's own answers
    tpm.extends()       # of those, what was extended: [(locality, pcr, {algorithm: digest})]

Faults change what the machine gets, not what the TPM does. QEMU believes the length in a
response's header, and waits for as much: one that is too large looks to the machine like silence.
"""
import dataclasses
import select
import socket
import struct
import threading
import time

from tpm import CMD_SET_DATAFD, CMD_SET_LOCALITY, Tpm

HEADER = struct.Struct(">HII")  # tag, length, command or response code
# TPM 2.0 Library, part 2, 6.5.2 and 6.3: commands, and hash algorithms with their digests' size
PCR_EXTEND, PCR_EVENT, QUOTE = 0x182, 0x13c, 0x158
DIGESTS = {0x4: ("sha1", 20), 0xb: ("sha256", 32), 0xc: ("sha384", 48), 0xd: ("sha512", 64)}
NO_SESSIONS = 0x8001
TPM_RC_FAILURE = 0x101
FOREVER = None


@dataclasses.dataclass
class Command:
    index: int
    locality: int
    data: bytes
    response: bytes = b""  # the TPM's own

    @property
    def code(self):
        return HEADER.unpack_from(self.data)[2]


# Faults: functions of a Command with its response; they return what the machine gets, None for
# nothing, and after how many seconds.

def MUTE(_):
    return None, 0


def slow(seconds):
    return lambda command: (command.response, seconds)


def answers(response):
    """The same bytes to everything."""
    return lambda _: (response, 0)


def error(code=TPM_RC_FAILURE):
    return answers(HEADER.pack(NO_SESSIONS, HEADER.size, code))


def tag(value):
    return lambda command: (struct.pack(">H", value) + command.response[2:], 0)


def length(value):
    """A header that claims another length than what follows has."""
    return lambda command: (command.response[:2] + struct.pack(">I", value) + command.response[6:],
                            0)


def cut(size):
    """A shorter response, whose header says so."""
    def fault(command):
        kept = command.response[:max(size, HEADER.size)]
        return kept[:2] + struct.pack(">I", len(kept)) + kept[6:], 0

    return fault


def garbled(generator):
    """A header that is in order, and random bytes in all fields behind it."""
    def fault(command):
        size = len(command.response) - HEADER.size
        return command.response[:HEADER.size] + generator.randbytes(size), 0

    return fault


# When it breaks: functions of a Command, which has no response yet.

def first_at_locality(number):
    return lambda command: command.locality == number


def first_of(code, number=None):
    """The first command with this code, at this locality if one is given."""
    return lambda command: command.code == code and number in (None, command.locality)


class BrokenTpm(Tpm):
    """With neither fault nor breaks_at it only listens."""

    def __init__(self, directory, fault=None, breaks_at=lambda _: False, lasts=FOREVER):
        """lasts: after how many broken answers it works again."""
        super().__init__(directory)
        self.fault = fault
        self.breaks_at = breaks_at
        self.lasts = lasts
        self.is_broken = False
        self.broken = 0  # answers so far
        self.locality = 0
        self.commands = []
        self.trouble = None

    def attach(self, machine):
        self.qemu, qemu_end = socket.socketpair()
        self.swtpm, swtpm_end = socket.socketpair()
        machine.sockets.append(qemu_end)
        machine.spawn(self.command(swtpm_end.fileno()), [swtpm_end.fileno()])
        swtpm_end.close()
        threading.Thread(target=self.run, daemon=True).start()
        return qemu_end.fileno()

    def run(self):
        self.qemu_data = self.swtpm_data = None
        self.from_qemu, self.from_swtpm = b"", b""
        self.late = None  # (when, bytes): an answer that is still to come
        try:
            while self.step():
                pass
        except OSError:
            pass  # one of them has ended
        finally:
            for opened in (self.qemu, self.swtpm, self.qemu_data, self.swtpm_data):
                if opened:
                    opened.close()

    def step(self):
        ways = {self.qemu: self.control, self.swtpm: self.control_answer,
                self.qemu_data: self.take_command, self.swtpm_data: self.take_response}
        ways.pop(None, None)
        wait = max(self.late[0] - time.monotonic(), 0) if self.late else None
        ready = select.select(list(ways), [], [], wait)[0]
        if not ready:
            self.qemu_data.sendall(self.late[1])
            self.late = None
        return all(ways[stream]() for stream in ready)

    def control(self):
        """QEMU sends each command of the control channel in one piece, and waits for its answer."""
        said, descriptors, _, _ = socket.recv_fds(self.qemu, 65536, 1)
        if said[:4] == struct.pack(">I", CMD_SET_DATAFD):
            self.qemu_data = socket.socket(fileno=descriptors[0])
            self.swtpm_data, theirs = socket.socketpair()
            socket.send_fds(self.swtpm, [said], [theirs.fileno()])
            theirs.close()
        else:
            if said[:4] == struct.pack(">I", CMD_SET_LOCALITY):
                self.locality = said[4]
            self.swtpm.sendall(said)
        return bool(said)

    def control_answer(self):
        said = self.swtpm.recv(65536)
        self.qemu.sendall(said)
        return bool(said)

    def take_command(self):
        self.from_qemu += self.qemu_data.recv(65536)
        if not is_whole(self.from_qemu):
            return bool(self.from_qemu)
        command = Command(len(self.commands), self.locality, self.from_qemu)
        self.from_qemu = b""
        self.commands.append(command)
        self.is_broken |= self.breaks_at(command)
        self.swtpm_data.sendall(command.data)
        return True

    def take_response(self):
        self.from_swtpm += self.swtpm_data.recv(65536)
        if not is_whole(self.from_swtpm):
            return bool(self.from_swtpm)
        command = self.commands[-1]
        command.response, self.from_swtpm = self.from_swtpm, b""
        response, delay = command.response, 0
        if self.is_broken and self.broken != self.lasts:
            self.broken += 1
            response, delay = self.fault(command)
        if delay:
            self.late = (time.monotonic() + delay, response)
        elif response is not None:
            self.qemu_data.sendall(response)
        return True

    def extends(self):
        """What TPM2_PCR_Extend extended: [(locality, pcr, {algorithm: digest})]."""
        return [(command.locality, *extended(command.data)) for command in self.commands
                if command.code == PCR_EXTEND and succeeded(command)]

    def events(self):
        """What TPM2_PCR_Event extended: [(locality, pcr, event data)]."""
        return [(command.locality, *event(command.data)) for command in self.commands
                if command.code == PCR_EVENT and succeeded(command)]


def is_whole(data):
    return len(data) >= HEADER.size and len(data) >= HEADER.unpack_from(data)[1]


def succeeded(command):
    return HEADER.unpack_from(command.response)[2] == 0


def parameters(data):
    """PCR, and what follows the authorization area of a command with one handle."""
    pcr, area = struct.unpack_from(">II", data, HEADER.size)
    return pcr, data[HEADER.size + 8 + area:]


def extended(data):
    pcr, rest = parameters(data)
    count, rest = int.from_bytes(rest[:4], "big"), rest[4:]
    digests = {}
    for _ in range(count):
        name, size = DIGESTS[int.from_bytes(rest[:2], "big")]
        digests[name], rest = rest[2:2 + size], rest[2 + size:]
    return pcr, digests


def event(data):
    pcr, rest = parameters(data)
    size = int.from_bytes(rest[:2], "big")
    return pcr, rest[2:2 + size]
