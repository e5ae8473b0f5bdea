"""The demonstration's steps: shown as they run, kept for the summary."""
import contextlib
import json
import sys
import time


class StepFailed(Exception):
    """A step's result was not as expected."""


class Step:
    detail = ""  # what a step that succeeds has to tell


class Steps:
    def __init__(self, names, summary):
        self.names = names  # all that will run, in order
        self.summary = summary  # path of the JSON file
        self.done = []
        self.is_coloured = sys.stdout.isatty()

    @contextlib.contextmanager
    def step(self, name, what, *failures):
        """Run the block as the next step; it fails with StepFailed or one of `failures`."""
        assert name == self.names[len(self.done)]
        print(f"[{len(self.done) + 1}/{len(self.names)}] {what}", flush=True)
        started = time.monotonic()
        step = Step()
        try:
            yield step
        except (StepFailed, *failures) as error:
            self.finish(name, "failed", str(error), started)
            raise StepFailed(name) from error
        except BaseException as error:
            self.finish(name, "failed", f"interrupted: {type(error).__name__}", started)
            raise
        self.finish(name, "ok", step.detail, started)

    def finish(self, name, result, detail, started):
        seconds = round(time.monotonic() - started, 2)
        self.done.append({"name": name, "result": result, "detail": detail, "seconds": seconds})
        word = result
        if self.is_coloured:
            word = f"\033[{32 if result == 'ok' else 31}m{result}\033[0m"
        shown = detail.replace("\n", "\n      ")
        print(f"      {word}, {seconds:.1f} s" + (f": {shown}" if shown else ""), flush=True)

    def exit_status(self):
        """0 only if each step has run and its result was as expected."""
        return 0 if [s["name"] for s in self.done if s["result"] == "ok"] == self.names else 1

    def write_summary(self):
        skipped = [{"name": name, "result": "not run", "detail": "", "seconds": 0}
                   for name in self.names[len(self.done):]]
        content = {"steps": self.done + skipped, "exit": self.exit_status()}
        self.summary.parent.mkdir(parents=True, exist_ok=True)
        self.summary.write_text(json.dumps(content, indent=1) + "\n")
