"""A running program whose input and output never wait for each other."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from collections.abc import Sequence

from nmt_distill.errors import NmtDistillError

BLOCK = 1 << 16
"""bytes that are moved at once"""
KEPT_WORDS = 4096
"""bytes that are kept of the end of standard error"""
EXIT_SECONDS = 10.0
"""a program that has closed its output gets so long to end"""


class ChildProcess:
    """A program with its pipes; bytes move when a selector finds them ready (:meth:`register`).

    It leads a process group of its own, so that what it started ends with it.
    """

    def __init__(self, words: Sequence[str]) -> None:
        """Start the program.

        :param words: program and arguments
        :raises NmtDistillError: if it cannot be started
        """
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                words, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, start_new_session=True
            )
        except OSError as error:
            raise NmtDistillError(f"The command `{words[0]}` cannot be started: {error.strerror}.") from None
        streams = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._stdin, self._stdout, self._stderr = (stream.fileno() for stream in streams if stream)
        for descriptor in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(descriptor, False)
        self._outgoing = bytearray()
        self._incoming = bytearray()
        self._words = b""
        self._talks = True
        self._reads = True
        self.input_ended = False
        """whether :meth:`end_input` was called"""
        self.has_ended = False
        """whether its output has ended"""

    def write(self, content: bytes) -> None:
        """Hand over bytes, to be written as soon as the program takes them."""
        if self._reads:
            self._outgoing += content

    def end_input(self) -> None:
        """Close its input after what is still to be written."""
        self.input_ended = True
        if not self._outgoing:
            self._close_input()

    def register(self, selector: selectors.BaseSelector) -> None:
        """Have the selector watch what may be read or written now; each key's data is to be called when it is ready."""
        if not self.has_ended:
            selector.register(self._stdout, selectors.EVENT_READ, self._read)
        if self._talks:
            selector.register(self._stderr, selectors.EVENT_READ, self._listen)
        if self._outgoing:
            selector.register(self._stdin, selectors.EVENT_WRITE, self._write)

    def take_lines(self, *, with_rest: bool = False) -> list[bytes]:
        """Return the lines that have come since, without their LF.

        :param with_rest: take a last line without LF too
        """
        *lines, rest = bytes(self._incoming).split(b"\n")
        self._incoming = bytearray(b"" if with_rest else rest)
        return [*lines, rest] if with_rest and rest else lines

    def last_words(self) -> str:
        """Return the last line that it wrote to standard error, shortened; empty if there is none."""
        lines = [line.strip() for line in self._words.decode("utf-8", "replace").splitlines()]
        return next((line for line in reversed(lines) if line), "")[-300:]

    def reap(self) -> int:
        """Wait for a program whose output has ended.

        :returns: its exit status, negative if a signal ended it
        """
        self._close_input()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(EXIT_SECONDS)
        self.kill()
        return self._process.returncode

    def kill(self) -> None:
        """End it and what it started, at once; more often does no harm."""
        if self._process.returncode is None:  # as long as nobody has waited for it, its number is not given to another
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        while self._talks:
            self._listen()
        self._outgoing.clear()
        self._reads = False
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream:
                stream.close()
        self.has_ended = True

    def _close_input(self) -> None:
        self._outgoing.clear()
        self._reads = False
        if self._process.stdin:
            self._process.stdin.close()

    def _write(self) -> None:
        try:
            written = os.write(self._stdin, self._outgoing[:BLOCK])
        except BlockingIOError:
            return
        except BrokenPipeError:  # it reads no more; its output tells how much it has done
            self._close_input()
            return
        del self._outgoing[:written]
        if self.input_ended and not self._outgoing:
            self._close_input()

    def _read(self) -> None:
        try:
            content = os.read(self._stdout, BLOCK)
        except BlockingIOError:
            return
        self._incoming += content
        self.has_ended = not content

    def _listen(self) -> None:
        try:
            content = os.read(self._stderr, BLOCK)
        except BlockingIOError:
            self._talks = self._process.returncode is None  # what it started may keep the pipe open
            return
        self._words = (self._words + content)[-KEPT_WORDS:]
        self._talks = bool(content)
