"""A store seen through another vocabulary, smaller or of another teacher: the same records with new ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, zip_longest

import numpy as np
import numpy.typing as npt

from nmt_distill.distillation.records import Array, Record, Records
from nmt_distill.distillation.store import Store
from nmt_distill.errors import NmtDistillError
from nmt_distill.vocabulary.trimming import IdMap

ENCODED_AT_ONCE = 4096
"""lines that are encoded together"""


class SegmentedText:
    """The ids of some lines of a text."""

    def __init__(
        self, lines: Iterable[str], wanted: npt.NDArray[np.bool_], encode: Callable[[Sequence[str]], list[list[int]]]
    ) -> None:
        """Encode the lines that are wanted; where none is, the text is not read.

        :param wanted: (N,) which of the N lines
        :raises NmtDistillError: if there are not N
        """
        self.places = np.flatnonzero(wanted)
        """of the lines, in order"""
        chosen = _chosen(lines, wanted) if len(self.places) else iter(())
        lengths, ids = [np.zeros(1, dtype=np.int64)], [np.zeros(0, dtype=np.int32)]
        while part := list(islice(chosen, ENCODED_AT_ONCE)):
            encoded = encode(part)
            lengths.append(np.array([len(each) for each in encoded], dtype=np.int64))
            ids.append(np.fromiter(chain.from_iterable(encoded), dtype=np.int32))
        self._ids, self._offsets = np.concatenate(ids), np.cumsum(np.concatenate(lengths))

    def __len__(self) -> int:
        return len(self.places)

    def lengths(self) -> npt.NDArray[np.int64]:
        """Return how many ids each line has, in the order of :attr:`places`."""
        return np.diff(self._offsets)

    def get(self, place: int) -> Array | None:
        """Return the ids of the line at a place of the text, or None where it was not wanted."""
        number = int(np.searchsorted(self.places, place))
        if number == len(self.places) or self.places[number] != place:
            return None
        return self._ids[self._offsets[number] : self._offsets[number + 1]].astype(np.int64)


def _chosen(lines: Iterable[str], wanted: npt.NDArray[np.bool_]) -> Iterator[str]:
    for line, is_wanted in zip_longest(lines, wanted.tolist()):
        if line is None or is_wanted is None:
            than = "fewer" if line is None else "more"
            raise NmtDistillError(
                f"the text of the labels has {than} lines than their store has records, {len(wanted):,}; one of them "
                "was changed: run `distill` again."
            )
        if is_wanted:
            yield line


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
        texts: tuple[Iterable[str], Iterable[str]],
        encode: Callable[[Sequence[str]], list[list[int]]],
        pad_id: int,
        sources: Records | None = None,
    ) -> None:
        """Look through a store once.

        :param texts: sources and targets of all records, which the ids do not always tell: ``<unk>`` stands for any
            character
        :param encode: text to ids of the new vocabulary, end of sentence included
        :param pad_id: stands for candidates that are gone, with probability 0
        :param sources: the same pairs with their sources in the new ids, where the vocabulary is another one and not a
            trimmed one: its own segmentation of a source is what the student will be given
        """
        if sources is not None and len(sources) != len(store):
            raise NmtDistillError(
                f"the text of the labels has {len(sources):,} lines, but their store {len(store):,} records; one of "
                "them was changed: run `distill` again."
            )
        self._store, self._id_map, self._pad_id, self._sources = store, id_map, pad_id, sources
        self.folder, self.header = store.folder, store.header
        in_sources, in_targets = store.holding(id_map.new_ids < 0)
        if sources is not None:
            in_sources[:] = False
        self._new_sources = SegmentedText(texts[0], in_sources, encode)
        self._new_targets = SegmentedText(texts[1], in_targets, encode)

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
            column[anew.places] = anew.lengths()
        return lengths if self._sources is None else (self._sources.lengths()[0], lengths[1])

    def __getitem__(self, index: int) -> Record:
        record = self._store[index]
        new_ids = self._id_map.new_ids
        if self._sources is not None:
            source_ids = self._sources[index].source_ids
        else:
            anew = self._new_sources.get(index)
            source_ids = new_ids[record.source_ids] if anew is None else anew
        if (target_ids := self._new_targets.get(index)) is not None:
            return self._without_soft_targets(record, source_ids, target_ids)
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
