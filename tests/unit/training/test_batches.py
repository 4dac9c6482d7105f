from __future__ import annotations

from itertools import islice

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.distillation.records import Record
from nmt_distill.training.batches import Balance, batch_indices, collate, plan_batches

LENGTHS = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), max_size=60)


def arrays(lengths: list[tuple[int, int]]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    table = np.array(lengths, dtype=np.int32).reshape(-1, 2)
    return table[:, 0], table[:, 1]


@given(LENGTHS, st.integers(1, 200), st.integers(0, 9), st.integers(0, 9))
def test_every_record_once_and_within_the_budget(
    lengths: list[tuple[int, int]], batch_tokens: int, seed: int, epoch: int
) -> None:
    sources, targets = arrays(lengths)
    batches = plan_batches(sources, targets, batch_tokens=batch_tokens, seed=seed, epoch=epoch)
    assert sorted(index for batch in batches for index in batch.tolist()) == list(range(len(lengths)))
    for batch in batches:
        widest = max(sources[batch].max(), targets[batch].max())
        assert len(batch) == 1 or len(batch) * widest <= batch_tokens
    again = plan_batches(sources, targets, batch_tokens=batch_tokens, seed=seed, epoch=epoch)
    assert [batch.tolist() for batch in batches] == [batch.tolist() for batch in again]


def test_batches_are_of_like_length_and_well_filled() -> None:
    generator = np.random.default_rng(0)
    targets = generator.integers(1, 60, 2000).astype(np.int32)
    batches = plan_batches(targets, targets, batch_tokens=600, seed=1, epoch=0)
    assert sum(np.ptp(targets[batch]) for batch in batches) / len(batches) < 3
    assert 2000 * targets.mean() / (600 * len(batches)) > 0.9


def test_seed_and_epoch_decide_about_the_order() -> None:
    lengths = np.full(100, 5, dtype=np.int32)
    orders = {
        tuple(
            index
            for batch in plan_batches(lengths, lengths, batch_tokens=20, seed=seed, epoch=epoch)
            for index in batch
        )
        for seed in (1, 2)
        for epoch in (0, 1)
    }
    assert len(orders) == 4


@given(LENGTHS.filter(bool), st.integers(1, 60), st.integers(0, 9))
def test_batches_go_on_from_any_position(lengths: list[tuple[int, int]], batch_tokens: int, seed: int) -> None:
    sources, targets = arrays(lengths)

    def take(count: int, first: tuple[int, int]) -> list[tuple[tuple[int, int], list[int]]]:
        batches = batch_indices(sources, targets, batch_tokens=batch_tokens, seed=seed, first=first)
        return [(position, batch.tolist()) for position, batch in islice(batches, count)]

    through = take(12, (0, 0))
    for place in (0, 4, 9):
        assert take(11 - place, through[place][0]) == through[place + 1 :]


def test_an_epoch_follows_the_other() -> None:
    lengths = np.full(6, 5, dtype=np.int32)
    batches = islice(batch_indices(lengths, lengths, batch_tokens=10, seed=1), 6)
    positions, indices = zip(*batches, strict=True)
    assert positions == ((0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0))
    assert sorted(np.concatenate(indices[:3]).tolist()) == list(range(6))
    assert sorted(np.concatenate(indices[3:]).tolist()) == list(range(6))


def test_position_behind_the_end_of_an_epoch_is_the_next_epoch() -> None:
    lengths = np.full(6, 5, dtype=np.int32)
    (position, _), *_ = islice(batch_indices(lengths, lengths, batch_tokens=10, seed=1, first=(0, 99)), 1)
    assert position == (1, 1)


@given(st.lists(st.integers(0, 30), min_size=2, max_size=4).filter(sum), st.integers(0, 9), st.floats(0, 0.99))
def test_directions_get_their_share_of_an_epoch(sizes: list[int], seed: int, exponent: float) -> None:
    balance = Balance(sizes, exponent)
    ends = np.cumsum(sizes)
    shares = np.where(np.array(sizes) > 0, np.array(sizes, dtype=float) ** exponent, 0)
    expected = sum(sizes) * shares / shares.sum()
    taken = np.zeros(sum(sizes), dtype=int)
    for epoch in range(4):
        records = balance.records(seed=seed, epoch=epoch)
        assert records.tolist() == balance.records(seed=seed, epoch=epoch).tolist()
        counts = np.bincount(np.searchsorted(ends, records, side="right"), minlength=len(sizes))
        assert np.abs(counts - expected).max() <= 0.5
        np.add.at(taken, records, 1)
    for start, size in zip(ends - sizes, sizes, strict=True):
        group = taken[start : start + size]
        assert size == 0 or np.ptp(group) <= 1, "no record is favoured over another of its direction"


def test_exponent_zero_is_uniform_and_one_takes_all() -> None:
    small = Balance([90, 10], 0).records(seed=1, epoch=0)
    assert (np.bincount(small // 90) == [50, 50]).all()
    assert Balance([90, 10], 1).records(seed=1, epoch=3).tolist() == list(range(100))


def test_records_that_are_too_long_are_passed_over() -> None:
    sources, targets = arrays([(5, 5), (9, 5), (5, 9), (8, 8)])
    batches = plan_batches(sources, targets, batch_tokens=100, longest=8, seed=1, epoch=0)
    assert sorted(np.concatenate(batches).tolist()) == [0, 3]


def test_balance_reaches_the_batches() -> None:
    lengths = np.full(100, 5, dtype=np.int32)
    batches = plan_batches(lengths, lengths, batch_tokens=20, balance=Balance([90, 10], 0), seed=1, epoch=0)
    assert np.bincount(np.concatenate(batches) // 90).tolist() == [50, 50]


def record(source: list[int], target: list[int], *, with_teacher: bool = True) -> Record:
    rows = np.arange(len(target))
    if not with_teacher:
        return Record(np.array(source), np.array(target), None, None, None, None)
    return Record(
        source_ids=np.array(source, dtype=np.uint16),
        target_ids=np.array(target, dtype=np.uint16),
        kept_ids=np.stack([rows, rows + 1], axis=1).astype(np.uint16),
        kept_probs=np.full((len(target), 2), 0.25, dtype=np.float16),
        tail=np.full(len(target), 0.5, dtype=np.float32),
        states=np.repeat(rows[:, None], 3, axis=1).astype(np.float16),
    )


RECORDS = [record([5, 6, 0], [7, 0]), record([8, 0], [9, 10, 11, 0])]


def test_batch_by_hand() -> None:
    batch = collate(RECORDS, pad_id=99, start_id=42)
    assert batch.source_ids.tolist() == [[5, 6, 0], [8, 0, 99]]
    assert batch.source_mask.tolist() == [[True, True, True], [True, True, False]]
    assert batch.target_input.tolist() == [[42, 7, 0, 99], [42, 9, 10, 11]]
    assert batch.target_mask.tolist() == [[True, True, False, False], [True] * 4]
    assert batch.target.tolist() == [7, 0, 9, 10, 11, 0]
    assert batch.soft_targets is not None
    assert batch.soft_targets.token_ids.tolist() == [[0, 1], [1, 2], [0, 1], [1, 2], [2, 3], [3, 4]]
    assert batch.soft_targets.probs.tolist() == [[0.25, 0.25]] * 6
    assert batch.soft_targets.tail is not None
    assert batch.soft_targets.tail.tolist() == [0.5] * 6
    assert batch.states is not None
    assert batch.states[:, 0].tolist() == [0, 1, 0, 1, 2, 3]


def test_what_is_fed_at_a_position_is_what_was_to_be_predicted_before() -> None:
    batch = collate(RECORDS, pad_id=99, start_id=42)
    target = torch.full(batch.target_mask.shape, -1).masked_scatter(batch.target_mask, batch.target)
    assert torch.equal(batch.target_input[:, 1:][batch.target_mask[:, 1:]], target[:, :-1][batch.target_mask[:, 1:]])


def test_dtypes_are_those_of_the_losses() -> None:
    batch = collate(RECORDS, pad_id=99, start_id=42)
    assert batch.soft_targets is not None
    assert batch.soft_targets.tail is not None
    assert batch.states is not None
    assert batch.source_ids.dtype == batch.target.dtype == batch.soft_targets.token_ids.dtype == torch.int64
    assert batch.soft_targets.probs.dtype == batch.soft_targets.tail.dtype == torch.float32
    assert batch.states.dtype == torch.float16


def test_records_without_teacher() -> None:
    batch = collate([record([5, 0], [6, 0], with_teacher=False)], pad_id=99, start_id=42)
    assert (batch.soft_targets, batch.states) == (None, None)


@pytest.mark.parametrize("with_teacher", [True, False])
def test_batch_moves_whole(with_teacher: bool) -> None:
    batch = collate([record([5, 0], [6, 0], with_teacher=with_teacher)], pad_id=99, start_id=42)
    moved = batch.to(torch.device("meta"))
    assert moved.source_ids.device.type == moved.target.device.type == "meta"
    assert (moved.soft_targets is not None, moved.states is not None) == (with_teacher, with_teacher)
    if moved.soft_targets is not None and moved.states is not None:
        tensors = [tensor for tensor in (*vars(moved.soft_targets).values(), moved.states) if tensor is not None]
        assert {tensor.device.type for tensor in tensors} == {"meta"}


def drawn_record(token_ids: list[list[int]], weights: list[list[float]]) -> Record:
    return Record(
        source_ids=np.array([5, 0]),
        target_ids=np.zeros(len(token_ids), dtype=np.int64),
        kept_ids=np.array(token_ids),
        kept_probs=np.full((len(token_ids), len(token_ids[0])), 0.5, dtype=np.float32),
        tail=None,
        states=None,
        kept_weights=np.array(weights, dtype=np.float32),
    )


def test_rows_of_drawn_tokens_are_filled_up_to_the_widest() -> None:
    records = [
        drawn_record([[7]], [[1.0]]),
        drawn_record([[3, 4, 5], [6, 6, 6]], [[0.5, 0.25, 0.25], [1, 0, 0]]),
    ]
    soft = collate(records, pad_id=99, start_id=42).soft_targets
    assert soft is not None
    assert soft.weights is not None
    assert soft.tail is None
    assert soft.token_ids.tolist() == [[7, 7, 7], [3, 4, 5], [6, 6, 6]]
    assert soft.weights.tolist() == [[1, 0, 0], [0.5, 0.25, 0.25], [1, 0, 0]]
    assert soft.weights.dtype == soft.probs.dtype == torch.float32
    assert soft.probs.shape == (3, 3)
