"""A toy task for trainers: the target is the source with every id moved on by one; the teacher is nearly sure of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nmt_distill.distillation.records import StoreHeader
from nmt_distill.distillation.shards import shard_path, write_shard
from nmt_distill.distillation.store import Store, write_header

if TYPE_CHECKING:
    from nmt_distill.student.graph import StudentModel
    from nmt_distill.teacher.base import ForcedPass

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


class OneByOneTeacher:
    """A model of transformers that reads pairs one after the other, so without any padding, in its own ids."""

    def __init__(self, model: Any, max_target_tokens: int | None = None) -> None:
        self.model, self.max_target_tokens = model.eval(), max_target_tokens
        self.calls: list[tuple[list[list[int]], list[list[int]]]] = []

    def forced_pass(self, source_ids: list[list[int]], target_ids: list[list[int]]) -> ForcedPass:
        import torch

        from nmt_distill.teacher.base import ForcedDecoding, ForcedPass

        self.calls.append((source_ids, target_ids))
        outputs = []
        for source, target in zip(source_ids, target_ids, strict=True):
            fed = torch.tensor([[self.model.config.decoder_start_token_id, *target[:-1]]])
            with torch.no_grad():
                found = self.model(input_ids=torch.tensor([source]), decoder_input_ids=fed, output_hidden_states=True)
            outputs.append(found)
        sides = [
            zip(*(getattr(output, f"{side}_hidden_states") for output in outputs), strict=True)
            for side in ("encoder", "decoder")
        ]
        encoder, decoder = (tuple(torch.cat(layers, dim=1)[0] for layers in side) for side in sides)
        logits = torch.cat([output.logits[0] for output in outputs])
        return ForcedPass(encoder, lambda: ForcedDecoding(decoder, lambda rows: logits[rows].clone()))


class PaddingTeacher(OneByOneTeacher):
    """The same for all pairs at once, which is faster."""

    def forced_pass(self, source_ids: list[list[int]], target_ids: list[list[int]]) -> ForcedPass:
        import torch
        from torch.nn.utils.rnn import pad_sequence

        from nmt_distill.teacher.base import ForcedDecoding, ForcedPass

        pad, start = self.model.config.pad_token_id, self.model.config.decoder_start_token_id
        rows = [[torch.tensor(ids) for ids in side] for side in (source_ids, target_ids)]
        fed = [torch.tensor([start, *ids[:-1]]) for ids in target_ids]
        masks = [pad_sequence([torch.ones_like(ids).bool() for ids in side], batch_first=True) for side in rows]
        with torch.no_grad():
            found = self.model(
                input_ids=pad_sequence(rows[0], batch_first=True, padding_value=pad),
                attention_mask=masks[0].long(),
                decoder_input_ids=pad_sequence(fed, batch_first=True, padding_value=pad),
                output_hidden_states=True,
            )
        encoder, decoder = (
            tuple(layer[mask] for layer in layers)
            for layers, mask in zip((found.encoder_hidden_states, found.decoder_hidden_states), masks, strict=True)
        )
        logits = found.logits[masks[1]]
        return ForcedPass(encoder, lambda: ForcedDecoding(decoder, lambda rows: logits[rows].clone()))


@pytest.fixture(scope="session")
def toy_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """50 pairs with soft targets and states."""
    return write_toy_store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def new_student() -> Callable[..., StudentModel]:
    """Make a student for the toy task: 32 wide, one layer each side."""

    def make(
        graph: str = "marian",
        *,
        dropout: float = 0.0,
        seed: int | None = None,
        model_dim: int = MODEL_DIM,
        num_ids: int = NUM_IDS,
    ) -> StudentModel:
        import torch

        from nmt_distill.student.config import StudentConfig
        from nmt_distill.student.graph import SpecialIds, build_student

        pad = num_ids if graph == "marian" else 1
        if seed is not None:
            torch.manual_seed(seed)
        config = StudentConfig(
            graph=graph,  # type: ignore[arg-type]
            model_dim=model_dim,
            ffn_inner_dim=64,
            num_heads=4,
            num_encoder_layers=1,
            num_decoder_layers=1,
            max_positions=32,
            dropout=dropout,
        )
        return build_student(config, SpecialIds(end=END, unknown=UNKNOWN, pad=pad, vocab_size=num_ids + (pad > 1)))

    return make
