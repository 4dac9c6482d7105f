from __future__ import annotations

import pytest

from nmt_distill.errors import NmtDistillError, QualityBoundError
from nmt_distill.teacher.place import settings_at

OWN = "directions[1].teacher"


def told(message: str, place: str = OWN, kind: type[NmtDistillError] = NmtDistillError) -> str:
    with pytest.raises(kind) as caught, settings_at(place):
        raise kind(message)
    return str(caught.value)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("teacher.model must be a file.", f"{OWN}.model must be a file."),
        ("Raise `teacher.timeout_seconds`, or set teacher.mode: batch.", f"Raise `{OWN}.timeout_seconds`, or set {OWN}."
         "mode: batch."),
        ("set teacher.engine=transformers.", f"set {OWN}.engine=transformers."),
        ("/runs/teacher.model is no file of the teacher. Name another.",) * 2,
        ("old_teacher.name and teacher.spm are files.",) * 2,
        ("distillation.filters.reverse.teacher.name is missing.",) * 2,
    ],
)  # fmt: skip
def test_settings_are_named_by_their_place(message: str, expected: str) -> None:
    assert told(message) == expected
    assert told(message, "teacher") == message


def test_the_innermost_place_counts() -> None:
    inner = "distillation.filters.reverse.teacher"
    with pytest.raises(NmtDistillError) as caught, settings_at(OWN), settings_at(inner):
        raise NmtDistillError("teacher.name is wrong")
    assert str(caught.value) == f"{inner}.name is wrong"


def test_an_error_stays_what_it_is() -> None:
    told("teacher.name is wrong", kind=QualityBoundError)
    with pytest.raises(ValueError, match=r"^teacher\.name"), settings_at(OWN):
        raise ValueError("teacher.name is none of ours")
