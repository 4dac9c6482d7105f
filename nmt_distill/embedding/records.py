"""Records of a distilled corpus, each with the teacher's vector of its source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nmt_distill.counting import counted
from nmt_distill.distillation.records import Record, Records
from nmt_distill.embedding.vectors import VectorStore
from nmt_distill.errors import NmtDistillError


class RecordsWithVectors:
    """Records of all directions with the vectors of each direction, one for each record."""

    def __init__(self, records: Records, vectors: Sequence[VectorStore]) -> None:
        """Put both side by side.

        :param vectors: of each direction, in the order of the records
        :raises NmtDistillError: if there are not as many vectors as records, or they have several widths
        """
        self._records, self._vectors = records, list(vectors)
        self.folder, self.header = records.folder, records.header
        for store, num_records in zip(self._vectors, records.group_sizes, strict=True):
            if len(store) != num_records:
                raise NmtDistillError(
                    f"{store.folder} holds {counted(len(store), 'vector')}, but the corpus has "
                    f"{counted(num_records, 'record')}; delete the folder and embed the corpus again."
                )
            store.require("all directions need vectors of one size", dim=self._vectors[0].header.dim)
        self._starts = np.cumsum([0, *records.group_sizes])

    def __len__(self) -> int:
        return len(self._records)

    @property
    def group_sizes(self) -> tuple[int, ...]:
        """How many records each direction has."""
        return self._records.group_sizes

    def lengths(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Return the source and target tokens of every record."""
        return self._records.lengths()

    def __getitem__(self, index: int) -> Record:
        record = self._records[index]
        group = int(np.searchsorted(self._starts, index, side="right")) - 1
        return replace(record, vector=self._vectors[group][index - int(self._starts[group])])
