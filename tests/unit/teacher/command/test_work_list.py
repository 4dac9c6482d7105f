"""Which lines copies are given, and which line is found guilty of their deaths."""

from __future__ import annotations

from nmt_distill.teacher.base import Hypothesis
from nmt_distill.teacher.command.line_program import NO_IDS
from nmt_distill.teacher.command.work_list import WorkList


def answered(text: str) -> list[Hypothesis]:
    return [Hypothesis(text=text, score=0.0, token_ids=NO_IDS)]


def test_blank_lines_are_answered_from_the_start() -> None:
    work = WorkList(["a", "", "b"])
    assert (work.num_asked, work.num_left) == (2, 2)
    assert [hypothesis.text for hypothesis in work.answers[1]] == [""]
    assert work.next_lines(9) == [0, 2]
    assert not work.is_waiting
    work.answer(2, answered("B"))
    assert work.num_left == 1
    assert work.answers[2][0].text == "B"


def test_lines_of_a_copy_that_died_in_vain_are_halved_until_one_is_left() -> None:
    work = WorkList(["a", "b", "c", "d", "e"])
    suspects = work.next_lines(5)
    while len(suspects) > 1:  # the line in the last place kills
        assert work.put_back(suspects, in_vain=True) == 0
        halves = [work.next_suspects(), work.next_suspects()]
        assert halves[0] + halves[1] == suspects
        suspects = halves[1]
    assert suspects == [4]
    assert [work.put_back(suspects, in_vain=True) for _ in range(3)] == [1, 2, 3]
    assert work.next_suspects() == [4]


def test_lines_of_a_copy_that_answered_before_it_died_stay_together() -> None:
    work = WorkList(["a", "b", "c", "d"])
    taken = work.next_lines(3)
    work.answer(taken[0], answered("A"))
    assert work.put_back(taken[1:], in_vain=False) == 0
    assert work.is_waiting
    assert work.next_suspects() == [1, 2]
    assert work.next_suspects() == []
    assert work.next_lines(9) == [3]
