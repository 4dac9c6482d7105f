"""Labels that a reverse model finds worst are left out of text and store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nmt_distill.distillation.filters import LabelFilterConfig
from nmt_distill.distillation.reverse import ReverseFilterConfig
from nmt_distill.distillation.source_text import SourceText
from nmt_distill.distillation.store import Store
from nmt_distill.files import read_lines, write_lines
from nmt_distill.teacher.config import MarianTeacherConfig
from tests.labellings import Encode, content, label

if TYPE_CHECKING:
    from tests.unit.distillation.conftest import LetterTeacher

REVERSE = ReverseFilterConfig(
    teacher=MarianTeacherConfig(model="m", vocabulary="v", origin="a test", licence="none"), share=0.5
)
SHORTEST_FIRST: dict[str, Any] = {
    "filters": LabelFilterConfig(reverse=REVERSE),
    "reverse": lambda _, labels: [float(len(label)) for label in labels],
}
"""settings with a reverse model that likes long labels"""
LINES = ["abcd", "ab", "zoo", "abc", "a", "ef"]


@pytest.fixture
def lines(tmp_path: Path) -> list[SourceText]:
    write_lines(tmp_path / "lines.en", LINES)
    return [SourceText(tmp_path / "lines.en", None)]


def test_worst_labels_by_a_reverse_model_are_left_out_of_text_and_store(
    letter_teacher: LetterTeacher, letters: Encode, lines: list[SourceText], tmp_path: Path
) -> None:
    summary = label(letter_teacher, letters, lines, tmp_path / "out", **SHORTEST_FIRST)
    assert summary["counts"] == {"sentences": 6, "candidates": 6, "kept": 3, "labels": 3, "not_the_best_score": 0}
    assert summary["dropped"] == {"unfinished": 1, "reverse_score": 2}
    assert summary["samples_of_dropped"] == {"unfinished": ["zoo"], "reverse_score": ["ab → bc", "a → b"]}
    assert summary["reverse"] == {"labels": 5, "left_out": 2, "threshold": 2.0}
    assert list(read_lines(tmp_path / "out" / "distilled.en")) == ["abcd", "abc", "ef"]
    store = Store(tmp_path / "out")
    sources, targets = letters(["abcd", "abc", "ef"]), letters(["bcde", "bcd", "fg"])
    assert [store[place].source_ids.tolist() for place in range(len(store))] == sources
    assert [store[place].target_ids.tolist() for place in range(len(store))] == targets
    assert [lengths.tolist() for lengths in store.lengths()] == [[5, 4, 3], [5, 4, 3]]
    flat = np.concatenate(list(store.all_ids())).tolist()
    assert sorted(flat) == sorted(token for ids in (*sources, *targets) for token in ids)


def test_no_shard_depends_on_what_is_left_out(
    letter_teacher: LetterTeacher, letters: Encode, lines: list[SourceText], tmp_path: Path
) -> None:
    for name, share in (("few", 0.2), ("many", 0.6)):
        filters = LabelFilterConfig(reverse=replace(REVERSE, share=share))
        label(letter_teacher, letters, lines, tmp_path / name, **{**SHORTEST_FIRST, "filters": filters})
    few, many = content(tmp_path / "few"), content(tmp_path / "many")
    assert [name for name in few if few[name] != many[name]] == [
        "distilled.en",
        "distilled.json",
        "distilled.pt",
        "store.json",
    ]
    entries = [json.loads(line) for line in read_lines(tmp_path / "many" / "hypotheses-00001.jsonl")]
    assert [entry.get("reverse") for entry in entries] == [None, [3.0]]


def test_one_of_several_labels_is_left_out(
    letter_teacher: LetterTeacher, letters: Encode, lines: list[SourceText], tmp_path: Path
) -> None:
    def like_order(_: Sequence[str], labels: Sequence[str]) -> list[float]:
        return [float(label == "".join(sorted(label))) for label in labels]

    options = {"beam_size": 2, "num_candidates": 2, "num_labels": 2}
    summary = label(
        letter_teacher, letters, lines, tmp_path / "out", **{**SHORTEST_FIRST, "reverse": like_order}, **options
    )
    assert summary["reverse"] == {"labels": 9, "left_out": 4, "threshold": 0.0}
    assert "reverse_score" not in summary["dropped"]
    assert (summary["counts"]["kept"], summary["counts"]["labels"]) == (5, 5)
    assert list(read_lines(tmp_path / "out" / "distilled.pt")) == ["bcde", "bc", "bcd", "b", "fg"]
    assert len(Store(tmp_path / "out")) == 5


def test_labelling_with_a_reverse_model_goes_on_with_the_same_bytes(
    letter_teacher: LetterTeacher, letters: Encode, lines: list[SourceText], tmp_path: Path
) -> None:
    label(letter_teacher, letters, lines, tmp_path / "whole", **SHORTEST_FIRST)
    expected = content(tmp_path / "whole")
    label(letter_teacher, letters, lines, tmp_path / "cut", **SHORTEST_FIRST)
    for name in ("store.json", "distilled.en", "hypotheses-00001.jsonl"):
        (tmp_path / "cut" / name).unlink()
    label(letter_teacher, letters, lines, tmp_path / "cut", **SHORTEST_FIRST)
    assert content(tmp_path / "cut") == expected


def test_teacher_without_ids_has_its_worst_labels_left_out_too(
    letter_teacher: LetterTeacher, lines: list[SourceText], tmp_path: Path
) -> None:
    summary = label(letter_teacher, None, lines, tmp_path / "out", **SHORTEST_FIRST)
    assert summary["dropped"] == {"unfinished": 1, "reverse_score": 2}
    assert list(read_lines(tmp_path / "out" / "distilled.pt")) == ["bcde", "bcd", "fg"]
