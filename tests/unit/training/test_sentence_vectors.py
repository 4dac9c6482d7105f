"""Training on sentence vectors: what moves, what stays, and that a kill changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt_distill.distillation.store import Store
from nmt_distill.embedding.config import EmbeddingConfig, TranslationEncoderConfig
from nmt_distill.embedding.projection import MODULE, add_projection
from nmt_distill.embedding.records import RecordsWithVectors
from nmt_distill.embedding.term import SentenceTerm
from nmt_distill.embedding.vectors import VectorStore, write_vectors
from nmt_distill.student.graph import StudentModel
from nmt_distill.training.config import PhaseConfig, TrainingConfig
from nmt_distill.training.parameters import trainable_parameters
from nmt_distill.training.trainer import Trainer

Make = Callable[..., StudentModel]
TERM = SentenceTerm(EmbeddingConfig(teacher=TranslationEncoderConfig()), has_tags=False)
PHASE = PhaseConfig(num_steps=4, learning_rate=5e-3, warmup_steps=1, batch_tokens=100, embedding_weight=1.0)
ALONE = replace(PHASE, vocabulary_weight=0.0)
CONFIG = TrainingConfig(phases=(PHASE,), validate_every=100, checkpoint_every=1, device="cpu", average_decay=0.9)


class InterruptedTrainingError(Exception):
    """Stands for whatever ends a process."""


@pytest.fixture
def records(toy_store: Store, tmp_path: Path) -> RecordsWithVectors:
    """The toy store with vectors of 5 numbers."""

    def embed(lines: Any) -> Any:
        return np.random.default_rng(3).standard_normal((len(lines), 5))

    write_vectors(tmp_path / "v", map(str, range(50)), embed, teacher="t", corpus="c", shard_sentences=50)
    return RecordsWithVectors(toy_store, [VectorStore(tmp_path / "v")])


def student_of(new_student: Make) -> StudentModel:
    student = new_student(seed=3)
    add_projection(student, 5, seed=1)
    return student


def weights(student: StudentModel) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in student.state_dict().items()}


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


def test_loss_of_vectors_falls(new_student: Make, records: RecordsWithVectors, tmp_path: Path) -> None:
    student = student_of(new_student)
    config = replace(CONFIG, phases=(replace(ALONE, num_steps=60),), validate_every=20, checkpoint_every=100)
    trainer = Trainer(student, records, config, folder=tmp_path, sentence_term=TERM)
    before = weights(student)
    trainer.run()
    log = [json.loads(line) for line in trainer.folder.metrics.read_text().splitlines()]
    assert log[-1]["embedding"] < 0.8 * log[0]["embedding"]
    moved = changed(before, weights(student))
    assert {name.split(".")[0] for name in moved} >= {MODULE, "model"}
    assert not any(name.startswith("model.decoder.layers") for name in moved)


def test_projection_stands_still_where_no_vectors_are_trained(new_student: Make) -> None:
    student = student_of(new_student)
    trainable_parameters(student, replace(PHASE, embedding_weight=0.0))
    assert not any(parameter.requires_grad for parameter in getattr(student, MODULE).parameters())
    trainable_parameters(student, PHASE)
    assert all(parameter.requires_grad for parameter in getattr(student, MODULE).parameters())
    trainable_parameters(student, ALONE)
    assert not any(parameter.requires_grad for parameter in student.model.decoder.layers.parameters())
    assert student.get_input_embeddings().weight.requires_grad


@pytest.mark.parametrize("place", [2, 5])
def test_interrupted_training_ends_with_the_same_bits(
    new_student: Make, records: RecordsWithVectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    config = replace(CONFIG, phases=(ALONE, replace(PHASE, kd_weight=0.5)))
    whole = student_of(new_student)
    Trainer(whole, records, config, folder=tmp_path / "whole", sentence_term=TERM).run()
    original, calls = Trainer._checkpoint, []

    def interrupting(self: Trainer, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        calls.append(1)
        if len(calls) == place:
            raise InterruptedTrainingError

    monkeypatch.setattr(Trainer, "_checkpoint", interrupting)
    with pytest.raises(InterruptedTrainingError):
        Trainer(student_of(new_student), records, config, folder=tmp_path / "cut", sentence_term=TERM).run()
    again = student_of(new_student)
    Trainer(again, records, config, folder=tmp_path / "cut", sentence_term=TERM).run()
    assert changed(weights(whole), weights(again)) == set()


def test_validation_may_say_what_its_score_is_made_of(
    new_student: Make, records: RecordsWithVectors, tmp_path: Path
) -> None:
    class Validation:
        def __init__(self) -> None:
            self.measures = {"chrf": 40.0, "retrieval": 60.0}

        def __call__(self, student: StudentModel) -> float:
            return 50.0

    trainer = Trainer(
        student_of(new_student), records, CONFIG, folder=tmp_path, sentence_term=TERM, validate=Validation()
    )
    assert trainer.run().best_score == 50
    (line,) = [json.loads(line) for line in trainer.folder.metrics.read_text().splitlines()]
    assert (line["chrf"], line["retrieval"]) == (40, 60)
