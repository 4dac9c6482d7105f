"""Batches of like length under a token budget, in an order that depends on seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nmt_distill.distillation.divergences import SoftTargets
from nmt_distill.distillation.records import Array, Record

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Sentence pairs as tensors: N sentences, S source and T target positions, R target tokens without padding."""

    source_ids: Tensor
    """(N, S) int64"""
    source_mask: Tensor
    """(N, S) bool, true where there is a token"""
    target_input: Tensor
    """(N, T) int64, fed to the decoder: the start id, then the target without its last token"""
    target_mask: Tensor
    """(N, T) bool"""
    target: Tensor
    """(R,) int64, to be predicted, sentences end to end"""
    soft_targets: SoftTargets | None
    """rows as ``target``"""
    states: Tensor | None
    """(R, D) float16, the teacher's last decoder states"""
    directions: tuple[int, ...] = ()
    """(N,) number of each sentence's direction; empty where all are of the first"""
    is_sampled: bool = False
    """whether the student has sampled the targets itself"""
    vectors: Tensor | None = None
    """(N, D) float16, a teacher's sentence vectors of the sources"""

    def to(self, device: torch.device) -> Batch:
        """Move all tensors."""
        soft = self.soft_targets
        return Batch(
            source_ids=self.source_ids.to(device),
            source_mask=self.source_mask.to(device),
            target_input=self.target_input.to(device),
            target_mask=self.target_mask.to(device),
            target=self.target.to(device),
            soft_targets=None if soft is None else soft.to(device),
            states=None if self.states is None else self.states.to(device),
            directions=self.directions,
            is_sampled=self.is_sampled,
            vectors=None if self.vectors is None else self.vectors.to(device),
        )


@dataclass(frozen=True)
class Balance:
    """How much of an epoch each direction gets: its number of records to the power ``exponent``, in proportion.

    That is sampling with temperature 1 / exponent (Aharoni et al. 2019, section 4.1). An epoch has as many records as
    there are; of a direction each is taken as often as every other, give or take one.
    """

    group_sizes: Sequence[int]
    """records of each direction, which stand one direction after the other"""
    exponent: float = 1.0
    """1 takes all records as they are, 0 as many of each direction"""

    def records(self, *, seed: int, epoch: int) -> Indices:
        """Choose the records of an epoch."""
        sizes = np.array(self.group_sizes, dtype=np.int64)
        if self.exponent == 1 or len(sizes) == 1:
            return np.arange(sizes.sum(), dtype=np.int64)
        shares = np.where(sizes > 0, sizes.astype(np.float64) ** self.exponent, 0)
        counts = np.rint(sizes.sum() * shares / shares.sum()).astype(np.int64)
        chosen, start = [], 0
        for group, (size, count) in enumerate(zip(sizes.tolist(), counts.tolist(), strict=True)):
            chosen += [start + part for part in _passes(size, epoch * count, count, [seed, group])]
            start += size
        return np.concatenate(chosen)


def _passes(size: int, first: int, count: int, seed: Sequence[int]) -> Iterator[Indices]:
    """Yield numbers below ``size``, from place ``first`` of an endless row of passes, each in an order of its own."""
    while count:
        number, place = divmod(first, size)
        part = np.random.default_rng([*seed, number]).permutation(size)[place : place + count]
        yield part
        first, count = first + len(part), count - len(part)


def plan_batches(
    source_lengths: npt.NDArray[np.int32],
    target_lengths: npt.NDArray[np.int32],
    *,
    batch_tokens: int,
    balance: Balance | None = None,
    longest: int | None = None,
    seed: int,
    epoch: int,
) -> list[Indices]:
    """Divide an epoch into batches of at most ``batch_tokens`` target positions, and source positions, with padding.

    Records are shuffled, sorted by length, cut and the batches shuffled: all by a generator seeded with both numbers.

    :param balance: chooses the records of the epoch; None takes each once
    :param longest: records with more source or target tokens are passed over
    """
    generator = np.random.default_rng([seed, epoch])
    balance = balance or Balance((len(target_lengths),))
    order = generator.permutation(balance.records(seed=seed, epoch=epoch))
    order = order[np.lexsort((source_lengths[order], target_lengths[order]))]
    widths = np.maximum(source_lengths[order], target_lengths[order])
    if longest is not None:
        order, widths = order[widths <= longest], widths[widths <= longest]
    batches, start, widest = [], 0, 0
    for position, width in enumerate(widths.tolist()):
        widest = max(widest, width)
        if position > start and (position - start + 1) * widest > batch_tokens:
            batches.append(order[start:position])
            start, widest = position, width
    if start < len(order):
        batches.append(order[start:])
    return [batches[place] for place in generator.permutation(len(batches))]


def batch_indices(
    source_lengths: npt.NDArray[np.int32],
    target_lengths: npt.NDArray[np.int32],
    *,
    batch_tokens: int,
    balance: Balance | None = None,
    longest: int | None = None,
    seed: int,
    first: tuple[int, int] = (0, 0),
) -> Iterator[tuple[tuple[int, int], Indices]]:
    """Yield batches for ever, each with the position (epoch, index) that follows it.

    :param first: the position to begin at
    """
    epoch, index = first
    while True:
        batches = plan_batches(
            source_lengths,
            target_lengths,
            batch_tokens=batch_tokens,
            balance=balance,
            longest=longest,
            seed=seed,
            epoch=epoch,
        )
        for place in range(index, len(batches)):
            last = place + 1 == len(batches)
            yield ((epoch + 1, 0) if last else (epoch, place + 1)), batches[place]
        epoch, index = epoch + 1, 0


def collate(records: Sequence[Record], *, pad_id: int, start_id: int) -> Batch:
    """Pad records to one batch; ``start_id`` starts the decoder."""
    source_ids, source_mask = _pad([record.source_ids for record in records], pad_id)
    target_ids, target_mask = _pad([record.target_ids for record in records], pad_id)
    target_input = torch.cat([target_ids.new_full((len(records), 1), start_id), target_ids[:, :-1]], dim=1)
    states = None if records[0].states is None else _rows(records, "states", np.float16)
    return Batch(
        source_ids=source_ids,
        source_mask=source_mask,
        target_input=target_input,
        target_mask=target_mask,
        target=target_ids[target_mask],
        soft_targets=None if records[0].kept_ids is None else _soft_targets(records),
        states=states,
        vectors=None if records[0].vector is None else _vectors(records),
    )


def collate_samples(records: Sequence[Record], samples: Sequence[Array], *, pad_id: int, start_id: int) -> Batch:
    """Pad records whose targets are others, which the student has sampled: nothing is known of the teacher there."""
    sampled = [
        replace(record, target_ids=ids, kept_ids=None, states=None)
        for record, ids in zip(records, samples, strict=True)
    ]
    return replace(collate(sampled, pad_id=pad_id, start_id=start_id), is_sampled=True)


def _vectors(records: Sequence[Record]) -> Tensor:
    return torch.from_numpy(np.stack([record.vector for record in records if record.vector is not None]))


def _soft_targets(records: Sequence[Record]) -> SoftTargets:
    """Put the rows of all records together; with drawn tokens their widths differ, and the first one fills them up."""
    is_drawn = records[0].kept_weights is not None
    return SoftTargets(
        token_ids=_rows(records, "kept_ids", np.int64),
        probs=_rows(records, "kept_probs", np.float32),
        tail=None if is_drawn else _rows(records, "tail", np.float32),
        weights=_rows(records, "kept_weights", np.float32, empty=0.0) if is_drawn else None,
    )


def _pad(sequences: Sequence[npt.NDArray[np.int64]], pad_id: int) -> tuple[Tensor, Tensor]:
    lengths = np.array([len(sequence) for sequence in sequences])
    mask = np.arange(lengths.max()) < lengths[:, None]
    ids = np.full(mask.shape, pad_id, dtype=np.int64)
    ids[mask] = np.concatenate(sequences)
    return torch.from_numpy(ids), torch.from_numpy(mask)


def _rows(records: Sequence[Record], name: str, dtype: type, *, empty: float | None = None) -> Tensor:
    """Put the rows of one kind together.

    :param empty: what fills up rows that are narrower than others; None repeats what stands first
    """
    arrays = [getattr(record, name) for record in records]
    if arrays[0].ndim == 2:
        width = max(array.shape[1] for array in arrays)
        arrays = [_widen(array, width, empty) for array in arrays]
    return torch.from_numpy(np.concatenate(arrays).astype(dtype))


def _widen(array: Array, width: int, empty: float | None) -> Array:
    missing = width - array.shape[1]
    if not missing:
        return array
    filling = np.repeat(array[:, :1], missing, axis=1) if empty is None else np.full((len(array), missing), empty)
    return np.concatenate([array, filling], axis=1)
