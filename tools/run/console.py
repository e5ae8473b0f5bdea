"""A serial console of a running machine: wait for lines on it, type into it."""
import codecs
import os
import re

# What firmware and GRUB paint their screens with; complete, and cut off at the end.
ESCAPE = re.compile(r"\x1b(?:\[[0-9;?=]*[A-Za-z]|[()][A-Z0-9]|[=>78])")
ESCAPE_BEGUN = re.compile(r"\x1b(?:\[[0-9;?=]*|[()])?\Z")
DOLLAR = re.compile(r"(?<!\\)\$")
TAIL_LINES = 40


class MachineError(Exception):
    """The machine did not do what was waited for. The text ends with its consoles' tails."""


class Console:
    """One console. `text` is all that was read so far, without CR and escape sequences.

    `wait_for_output(deadline)` of the owner reads what has come on all consoles,
    and raises MachineError where nothing can come any more.
    """

    def __init__(self, name, output, keys, owner):
        self.name = name
        self.output = output  # file descriptor of what the machine writes
        self.keys = keys  # file descriptor of what it reads
        self.owner = owner
        self.text = ""
        self.expected_up_to = 0  # what lies before was matched by expect()
        self.is_open = True
        self.on_bytes = []  # functions, called with all that comes as it is
        self.on_text = []  # functions, called with what is appended to `text`
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.held_back = ""

    def receive(self):
        """Take what has come, or wait until something comes."""
        data = os.read(self.output, 1 << 20)
        if not data:
            self.is_open = False
            return
        for listener in self.on_bytes:
            listener(data)
        text = self.held_back + self.decoder.decode(data).replace("\r", "")
        text = ESCAPE.sub("", text)
        begun = ESCAPE_BEGUN.search(text)
        cut = begun.start() if begun else len(text)
        self.text += text[:cut]
        self.held_back = text[cut:]
        for listener in self.on_text:
            listener(text[:cut])

    def expect(self, pattern, timeout=30, unless=None):
        """Wait until the regular expression matches behind the last match; returns the match.

        ^ and $ match at lines' ends, and $ waits until the line's end has come: end the
        expression with it where the line's rest matters.
        Raises MachineError after `timeout` seconds, when the machine ends, or at once
        when the expression `unless` matches on this or the machine's other console.
        """
        wanted = re.compile(DOLLAR.sub(r"(?=\\n)", pattern), re.MULTILINE)
        unwanted = unless and re.compile(DOLLAR.sub(r"(?=\\n)", unless), re.MULTILINE)
        deadline = self.owner.deadline(timeout)
        while True:
            found = wanted.search(self.text, self.expected_up_to)
            if found:
                self.expected_up_to = found.end()
                return found
            for console in self.owner.consoles if unwanted else []:
                wrong = unwanted.search(console.text, console.expected_up_to)
                if wrong:
                    raise MachineError(self.owner.report(
                        f"{console.name} console: got {wrong[0]!r} while waiting for {pattern!r} "
                        f"on the {self.name} console"))
            self.owner.wait_for_output(
                deadline, f"{self.name} console: {pattern!r} did not come within {timeout} s")

    def send(self, text):
        self.send_bytes(text.encode())

    def send_bytes(self, data):
        while data:
            data = data[os.write(self.keys, data):]

    def tail(self):
        """The last lines, for a failure's report."""
        lines = (self.text + self.held_back).splitlines()[-TAIL_LINES:]
        return "\n".join(f"  {self.name}| {line}" for line in lines) or f"  {self.name}| (nothing)"
