"""What a program's lines mean: translations, and n-best lists, Moses' or between tabs."""

from __future__ import annotations

import selectors
from collections.abc import Sequence

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.base import Hypothesis
from nmt_distill.teacher.command.line_program import LineProgram, quoted


def answers_of(output: str, *, nbest: bool, given: Sequence[str] = ("first", "second")) -> list[list[Hypothesis]]:
    """Let a program write this and end, and return the answers in it."""
    program = LineProgram("engine", ["sh", "-c", 'cat > /dev/null; printf %s "$0"', output], nbest=nbest)
    program.give(range(len(given)), given)
    program.child.end_input()
    try:
        while not program.child.has_ended:
            with selectors.PollSelector() as selector:
                program.child.register(selector)
                for key, _ in selector.select(60):
                    key.data()
        assert program.child.reap() == 0
        return list(program.take_answers(with_rest=True))
    finally:
        program.child.kill()


def test_a_line_is_an_answer_and_the_last_needs_no_line_break() -> None:
    answers = answers_of("eins\n\tzwei  drei\r\n\nvier", nbest=False)
    assert [[found.text for found in answer] for answer in answers] == [["eins"], ["zwei drei"], [""], ["vier"]]


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\n\n\n"])
@pytest.mark.parametrize("between", ["", "\n"])
def test_lists_end_at_an_empty_line_at_the_next_index_and_at_the_end(between: str, end: str) -> None:
    marian = "0 ||| b ||| F0= -4 |||  -2.0\n0 ||| a ||| 0-0 1-1 ||| F0= -4 ||| -1.5\n" + between
    answers = answers_of(f"{marian}1 ||| c ||| 7e-1\n1 |||  ||| -3" + end, nbest=True)
    pairs = [[(found.text, found.score) for found in answer] for answer in answers]
    assert pairs == [[("a", -1.5), ("b", -2.0)], [("c", 0.7), ("", -3.0)]]


def test_fields_may_stand_between_tabs() -> None:
    """What stands behind the index decides, so that a hypothesis may hold the other separator."""
    answers = answers_of("0\tb ||| x\t-2.0\n0\ta\t0-0\t-1.5\n1\t||| a\tb ||| -3\n1\t||| c ||| -1\n", nbest=True)
    pairs = [[(found.text, found.score) for found in answer] for answer in answers]
    assert pairs == [[("a", -1.5), ("b ||| x", -2.0)], [("c", -1.0), ("a b", -3.0)]]


def test_of_equal_scores_the_earlier_comes_first() -> None:
    (answer,) = answers_of("".join(f"0 ||| {letter} ||| -1\n" for letter in "zbca"), nbest=True)
    assert [found.text for found in answer] == list("zbca")


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("hello", r'wrote "hello"; a line of an n-best list must be `index \|\|\| hypothesis \|\|\| score`, with'),
        ("0 ||| a", "a line of an n-best list must be"),
        ("0\ta", "a line of an n-best list must be .*, or the same between tabs"),
        ("1\ta\t-1", "the index must be 0"),
        ("0 ||| a ||| good", "a line of an n-best list must be"),
        ("0 ||| a ||| nan", "a line of an n-best list must be"),
        ("1 ||| a ||| -1", r'wrote "1 \|\|\| a \|\|\| -1", but the index must be 0: it counts'),
        ("0 ||| a ||| -1\n2 ||| a ||| -1", "the index must be 0"),
        ("0 ||| a ||| -1\n\n0 ||| b ||| -1", "the index must be 1"),
        ("zero ||| a ||| -1", "the index must be 0"),
    ],
)
def test_a_wrong_list_is_told(output: str, message: str) -> None:
    with pytest.raises(NmtDistillError, match=message):
        answers_of(output, nbest=True)


def test_a_range_is_named_by_its_ends() -> None:
    program = LineProgram("engine", ["cat"], nbest=False)
    try:
        program.give([0], ["x" * 100])
        assert program.range == f'1 line, "{"x" * 60}..."'
        program.give([], [])
        program.give([1, 4], ["y", "z"])
        assert program.range == f'3 lines from "{"x" * 60}..." to "z"'
        assert list(program.unanswered) == [0, 1, 4]
        program.begin_call()
        program.give([0], ["new"])
        assert program.range == '1 line, "new"'
    finally:
        program.child.kill()


def test_quotes_are_short() -> None:
    assert quoted("x" * 60) == f'"{"x" * 60}"'
    assert len(quoted("x" * 61)) == 65
