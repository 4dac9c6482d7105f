"""Shards: the safetensors files of a store, which are mapped, not read, and know what they belong to.

Each holds, for N records with S source and R target tokens in all and K kept candidates:

``source_ids`` (S,), ``source_offsets`` (N + 1,), ``target_ids`` (R,), ``target_offsets`` (N + 1,), and where the
teacher was read ``kept_ids`` (R, K), ``kept_probs`` (R, K), ``tail`` float32 (R,), ``states`` float16 (R, D). Where
next tokens were drawn, and M of them differ within their rows, in place of the first three of these: ``kept_ids`` (M,),
``kept_counts`` (M,), ``kept_log_probs`` (M,), ``num_distinct`` (R,), ``kept_offsets`` (N + 1,).

One row per target token, from the first after any language tag up to and including ``</s>``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from nmt_distill.distillation.draws import count_type, pack_draws
from nmt_distill.distillation.records import Array, StoreHeader
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import atomic_file, fingerprint, map_file

_DTYPES = {"U8": np.uint8, "U16": np.uint16, "U32": np.uint32, "I64": np.int64, "F16": np.float16, "F32": np.float32}


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


def valid_shard(path: Path, header: StoreHeader) -> int | None:
    """Return the number of records of a whole shard with this header, or None if it must be made again."""
    try:
        shard = map_shard(path, header)
    except NmtDistillError:
        return None
    return count_records(shard)


def count_records(shard: Mapping[str, Array]) -> int:
    """Return how many records a mapped shard holds."""
    return len(shard["source_offsets"]) - 1


def _offsets(sequences: Sequence[Sequence[int] | Array]) -> npt.NDArray[np.int64]:
    return np.cumsum([0, *map(len, sequences)], dtype=np.int64)


def _flat(sequences: Sequence[Sequence[int] | Array], dtype: type) -> Array:
    return np.concatenate([np.zeros(0, dtype=dtype), *(np.asarray(ids, dtype=dtype) for ids in sequences)])


def map_shard(path: Path, header: StoreHeader) -> dict[str, Array]:
    """Map the tensors of a shard (safetensors: 8 bytes length, JSON header, data).

    :raises NmtDistillError: if it is not there, is not whole, or belongs to another header
    """
    try:
        mapped = map_file(path)  # once: each mapping holds the file open
        size, length = len(mapped), int.from_bytes(mapped[:8], "little")
        if not 0 < length < size:
            raise ValueError("its header is damaged")
        described = json.loads(mapped[8 : 8 + length])
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
    return {
        name: np.frombuffer(mapped, dtype, math.prod(shape), offset if 0 not in shape else 0).reshape(shape)
        for name, (dtype, shape, offset) in layout.items()
    }
