"""Targets that the student samples: which batches, what is drawn, and that a training with them can be repeated."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt_distill.distillation.store import Store
from nmt_distill.errors import NmtDistillError
from nmt_distill.student.graph import StudentModel
from nmt_distill.training.config import HiddenConfig, PhaseConfig, TrainingConfig
from nmt_distill.training.on_policy import is_on_policy, longest_sample, sample_targets
from nmt_distill.training.step_batches import StepBatches
from nmt_distill.training.supervision import Supervision
from nmt_distill.training.trainer import Trainer
from tests.unit.training.conftest import END, NUM_IDS, PaddingTeacher, write_toy_store

Make = Callable[..., StudentModel]
PHASE = PhaseConfig(num_steps=4, learning_rate=2e-3, warmup_steps=1, batch_tokens=100)
CONFIG = TrainingConfig(phases=(PHASE,), validate_every=2, checkpoint_every=3, device="cpu", average_decay=0.9)
SOURCES = torch.tensor([[3, 5, 7, END], [4, END, NUM_IDS, NUM_IDS]])
MASK = torch.tensor([[True] * 4, [True, True, False, False]])


class InterruptedTrainingError(Exception):
    """Stands for whatever ends a process."""


def supervision_of(new_student: Make, *, seed: int = 11, model_dim: int = 48) -> Supervision:
    teacher = PaddingTeacher(new_student(seed=seed, model_dim=model_dim))
    return Supervision([teacher], [*range(NUM_IDS), -1], end_id=END, unknown_id=1)  # type: ignore[list-item]


def train(
    student: StudentModel, store: Store, config: TrainingConfig, folder: Path, supervision: Supervision | None = None
) -> tuple[Trainer, list[dict[str, Any]]]:
    trainer = Trainer(student, store, config, folder=folder, supervision=supervision)
    trainer.run()
    lines = [json.loads(line) for line in trainer.folder.metrics.read_text().splitlines()]
    return trainer, [line | {"timing": None} for line in lines]


def weights(trainer: Trainer) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in trainer.objective.state_dict().items()}


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def test_a_share_of_the_batches_is_chosen_by_seed_and_place_alone() -> None:
    draws = [(seed, 0, step, place) for seed in (1, 2) for step in range(500) for place in (0, 1)]
    for share in (0.0, 0.3, 1.0):
        chosen = [is_on_policy(share, draw) for draw in draws]
        assert chosen == [is_on_policy(share, draw) for draw in draws]
        assert np.mean(chosen) == pytest.approx(share, abs=4 * (share * (1 - share) / len(draws)) ** 0.5)
    by_seed = [[is_on_policy(0.5, draw) for draw in draws if draw[0] == seed] for seed in (1, 2)]
    by_place = [[is_on_policy(0.5, draw) for draw in draws if draw[3] == place] for place in (0, 1)]
    assert by_seed[0] != by_seed[1]
    assert by_place[0] != by_place[1]


def test_samples_have_room_for_half_as_many_tokens_again() -> None:
    assert longest_sample([3, 10]) == 23
    assert longest_sample([3, 10], 512, 20) == 20
    assert longest_sample([2], 9, None) == 9


def test_sampling_draws_from_the_students_distribution(new_student: Make) -> None:
    """The first token of 4,000 samples, at temperature 2, and never what the teacher has no id for."""
    student, never, count = new_student(), [4, NUM_IDS], 4000
    sources, mask = SOURCES[:1].repeat(count, 1), MASK[:1].repeat(count, 1)
    samples = sample_targets(student, sources, mask, max_tokens=2, temperature=2.0, never=never, draw=(1,))
    with torch.no_grad():
        logits = student(input_ids=SOURCES[:1], decoder_input_ids=torch.tensor([[NUM_IDS]])).logits[0, 0] / 2
    logits[never] = -torch.inf
    probs = logits.softmax(dim=-1).numpy()
    found = np.bincount([sample[0] for sample in samples], minlength=NUM_IDS + 1) / count
    assert np.abs(found - probs).max() < 5 * (0.25 / count) ** 0.5
    assert not {token for sample in samples for token in sample.tolist()} & set(never)


def draw_once(student: StudentModel, *draw: int, temperature: float = 1.0) -> list[list[int]]:
    found = sample_targets(student, SOURCES, MASK, max_tokens=9, temperature=temperature, never=[NUM_IDS], draw=draw)
    return [ids.tolist() for ids in found]


def test_what_is_drawn_depends_on_the_draw_alone(new_student: Make) -> None:
    """Dropout is off, and torch's own random numbers go on as if nothing had been drawn."""
    student = new_student(dropout=0.5)
    student.train()
    before = torch.get_rng_state()
    first = draw_once(student, 1, 0, 5, 0)
    assert torch.equal(torch.get_rng_state(), before)
    assert student.training
    torch.randn(7)
    assert draw_once(student, 1, 0, 5, 0) == first
    student.eval()
    assert draw_once(student, 1, 0, 5, 0) == first
    assert not student.training
    assert len({str(draw_once(student, 1, 0, step, 0)) for step in range(8)}) > 1


def test_samples_end_with_their_end_or_where_there_is_no_room(new_student: Make) -> None:
    student = new_student()
    drawn = [ids for step in range(30) for ids in draw_once(student, step, temperature=3.0)]
    for ids in drawn:
        assert END not in ids[:-1]
        assert ids[-1] == END or len(ids) == 9
    assert {ids[-1] == END for ids in drawn} == {True, False}
    cold = draw_once(student, 1, temperature=1e-3)
    generated = student.generate(
        input_ids=SOURCES, attention_mask=MASK.long(), max_new_tokens=9, max_length=None, do_sample=False
    )
    assert cold == [row[1 : 1 + len(ids)].tolist() for row, ids in zip(generated, cold, strict=True)]


def test_share_0_is_offline_training_bit_for_bit(new_student: Make, toy_store: Store, tmp_path: Path) -> None:
    trainings = []
    for number, (share, has_teacher) in enumerate(((0.0, False), (0.0, True), (0.5, True))):
        config = replace(CONFIG, phases=(replace(PHASE, on_policy_share=share),))
        student = new_student(dropout=0.2, seed=3)
        supervision = supervision_of(new_student) if has_teacher else None
        trainer, log = train(student, toy_store, config, tmp_path / str(number), supervision)
        trainings.append((weights(trainer), log))
    assert_same(trainings[0][0], trainings[1][0])
    assert trainings[0][1] == trainings[1][1]
    assert trainings[0][1] != trainings[2][1]
    assert max(line["sampled"] for line in trainings[2][1]) > 0


def test_weight_0_to_the_end_is_training_without_a_teacher(new_student: Make, toy_store: Store, tmp_path: Path) -> None:
    plain = write_toy_store(tmp_path / "plain", with_teacher=False)
    found = []
    for number, (store, end) in enumerate(((plain, None), (toy_store, 0.0), (toy_store, 0.5))):
        config = replace(CONFIG, phases=(replace(PHASE, kd_weight=0.0, kd_weight_end=end),))
        found.append(weights(train(new_student(dropout=0.2, seed=3), store, config, tmp_path / str(number))[0]))
    assert_same(found[0], found[1])
    assert not torch.equal(found[0]["student.model.shared.weight"], found[2]["student.model.shared.weight"])


def test_each_step_has_its_weight_of_the_divergence(new_student: Make, toy_store: Store, tmp_path: Path) -> None:
    config = replace(CONFIG, phases=(replace(PHASE, kd_weight=0.9, kd_weight_end=0.0),))
    trainer = Trainer(new_student(), toy_store, config, folder=tmp_path)
    seen = []
    trainer.objective.register_forward_pre_hook(lambda _module, given: seen.append(given[1].kd_weight))
    trainer.run()
    assert seen == pytest.approx([0.9, 0.6, 0.3, 0.0])


EVERYTHING = replace(
    PHASE,
    kd_weight=0.8,
    kd_weight_end=0.2,
    on_policy_share=0.5,
    hidden=(
        HiddenConfig(teacher_layer=1, student_layer=1),
        HiddenConfig(side="decoder", teacher_layer=1, student_layer=1, distance="cosine"),
    ),
)
TWO_PHASES = replace(CONFIG, phases=(EVERYTHING, replace(EVERYTHING, hidden=EVERYTHING.hidden[1:], num_accumulated=2)))


@pytest.fixture(scope="module")
def uninterrupted(
    new_student: Make, toy_store: Store, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    student, folder = new_student(dropout=0.2, seed=3), tmp_path_factory.mktemp("whole")
    trainer, log = train(student, toy_store, TWO_PHASES, folder, supervision_of(new_student))
    return weights(trainer), log


@pytest.mark.parametrize("place", [4, 7])
def test_interrupted_training_ends_with_the_same_bits(
    new_student: Make,
    toy_store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    uninterrupted: tuple[dict[str, Tensor], list[dict[str, Any]]],
    place: int,
) -> None:
    """Samples and projections too, which are new in the trainer that goes on."""
    steps: Iterator[int] = iter(range(1, 100))
    clip = torch.nn.utils.clip_grad_norm_

    def interrupt(*arguments: Any, **options: Any) -> Tensor:
        if next(steps) == place:
            raise InterruptedTrainingError
        norm: Tensor = clip(*arguments, **options)
        return norm

    with monkeypatch.context() as patched, pytest.raises(InterruptedTrainingError):
        patched.setattr(torch.nn.utils, "clip_grad_norm_", interrupt)
        train(new_student(dropout=0.2, seed=3), toy_store, TWO_PHASES, tmp_path, supervision_of(new_student))
    trainer, log = train(new_student(dropout=0.2), toy_store, TWO_PHASES, tmp_path, supervision_of(new_student))
    assert_same(weights(trainer), uninterrupted[0])
    assert log == uninterrupted[1]


def test_projections_are_trained_and_are_no_part_of_the_student(
    uninterrupted: tuple[dict[str, Tensor], list[dict[str, Any]]], new_student: Make, toy_store: Store, tmp_path: Path
) -> None:
    teacher = supervision_of(new_student)
    fresh = Trainer(new_student(seed=3), toy_store, TWO_PHASES, folder=tmp_path, supervision=teacher)
    names = [name for name in uninterrupted[0] if name.startswith("projections.")]
    assert names == ["projections.encoder_1_1.weight", "projections.decoder_1_1.weight"]
    for name in names:
        before, after = weights(fresh)[name], uninterrupted[0][name]
        assert before.shape == (48, 32)
        torch.testing.assert_close(before.T @ before, torch.eye(32), rtol=1e-4, atol=1e-4)
        assert not torch.equal(before, after)
    assert not any("projection" in name for name in fresh.student.state_dict())


def test_the_mean_is_over_all_tokens_that_ranks_have_sampled(new_student: Make, toy_store: Store) -> None:
    phase = replace(PHASE, on_policy_share=0.5)
    taken = [np.arange(start, start + 5) for start in range(0, 40, 5)]
    student, counted = new_student(), []

    def batches(num_ranks: int, rank: int) -> tuple[list[Any], int]:
        def reduce(value: Tensor, reduction: str) -> Tensor:
            counted.append((num_ranks, int(value)))
            return value if reduction == "sum" else value * 0

        ranks = SimpleNamespace(process_index=rank, num_processes=num_ranks, device=torch.device("cpu"), reduce=reduce)
        made = StepBatches(student, toy_store, supervision_of(new_student))
        found, num_tokens = made.of_step(phase, taken, draw=(1, 0, 2), accelerator=ranks)
        return [batch for _, batch in found], num_tokens

    whole, num_tokens = batches(1, 0)
    assert {batch.is_sampled for batch in whole} == {True, False}
    assert num_tokens == sum(len(batch.target) for batch in whole)
    parts = [batches(2, rank)[0] for rank in (0, 1)]
    for place, batch in enumerate(whole):
        assert torch.equal(parts[place % 2][place // 2].target, batch.target)
    sums = {num_ranks: sum(value for ranks, value in counted if ranks == num_ranks) for num_ranks in (1, 2)}
    assert sums[1] == sums[2] == sum(len(batch.target) for batch in whole if batch.is_sampled)


def test_a_step_samples_at_the_temperature_of_its_phase(new_student: Make, toy_store: Store) -> None:
    student, taken = new_student(), [np.arange(20)]
    made = StepBatches(student, toy_store, supervision_of(new_student))
    ranks = SimpleNamespace(
        process_index=0, num_processes=1, device=torch.device("cpu"), reduce=lambda value, reduction: value
    )
    targets = []
    sampled = replace(PHASE, on_policy_share=1.0)
    for temperature in (1.0, 1.0, 5.0):
        phase = replace(sampled, sampling_temperature=temperature)
        ((_, batch),), _ = made.of_step(phase, taken, draw=(1, 0, 0), accelerator=ranks)
        targets.append(batch.target.tolist())
    assert targets[0] == targets[1]
    assert targets[0] != targets[2]
    with pytest.raises(ValueError, match="on_policy_share wants the teacher in the training step, but none was given"):
        StepBatches(student, toy_store, None).of_step(sampled, taken, draw=(1, 0, 0), accelerator=ranks)


def test_a_student_learns_from_what_its_teacher_says_of_its_own_samples(
    new_student: Make, toy_store: Store, tmp_path: Path
) -> None:
    phase = replace(PHASE, num_steps=16, learning_rate=1e-2, kd_weight=1.0, on_policy_share=1.0, batch_tokens=60)
    config = replace(CONFIG, phases=(phase,), validate_every=8, checkpoint_every=100)
    _, log = train(new_student(), toy_store, config, tmp_path, supervision_of(new_student))
    assert [line["sampled"] for line in log] == [1.0] * 2
    assert log[-1]["kl"] < 0.8 * log[0]["kl"]
    assert log[-1]["agreed"] > log[0]["agreed"]


def test_weights_that_are_not_finite_sample_nothing(new_student: Make, toy_store: Store, tmp_path: Path) -> None:
    student = new_student()
    with torch.no_grad():
        student.get_input_embeddings().weight[3, 0] = torch.nan
    config = replace(CONFIG, phases=(replace(PHASE, kd_weight=1.0, on_policy_share=1.0),))
    with pytest.raises(NmtDistillError, match="sample nothing, because its weights are not finite: look at what it"):
        train(student, toy_store, config, tmp_path, supervision_of(new_student))
