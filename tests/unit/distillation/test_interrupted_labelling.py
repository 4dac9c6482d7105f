"""A labelling that was cut off goes on: what is made again, and that shards change nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nmt_distill.distillation.shards import shard_path
from nmt_distill.distillation.source_text import SourceText
from nmt_distill.distillation.store import Store
from nmt_distill.errors import NmtDistillError
from tests.labellings import Encode, content, label

if TYPE_CHECKING:
    from tests.unit.distillation.conftest import LetterTeacher


def test_run_that_was_cut_off_goes_on_and_ends_with_the_same_bytes(
    letter_teacher: LetterTeacher, letters: Encode, texts: list[SourceText], tmp_path: Path
) -> None:
    label(letter_teacher, letters, texts, tmp_path / "whole")
    expected = content(tmp_path / "whole")
    label(letter_teacher, letters, texts, tmp_path / "cut")
    # what a run leaves that is killed while it writes its second shard
    for name in ("store.json", "distilled.json", "distilled.en", "distilled.pt", "hypotheses-00002.jsonl"):
        (tmp_path / "cut" / name).unlink()
    second, third = (shard_path(tmp_path / "cut", index) for index in (1, 2))
    second.rename(second.with_name(f".{second.name}.x.partial"))
    letter_teacher.calls.clear()
    third.write_bytes(third.read_bytes()[:-3])
    label(letter_teacher, letters, texts, tmp_path / "cut")
    assert content(tmp_path / "cut") == expected
    assert letter_teacher.calls == ["zoo", "c d", "xy"], "only what was lost is made again"
    letter_teacher.calls.clear()
    label(letter_teacher, letters, texts, tmp_path / "cut")
    assert letter_teacher.calls == []


def test_shards_of_another_teacher_are_made_again(
    letter_teacher: LetterTeacher, letters: Encode, texts: list[SourceText], tmp_path: Path
) -> None:
    label(letter_teacher, letters, texts, tmp_path / "out", num_kept=3)
    letter_teacher.calls.clear()
    label(letter_teacher, letters, texts, tmp_path / "out")
    assert len(letter_teacher.calls) == 5
    kept = Store(tmp_path / "out")[0].kept_ids
    assert kept is not None
    assert kept.shape == (3, 2)


def test_shards_divide_the_text_and_change_nothing_else(
    letter_teacher: LetterTeacher, letters: Encode, texts: list[SourceText], tmp_path: Path
) -> None:
    label(letter_teacher, letters, texts, tmp_path / "small", shard_sentences=1)
    label(letter_teacher, letters, texts, tmp_path / "large", shard_sentences=100)
    small, large = Store(tmp_path / "small"), Store(tmp_path / "large")
    assert len(small) == len(large)
    for index in range(len(small)):
        for name, array in vars(small[index]).items():
            assert np.array_equal(array, getattr(large[index], name))
    assert (tmp_path / "small" / "distilled.pt").read_bytes() == (tmp_path / "large" / "distilled.pt").read_bytes()


def test_what_a_teacher_said_that_was_out_of_step_is_not_kept(
    letter_teacher: LetterTeacher, letters: Encode, texts: list[SourceText], tmp_path: Path
) -> None:
    label(letter_teacher, letters, texts, tmp_path / "out")
    assert letter_teacher.num_closed == 1
    expected = content(tmp_path / "out")
    (tmp_path / "out" / "hypotheses-00001.jsonl").unlink()
    letter_teacher.is_out_of_step = True
    with pytest.raises(NmtDistillError, match="one answer too many"):
        label(letter_teacher, letters, texts, tmp_path / "out")
    assert not (tmp_path / "out" / "hypotheses-00001.jsonl").exists()
    assert (tmp_path / "out" / "hypotheses-00000.jsonl").exists()
    letter_teacher.is_out_of_step = False
    label(letter_teacher, letters, texts, tmp_path / "out")
    assert content(tmp_path / "out") == expected
