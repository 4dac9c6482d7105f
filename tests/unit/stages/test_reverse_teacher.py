from __future__ import annotations

from collections.abc import Sequence

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.stages.reverse_teacher import check_direction

DIRECTION = Direction(source="en", target="pt-BR")
WORDS = {"one": "um", "two": "dois", "three": "tres"}
WHERE = "directions[1].teacher"
SOURCES, LABELS = list(WORDS), list(WORDS.values())


def right(written: Sequence[str], given: Sequence[str]) -> list[float]:
    """Score as a model does that translates labels back; it is sure of nothing else."""
    return [-1.0 if WORDS.get(source) == label else -9.0 for source, label in zip(written, given, strict=True)]


def turned(written: Sequence[str], given: Sequence[str]) -> list[float]:
    return right(given, written)


def test_model_that_translates_back_passes() -> None:
    check_direction(right, SOURCES, LABELS, DIRECTION, where=WHERE)
    check_direction(right, ["one"], ["um"], DIRECTION, where=WHERE)
    check_direction(right, [], [], DIRECTION, where=WHERE)


def test_one_sentence_without_room_does_not_decide() -> None:
    def cramped(written: Sequence[str], given: Sequence[str]) -> list[float]:
        scores = zip(written, right(written, given), strict=True)
        return [-float("inf") if source == "two" else score for source, score in scores]

    check_direction(cramped, SOURCES, LABELS, DIRECTION, where=WHERE)


def test_model_of_the_same_direction_is_told() -> None:
    told = (
        r"directions\[1\]\.teacher must translate pt-BR to en, but seems to translate en to pt-BR: over "
        r"3 sentences .*; name a model of the opposite direction, and its own vocabulary\."
    )
    with pytest.raises(NmtDistillError, match=told):
        check_direction(turned, SOURCES, LABELS, DIRECTION, where=WHERE)


def test_model_of_other_languages_is_told() -> None:
    def foreign(written: Sequence[str], given: Sequence[str]) -> list[float]:
        same = right(written, given)
        return [-5.0 - score / 10 if source in WORDS else -20.0 for source, score in zip(written, same, strict=True)]

    with pytest.raises(NmtDistillError, match="must translate pt-BR to en, but seems to translate between other lang"):
        check_direction(foreign, SOURCES, LABELS, DIRECTION, where=WHERE)
