"""The distilled corpus in token ids with its soft targets: memory-mapped shards that know what they belong to.

A store is a folder of safetensors files and ``store.json``, their header. Each shard holds, for N records with
S source and R target tokens in all and K kept candidates:

``source_ids`` (S,), ``source_offsets`` (N + 1,), ``target_ids`` (R,), ``target_offsets`` (N + 1,), and where the
teacher was read ``kept_ids`` (R, K), ``kept_probs`` (R, K), ``tail`` float32 (R,), ``states`` float16 (R, D). Where
next tokens were drawn, and M of them differ within their rows, in place of the first three of these: ``kept_ids`` (M,),
``kept_counts`` (M,), ``kept_log_probs`` (M,), ``num_distinct`` (R,), ``kept_offsets`` (N + 1,).

One row per target token, from the first after any language tag up to and including ``</s>``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from nmt_distill.distillation.config import STORE_FORMAT
from nmt_distill.distillation.draws import NAMES as DRAWS
from nmt_distill.distillation.draws import count_type, pack_draws, unpack_draws
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import atomic_file, fingerprint, read_json, write_json

HEADER_NAME = "store.json"
_DTYPES = {"U8": np.uint8, "U16": np.uint16, "U32": np.uint32, "I64": np.int64, "F16": np.float16, "F32": np.float32}

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class StoreHeader:
    """What the rows of a store mean; every field must fit before a store is read."""

    teacher: str
    """fingerprint of the teacher; empty where targets are human"""
    vocabulary: str
    """fingerprint of the SentencePiece model that the ids belong to"""
    direction: str
    """such as ``en-pt-BR``"""
    temperature: float
    """at which the probabilities were taken"""
    num_kept: int
    """K, or the number of draws; 0 without soft targets"""
    state_dim: int
    """D; 0 without decoder states"""
    vocab_size: int
    """how many ids the SentencePiece model has"""
    kept: str = "top"
    """``top``: the K most probable next tokens and the tail; ``drawn``: tokens drawn from the distribution"""
    probs_precision: str = "float16"
    """in which kept probabilities, or their logarithms, are written"""


@dataclass(frozen=True)
class Record:
    """One sentence pair of a store."""

    source_ids: Array
    """(S,), end of sentence included"""
    target_ids: Array
    """(T,), end of sentence included"""
    kept_ids: Array | None
    """(T, K)"""
    kept_probs: Array | None
    """(T, K)"""
    tail: Array | None
    """(T,); None where tokens were drawn"""
    states: Array | None
    """(T, D); not a number where there are none, see :class:`~nmt_distill.distillation.trimmed_store.TrimmedStore`"""
    kept_weights: Array | None = None
    """(T, K), where tokens were drawn: the share of a row's draws; 0 where the row has fewer than K different ones"""
    vector: Array | None = None
    """(D,), another teacher's sentence vector of the source"""


def shard_path(folder: Path, index: int) -> Path:
    """Name the file of a shard."""
    return folder / f"shard-{index:05d}.safetensors"


def write_shard(
    path: Path,
    header: StoreHeader,
    source_ids: Sequence[Sequence[int] | Array],
    target_ids: Sequence[Sequence[int] | Array],
    rows: Mapping[str, Array] | None = None,
) -> None:
    """Write records as one shard, atomically.

    :param rows: ``kept_ids``, ``kept_probs``, ``tail``, ``states``, as far as there are any, one row per target token;
        drawn tokens one by one, without ``tail``
    :raises NmtDistillError: if the rows are not as many as the target tokens
    """
    id_type = np.uint16 if header.vocab_size <= 1 << 16 else np.uint32
    source_offsets, target_offsets = _offsets(source_ids), _offsets(target_ids)
    tensors: dict[str, Array] = {
        "source_ids": _flat(source_ids, id_type),
        "source_offsets": source_offsets,
        "target_ids": _flat(target_ids, id_type),
        "target_offsets": target_offsets,
    }
    rows = dict(rows or {})
    for name, array in rows.items():
        if len(array) != target_offsets[-1]:
            raise NmtDistillError(
                f"{path}: {name} has {len(array)} rows, but there are {target_offsets[-1]} target tokens; "
                "teacher and targets are out of step."
            )
    if header.kept == "drawn" and "kept_ids" in rows:
        rows |= pack_draws(rows["kept_ids"], rows.pop("kept_probs"))
        tensors["kept_offsets"] = np.append(0, np.cumsum(rows["num_distinct"], dtype=np.int64))[target_offsets]
    counts, probs = count_type(header.num_kept), np.dtype(header.probs_precision)
    dtypes: dict[str, npt.DTypeLike] = {
        "kept_ids": id_type,
        "kept_probs": probs,
        "kept_log_probs": probs,
        "kept_counts": counts,
        "num_distinct": counts,
        "tail": np.float32,
        "states": np.float16,
    }
    for name, array in rows.items():
        tensors[name] = np.ascontiguousarray(array, dtype=dtypes[name])
    with atomic_file(path, "wb") as stream:
        stream.write(save(tensors, metadata={"header": fingerprint(asdict(header))}))


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


def valid_shard(path: Path, header: StoreHeader) -> int | None:
    """Return the number of records of a whole shard with this header, or None if it must be made again."""
    try:
        shard = _map_shard(path, header)
    except NmtDistillError:
        return None
    return _num_records(shard)


def _num_records(shard: Mapping[str, Array]) -> int:
    return len(shard["source_offsets"]) - 1


class Records(Protocol):
    """What a training reads: a store, or a store seen through a smaller vocabulary."""

    folder: Path
    header: StoreHeader

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Record: ...

    @property
    def group_sizes(self) -> tuple[int, ...]:
        """How many records each direction has, which stand one direction after the other."""
        ...

    def lengths(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Return the source and target tokens of every record."""
        ...


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
            _map_shard(shard_path(folder, index), self.header) for index in range(len(content["num_records"]))
        ]
        for index, (shard, expected) in enumerate(zip(self.shards, content["num_records"], strict=True)):
            if _num_records(shard) != expected:
                raise NmtDistillError(
                    f"{shard_path(folder, index)} has {_num_records(shard)} records, but {HEADER_NAME} says "
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

    def all_ids(self) -> Iterator[Array]:
        """Yield the flat source and target ids of every shard."""
        for shard, gone in zip(self.shards, self._left_out, strict=True):
            for side in ("source", "target"):
                ids = shard[f"{side}_ids"]
                if len(gone):
                    is_kept = np.ones(_num_records(shard), dtype=bool)
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


def _offsets(sequences: Sequence[Sequence[int] | Array]) -> npt.NDArray[np.int64]:
    return np.cumsum([0, *map(len, sequences)], dtype=np.int64)


def _flat(sequences: Sequence[Sequence[int] | Array], dtype: type) -> Array:
    return np.concatenate([np.zeros(0, dtype=dtype), *(np.asarray(ids, dtype=dtype) for ids in sequences)])


def _map_shard(path: Path, header: StoreHeader) -> dict[str, Array]:
    """Map the tensors of a shard (safetensors: 8 bytes length, JSON header, data)."""
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 0 < length < size:
                raise ValueError("its header is damaged")
            described = json.loads(stream.read(length))
        metadata = described.pop("__metadata__", {})
        start = 8 + length
        layout = {
            name: (np.dtype(_DTYPES[entry["dtype"]]), tuple(entry["shape"]), start + entry["data_offsets"][0])
            for name, entry in described.items()
        }
        if start + max(entry["data_offsets"][1] for entry in described.values()) != size:
            raise ValueError("it is truncated or too long")
    except FileNotFoundError:
        raise NmtDistillError(f"{path} does not exist; run `distill` again, it makes what is missing.") from None
    except (ValueError, LookupError, TypeError, AttributeError, OSError) as error:
        raise NmtDistillError(f"{path} is no whole shard ({error}); delete it and run `distill` again.") from None
    if metadata.get("header") != fingerprint(asdict(header)):
        raise NmtDistillError(f"{path} belongs to another store than its folder; delete it and run `distill` again.")
    tensors = {}
    for name, (dtype, shape, offset) in layout.items():
        if 0 in shape:
            tensors[name] = np.zeros(shape, dtype=dtype)
        else:
            tensors[name] = np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)
    return tensors
