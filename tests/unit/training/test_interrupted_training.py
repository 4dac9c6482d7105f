"""A training that was broken off goes on in a new trainer: with the same bits, and nothing done twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt_distill.distillation.store import Store
from nmt_distill.student.graph import StudentModel
from nmt_distill.training.batches import plan_batches
from nmt_distill.training.checkpoint import TrainingFolder
from tests.trainings import CONFIG, PHASE, InterruptedTrainingError, Make, assert_same, closeness_to_3, train, weights

SHORT = replace(PHASE, num_steps=4)
TWO_PHASES = replace(
    CONFIG,
    phases=(replace(SHORT, trainable="decoder", state_weight=0.2), replace(SHORT, batch_tokens=60, num_sampled=4)),
)


@pytest.fixture(scope="module")
def uninterrupted(
    new_student: Make, toy_store: Store, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """Weights and log of a training that nothing broke off."""
    student = new_student(dropout=0.2, seed=3)
    _, log = train(student, toy_store, TWO_PHASES, tmp_path_factory.mktemp("whole"), validate=closeness_to_3)
    return weights(student), log


@pytest.mark.parametrize(("place", "checkpoint_every"), [(1, 1), (3, 1), (4, 3), (5, 1), (7, 3), (8, 1)])
def test_interrupted_training_ends_with_the_same_bits(
    new_student: Make,
    toy_store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    uninterrupted: tuple[dict[str, Tensor], list[dict[str, Any]]],
    place: int,
    checkpoint_every: int,
) -> None:
    """Break off in the step ``place``, after its forward pass has drawn random numbers, and go on in a new trainer."""
    config = replace(TWO_PHASES, checkpoint_every=checkpoint_every)
    steps: Iterator[int] = iter(range(1, 100))
    clip = torch.nn.utils.clip_grad_norm_

    def interrupt(*arguments: Any, **options: Any) -> Tensor:
        if next(steps) == place:
            raise InterruptedTrainingError
        return clip(*arguments, **options)

    with monkeypatch.context() as patched, pytest.raises(InterruptedTrainingError):
        patched.setattr(torch.nn.utils, "clip_grad_norm_", interrupt)
        train(new_student(dropout=0.2, seed=3), toy_store, config, tmp_path, validate=closeness_to_3)
    has_checkpoint = place > checkpoint_every
    student = new_student(dropout=0.2, seed=None if has_checkpoint else 3)  # what is new must come from the checkpoint
    _, log = train(student, toy_store, config, tmp_path, validate=closeness_to_3)
    expected_weights, expected_log = uninterrupted
    assert_same(weights(student), expected_weights)
    assert [line | {"timing": None} for line in log] == [line | {"timing": None} for line in expected_log]


def test_the_best_weights_are_those_that_the_checkpoint_knows_of(
    new_student: Make, toy_store: Store, tmp_path: Path
) -> None:
    """After a kill another device, or other parts of batches, may score lower than what was thrown away."""
    config = replace(CONFIG, phases=(replace(PHASE, num_steps=8),), validate_every=2, checkpoint_every=100)
    scores = iter([5.0, 10.0])

    def until_killed(student: StudentModel) -> float:
        score = next(scores, None)
        if score is None:
            raise InterruptedTrainingError
        return score

    with pytest.raises(InterruptedTrainingError):
        train(new_student(), toy_store, config, tmp_path, validate=until_killed)
    best = {name: value.clone() for name, value in TrainingFolder(tmp_path).load_best().items()}
    student = new_student()
    trainer, log = train(student, toy_store, config, tmp_path, validate=lambda _: 4.0)
    assert (trainer.progress.best_score, [line["chrf"] for line in log]) == (10.0, [5.0, 10.0, 4.0, 4.0])
    assert_same(weights(student), {name: value for name, value in best.items() if name in weights(student)})


def test_interrupted_validation_is_done_again(new_student: Make, toy_store: Store, tmp_path: Path) -> None:
    calls = []

    def score(student: StudentModel) -> float:
        calls.append(student.lm_head.weight.sum().item())
        if len(calls) == 2:
            raise InterruptedTrainingError
        return 1.0

    with pytest.raises(InterruptedTrainingError):
        train(new_student(seed=3), toy_store, CONFIG, tmp_path, validate=score)
    trainer, log = train(new_student(), toy_store, CONFIG, tmp_path, validate=score)
    assert calls[1] == calls[2]
    assert [line["step"] for line in log] == [2, 4, 6]
    assert trainer.progress.finished


def test_finished_training_is_not_done_again(new_student: Make, toy_store: Store, tmp_path: Path) -> None:
    student = new_student()
    train(student, toy_store, CONFIG, tmp_path, validate=lambda _: 1.0)
    again = new_student()

    def never(_: StudentModel) -> float:
        raise InterruptedTrainingError

    train(again, toy_store, CONFIG, tmp_path, validate=never)
    assert_same(weights(again), weights(student))


def test_the_anchor_of_an_interrupted_training_is_the_table_before_it(
    new_student: Make, toy_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phase = replace(PHASE, num_steps=4, embedding_anchor=1.0)
    config = replace(CONFIG, phases=(phase,), checkpoint_every=1)
    whole = new_student(seed=3)
    train(whole, toy_store, config, tmp_path / "whole")
    steps, clip = iter(range(1, 100)), torch.nn.utils.clip_grad_norm_

    def stop(*arguments: Any, **options: Any) -> Tensor:
        if next(steps) == 3:
            raise InterruptedTrainingError
        norm: Tensor = clip(*arguments, **options)
        return norm

    with monkeypatch.context() as patch, pytest.raises(InterruptedTrainingError):
        patch.setattr(torch.nn.utils, "clip_grad_norm_", stop)
        train(new_student(seed=3), toy_store, config, tmp_path / "parts")
    resumed = new_student(seed=3)
    train(resumed, toy_store, config, tmp_path / "parts")
    assert_same(weights(resumed), weights(whole))


def test_speed_counts_what_was_learned_since_the_break(
    new_student: Make, toy_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that moves on a second whenever the trainer looks; one of two updates was done before the break."""
    clock = iter(range(1000))
    monkeypatch.setattr("nmt_distill.training.trainer.time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    config = replace(CONFIG, phases=(replace(PHASE, num_steps=2, batch_tokens=40),), checkpoint_every=1)
    clip = torch.nn.utils.clip_grad_norm_
    steps = iter(range(1, 100))

    def stop(*arguments: Any, **options: Any) -> Tensor:
        if next(steps) == 2:
            raise InterruptedTrainingError
        norm: Tensor = clip(*arguments, **options)
        return norm

    with monkeypatch.context() as patched, pytest.raises(InterruptedTrainingError):
        patched.setattr(torch.nn.utils, "clip_grad_norm_", stop)
        train(new_student(), toy_store, config, tmp_path)
    _, (line,) = train(new_student(), toy_store, config, tmp_path)
    taken = plan_batches(*toy_store.lengths(), batch_tokens=40, seed=1, epoch=0)[:2]
    num_tokens = [int(toy_store.lengths()[1][indices].sum()) for indices in taken]
    assert line["target_tokens"] == sum(num_tokens)
    assert line["timing"]["tokens_per_second"] == num_tokens[1]
