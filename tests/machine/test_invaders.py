"""GRUB Invaders, a Multiboot 1 kernel of somebody else's, has the screen and the keyboard."""
import dataclasses
import itertools
import pathlib
import re
import time

import package
from machine import BOOT_TIMEOUT, TROUBLE, bulkhead
from testing import Failure, cases, limit

POLICY = package.ROOT / "tests/machine/invaders.policy"
GAME = package.BUILD / "game/invaders.exec"
# The VGA's colors of the game's characters (attributes 3 and 5), 9 x 16 pixels each.
BLACK, INVADERS, SHIP = b"\x00\x00\x00", b"\x00\xa8\xa8", b"\xa8\x00\xa8"
CELL = (9, 16)
SIZE = (80, 25)  # characters


@dataclasses.dataclass
class Screen:
    """What a PPM image of an 80 x 25 text screen shows, by characters' places."""

    colors: set
    cells: dict  # color: {(column, row)}

    @classmethod
    def read(cls, image):
        header = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", image)
        width, height = int(header[1]), int(header[2])
        pixels = image[header.end():]
        cells = {}
        if (width, height) == tuple(a * b for a, b in zip(CELL, SIZE)):
            for y, column in itertools.product(range(height), range(SIZE[0])):
                start = 3 * (y * width + column * CELL[0])
                part = pixels[start:start + 3 * CELL[0]]
                if part == BLACK * CELL[0]:
                    continue
                for color in {part[i:i + 3] for i in range(0, len(part), 3)} - {BLACK}:
                    cells.setdefault(color, set()).add((column, y // CELL[1]))
        return cls(set(cells), cells)

    def invaders(self):
        """How many invaders there are, if all that has their color are invaders: three characters
        side by side, in the upper half."""
        left = sorted(self.cells.get(INVADERS, ()), key=lambda cell: (cell[1], cell[0]))
        for i in range(0, len(left), 3):
            column, row = left[i]
            if left[i:i + 3] != [(column + n, row) for n in range(3)] or row >= SIZE[1] // 2:
                return 0
        return len(left) // 3

    def has_ship(self):
        """Its tip above its two sides, at the bottom."""
        ship = self.cells.get(SHIP, set())
        rows = {row for _, row in ship}
        return len(ship) == 3 and rows == {SIZE[1] - 2, SIZE[1] - 1}


def picture(machine):
    path = pathlib.Path(machine.directory, "screen.ppm")
    machine.qmp("screendump", filename=str(path))
    return Screen.read(path.read_bytes())


def wait_for_game(machine, timeout):
    """Look until the screen shows the game: QEMU tells only who asks."""
    deadline = machine.deadline(timeout)
    while True:
        screen = picture(machine)
        if screen.invaders() >= 40 and screen.has_ship():
            return
        if time.monotonic() > deadline:
            raise Failure(f"the screen shows {screen.invaders()} invaders, a ship: "
                          f"{screen.has_ship()}, the colors {screen.colors}")


@limit(120)
@cases({"nested": ("EPYC,+svm",), "shadow": ("EPYC,+svm,-npt",)})
def test_game(cpu):
    """The game plays: its picture stands on the screen, and a key reaches it. What it does when told
    to end, a reset by the keyboard controller, is denied."""
    with bulkhead("bios-text", policy=POLICY, files={"invaders.exec": GAME}, cpu=cpu, cpus=1,
                  network=False, screen=True) as machine:
        machine.core.expect(r": starts on core 0$", BOOT_TIMEOUT, unless=TROUBLE)
        wait_for_game(machine, 20)
        machine.qmp("send-key", keys=[{"type": "qcode", "data": "esc"}])
        machine.core.expect(r"^bulkhead: game: denied port-write at 0x64 \(0xfe\)$", 20,
                            unless=TROUBLE)
