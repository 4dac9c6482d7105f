"""Progress of long jobs on standard error: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

LOG_INTERVAL = 10.0
"""seconds between two plain lines of one job"""


_is_silent = False


def say(message: str) -> None:
    """Print a line of talk to standard error at once, unless that is closed."""
    if not _is_silent and sys.stderr is not None:
        print(message, file=sys.stderr, flush=True)


def is_watched() -> bool:
    """Tell whether a person reads standard error."""
    return sys.stderr is not None and sys.stderr.isatty()


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Say nothing inside the block, because another process of the same command says it."""
    global _is_silent
    before, _is_silent = _is_silent, True
    try:
        yield
    finally:
        _is_silent = before


class Job:
    """A job under way: call :meth:`advance` as often as you like."""

    def __init__(self, name: str, total: float | None, unit: str, *, start: float = 0) -> None:
        self.name, self.total, self.unit = name, total, unit
        self.done = self._start = start
        self.note = ""
        self._began = self._last = time.monotonic()

    def advance(self, amount: float = 1, note: str | None = None) -> None:
        """Count ``amount`` more units; ``note`` is shown beside the count until the next note."""
        self.done += amount
        if note is not None:
            self.note = note
        self._show()

    def skip(self, amount: float) -> None:
        """Count ``amount`` units that an earlier run has done: they do not count for the rate."""
        self._start += amount
        self.advance(amount)

    def describe(self) -> str:
        """One plain line: how much of what, how fast, how long still."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        rate = (self.done - self._start) / seconds
        parts = [f"{self.done:,.0f}" + (f"/{self.total:,.0f}" if self.total else "") + f" {self.unit}"]
        if rate > 0:
            parts.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s")
            if self.total and self.done < self.total:
                parts.append(f"{duration((self.total - self.done) / rate)} left")
        if self.note:
            parts.append(self.note)
        return f"{self.name}: " + ", ".join(parts)

    def _show(self) -> None:
        now = time.monotonic()
        if now - self._last >= LOG_INTERVAL:
            self._last = now
            say(self.describe())

    def _close(self, seconds: float) -> None:
        say(f"{self.describe()}, took {duration(seconds)}")


class _BarJob(Job):
    """A job drawn by rich on a terminal."""

    def __init__(self, name: str, total: float | None, unit: str, *, start: float = 0) -> None:
        super().__init__(name, total, unit, start=start)
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[count]}"),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(name, total=total, count="")
        self._bar.update(self._task, completed=start)
        self._bar.start()

    def _show(self) -> None:
        count = self.describe().removeprefix(f"{self.name}: ")
        self._bar.update(self._task, completed=self.done, count=count)

    def _close(self, seconds: float) -> None:
        self._bar.stop()
        super()._close(seconds)


@contextlib.contextmanager
def job(name: str, *, total: float | None = None, unit: str = "sentences", start: float = 0) -> Iterator[Job]:
    """Show the progress of a block.

    :param total: in ``unit``; without it no time left is told
    :param start: how much an earlier run has done already
    """
    kind = _BarJob if is_watched() and not _is_silent else Job
    running = kind(name, total, unit, start=start)
    if not isinstance(running, _BarJob):
        say(running.describe())
    began = time.monotonic()
    try:
        yield running
    except BaseException:
        if isinstance(running, _BarJob):
            running._bar.stop()
        raise
    running._close(time.monotonic() - began)


def duration(seconds: float) -> str:
    """Write a time as people say it: ``8.2 s``, ``3 min 07 s``, ``2 h 40 min``."""
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
