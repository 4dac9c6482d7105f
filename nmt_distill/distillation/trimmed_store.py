"""A store seen through another vocabulary, smaller or of another teacher: the same records with new ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from nmt_distill.distillation.records import Array, Record, Records
from nmt_distill.distillation.store import Store
from nmt_distill.vocabulary.trimming import IdMap


class TrimmedStore:
    """Records of a store in the ids of another vocabulary.

    Text with a piece that is gone is segmented anew. A target that was has no soft targets any more and falls back to
    sequence level: at each position its own token has probability 1, and its decoder states are not a number. The
    probability of kept candidates that are gone joins the tail. Drawn candidates that are gone weigh nothing: the rest
    stands, on average, for the divergence over the tokens that stay, times their share of the teacher's probability.
    """

    def __init__(
        self,
        store: Store,
        id_map: IdMap,
        *,
        resegment: Callable[[Sequence[int]], Sequence[int]],
        pad_id: int,
        sources: Records | None = None,
    ) -> None:
        """Look through a store once.

        :param resegment: ids of the full vocabulary to ids of the trimmed one, for the same text
        :param pad_id: stands for candidates that are gone, with probability 0
        :param sources: the same pairs with their sources in the new ids, where the vocabulary is another one and not a
            trimmed one: its own segmentation of a source is what the student will be given
        """
        self._store, self._id_map, self._pad_id, self._sources = store, id_map, pad_id, sources
        self.folder, self.header = store.folder, store.header
        self._new_sources: dict[int, Array] = {}
        self._new_targets: dict[int, Array] = {}
        for place in range(len(store)):
            record = store[place]
            for ids, anew in ((record.source_ids, self._new_sources), (record.target_ids, self._new_targets)):
                if sources is not None and anew is self._new_sources:
                    continue
                if not id_map.covers(ids):
                    anew[place] = np.asarray(resegment(ids.tolist()), dtype=np.int64)

    def __len__(self) -> int:
        return len(self._store)

    @property
    def num_new_sources(self) -> int:
        """How many sources were segmented anew."""
        return len(self._new_sources) if self._sources is None else len(self)

    @property
    def num_new_targets(self) -> int:
        """How many targets were segmented anew, and lost their soft targets."""
        return len(self._new_targets)

    def describe(self) -> str:
        """Tell in words how much was segmented anew."""
        if not (self.num_new_sources or self.num_new_targets):
            return f"all {len(self):,} records are segmented as the teacher does"
        return (
            f"of {len(self):,} records {self.num_new_sources:,} have their source segmented anew, "
            f"{self.num_new_targets:,} their target, which makes these sequence level only"
        )

    def lengths(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Return the source and target tokens of every record."""
        lengths = self._store.lengths()
        for column, anew in zip(lengths, (self._new_sources, self._new_targets), strict=True):
            for place, ids in anew.items():
                column[place] = len(ids)
        return lengths if self._sources is None else (self._sources.lengths()[0], lengths[1])

    def __getitem__(self, index: int) -> Record:
        record = self._store[index]
        new_ids = self._id_map.new_ids
        if self._sources is not None:
            source_ids = self._sources[index].source_ids
        else:
            source_ids = self._new_sources[index] if index in self._new_sources else new_ids[record.source_ids]
        if index in self._new_targets:
            return self._without_soft_targets(record, source_ids, self._new_targets[index])
        kept_ids, kept_probs, tail, weights = record.kept_ids, record.kept_probs, record.tail, record.kept_weights
        if kept_ids is not None and kept_probs is not None:
            kept_ids, probs = new_ids[kept_ids], kept_probs.astype(np.float32)
            gone = kept_ids < 0
            kept_ids = np.where(gone, self._pad_id, kept_ids)
            if weights is not None:
                weights = np.where(gone, 0, weights)
            elif tail is not None:
                tail, kept_probs = tail + np.where(gone, probs, 0).sum(axis=1), np.where(gone, 0, probs)
        return Record(
            source_ids=source_ids,
            target_ids=new_ids[record.target_ids],
            kept_ids=kept_ids,
            kept_probs=kept_probs,
            tail=tail,
            states=record.states,
            kept_weights=weights,
        )

    @property
    def group_sizes(self) -> tuple[int, ...]:
        """All records are of one direction."""
        return (len(self),)

    def _without_soft_targets(self, record: Record, source_ids: Array, target_ids: Array) -> Record:
        return sequence_level(
            source_ids,
            target_ids,
            num_kept=0 if record.kept_ids is None else record.kept_ids.shape[1],
            state_dim=0 if record.states is None else record.states.shape[1],
            pad_id=self._pad_id,
            is_drawn=record.kept_weights is not None,
        )


def sequence_level(
    source_ids: Array, target_ids: Array, *, num_kept: int, state_dim: int, pad_id: int, is_drawn: bool = False
) -> Record:
    """Make a record whose teacher is sure of every target, among others that have soft targets.

    :param num_kept: K; 0 gives none
    :param state_dim: D; 0 gives no states
    :param is_drawn: whether the others hold drawn tokens
    """
    kept_ids = kept_probs = tail = states = weights = None
    if num_kept and is_drawn:
        kept_ids = target_ids[:, None]
        kept_probs = weights = np.ones(kept_ids.shape, dtype=np.float32)
    elif num_kept:
        kept_ids = np.full((len(target_ids), num_kept), pad_id, dtype=np.int64)
        kept_probs = np.zeros(kept_ids.shape, dtype=np.float32)
        kept_ids[:, 0], kept_probs[:, 0] = target_ids, 1
        tail = np.zeros(len(target_ids), dtype=np.float32)
    if state_dim:
        states = np.full((len(target_ids), state_dim), np.nan, dtype=np.float16)
    return Record(
        source_ids=source_ids,
        target_ids=target_ids,
        kept_ids=kept_ids,
        kept_probs=kept_probs,
        tail=tail,
        states=states,
        kept_weights=weights,
    )


def count_pieces(store: Store, vocab_size: int) -> npt.NDArray[np.int64]:
    """Count how often each piece occurs in sources and targets of a store, (V,)."""
    counts = np.zeros(vocab_size, dtype=np.int64)
    for array in store.all_ids():
        counts += np.bincount(np.asarray(array, dtype=np.int64), minlength=vocab_size)
    return counts
