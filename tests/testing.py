"""What a Python test of this suite imports.

A test is a function test_* in a file tests/**/test_*.py. Its docstring says what
the test proves. It passes by returning and fails by raising; tests/run.py runs
each in a process of its own, inside a time limit.
"""


class Skip(Exception):
    """Raised by a test that cannot run here; tests/SKIPS must list it."""


class Failure(AssertionError):
    """What was expected did not happen; the text says what was got."""


def limit(seconds):
    """Decorator: the test's time limit, where the default is too short."""

    def mark(function):
        function.time_limit = seconds
        return function

    return mark


def cases(table):
    """Decorator: run the test once per entry of {case name: arguments tuple}."""

    def mark(function):
        function.cases = table
        return function

    return mark


def equal(got, expected, what):
    """Fail unless got is what was expected; `what` names the thing compared."""
    if got != expected:
        raise Failure(f"{what}\n  expected: {expected!r}\n  got:      {got!r}")


def contains(text, part, what):
    """Fail unless part occurs in text."""
    if part not in text:
        raise Failure(f"{what}\n  expected to contain: {part!r}\n  got:                 {text!r}")
