"""Any program that turns lines into lines of numbers as a teacher of sentence vectors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

import numpy as np

from nmt_distill.counting import counted
from nmt_distill.embedding.vectors import Vectors
from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.teacher.command.teacher import CommandTeacher

ANY = Direction(source="und", target="und")
"""the program is told of no language"""


class CommandEncoder:
    """A program that answers each line with its vector; it is run as a translating program is."""

    def __init__(self, command: str, *, mode: Literal["stream", "batch"], timeout_seconds: float) -> None:
        """Look the program up; it is started with the first sentence.

        :param command: program and arguments, quoted as for a shell, but no shell reads it
        :param mode: ``stream`` keeps it alive, ``batch`` starts it anew for every share of lines
        :raises NmtDistillError: if the command cannot be read, or there is no such program
        """
        self._command = command
        self._program = CommandTeacher(
            command, direction=ANY, origin="", licence="", mode=mode, timeout_seconds=timeout_seconds
        )
        self.fingerprint = self._program.fingerprint

    def embed(self, sentences: Sequence[str]) -> Vectors:
        """Return vectors (N, D); see :class:`nmt_distill.embedding.teacher.base.EmbeddingTeacher`.

        :raises NmtDistillError: if an answer is no list of numbers, or not as long as the others
        """
        rows = []
        for sentence, hypotheses in zip(sentences, self._program.translate(sentences), strict=True):
            rows.append(self._numbers(sentence, hypotheses[0].text if hypotheses else ""))
            if len(rows[-1]) != len(rows[0]):
                raise NmtDistillError(
                    f"The command `{self._command}` answered `{sentence[:60]}` with "
                    f"{counted(len(rows[-1]), 'number')}, but the line before with {len(rows[0])}; all vectors must be "
                    "of one size."
                )
        return np.array(rows, dtype=np.float32)

    def _numbers(self, sentence: str, answer: str) -> list[float]:
        try:
            values = json.loads(answer) if answer.startswith("[") else answer.split()
            numbers = [float(value) for value in values]
        except (ValueError, TypeError):
            numbers = []
        if not numbers:
            raise NmtDistillError(
                f"The command `{self._command}` answered `{sentence[:60]}` with `{answer[:60]}`, but must write a JSON "
                "list of numbers, or numbers with space between."
            )
        return numbers

    def close(self) -> None:
        """End the program.

        :raises NmtDistillError: if it had more to say than it was asked
        """
        self._program.close()
