"""Two real processes, over gloo, train one student."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from nmt_distill.distillation.shards import shard_path, write_shard
from nmt_distill.distillation.store import Store, write_header
from nmt_distill.embedding.config import EmbeddingConfig, TranslationEncoderConfig
from nmt_distill.embedding.projection import add_projection
from nmt_distill.embedding.records import RecordsWithVectors
from nmt_distill.embedding.term import SentenceTerm
from nmt_distill.embedding.vectors import VectorStore, write_vectors
from nmt_distill.errors import NmtDistillError
from nmt_distill.ranks import Ranks
from nmt_distill.student.config import StudentConfig
from nmt_distill.student.graph import SpecialIds, StudentModel, build_student
from nmt_distill.training.config import HiddenConfig, PhaseConfig, TrainingConfig
from nmt_distill.training.supervision import Supervision
from nmt_distill.training.trainer import Trainer
from tests.ranks import run_ranks
from tests.unit.training.conftest import PaddingTeacher

STUDENT = StudentConfig(
    model_dim=32, ffn_inner_dim=64, num_heads=4, num_encoder_layers=1, num_decoder_layers=1, max_positions=32, dropout=0
)
PHASE = PhaseConfig(num_steps=5, learning_rate=2e-3, warmup_steps=2, batch_tokens=40)
CONFIG = TrainingConfig(
    phases=(
        replace(PHASE, trainable="decoder", state_weight=0.5),
        replace(PHASE, num_accumulated=2, embedding_anchor=0.1, label_smoothing=0.1, kd_share=0.5),
    ),
    validate_every=2,
    checkpoint_every=1,
    device="cpu",
    average_decay=0.9,
)


def student_of(rank: int, *, dropout: float = 0.0) -> StudentModel:
    """Every process begins with weights of its own; those of the main one must win."""
    torch.manual_seed(3 + rank)
    special = SpecialIds(end=0, unknown=1, pad=12, vocab_size=13)
    return build_student(replace(STUDENT, dropout=dropout), special)


def score_of(student: StudentModel) -> float:
    """A score that needs no translation, of weights that move."""
    return -abs(float(student.lm_head.weight.sum()) - 3)


def train(
    store: Path,
    folder: Path,
    config: TrainingConfig,
    dropout: float,
    dies_at: int | None = None,
    vectors: Path | None = None,
) -> None:
    """Train as one process of the group; what came out, or what was told, is left in the folder."""
    ranks = Ranks.of_environment()
    ranks.join()
    calls = 0

    def validate(student: StudentModel) -> float:
        assert ranks.is_main, "only the main process validates"
        return score_of(student)

    clip = torch.nn.utils.clip_grad_norm_

    def look(*arguments: Any, **options: Any) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == dies_at and not ranks.is_main:
            os._exit(9)
        norm: Tensor = clip(*arguments, **options)
        return norm

    torch.nn.utils.clip_grad_norm_ = look
    student, records = student_of(ranks.rank, dropout=dropout), Store(store)
    trainer = trainer_of(student, records, config, folder, vectors=vectors, validate=validate, ranks=ranks)
    try:
        progress = trainer.run()
    except NmtDistillError as error:
        (folder / f"error-{ranks.rank}").write_text(str(error))
        os._exit(2)
    (folder / f"progress-{ranks.rank}.json").write_text(json.dumps(vars(progress)))
    torch.save(dict(trainer.student.state_dict()), folder / f"student-{ranks.rank}.pt")
    ranks.leave()


def trainer_of(
    student: StudentModel, store: Store, config: TrainingConfig, folder: Path, *, vectors: Path | None, **options: Any
) -> Trainer:
    """A trainer of the student, of sentence vectors too where there are any."""
    if vectors is None:
        return Trainer(student, store, config, folder=folder, **options)
    add_projection(student, 5, seed=1 + options["ranks"].rank)
    records = RecordsWithVectors(store, [VectorStore(vectors)])
    term = SentenceTerm(EmbeddingConfig(teacher=TranslationEncoderConfig()), has_tags=False)
    return Trainer(student, records, config, folder=folder, sentence_term=term, **options)


def left_by(folder: Path) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """Weights that the main process ended with, and the log without times."""
    log = [json.loads(line) | {"timing": None} for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return torch.load(folder / "student-0.pt", weights_only=True), log


def halves(config: TrainingConfig) -> TrainingConfig:
    """The same for one process: twice the batches for an update."""
    return replace(
        config, phases=tuple(replace(phase, num_accumulated=2 * phase.num_accumulated) for phase in config.phases)
    )


def test_two_processes_are_one_with_twice_the_batches(toy_store: Store, tmp_path: Path) -> None:
    assert run_ranks(train, toy_store.folder, tmp_path / "two", CONFIG, 0.0) == [0, 0]
    weights, log = left_by(tmp_path / "two")
    alone = Trainer(student_of(0), toy_store, halves(CONFIG), folder=tmp_path / "one", validate=score_of)
    alone.run()
    for name, value in alone.student.state_dict().items():
        if "k_proj.bias" not in name:  # moves by rounding alone, since what is added to all keys changes no attention
            torch.testing.assert_close(weights[name], value, rtol=1e-4, atol=1e-5, msg=name)
    assert len(log) == len(alone.folder.lines) == 6
    for line, expected in zip(log, alone.folder.lines, strict=True):
        assert line.keys() == expected.keys()
        for name in line.keys() - {"timing"}:
            assert line[name] == pytest.approx(expected[name], rel=1e-4, abs=1e-6), name
    first, second = (json.loads((tmp_path / "two" / f"progress-{rank}.json").read_text()) for rank in (0, 1))
    assert first == second


def test_sentence_vectors_are_learned_by_two_processes_as_by_one(toy_store: Store, tmp_path: Path) -> None:
    def embed(lines: Any) -> Any:
        return np.random.default_rng(3).standard_normal((len(lines), 5))

    write_vectors(tmp_path / "v", map(str, range(50)), embed, teacher="t", corpus="c", shard_sentences=50)
    phases = (replace(PHASE, embedding_weight=2.0), replace(PHASE, vocabulary_weight=0.0, embedding_weight=2.0), PHASE)
    config = replace(CONFIG, phases=phases)
    statuses = run_ranks(train, toy_store.folder, tmp_path / "two", config, 0.0, None, tmp_path / "v")
    assert statuses == [0, 0]
    weights, _ = left_by(tmp_path / "two")
    alone = trainer_of(
        student_of(0), toy_store, halves(config), tmp_path / "one",
        vectors=tmp_path / "v", validate=score_of, ranks=Ranks(),
    )  # fmt: skip
    alone.run()
    for name in ("sentence_projection.weight", "sentence_projection.bias", "model.encoder.layers.0.fc1.weight"):
        torch.testing.assert_close(weights[name], alone.student.state_dict()[name], rtol=1e-4, atol=1e-5, msg=name)


def learn_hidden_states(store: Path, folder: Path) -> None:
    """Train the first encoder layer alone, so that no gradient reaches the layers above it."""
    ranks = Ranks.of_environment()
    ranks.join()
    torch.manual_seed(3)
    special = SpecialIds(end=0, unknown=1, pad=12, vocab_size=13)
    teacher, student = (build_student(replace(STUDENT, num_encoder_layers=2), special) for _ in range(2))
    hidden = (HiddenConfig(side="encoder", teacher_layer=1, student_layer=1),)
    phase = replace(PHASE, kd_weight=0, vocabulary_weight=0, hidden=hidden)
    online: Any = PaddingTeacher(teacher)
    supervision = Supervision([online], [*range(12), -1], end_id=0, unknown_id=1)
    config = replace(CONFIG, phases=(phase,), validate_every=5)
    Trainer(student, Store(store), config, folder=folder, supervision=supervision, ranks=ranks).run()
    ranks.leave()


def learn_on_policy(store: Path, folder: Path, num_accumulated: int) -> None:
    """Train on targets of which the student samples half of the batches, as one process of a group or as the only."""
    ranks = Ranks.of_environment()
    ranks.join()
    torch.manual_seed(4)
    online: Any = PaddingTeacher(build_student(STUDENT, SpecialIds(end=0, unknown=1, pad=12, vocab_size=13)))
    supervision = Supervision([online], [*range(12), -1], end_id=0, unknown_id=1)
    phase = replace(PHASE, on_policy_share=0.5, num_accumulated=num_accumulated)
    config = replace(CONFIG, phases=(phase,), validate_every=5, average_decay=0)
    trainer = Trainer(student_of(0), Store(store), config, folder=folder, supervision=supervision, ranks=ranks)
    trainer.run()
    if ranks.is_main:
        torch.save(dict(trainer.student.state_dict()), folder / "student-0.pt")
    ranks.leave()


def test_two_processes_sample_as_one_does(toy_store: Store, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    assert run_ranks(learn_on_policy, toy_store.folder, tmp_path / "two", 1) == [0, 0]
    learn_on_policy(toy_store.folder, tmp_path / "one", 2)
    (weights, log), (expected, alone) = (left_by(tmp_path / name) for name in ("two", "one"))
    assert [line["sampled"] for line in log] == [line["sampled"] for line in alone]
    assert all(0 < line["sampled"] < 1 for line in log)
    for name, value in expected.items():
        if "k_proj.bias" not in name:
            torch.testing.assert_close(weights[name], value, rtol=1e-4, atol=1e-5, msg=name)


def test_layers_that_the_loss_does_not_reach_are_no_fault(toy_store: Store, tmp_path: Path) -> None:
    assert run_ranks(learn_hidden_states, toy_store.folder, tmp_path / "two") == [0, 0]


def test_no_process_stops_earlier_than_another(toy_store: Store, tmp_path: Path) -> None:
    config = replace(CONFIG, phases=(replace(PHASE, num_steps=60, learning_rate=0.05),), patience=1)
    assert run_ranks(train, toy_store.folder, tmp_path, config, 0.0) == [0, 0]
    progress = [json.loads((tmp_path / f"progress-{rank}.json").read_text()) for rank in (0, 1)]
    assert progress[0] == progress[1]
    assert progress[0]["finished"]
    assert progress[0]["num_worse"] == 1
    assert progress[0]["step"] < 60


def test_training_that_lost_a_process_ends_and_goes_on_with_the_same_bits(toy_store: Store, tmp_path: Path) -> None:
    """With dropout, of which every process draws its own: their random states must all come back."""
    assert run_ranks(train, toy_store.folder, tmp_path / "whole", CONFIG, 0.2) == [0, 0]
    assert run_ranks(train, toy_store.folder, tmp_path / "parts", CONFIG, 0.2, 8) == [2, 9]
    told = (tmp_path / "parts" / "error-0").read_text()
    assert told.startswith("another process of this training has ended (")
    assert "The last checkpoint is kept: the same command goes on from there." in told
    assert not list((tmp_path / "parts").glob("*.partial"))
    with pytest.raises(NmtDistillError, match=r"must go on in as many processes as began it, 2, but has 1; start 2"):
        Trainer(student_of(0), toy_store, CONFIG, folder=tmp_path / "parts", validate=score_of).run()
    assert run_ranks(train, toy_store.folder, tmp_path / "parts", CONFIG, 0.2) == [0, 0]
    (weights, log), (expected, expected_log) = left_by(tmp_path / "parts"), left_by(tmp_path / "whole")
    assert [name for name, value in expected.items() if not torch.equal(value, weights[name])] == []
    assert log == expected_log


def test_processes_drop_out_in_their_own_way(toy_store: Store, tmp_path: Path) -> None:
    """With the same batch for both, their random states still differ."""
    assert run_ranks(train, toy_store.folder, tmp_path, replace(CONFIG, phases=(PHASE,)), 0.2) == [0, 0]
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert not torch.equal(saved["random_state"][0], saved["other_random_states"][0][0])


def test_what_is_not_finite_in_one_process_ends_all(toy_store: Store, tmp_path: Path) -> None:
    """A store of two records, of which each process gets one; the probabilities of one are damaged."""
    records = [toy_store[index] for index in (0, 1)]
    rows: dict[str, Any] = {}
    for name in ("kept_ids", "kept_probs", "tail", "states"):
        rows[name] = np.concatenate([getattr(record, name) for record in records])
    rows["kept_probs"][-1, 0] = np.nan
    sources, targets = ([getattr(record, name) for record in records] for name in ("source_ids", "target_ids"))
    write_shard(shard_path(tmp_path / "store", 0), toy_store.header, sources, targets, rows)
    write_header(tmp_path / "store", toy_store.header, [2])
    config = replace(CONFIG, phases=(replace(PHASE, batch_tokens=1),))
    folder = tmp_path / "training"
    assert run_ranks(train, tmp_path / "store", folder, config, 0.0) == [2, 2]
    told = {(folder / f"error-{rank}").read_text() for rank in (0, 1)}
    assert len(told) == 1, "all tell the same"
    assert told.pop().startswith("the loss of phase 1, step 1 is not finite; the stored soft_targets.probs are not")
    faulty = [json.loads(path.read_text()) for path in folder.glob("not_finite*.json")]
    assert {"records": [1], "loss": "nan"} in [batch for content in faulty for batch in content["batches"]]
    tensors = [load_file(path) for path in folder.glob("not_finite*.safetensors")]
    assert any(kept["0.soft_targets.probs"].isnan().any() for kept in tensors)
