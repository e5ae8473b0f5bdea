"""Connect the user's terminal with a machine's work console."""
import os
import sys
import termios
import tty

LEAVE = b"\x1d"
LEAVE_NAME = "Ctrl-]"


def is_there():
    return sys.stdin.isatty() and sys.stdout.isatty()


def write(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def core_line_shower():
    """A listener that shows core's console line by line between the shell's output."""
    pending = ""

    def show(text):
        nonlocal pending
        *lines, pending = (pending + text).split("\n")
        for line in lines:
            write(f"\r\n\033[2mcore| {line}\033[0m\r\n".encode())

    return show


def use(machine):
    """Until the user types LEAVE or the machine ends: keys to work's console, its output
    to the screen, and core's lines in between."""
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    show_core = core_line_shower()
    machine.work.on_bytes.append(write)
    machine.core.on_text.append(show_core)
    try:
        tty.setraw(keyboard)
        while machine.work.is_open:
            if keyboard not in machine.read(others=[keyboard]):
                continue
            typed = os.read(keyboard, 1024)
            machine.work.send_bytes(typed.partition(LEAVE)[0])
            if LEAVE in typed or not typed:
                break
    except BrokenPipeError:
        pass  # the machine ended while a key was on its way to it
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
        machine.work.on_bytes.remove(write)
        machine.core.on_text.remove(show_core)
        print()
