"""One running copy of a program that turns lines into lines, and the lines that it has."""

from __future__ import annotations

import contextlib
import math
import re
import time
from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np

from nmt_distill.corpus.text import one_line
from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.base import Hypothesis
from nmt_distill.teacher.command.child_process import ChildProcess

NO_IDS = np.zeros(0, dtype=np.int64)
"""token ids of a hypothesis whose tokens are unknown"""
_TAB_SEPARATED = re.compile(r"\s*\d+\t(?!\s*\|\|\|)")
"""how a line of an n-best list begins whose fields stand between tabs"""


class LineProgram:
    """A running program and the lines that it has not answered, each by its place in the call."""

    def __init__(self, command: str, words: Sequence[str], *, nbest: bool) -> None:
        """Start the program.

        :param command: what errors call it
        :param words: program and arguments
        :param nbest: it answers each line with an n-best list
        :raises NmtDistillError: if it cannot be started
        """
        self.child = ChildProcess(words)
        self.unanswered: deque[int] = deque()
        self.num_answered = 0
        """answers since its start"""
        self.has_suspects = False
        """whether its lines were left unanswered by a copy that died"""
        self.waiting_since = time.monotonic()
        """when it was given lines, its input ended, or it answered last: the latest of these"""
        self.longest_pause = 0.0
        """seconds between two answers in this call, the one to the first since its start left out"""
        self._command, self._nbest = command, nbest
        self._num_given = 0
        self._first = self._last = ""
        self._hypotheses: list[Hypothesis] = []

    def begin_call(self) -> None:
        """Forget the pauses and the range of the last call."""
        self.longest_pause = 0.0
        self._num_given = 0

    def give(self, places: Sequence[int], lines: Sequence[str]) -> None:
        """Hand over lines, without LF, by their places in the call; none does nothing."""
        if not places:
            return
        if not self.unanswered:
            self.waiting_since = time.monotonic()
        if not self._num_given:
            self._first = lines[0]
        self._last = lines[-1]
        self._num_given += len(lines)
        self.unanswered += places
        self.child.write("".join(line + "\n" for line in lines).encode("utf-8", "replace"))

    @property
    def range(self) -> str:
        """The lines that it was given in this call: how many, the first and the last."""
        if self._num_given == 1:
            return f"1 line, {quoted(self._first)}"
        return f"{self._num_given:,} lines from {quoted(self._first)} to {quoted(self._last)}"

    def take_answers(self, *, with_rest: bool = False) -> Iterator[list[Hypothesis]]:
        """Yield the answers that are whole, the best hypothesis of each first.

        :param with_rest: its output has ended as it should: a last line without LF and a last list count too
        :raises NmtDistillError: if an answer is not valid UTF-8, or no line of an n-best list
        """
        for line in self.child.take_lines(with_rest=with_rest):
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError:
                raise NmtDistillError(
                    f"The command `{self._command}` wrote an answer that is not valid UTF-8, {line[:60]!r}; it was "
                    f"given {self.range}."
                ) from None
            if self._nbest:
                yield from self._add_to_list(text)
            else:
                yield self._answered([Hypothesis(text=one_line(text), score=0.0, token_ids=NO_IDS)])
        if with_rest and self._hypotheses:
            yield self._answered(self._hypotheses)

    def said(self) -> str:
        """Say what it wrote to standard error last, as the end of a clause."""
        words = self.child.last_words()
        return f" (on standard error last: {words})" if words else ""

    def _add_to_list(self, line: str) -> Iterator[list[Hypothesis]]:
        separator = "\t" if _TAB_SEPARATED.match(line) else "|||"
        fields = [field.strip() for field in line.split(separator)]
        if fields == [""]:
            if self._hypotheses:
                yield self._answered(self._hypotheses)
            return
        index, score = fields[0], math.nan
        with contextlib.suppress(ValueError):
            score = float(fields[-1])
        if len(fields) < 3 or not math.isfinite(score):
            raise NmtDistillError(
                f"The command `{self._command}` wrote {quoted(line)}; a line of an n-best list must be `index ||| "
                "hypothesis ||| score`, with or without other fields before the score, or the same between tabs."
            )
        if self._hypotheses and index == str(self.num_answered + 1):
            yield self._answered(self._hypotheses)
        if index != str(self.num_answered):
            raise NmtDistillError(
                f"The command `{self._command}` wrote {quoted(line)}, but the index must be {self.num_answered}: it "
                "counts the lines given since its start from 0, and none may be left out."
            )
        self._hypotheses.append(Hypothesis(text=one_line(fields[1]), score=score, token_ids=NO_IDS))

    def _answered(self, hypotheses: list[Hypothesis]) -> list[Hypothesis]:
        now = time.monotonic()
        if self.num_answered:
            self.longest_pause = max(self.longest_pause, now - self.waiting_since)
        self.waiting_since = now
        self.num_answered += 1
        self._hypotheses = []
        return sorted(hypotheses, key=lambda hypothesis: -hypothesis.score)


def quoted(text: str) -> str:
    """Quote a text in a message, shortened."""
    return f'"{text[:60]}{"..." if len(text) > 60 else ""}"'
