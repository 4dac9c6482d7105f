"""A program outside that answers each line of its input with a line, and is read no further than that."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from itertools import islice

from nmt_distill.counting import counted
from nmt_distill.errors import NmtDistillError


def answer_lines(
    who: str, command: str, lines: Sequence[str], *, fill: Callable[[str], str] = str, must: str = ""
) -> list[bytes]:
    """Run a program on lines.

    :param who: what it is called in messages
    :param command: program and arguments, quoted as in a shell, which is not involved
    :param fill: puts something into each word of the command
    :param must: what the message on another number of lines says that it must do
    :returns: its lines without LF, as many as were given
    :raises NmtDistillError: if it cannot be started, fails, or answers with fewer lines or more
    """
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as told:
        given.write("".join(f"{line}\n" for line in lines).encode("utf-8"))
        given.seek(0)
        try:
            words = [fill(word) for word in shlex.split(command)]
            program = subprocess.Popen(words, stdin=given, stdout=subprocess.PIPE, stderr=told)
        except (OSError, ValueError) as error:
            raise NmtDistillError(f"{who} cannot be started: {error}; its command is {command}") from None
        with program:
            answers = list(islice(program.stdout or (), len(lines) + 1))
            if len(answers) > len(lines):  # it may never end
                program.kill()
        if program.returncode and len(answers) <= len(lines):
            told.seek(0)
            last = (told.read().decode("utf-8", "replace").strip().splitlines() or ["no message"])[-1]
            raise NmtDistillError(f"{who} ended with status {program.returncode}: {last}")
    if len(answers) != len(lines):
        count = len(answers) if len(answers) < len(lines) else "more"
        raise NmtDistillError(f"{who} answered {counted(len(lines), 'line')} with {count}{must}.")
    return [answer.removesuffix(b"\n") for answer in answers]
