"""Any program that turns lines into lines as a teacher: sequence level only.

The program reads one sentence a line from standard input and writes one translation a line, in order, both in UTF-8. In
mode ``stream`` it must write what it has translated while its input stays open; its copies are kept alive. In mode
``batch`` it may wait for the end of its input; it is started anew for every share of lines.

With ``nbest`` it writes Moses' n-best lists instead: ``index ||| hypothesis ||| ... ||| score``, or the same fields
between tabs, the index counted from 0 since its start, whatever stands between ignored. In mode ``stream`` an empty
line ends each list.
"""

from __future__ import annotations

import selectors
import time
import weakref
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal

from nmt_distill.corpus.text import one_line
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import fingerprint, sha256_of
from nmt_distill.languages import Direction
from nmt_distill.teacher.base import Hypothesis, Sampling
from nmt_distill.teacher.command.command_line import named_files, split_command
from nmt_distill.teacher.command.line_program import LineProgram, quoted
from nmt_distill.teacher.command.work_list import WorkList

Mode = Literal["stream", "batch"]
LINES_AHEAD = range(32, 257)
"""how many lines one copy in mode ``stream`` may have at once: a quarter of its share, within these bounds"""
MAX_DEATHS = 3
"""copies that one line may kill, each freshly started and given nothing else"""
CLOSE_SECONDS = 5.0
"""a copy whose input has ended gets so long to end by itself"""


class CommandTeacher:
    """A program as a teacher, in several copies side by side.

    A copy that dies is started again and goes on with the lines that it had not answered. Use it as a context manager,
    or call :meth:`close`.
    """

    def __init__(
        self,
        command: str,
        *,
        direction: Direction,
        origin: str,
        licence: str,
        mode: Mode = "stream",
        nbest: bool = False,
        num_processes: int = 1,
        timeout_seconds: float = 600.0,
    ) -> None:
        """Look the program up; it is started with the first sentence.

        The fingerprint names the command and the contents of all files that its words name.

        :param command: program and arguments, quoted as for a shell, but no shell reads it: a pipeline needs
            ``sh -c '... | ...'``
        :param nbest: the program writes n-best lists
        :param num_processes: copies that run side by side
        :param timeout_seconds: longest time to the first answer, loading included, and from one answer to the next
        :raises NmtDistillError: if the command cannot be read, or there is no such program
        """
        self.direction, self.origin, self.licence = direction, origin, licence
        self._command, self._mode, self._nbest = command, mode, nbest
        self._num_processes, self._timeout_seconds = num_processes, timeout_seconds
        self._words = split_command(command)
        self.engine = f"the program {Path(self._words[0]).name}"
        self.batch_rule = "its own" if num_processes == 1 else f"its own, in {num_processes} copies"
        self.num_parameters: int | None = None
        self.fingerprint = fingerprint([command, mode, nbest, [sha256_of(path) for path in named_files(self._words)]])
        self._copies: dict[int, LineProgram] = {}
        self._proven: set[int] = set()
        self._vain_starts: Counter[int] = Counter()
        self._finalizer = weakref.finalize(self, _kill_all, self._copies)

    def translate(
        self, sentences: Sequence[str], *, num_candidates: int = 1, beam_size: int = 1, sampling: Sampling | None = None
    ) -> list[list[Hypothesis]]:
        """Translate; see :class:`nmt_distill.teacher.base.Teacher`. Blank sentences are answered without asking.

        :raises NmtDistillError: if the program answers nothing for too long, answers more or fewer lines than it was
            given, or dies again and again
        """
        self._refuse(num_candidates, beam_size, sampling)
        work = WorkList([one_line(sentence) for sentence in sentences])
        try:
            self._translate(work)
        except BaseException:
            _kill_all(self._copies)
            raise
        return [answer[:num_candidates] for answer in work.answers]

    def close(self) -> None:
        """End all copies.

        :raises NmtDistillError: if one had more to say than it was asked
        """
        for copy in self._copies.values():
            copy.child.end_input()
        try:
            self._expect_silence(CLOSE_SECONDS)
        finally:
            _kill_all(self._copies)

    def __enter__(self) -> CommandTeacher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            _kill_all(self._copies)

    def _refuse(self, num_candidates: int, beam_size: int, sampling: Sampling | None) -> None:
        if beam_size != 1:
            raise NmtDistillError(
                f"beam_size must be 1 where the teacher is a command, but is {beam_size} instead: its program searches "
                "by itself; set the beam by the program's own options in `teacher.command`."
            )
        if sampling is not None:
            raise NmtDistillError(
                "sampling must be left out where the teacher is a command: let the program draw by its own options in "
                "`teacher.command`."
            )
        if num_candidates > 1 and not self._nbest:
            raise NmtDistillError(
                "num_candidates must be 1 where the teacher is a command without n-best lists, but is "
                f"{num_candidates} instead; if the program can write them, set `teacher.nbest: true`."
            )

    def _translate(self, work: WorkList) -> None:
        began = time.monotonic()
        self._expect_silence(0.0)
        for copy in self._copies.values():
            copy.begin_call()
        while work.num_left or (self._mode == "batch" and self._copies):
            for place in range(self._num_processes):
                self._feed(place, work)
            self._move(self._patience())
            for place, copy in list(self._copies.items()):
                self._take_answers(place, copy, work)
                if copy.child.has_ended:
                    self._bury(place, work)
        pause = max((copy.longest_pause for copy in self._copies.values()), default=0.0)
        self._expect_silence(max(0.02, min(2 * pause, (time.monotonic() - began) / 20)))

    def _feed(self, place: int, work: WorkList) -> None:
        """Give the copy in one place what it may have; start it where there is something to do."""
        copy = self._copies.get(place)
        if copy is None:
            if not work.is_waiting:
                return
            copy = self._copies[place] = LineProgram(self._command, self._words, nbest=self._nbest)
        places: list[int] = []
        if self._mode == "batch":
            if not copy.child.input_ended:
                places = work.next_suspects() or work.next_lines(-(-work.num_asked // self._num_processes))
        elif not copy.unanswered and (places := work.next_suspects()):
            copy.has_suspects = True
        elif not copy.unanswered or not copy.has_suspects:
            copy.has_suspects = False
            quarter = work.num_asked // (4 * self._num_processes)
            ahead = min(max(quarter, LINES_AHEAD[0]), LINES_AHEAD[-1])
            if len(copy.unanswered) <= ahead // 2:
                places = work.next_lines(ahead - len(copy.unanswered))
        copy.give(places, [work.lines[line] for line in places])
        if self._mode == "batch" and places:
            copy.child.end_input()

    def _patience(self) -> float:
        """Return how long to wait for the next answer, in seconds."""
        now = time.monotonic()
        seconds = self._timeout_seconds
        for copy in self._copies.values():
            if copy.unanswered or copy.child.input_ended:
                seconds = min(seconds, copy.waiting_since + self._timeout_seconds - now)
            if seconds <= 0:
                problem = f"answered nothing for {self._timeout_seconds:g} s"
                if not copy.unanswered:
                    problem = f"did not end within {self._timeout_seconds:g} s of its last answer"
                raise NmtDistillError(
                    f"The command `{self._command}` {problem}{copy.said()}; unanswered are {len(copy.unanswered):,} of "
                    f"{copy.range}. {_REMEDIES[self._mode]}"
                )
        return seconds

    def _move(self, seconds: float) -> None:
        """Move bytes to and from the copies once any is ready, at most so many seconds from now."""
        with selectors.PollSelector() as selector:
            for copy in self._copies.values():
                copy.child.register(selector)
            for key, _ in selector.select(seconds):
                key.data()

    def _take_answers(self, place: int, copy: LineProgram, work: WorkList | None, *, with_rest: bool = False) -> None:
        """Take the answers that have come from a copy; those that nothing was asked for are an error.

        :param with_rest: see :meth:`LineProgram.take_answers`
        """
        for answer in copy.take_answers(with_rest=with_rest):
            if work is None or not copy.unanswered:
                raise NmtDistillError(
                    f"The command `{self._command}` answered more than the lines that it was given, {copy.range}; it "
                    "must write one line for each. Its answers may be shifted: do not use what it labelled in this run."
                )
            work.answer(copy.unanswered.popleft(), answer)
            self._proven.add(place)

    def _expect_silence(self, seconds: float) -> None:
        """Watch for answers that nothing was asked for: somewhere one line had two, and the rest is shifted."""
        deadline = time.monotonic() + seconds
        left = 0.0
        while self._copies and left >= 0:
            self._move(left)
            for place, copy in list(self._copies.items()):
                self._take_answers(place, copy, None, with_rest=copy.child.has_ended)
                if copy.child.has_ended:
                    copy.child.reap()
                    del self._copies[place]
            left = deadline - time.monotonic()

    def _bury(self, place: int, work: WorkList) -> None:
        """Put back what a copy that has ended did not answer."""
        copy = self._copies.pop(place)
        status = copy.child.reap()
        is_whole = self._mode == "batch" and status == 0
        self._take_answers(place, copy, work, with_rest=is_whole)
        if not copy.unanswered:
            return
        if is_whole:
            raise NmtDistillError(
                f"The command `{self._command}` answered only {copy.num_answered} of the lines that it was given, "
                f"{copy.range}; it must write one line for each{copy.said()}."
            )
        end = f"ended with status {status}" if status >= 0 else f"was ended by signal {-status}"
        if place not in self._proven:
            self._vain_starts[place] += 1
            if not self._proven or self._vain_starts[place] >= MAX_DEATHS:
                raise NmtDistillError(
                    f"The command `{self._command}` {end} before it answered anything{copy.said()}; try it by hand on "
                    "one line; if that works, lower `teacher.num_processes`."
                )
        deaths = work.put_back(copy.unanswered, in_vain=copy.num_answered == 0)
        if deaths >= MAX_DEATHS:
            raise NmtDistillError(
                f"The command `{self._command}` {end}, as each of {deaths} times when it was given only the line "
                f"{quoted(work.lines[copy.unanswered[0]])}{copy.said()}; mend the program, or take the line out."
            )


_REMEDIES: dict[Mode, str] = {
    "stream": (
        "If it is only slow, raise `teacher.timeout_seconds`. If it holds answers back until its input ends, set "
        "`teacher.mode: batch`; if in a buffer, have it flush after each line. An n-best list must end with an empty "
        "line."
    ),
    "batch": "Raise `teacher.timeout_seconds` if it needs longer to answer them all.",
}


def _kill_all(copies: dict[int, LineProgram]) -> None:
    for copy in copies.values():
        copy.child.kill()
    copies.clear()
