"""Records of several directions as one corpus."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nmt_distill.distillation.joined_records import JoinedRecords, Part
from nmt_distill.distillation.records import StoreHeader
from nmt_distill.distillation.shards import shard_path, write_shard
from nmt_distill.distillation.store import Store, write_header

PAD = 99
HEADER = StoreHeader(
    teacher="t", vocabulary="v", direction="en-pt", temperature=1.0, num_kept=2, state_dim=3, vocab_size=20
)


def make_store(folder: Path, pairs: list[tuple[list[int], list[int]]], *, num_kept: int, state_dim: int) -> Store:
    header = replace(HEADER, num_kept=num_kept, state_dim=state_dim)
    num_rows = sum(len(target) for _, target in pairs)
    rows = {}
    if num_kept:
        kept_ids = np.tile(np.arange(num_kept), (num_rows, 1))
        rows = {"kept_ids": kept_ids, "kept_probs": np.full(kept_ids.shape, 0.25), "tail": np.full(num_rows, 0.5)}
    if state_dim:
        rows["states"] = np.ones((num_rows, state_dim))
    write_shard(shard_path(folder, 0), header, [pair[0] for pair in pairs], [pair[1] for pair in pairs], rows)
    write_header(folder, header, [len(pairs)])
    return Store(folder)


@pytest.fixture
def soft(tmp_path: Path) -> Store:
    return make_store(tmp_path / "soft", [([3, 0], [4, 5, 0]), ([6, 7, 0], [8, 0])], num_kept=2, state_dim=3)


@pytest.fixture
def hard(tmp_path: Path) -> Store:
    return make_store(tmp_path / "hard", [([9, 0], [10, 0])], num_kept=0, state_dim=0)


def test_every_source_stands_behind_its_tag(soft: Store, hard: Store) -> None:
    records = JoinedRecords([Part(soft, 17), Part(hard, 18)], pad_id=PAD)
    assert (len(records), records.group_sizes) == (3, (2, 1))
    assert [records[place].source_ids.tolist() for place in range(3)] == [[17, 3, 0], [17, 6, 7, 0], [18, 9, 0]]
    assert [records[place].target_ids.tolist() for place in range(3)] == [[4, 5, 0], [8, 0], [10, 0]]
    lengths = records.lengths()
    assert [side.tolist() for side in lengths] == [[3, 4, 3], [3, 2, 2]]
    assert {side.dtype for side in lengths} == {np.dtype(np.int32)}
    with pytest.raises(IndexError):
        records[3]


def test_without_tags_nothing_is_added(soft: Store, hard: Store) -> None:
    records = JoinedRecords([Part(soft, None), Part(hard, None)], pad_id=PAD)
    assert records[0].source_ids.tolist() == [3, 0]
    assert records.lengths()[0].tolist() == [2, 3, 2]


def test_where_the_teacher_shows_nothing_it_is_sure_of_every_target(soft: Store, hard: Store) -> None:
    records = JoinedRecords([Part(hard, 17), Part(soft, 18)], pad_id=PAD)
    first, second = records[0], records[1]
    assert first.kept_ids is not None
    assert first.kept_probs is not None
    assert first.tail is not None
    assert first.states is not None
    assert first.kept_ids.tolist() == [[10, PAD], [0, PAD]]
    assert first.kept_probs.tolist() == [[1, 0], [1, 0]]
    assert first.tail.tolist() == [0, 0]
    assert first.states.shape == (2, 3)
    assert np.isnan(first.states).all()
    assert second.kept_ids is not None
    assert second.states is not None
    assert second.kept_ids.tolist() == [[0, 1]] * 3
    assert (second.states == 1).all()


def test_states_of_a_teacher_with_another_output_table_are_not_learned(soft: Store, tmp_path: Path) -> None:
    other = make_store(tmp_path / "other", [([2, 0], [3, 0])], num_kept=2, state_dim=5)
    records = JoinedRecords([Part(soft, 17), Part(other, 18, has_student_states=False)], pad_id=PAD)
    record = records[2]
    assert record.states is not None
    assert record.kept_probs is not None
    assert record.states.shape == (2, 3)
    assert np.isnan(record.states).all()
    assert (record.kept_probs == 0.25).all(), "its probabilities are"


def test_parts_that_are_alike_stay_as_they_are(hard: Store) -> None:
    record = JoinedRecords([Part(hard, 17), Part(hard, 18)], pad_id=PAD)[1]
    assert record.kept_ids is record.kept_probs is record.tail is record.states is None
