"""The summary of ``translate``: counts and places of what did not go as it should."""

from __future__ import annotations

from functools import partial

import pytest

from nmt_distill.translation.summary import Place, Summary, problems_of
from nmt_distill.translation.tally import ALL_WELL, UNTRANSLATED, Tally, total


def summary_of(*places: Place, tally: Tally = UNTRANSLATED) -> Summary:
    summary = Summary()
    for place in places:
        summary.note(tally, partial(lambda place: place, place))
    return summary


def lines(*numbers: int, file: str = "") -> list[Place]:
    return [Place(file=file, line=number) for number in numbers]


@pytest.mark.parametrize(
    ("places", "told"),
    [
        (lines(7), "1 segment was left untranslated: line 7."),
        (lines(7, 8), "2 segments were left untranslated: lines 7 and 8."),
        (lines(1, 3, 4, 6, 9), "5 segments were left untranslated: lines 1, 3, 4, 6 and 9."),
        (lines(*range(1, 2001)), "2,000 segments were left untranslated: lines 1, 2, 3, 4, 5 and 1,995 more."),
        (
            [*lines(1, file="a"), *lines(2, 5, file="b")],
            "3 segments were left untranslated: a, line 1; b, lines 2 and 5.",
        ),
        (
            [*lines(1, 2, 3, file="a"), *lines(1, 2, 3, file="b")],
            "6 segments were left untranslated: a, lines 1, 2 and 3; b, lines 1 and 2; and 1 more.",
        ),
        (
            [Place(file="a.json", line=1, text="Stop  it,\n" + "please " * 9), Place(file="a.json", line=1, text="Go")],
            '2 segments were left untranslated: a.json, line 1 ("Stop it, please please please please..."); '
            'a.json, line 1 ("Go").',
        ),
    ],
)  # fmt: skip
def test_places_are_named_and_the_rest_is_counted(places: list[Place], told: str) -> None:
    assert [*summary_of(*places).sentences()] == [told]


def test_each_kind_has_a_sentence_with_its_own_places() -> None:
    summary = summary_of(*lines(1, 2), tally=Tally(num_unfinished=1, num_repeating=1, num_in_pieces=2))
    summary.note(Tally(num_repeating=1), lambda: Place(file="", line=9))
    assert [*summary.sentences()] == [
        "2 translations were cut at the greatest length: lines 1 and 2.",
        "3 translations were found to loop: lines 1, 2 and 9.",
        "4 segments were translated around placeholders or markup: lines 1 and 2.",
    ]


def test_a_place_is_only_asked_for_where_it_will_be_said() -> None:
    asked = []

    def place() -> Place:
        asked.append(1)
        return Place(file="", line=1)

    summary = Summary()
    summary.note(ALL_WELL, place)
    assert not asked
    for _ in range(100):
        summary.note(UNTRANSLATED, place)
    assert len(asked) == 5


@pytest.mark.parametrize(
    ("tally", "problems"),
    [
        (ALL_WELL, []),
        (Tally(num_in_pieces=1), []),
        (Tally(num_untranslated=2), ["untranslated"]),
        (Tally(num_unfinished=1, num_repeating=1), ["cut", "loops"]),
    ],
)
def test_problems_are_what_strict_heeds(tally: Tally, problems: list[str]) -> None:
    assert problems_of(tally) == problems
    assert summary_of(*lines(1), tally=tally).has_problems == bool(problems)


def test_tallies_add_up() -> None:
    one = Tally(num_untranslated=1, num_unfinished=2, num_repeating=3, num_in_pieces=4)
    assert total([ALL_WELL, one, ALL_WELL, one]) == Tally(
        num_untranslated=2, num_unfinished=4, num_repeating=6, num_in_pieces=8
    )
    assert total([]) == ALL_WELL
