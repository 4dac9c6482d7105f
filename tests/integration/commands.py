"""Run commands as processes of their own that start at once: forked from a server that has torch loaded already."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

POLL_SECONDS = 0.0005
PATIENCE_SECONDS = 120.0
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([
    "nmt_distill.stages.student",
    "nmt_distill.pipeline",
    "nmt_distill.scoring.scoreboard",
])


@dataclass(frozen=True)
class Finished:
    """What a command left."""

    status: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def error(self) -> str:
        """The last line on standard error, which tells what went wrong."""
        return (self.stderr.splitlines() or [""])[-1]


class Command:
    """A command under way: ``nmt-distill`` with arguments, in a process that can be killed."""

    def __init__(self, *arguments: object, cwd: Path, environment: Mapping[str, str] | None = None) -> None:
        """Start it.

        :param environment: what it finds in its environment besides what is there
        """
        self._outputs = [cwd / f".{name}-{time.monotonic_ns()}" for name in ("stdout", "stderr")]
        words = [str(argument) for argument in arguments]
        self.process: ForkServerProcess = _CONTEXT.Process(
            target=_main, args=(words, cwd, self._outputs, environment or {})
        )
        self._began = time.monotonic()
        self.process.start()

    def kill_when(self, condition: Callable[[], bool]) -> bool:
        """Kill with SIGKILL as soon as the condition holds; return False if the command ended before."""
        if not self.sees(condition):
            return False
        self.process.kill()
        self.process.join()
        return True

    def sees(self, condition: Callable[[], bool]) -> bool:
        """Wait until the condition holds; return False if the command ended before."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if not self.process.is_alive():
                return False
            assert time.monotonic() < deadline, "what the test waits for does not happen"
            time.sleep(POLL_SECONDS)
        return True

    def wait(self) -> Finished:
        """Wait for its end."""
        self.process.join(PATIENCE_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        seconds = time.monotonic() - self._began
        stdout, stderr = (path.read_text(encoding="utf-8") if path.exists() else "" for path in self._outputs)
        for path in self._outputs:
            path.unlink(missing_ok=True)
        status = self.process.exitcode
        assert status is not None
        return Finished(status, stdout, stderr, seconds)


def _main(words: list[str], cwd: Path, outputs: list[Path], environment: Mapping[str, str]) -> None:
    """Be the command: standard output and error go to files, and the exit status is the command's."""
    os.environ.update(environment)
    for descriptor, path in zip((1, 2), outputs, strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o644), descriptor)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
    multiprocessing.set_start_method("fork", force=True)  # semaphores of libraries then die with the process
    os.chdir(cwd)
    sys.argv = ["nmt-distill", *words]
    try:
        from nmt_distill.cli import main

        status = main(words)
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 1
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def run_command(*arguments: object, cwd: Path) -> Finished:
    """Run ``nmt-distill`` with arguments in a folder and wait for its end."""
    return Command(*arguments, cwd=cwd).wait()
