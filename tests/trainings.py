"""Short trainings of toy students: settings, and what is compared of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nmt_distill.distillation.records import Records
from nmt_distill.student.graph import StudentModel
from nmt_distill.training.batches import collate
from nmt_distill.training.config import PhaseConfig, TrainingConfig
from nmt_distill.training.trainer import Trainer

Make = Callable[..., StudentModel]
PHASE = PhaseConfig(num_steps=6, learning_rate=2e-3, warmup_steps=2, batch_tokens=100, kd_weight=0.5)
CONFIG = TrainingConfig(phases=(PHASE,), validate_every=2, checkpoint_every=1, device="cpu", average_decay=0.9)


class InterruptedTrainingError(Exception):
    """Stands for whatever ends a process."""


def weights(student: StudentModel) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in student.state_dict().items()}


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def train(
    student: StudentModel, store: Records, config: TrainingConfig, folder: Path, **options: Any
) -> tuple[Trainer, list[dict[str, Any]]]:
    trainer = Trainer(student, store, config, folder=folder, **options)
    trainer.run()
    return trainer, [json.loads(line) for line in trainer.folder.metrics.read_text().splitlines()]


def closeness_to_3(student: StudentModel) -> float:
    return -abs(float(student.lm_head.weight.sum()) - 3)


def rank_of(student: StudentModel, store: Records) -> float:
    """Return the share of target tokens that the student finds most probable, in teacher forcing."""
    ids = student.config
    batch = collate(
        [store[index] for index in range(len(store))], pad_id=ids.pad_token_id, start_id=ids.decoder_start_token_id
    )
    logits = student(
        input_ids=batch.source_ids, attention_mask=batch.source_mask.long(), decoder_input_ids=batch.target_input
    ).logits[batch.target_mask]
    return float((logits.argmax(-1) == batch.target).float().mean())
