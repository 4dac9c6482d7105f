"""Small stores of made-up records."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nmt_distill.distillation.records import Array, StoreHeader
from nmt_distill.distillation.shards import shard_path, write_shard
from nmt_distill.distillation.store import write_header

HEADER = StoreHeader(
    teacher="t" * 16,
    vocabulary="v" * 16,
    direction="en-pt",
    temperature=1.0,
    num_kept=3,
    state_dim=4,
    vocab_size=400,
)
Pair = tuple[list[int], list[int]]
PAIRS: list[list[Pair]] = [
    [([5, 6, 0], [7, 0]), ([8, 0], [9, 10, 11, 0])],
    [],
    [([0], [0]), ([12, 13, 0], [399, 0])],
]


def teacher_rows(num_rows: int, seed: int = 0, header: StoreHeader = HEADER) -> dict[str, Array]:
    generator = np.random.default_rng(seed)
    probs = generator.dirichlet(np.ones(header.num_kept + 1), size=num_rows).astype(np.float32)
    return {
        "kept_ids": generator.integers(0, header.vocab_size, (num_rows, header.num_kept)),
        "kept_probs": probs[:, :-1],
        "tail": probs[:, -1],
        "states": generator.standard_normal((num_rows, header.state_dim)).astype(np.float16),
    }


def write_store(
    folder: Path, shards: list[list[Pair]] = PAIRS, header: StoreHeader = HEADER, *, with_teacher: bool = True
) -> list[dict[str, Array]]:
    """Write a store; return the teacher's rows of every shard."""
    folder.mkdir(exist_ok=True)
    rows = []
    for index, pairs in enumerate(shards):
        num_rows = sum(len(target) for _, target in pairs)
        rows.append(teacher_rows(num_rows, index, header) if with_teacher else {})
        write_shard(
            shard_path(folder, index),
            header,
            [source for source, _ in pairs],
            [target for _, target in pairs],
            rows[-1],
        )
    write_header(folder, header, [len(pairs) for pairs in shards])
    return rows
