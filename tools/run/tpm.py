"""A TPM 2.0 (swtpm) whose state outlives machines: enrolled by tools, then booted with.

    tpm = Tpm.manufacture(directory)
    with tpm.for_tools() as tcti:               # between boots: "swtpm:host=...,port=N"
        run("bhattest", "enroll", "--tcti", tcti, "--ek-ca", tpm.ek_ca, ...)
    with Machine(Config(boot=..., tpm=tpm)): ...

Only one of them at a time: swtpm locks its state.
"""
import contextlib
import os
import pathlib
import select
import socket
import struct
import subprocess
import threading

from console import MachineError

# swtpm_ioctl(3): commands of the control channel
CMD_INIT, CMD_SHUTDOWN, CMD_SET_LOCALITY, CMD_SET_DATAFD = 2, 3, 5, 16
# TPM 2.0 Library, part 3, 9.3 and 9.4: TPM2_Startup and TPM2_Shutdown, each with TPM_SU_CLEAR
STARTUP = struct.pack(">HIIH", 0x8001, 12, 0x144, 0)
SHUTDOWN = struct.pack(">HIIH", 0x8001, 12, 0x145, 0)
DONE = struct.pack(">HII", 0x8001, 10, 0)
PCR_BANKS = "sha1,sha256"
ANSWER_TIMEOUT = 30
# Nothing in the user's home directory or /var/lib is touched: the maker's CA lies beside the state.
SETUP_CONFIG = """\
create_certs_tool = /usr/bin/swtpm_localca
create_certs_tool_config = {directory}/localca.conf
create_certs_tool_options = {directory}/localca.options
"""
LOCALCA_CONFIG = """\
statedir = {directory}/ca
signingkey = {directory}/ca/signkey.pem
issuercert = {directory}/ca/issuercert.pem
certserial = {directory}/ca/certserial
"""
LOCALCA_OPTIONS = """\
--platform-manufacturer Bulkhead
--platform-version 1
--platform-model emulated
"""


class Tpm:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory).resolve()
        self.state = self.directory / "state"

    @classmethod
    def manufacture(cls, directory):
        """A new TPM with an endorsement key, and a certificate for it in its NV memory. The
        maker's CA is made with it: ek_ca."""
        tpm = cls(directory)
        tpm.state.mkdir(parents=True)
        (tpm.directory / "ca").mkdir()
        for name, text in (("setup.conf", SETUP_CONFIG), ("localca.conf", LOCALCA_CONFIG),
                           ("localca.options", LOCALCA_OPTIONS)):
            (tpm.directory / name).write_text(text.format(directory=tpm.directory))
        done = subprocess.run(
            ["swtpm_setup", "--tpm2", "--tpmstate", str(tpm.state), "--create-ek-cert",
             "--pcr-banks", PCR_BANKS, "--config", str(tpm.directory / "setup.conf")],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise MachineError(f"swtpm_setup ended with status {done.returncode}:\n{done.stdout}")
        ca = tpm.directory / "ca"
        tpm.ek_ca.write_text((ca / "swtpm-localca-rootca-cert.pem").read_text() +
                             (ca / "issuercert.pem").read_text())
        return tpm

    @property
    def ek_ca(self):
        """The maker's CA: the root's certificate and the issuer's, PEM."""
        return self.directory / "ek-ca.pem"

    def command(self, control):
        """swtpm's command line; control: descriptor of the connected control channel."""
        self.state.mkdir(parents=True, exist_ok=True)
        return ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.state}",
                "--ctrl", f"type=unixio,clientfd={control}", "--terminate"]

    def attach(self, machine):
        """For Machine: start swtpm; returns the descriptor through which QEMU drives it."""
        ours, theirs = machine.socket_pair()
        machine.spawn(self.command(theirs.fileno()), [theirs.fileno()])
        theirs.close()
        return ours.fileno()

    @contextlib.contextmanager
    def for_tools(self):
        """The TPM, switched on for programs of the host; yields their TCTI. They can set the
        locality. It is shut down in order, as what uses it next may count on that."""
        control, control_end = socket.socketpair()
        data, data_end = socket.socketpair()
        with contextlib.ExitStack() as cleanup:
            for opened in (control, control_end, data, data_end):
                cleanup.callback(opened.close)
            swtpm = subprocess.Popen(self.command(control_end.fileno()),
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL, pass_fds=[control_end.fileno()])
            cleanup.callback(swtpm.wait)
            cleanup.callback(swtpm.kill)
            control_end.close()
            for end in (control, data):
                end.settimeout(ANSWER_TIMEOUT)
            hand_over(control, data_end)
            tell(control, struct.pack(">II", CMD_INIT, 0))
            ask(data, STARTUP)
            with Switchboard(control, data) as switchboard:
                yield switchboard.tcti
            ask(data, SHUTDOWN)
            tell(control, struct.pack(">I", CMD_SHUTDOWN))
            swtpm.wait(ANSWER_TIMEOUT)


def hand_over(control, data):
    """Have swtpm take commands from the socket `data`, as QEMU does."""
    socket.send_fds(control, [struct.pack(">I", CMD_SET_DATAFD)], [data.fileno()])
    check_told(control, CMD_SET_DATAFD)
    data.close()


def tell(control, request):
    control.sendall(request)
    check_told(control, struct.unpack_from(">I", request)[0])


def check_told(control, command):
    reply = control.recv(64)
    if len(reply) < 4 or reply[:4] != bytes(4):
        raise MachineError(f"swtpm answers control command {command} with {reply.hex() or 'its end'}")


def ask(data, command):
    data.sendall(command)
    response = data.recv(64)
    if response != DONE:
        raise MachineError(f"the TPM answers {command.hex()} with {response.hex() or 'its end'}")


class Switchboard:
    """Two neighbouring TCP ports, as the swtpm TCTI wants them, joined with swtpm's sockets.

    swtpm could listen by itself, but takes no listening socket for data: between finding
    two free ports and swtpm's binding them somebody else could take one.
    """

    def __init__(self, control, data):
        self.swtpm = {"control": control, "data": data}
        self.clients = {}  # "control", "data" -> the connection of now

    def __enter__(self):
        self.listeners = neighbours()
        port = self.listeners["data"].getsockname()[1]
        self.tcti = f"swtpm:host=127.0.0.1,port={port}"
        self.wake, self.end = socket.socketpair()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end.close()
        self.thread.join()
        for opened in (self.wake, *self.listeners.values(), *self.clients.values()):
            opened.close()

    def run(self):
        while True:
            ways = {self.wake: None}
            for kind in ("control", "data"):
                ways[self.listeners[kind]] = lambda kind=kind: self.accept(kind)
                ways[self.swtpm[kind]] = lambda kind=kind: self.forward(kind)
                if kind in self.clients:
                    ways[self.clients[kind]] = lambda kind=kind: self.take(kind)
            ready = select.select(list(ways), [], [])[0]
            if self.wake in ready or not ways[ready[0]]():
                return

    def accept(self, kind):
        self.drop(kind)
        self.clients[kind] = self.listeners[kind].accept()[0]
        return True

    def drop(self, kind):
        if kind in self.clients:
            self.clients.pop(kind).close()

    def take(self, kind):
        """What a tool says goes to swtpm."""
        try:
            said = self.clients[kind].recv(65536)
        except ConnectionError:
            said = b""
        if said:
            self.swtpm[kind].sendall(said)
        else:
            self.drop(kind)
        return True

    def forward(self, kind):
        """What swtpm answers goes to who asked. False when swtpm has ended."""
        said = self.swtpm[kind].recv(65536)
        if said and kind in self.clients:
            with contextlib.suppress(ConnectionError):
                self.clients[kind].sendall(said)
        return bool(said)


def neighbours():
    """Listening sockets on a free TCP port, data's, and on the next, control's."""
    while True:
        data, control = socket.socket(), socket.socket()
        data.bind(("127.0.0.1", 0))
        try:
            control.bind(("127.0.0.1", data.getsockname()[1] + 1))
        except (OSError, OverflowError):  # taken, or there is no port 65536
            data.close()
            control.close()
            continue
        for listener in (data, control):
            listener.listen()
        return {"data": data, "control": control}
