"""A store: the distilled corpus in token ids with its soft targets, in shards that are read where they lie.

It is a folder of shards (:mod:`nmt_distill.distillation.shards`) and ``store.json``, their header.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nmt_distill.distillation.config import STORE_FORMAT
from nmt_distill.distillation.draws import NAMES as DRAWS
from nmt_distill.distillation.draws import unpack_draws
from nmt_distill.distillation.records import Array, Record, StoreHeader
from nmt_distill.distillation.shards import count_records, map_shard, shard_path
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import read_json, write_json

HEADER_NAME = "store.json"


def write_header(
    folder: Path, header: StoreHeader, num_records: Sequence[int], left_out: Sequence[Sequence[int]] = ()
) -> None:
    """Write ``store.json``, which makes the folder a complete store.

    :param num_records: of each shard, in order
    :param left_out: of each shard, the places of records that are no part of the corpus, in order
    """
    content = {"format": STORE_FORMAT, "header": asdict(header), "num_records": list(num_records)}
    if any(left_out):
        content["left_out"] = [list(places) for places in left_out]
    write_json(folder / HEADER_NAME, content)


class Store:
    """A distilled corpus that is read where it lies.

    :raises NmtDistillError: if the folder holds no complete store, or one of another format version
    """

    def __init__(self, folder: Path) -> None:
        content = read_json(folder / HEADER_NAME)
        if not isinstance(content, dict) or content.get("format") != STORE_FORMAT:
            raise NmtDistillError(
                f"{folder / HEADER_NAME} is of another format than {STORE_FORMAT}; delete the folder and distil again."
            )
        self.folder = folder
        self.header = StoreHeader(**content["header"])
        self.shards = [
            map_shard(shard_path(folder, index), self.header) for index in range(len(content["num_records"]))
        ]
        for index, (shard, expected) in enumerate(zip(self.shards, content["num_records"], strict=True)):
            if count_records(shard) != expected:
                raise NmtDistillError(
                    f"{shard_path(folder, index)} has {count_records(shard)} records, but {HEADER_NAME} says "
                    f"{expected}; delete {HEADER_NAME} and run `distill` again."
                )
        self._starts = np.cumsum([0, *content["num_records"]])
        gone = content.get("left_out", [[] for _ in self.shards])
        self._left_out = [np.array(places, dtype=np.int64) for places in gone]
        if any(len(places) and places[-1] >= len_ for places, len_ in zip(gone, content["num_records"], strict=True)):
            raise NmtDistillError(f"{folder / HEADER_NAME} leaves out records that are not there; distil again.")
        places = [start + part for start, part in zip(self._starts[:-1], self._left_out, strict=True)]
        self._gone = np.concatenate([np.zeros(0, dtype=np.int64), *places])
        self._num_before = self._gone - np.arange(len(self._gone))

    def __len__(self) -> int:
        return int(self._starts[-1]) - len(self._gone)

    @property
    def group_sizes(self) -> tuple[int, ...]:
        """All records are of one direction."""
        return (len(self),)

    def require(self, **expected: Any) -> None:
        """Refuse a store that does not fit.

        :param expected: fields of :class:`StoreHeader` and the values they must have
        """
        for name, value in expected.items():
            actual = getattr(self.header, name)
            if actual != value:
                raise NmtDistillError(
                    f"{self.folder}: its {name} is {actual}, but {value} is needed; "
                    "run `distill` again with this recipe (or name the run it belongs to)."
                )

    def lengths(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Return the source and target tokens of every record."""
        sources = [np.diff(shard["source_offsets"]).astype(np.int32) for shard in self.shards]
        targets = [np.diff(shard["target_offsets"]).astype(np.int32) for shard in self.shards]
        empty = np.zeros(0, dtype=np.int32)
        every = np.concatenate([empty, *sources]), np.concatenate([empty, *targets])
        return np.delete(every[0], self._gone), np.delete(every[1], self._gone)

    def holding(self, marked: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Tell which records have a marked id in their source, and which in their target.

        :param marked: (V,) whether an id is
        """

        def in_shard(shard: Mapping[str, Array], side: str) -> npt.NDArray[np.bool_]:
            num_before = np.append(0, np.cumsum(marked[shard[f"{side}_ids"]]))[shard[f"{side}_offsets"]]
            return np.diff(num_before) > 0

        empty = np.zeros(0, dtype=bool)
        sources, targets = (
            np.delete(np.concatenate([empty, *(in_shard(shard, side) for shard in self.shards)]), self._gone)
            for side in ("source", "target")
        )
        return sources, targets

    def all_ids(self) -> Iterator[Array]:
        """Yield the flat source and target ids of every shard."""
        for shard, gone in zip(self.shards, self._left_out, strict=True):
            for side in ("source", "target"):
                ids = shard[f"{side}_ids"]
                if len(gone):
                    is_kept = np.ones(count_records(shard), dtype=bool)
                    is_kept[gone] = False
                    ids = ids[np.repeat(is_kept, np.diff(shard[f"{side}_offsets"]))]
                yield ids

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        index += int(np.searchsorted(self._num_before, index, side="right"))
        shard_index = int(np.searchsorted(self._starts, index, side="right")) - 1
        shard, place = self.shards[shard_index], index - int(self._starts[shard_index])
        source = slice(*shard["source_offsets"][place : place + 2].tolist())
        rows = slice(*shard["target_offsets"][place : place + 2].tolist())
        is_drawn = "kept_offsets" in shard
        names = ("tail", "states") if is_drawn else ("kept_ids", "kept_probs", "tail", "states")
        parts = {name: shard[name][rows] if name in shard else None for name in names}
        if is_drawn:
            kept = slice(*shard["kept_offsets"][place : place + 2].tolist())
            packed = {
                name: np.asarray(shard[name])[rows if name == "num_distinct" else kept] for name in DRAWS
            }  # plain arrays, of which numpy makes less ado
            parts |= unpack_draws(packed, self.header.num_kept)
        return Record(source_ids=shard["source_ids"][source], target_ids=shard["target_ids"][rows], **parts)
