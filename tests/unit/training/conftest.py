"""A toy task for trainers: the target is the source with every id moved on by one; the teacher is nearly sure of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nmt_distill.distillation.store import Store, StoreHeader, shard_path, write_header, write_shard

if TYPE_CHECKING:
    from nmt_distill.student.graph import StudentModel

NUM_IDS, MODEL_DIM = 12, 32
END, UNKNOWN = 0, 1
HEADER = StoreHeader(
    teacher="toy",
    vocabulary="toy",
    direction="en-pt",
    temperature=1.0,
    num_kept=2,
    state_dim=MODEL_DIM,
    vocab_size=NUM_IDS,
)


def write_toy_store(folder: Path, *, num_pairs: int = 50, with_teacher: bool = True) -> Store:
    """Write pairs of one to six tokens; the states are those of a teacher that knows the next token."""
    generator = np.random.default_rng(7)
    table = generator.standard_normal((NUM_IDS, MODEL_DIM))
    sources, targets = [], []
    for _ in range(num_pairs):
        words = generator.integers(2, NUM_IDS, generator.integers(1, 7))
        sources.append([*words.tolist(), END])
        targets.append([*((words - 1) % (NUM_IDS - 2) + 2).tolist(), END])
    flat = np.concatenate(targets)
    rows = {
        "kept_ids": np.stack([flat, (flat + 3) % NUM_IDS], axis=1),
        "kept_probs": np.tile([0.9, 0.05], (len(flat), 1)),
        "tail": np.full(len(flat), 0.05),
        "states": table[flat],
    }
    write_shard(shard_path(folder, 0), HEADER, sources, targets, rows if with_teacher else {})
    write_header(folder, HEADER, [num_pairs])
    return Store(folder)


@pytest.fixture(scope="session")
def toy_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """50 pairs with soft targets and states."""
    return write_toy_store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def new_student() -> Callable[..., StudentModel]:
    """Make a student for the toy task: 32 wide, one layer each side."""

    def make(graph: str = "marian", *, dropout: float = 0.0, seed: int | None = None) -> StudentModel:
        import torch

        from nmt_distill.student.config import StudentConfig
        from nmt_distill.student.graph import SpecialIds, build_student

        pad = NUM_IDS if graph == "marian" else 1
        if seed is not None:
            torch.manual_seed(seed)
        config = StudentConfig(
            graph=graph,  # type: ignore[arg-type]
            model_dim=MODEL_DIM,
            ffn_inner_dim=64,
            num_heads=4,
            num_encoder_layers=1,
            num_decoder_layers=1,
            max_positions=32,
            dropout=dropout,
        )
        return build_student(config, SpecialIds(end=END, unknown=UNKNOWN, pad=pad, vocab_size=NUM_IDS + (pad > 1)))

    return make
