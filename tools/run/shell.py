"""Run commands in the shell that a Linux domain offers on its console."""
import secrets

from console import MachineError

READY = r"^work: shell ready$"


class Shell:
    """A POSIX shell that waits at its prompt on the console."""

    def __init__(self, console):
        self.console = console

    def run(self, command, timeout=30):
        """Run a command line; returns its exit status and its output without the last newline."""
        mark = secrets.token_hex(4)
        # The quotes keep the console's echo of this line from looking like the answer.
        self.console.send(f"echo begin''-{mark}; {command}; echo end''-{mark} $?\n")
        begin = self.console.expect(rf"^begin-{mark}\n", timeout)
        end = self.console.expect(rf"end-{mark} (\d+)$", timeout)
        return int(end[1]), self.console.text[begin.end():end.start()].removesuffix("\n")

    def output(self, command, timeout=30):
        """The output of a command that must succeed."""
        status, output = self.run(command, timeout)
        if status != 0:
            raise MachineError(f"in the {self.console.name} domain's shell, {command!r} ended "
                               f"with status {status}:\n{output}")
        return output
