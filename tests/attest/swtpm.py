"""A TPM emulator of the test's own, spoken to in plain TPM 2.0 commands.

No TPM library stands between: what is sent and what comes back are the bytes of the
specification (TPM 2.0 Library, parts 2 and 3), so that a test can send anything.
"""
import pathlib
import shutil
import socket
import struct
import subprocess
import tempfile
import time

from testing import Failure

CMD_INIT, CMD_SET_LOCALITY = 2, 5  # swtpm's control channel
CMD_HASH_START, CMD_HASH_DATA, CMD_HASH_END = 6, 7, 8
SU_CLEAR, SU_STATE = 0, 1
ST_NO_SESSIONS, ST_SESSIONS = 0x8001, 0x8002
RS_PW = 0x40000009
RH_OWNER, RH_NULL, RH_ENDORSEMENT = 0x40000001, 0x40000007, 0x4000000B
ALG_SHA1, ALG_SHA256, ALG_NULL, ALG_ECDSA, ALG_ECC = 4, 11, 16, 24, 35
ALG_AES, ALG_CFB = 6, 0x43
CURVE_P256 = 3
AK_HANDLE = 0x81014248  # BH_AK_HANDLE
START_LIMIT = 20  # seconds


class TpmError(Exception):
    def __init__(self, command, code):
        super().__init__(f"TPM command {command:03x}h ended with {code:03x}h")
        self.code = code


def sized(data):
    """TPM2B: a 16-bit length, then the bytes."""
    return struct.pack(">H", len(data)) + data


def take_sized(data, offset=0):
    """The bytes of a TPM2B, and where it ends."""
    size, = struct.unpack_from(">H", data, offset)
    end = offset + 2 + size
    return data[offset + 2:end], end


def bitmap(numbers, size=3):
    return sum(1 << n for n in numbers).to_bytes(size, "little")


def selection(numbers, algorithm=ALG_SHA256, size=3):
    """TPMS_PCR_SELECTION"""
    return struct.pack(">HB", algorithm, size) + bitmap(numbers, size)


def selections(*each):
    """TPML_PCR_SELECTION"""
    return struct.pack(">I", len(each)) + b"".join(each)


class Swtpm:
    """Started on construction, in a directory of its own; `with` ends it."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="swtpm-"))
        self.process = None
        self.persistent = AK_HANDLE - 1  # the last object that was made so
        self.on_response = lambda response: None
        self.data = self.control = None
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        data, control = self.directory / "data", self.directory / "control"
        log = open(self.directory / "log", "wb")
        self.process = subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.directory}", "--server",
             f"type=unixio,path={data}", "--ctrl", f"type=unixio,path={control}"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self.control = self.connect(control)
        self.reset()
        self.data = self.connect(data)
        self.startup(SU_CLEAR)

    def connect(self, path):
        deadline = time.monotonic() + START_LIMIT
        while True:
            try:
                connection = socket.socket(socket.AF_UNIX)
                connection.settimeout(START_LIMIT)
                connection.connect(str(path))
                return connection
            except (FileNotFoundError, ConnectionRefusedError):
                connection.close()
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise Failure("swtpm did not start:\n"
                                  + (self.directory / "log").read_text()) from None
                time.sleep(0.005)  # nothing tells when swtpm listens

    def close(self):
        for connection in (self.data, self.control):
            if connection:
                connection.close()
        if self.process:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def to_control(self, command, payload=b""):
        self.control.sendall(struct.pack(">I", command) + payload)
        result, = struct.unpack(">I", self.receive(self.control, 4))
        if result != 0:
            raise Failure(f"swtpm's control command {command} ended with {result:x}h")

    @staticmethod
    def receive(connection, size):
        data = b""
        while len(data) < size:
            part = connection.recv(size - len(data))
            if not part:
                raise Failure("swtpm closed the connection")
            data += part
        return data

    def reset(self):
        """_TPM_Init: what a power cycle does. TPM2_Startup must follow, at locality 0."""
        self.locality(0)
        self.to_control(CMD_INIT, struct.pack(">I", 0))

    def locality(self, number):
        self.to_control(CMD_SET_LOCALITY, bytes([number]))

    def send(self, code, body=b"", tag=ST_NO_SESSIONS):
        """One command; returns what follows the response's header."""
        self.data.sendall(struct.pack(">HII", tag, 10 + len(body), code) + body)
        header = self.receive(self.data, 10)
        _, size, result = struct.unpack(">HII", header)
        rest = self.receive(self.data, size - 10)
        self.on_response(header + rest)
        if result != 0:
            raise TpmError(code, result)
        return rest

    def authorized(self, code, handles, parameters=b"", sessions=(RS_PW,), returns_handle=False):
        """A command with authorizations; returns its handle, if any, and its parameters."""
        areas = b"".join(struct.pack(">IHBH", session, 0, 0 if session != RS_PW else 1, 0)
                         for session in sessions)
        body = struct.pack(f">{len(handles)}I", *handles) + struct.pack(">I", len(areas)) + areas
        answer = self.send(code, body + parameters, ST_SESSIONS)
        at = 4 if returns_handle else 0
        size, = struct.unpack_from(">I", answer, at)
        taken = answer[at + 4:at + 4 + size]
        return (struct.unpack_from(">I", answer)[0], taken) if returns_handle else taken

    # Commands, by their names in part 3.

    def startup(self, kind):
        self.send(0x144, struct.pack(">H", kind))

    def shutdown(self, kind):
        self.send(0x145, struct.pack(">H", kind))

    def power_cycle(self, orderly=True):
        if orderly:
            self.shutdown(SU_CLEAR)
        self.reset()
        self.startup(SU_CLEAR)

    def dynamic_launch(self, code):
        """What SKINIT makes the CPU tell the TPM: PCR 17-22 are zero, and 17 has the code."""
        self.to_control(CMD_HASH_START)
        self.to_control(CMD_HASH_DATA, struct.pack(">I", len(code)) + code)
        self.to_control(CMD_HASH_END)

    def suspend(self):
        """Suspend to RAM, and resume."""
        self.shutdown(SU_STATE)
        self.reset()
        self.startup(SU_STATE)

    def pcr_event(self, pcr, event):
        """Extend all banks; returns {algorithm: digest}."""
        answer = self.authorized(0x13C, [pcr], sized(event))
        count, = struct.unpack_from(">I", answer)
        digests, at = {}, 4
        sizes = {ALG_SHA1: 20, ALG_SHA256: 32, 12: 48, 13: 64}
        for _ in range(count):
            algorithm, = struct.unpack_from(">H", answer, at)
            digests[algorithm] = answer[at + 2:at + 2 + sizes[algorithm]]
            at += 2 + sizes[algorithm]
        return digests

    def pcr_extend(self, pcr, digests):
        values = b"".join(struct.pack(">H", algorithm) + digest
                          for algorithm, digest in digests.items())
        self.authorized(0x182, [pcr], struct.pack(">I", len(digests)) + values)

    def pcr_read(self, pcr, algorithm=ALG_SHA256):
        answer = self.send(0x17E, selections(selection([pcr], algorithm)))
        at = 4 + 4 + 2 + 1 + answer[10]
        count, = struct.unpack_from(">I", answer, at)
        if count != 1:
            raise Failure(f"TPM2_PCR_Read of PCR {pcr} brought {count} values")
        return take_sized(answer, at + 4)[0]

    def create_primary(self, hierarchy, public):
        body = sized(sized(b"") + sized(b"")) + sized(public) + sized(b"") + selections()
        handle, answer = self.authorized(0x131, [hierarchy], body, returns_handle=True)
        return handle, take_sized(answer)[0]

    def create(self, parent, public):
        body = sized(sized(b"") + sized(b"")) + sized(public) + sized(b"") + selections()
        answer = self.authorized(0x153, [parent], body)
        private, at = take_sized(answer)
        return private, take_sized(answer, at)[0]

    def load(self, parent, private, public):
        return self.authorized(0x157, [parent], sized(private) + sized(public),
                               returns_handle=True)[0]

    def flush(self, handle):
        self.send(0x165, struct.pack(">I", handle))

    def evict_control(self, handle, persistent):
        self.authorized(0x120, [RH_OWNER, handle], struct.pack(">I", persistent))

    def keep(self, handle):
        """Make an object persistent: there is room for three that aren't."""
        self.persistent += 1
        self.evict_control(handle, self.persistent)
        self.flush(handle)
        return self.persistent

    def policy_session(self):
        """A policy session that has shown nothing yet."""
        body = struct.pack(">II", RH_NULL, RH_NULL) + sized(bytes(16)) + sized(b"") + \
            struct.pack(">BHH", 1, ALG_NULL, ALG_SHA256)
        return struct.unpack_from(">I", self.send(0x176, body))[0]

    def policy_locality(self, session, number):
        self.send(0x16F, struct.pack(">IB", session, 1 << number))

    def at_locality(self, number):
        """A policy session that has shown the locality."""
        session = self.policy_session()
        self.policy_locality(session, number)
        return session

    def quote(self, key, session, qualifying, what):
        """TPMS_ATTEST and TPMT_SIGNATURE of a TPM2_Quote of the selections `what`."""
        parameters = sized(qualifying) + struct.pack(">H", ALG_NULL) + what
        return self.attested(0x158, [key], parameters, [session])

    def get_time(self, key, session, qualifying):
        parameters = sized(qualifying) + struct.pack(">H", ALG_NULL)
        return self.attested(0x14C, [RH_ENDORSEMENT, key], parameters, [RS_PW, session])

    def certify(self, what, key, session, qualifying):
        parameters = sized(qualifying) + struct.pack(">H", ALG_NULL)
        return self.attested(0x148, [what, key], parameters, [RS_PW, session])

    def attested(self, code, handles, parameters, sessions):
        answer = self.authorized(code, handles, parameters, sessions)
        attest, at = take_sized(answer)
        return attest, answer[at:]

    def time_info(self):
        """time, clock, resetCount, restartCount, safe"""
        return struct.unpack(">QQIIB", self.send(0x181))

    def random(self, size):
        return take_sized(self.send(0x17B, struct.pack(">H", size)))[0]
