"""Human translations as labels: in place of a teacher's, beside them, or read by the teacher."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nmt_distill.distillation.labels import is_in_share
from nmt_distill.distillation.source_text import SourceText
from nmt_distill.distillation.store import Store
from nmt_distill.files import read_lines, write_lines
from tests.labellings import Encode, label

if TYPE_CHECKING:
    from tests.unit.distillation.conftest import LetterTeacher


def test_human_translations_as_targets(letters: Encode, texts: list[SourceText], tmp_path: Path) -> None:
    summary = label(None, letters, texts, tmp_path / "out", num_kept=0)
    assert summary["dropped"] == {"source_too_long": 1, "no_translation": 2}
    assert list(read_lines(tmp_path / "out" / "distilled.pt")) == ["cb", "x", "y"]
    record = Store(tmp_path / "out")[0]
    assert record.target_ids.tolist() == [3, 2, 0]
    assert record.kept_ids is record.states is None


def test_human_translations_stand_beside_the_teachers(
    letter_teacher: LetterTeacher, letters: Encode, texts: list[SourceText], tmp_path: Path
) -> None:
    """Each with what the teacher says over it: word-level distillation where the target is no teacher's."""
    summary = label(letter_teacher, letters, texts, tmp_path / "out", human_share=1.0)
    assert list(read_lines(tmp_path / "out" / "distilled.en")) == ["ab", "ab", "", "zoo", "c d", "xy"]
    assert list(read_lines(tmp_path / "out" / "distilled.pt")) == ["bc", "cb", "x", "y", "d e", "yz"]
    assert summary["counts"] == {
        "sentences": 6, "candidates": 8, "kept": 5, "labels": 6, "human": 3, "not_the_best_score": 0,
    }  # fmt: skip
    assert summary["dropped"] == {"source_too_long": 1}
    first = json.loads(next(read_lines(tmp_path / "out" / "hypotheses-00000.jsonl")))
    assert (first["chosen"], first["human"], first["candidates"][1]["text"]) == ([0, 1], 1, "cb")
    record = Store(tmp_path / "out")[1]
    assert record.target_ids.tolist() == letters(["cb"])[0]
    assert record.kept_ids is not None
    assert record.kept_ids[:, 0].tolist() == record.target_ids.tolist(), "the teacher was asked about this target"
    none = label(letter_teacher, letters, texts, tmp_path / "none", human_share=0.0)
    assert "human" not in none["counts"]


def test_human_translation_that_the_teacher_gives_too_is_one_label(
    letter_teacher: LetterTeacher, letters: Encode, tmp_path: Path
) -> None:
    write_lines(tmp_path / "train.en", ["ab", "cd", "ef"])
    write_lines(tmp_path / "train.pt", ["bc", "much too long a text", "xx"])
    texts = [SourceText(tmp_path / "train.en", tmp_path / "train.pt")]
    summary = label(letter_teacher, letters, texts, tmp_path / "out", human_share=1.0)
    assert summary["counts"]["human"] == 1
    assert list(read_lines(tmp_path / "out" / "distilled.pt")) == ["bc", "de", "fg", "xx"]


def test_share_of_human_translations_is_that_share_and_part_of_a_larger_one() -> None:
    pairs = [(f"source {number}", f"target {number}") for number in range(4000)]
    chosen = {share: {pair for pair in pairs if is_in_share(*pair, share)} for share in (0.0, 0.25, 0.5, 1.0)}
    assert (len(chosen[0.0]), len(chosen[1.0])) == (0, 4000)
    for share in (0.25, 0.5):
        assert len(chosen[share]) == pytest.approx(4000 * share, abs=4 * (4000 * share * (1 - share)) ** 0.5)
    assert chosen[0.25] < chosen[0.5]


def test_forced_reads_the_teacher_over_human_translations_alone(
    letter_teacher: LetterTeacher, letters: Encode, texts: list[SourceText], tmp_path: Path
) -> None:
    summary = label(letter_teacher, letters, texts[:1], tmp_path / "out", targets="forced", max_source_tokens=9)
    assert letter_teacher.calls == [], "it translates nothing"
    assert list(read_lines(tmp_path / "out" / "distilled.pt")) == ["cb", "x", "y", "z"]
    assert summary["counts"]["labels"] == 4
    record = Store(tmp_path / "out")[0]
    assert record.target_ids.tolist() == letters(["cb"])[0]
    assert record.kept_ids is not None
    assert record.kept_ids[:, 0].tolist() == record.target_ids.tolist()
