"""Records of several directions as one corpus: each source behind the tag of its direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nmt_distill.distillation.records import Record, Records
from nmt_distill.distillation.trimmed_store import sequence_level


@dataclass(frozen=True)
class Part:
    """The records of one direction."""

    records: Records
    """in the student's ids"""
    tag: int | None
    """id of the piece that stands before every source; None where the model needs none"""
    has_student_states: bool = True
    """whether decoder states come from the teacher whose output table the student shares"""


class JoinedRecords:
    """Several parts, one after the other.

    All records have what a batch needs to have of all: where some parts have soft targets or states and others not,
    the others are records whose teacher is sure of every target and shows no states.
    """

    def __init__(self, parts: Sequence[Part], *, pad_id: int) -> None:
        """Join parts.

        :param pad_id: stands for candidates with probability 0
        """
        self._parts, self._pad_id = list(parts), pad_id
        self.folder, self.header = parts[0].records.folder, parts[0].records.header
        headers = [part.records.header for part in parts]
        self._num_kept = max(header.num_kept for header in headers)
        self._is_drawn = any(header.kept == "drawn" for header in headers)
        self._state_dim = max(part.records.header.state_dim for part in parts if part.has_student_states)
        self._starts = np.cumsum([0, *self.group_sizes])

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def group_sizes(self) -> tuple[int, ...]:
        """How many records each direction has."""
        return tuple(len(part.records) for part in self._parts)

    def lengths(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Return the source tokens, tags included, and target tokens of every record."""
        sources, targets = zip(*(part.records.lengths() for part in self._parts), strict=True)
        tagged = [lengths + (part.tag is not None) for lengths, part in zip(sources, self._parts, strict=True)]
        return np.concatenate(tagged).astype(np.int32), np.concatenate(targets)

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        part = self._parts[number]
        record = part.records[index - int(self._starts[number])]
        if part.tag is not None:
            record = replace(record, source_ids=np.concatenate([[part.tag], record.source_ids]))
        return self._completed(record, part)

    def _completed(self, record: Record, part: Part) -> Record:
        stand_in = sequence_level(
            record.source_ids,
            record.target_ids,
            num_kept=self._num_kept if record.kept_ids is None else 0,
            state_dim=self._state_dim if record.states is None or not part.has_student_states else 0,
            pad_id=self._pad_id,
            is_drawn=self._is_drawn,
        )
        if stand_in.kept_ids is not None:
            names = ("kept_ids", "kept_probs", "tail", "kept_weights")
            record = replace(record, **{name: getattr(stand_in, name) for name in names})
        if not part.has_student_states or record.states is None:
            record = replace(record, states=stand_in.states)
        return record
