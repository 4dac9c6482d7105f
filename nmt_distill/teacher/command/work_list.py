"""The lines that a command teacher is to answer in one call, and what became of each."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

from nmt_distill.teacher.base import Hypothesis
from nmt_distill.teacher.command.line_program import NO_IDS


class WorkList:
    """The lines of one call: what waits, what may have killed a copy, what is answered."""

    def __init__(self, lines: list[str]) -> None:
        """Let all lines wait but blank ones, which are answered without asking."""
        self.lines = lines
        blank = [Hypothesis(text="", score=0.0, token_ids=NO_IDS)]
        self.answers: list[list[Hypothesis]] = [[] if line else blank for line in lines]
        self._fresh = deque(place for place, line in enumerate(lines) if line)
        self._suspects: deque[list[int]] = deque()
        self._deaths: Counter[int] = Counter()
        self.num_asked = self.num_left = len(self._fresh)

    @property
    def is_waiting(self) -> bool:
        """Whether any line waits for a copy."""
        return bool(self._fresh or self._suspects)

    def next_lines(self, most: int) -> list[int]:
        """Return lines that no copy has died of."""
        return [self._fresh.popleft() for _ in range(min(most, len(self._fresh)))]

    def next_suspects(self) -> list[int]:
        """Return lines left unanswered by a copy that died; they are given without others."""
        return self._suspects.popleft() if self._suspects else []

    def answer(self, place: int, hypotheses: list[Hypothesis]) -> None:
        """Note the answer of a line."""
        self.answers[place] = hypotheses
        self.num_left -= 1

    def put_back(self, places: Sequence[int], *, in_vain: bool) -> int:
        """Take back the lines that a copy left; those of one that answered none are halved, to find the guilty one.

        :returns: how many copies have died in vain of the one line, 0 if there are several
        """
        left = list(places)
        if not in_vain or len(left) == 1:
            self._suspects.append(left)
        else:
            self._suspects += [left[: len(left) // 2], left[len(left) // 2 :]]
        if not in_vain or len(left) > 1:
            return 0
        self._deaths[left[0]] += 1
        return self._deaths[left[0]]
