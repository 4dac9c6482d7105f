"""A student trained on a toy task: what it learns, which weights are kept, what phases freeze, and what is logged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import PartialState
from torch import Tensor

from nmt_distill.distillation.shards import shard_path, write_shard
from nmt_distill.distillation.store import Store, write_header
from nmt_distill.errors import NmtDistillError
from nmt_distill.student.graph import StudentModel
from nmt_distill.training.batches import collate, plan_batches
from nmt_distill.training.objective import Objective
from nmt_distill.training.parameters import trainable_parameters
from nmt_distill.training.trainer import Trainer
from tests.trainings import CONFIG, PHASE, Make, assert_same, rank_of, train, weights


@pytest.mark.parametrize("graph", ["marian", "nllb"])
def test_student_learns_fifty_pairs_by_heart(new_student: Make, toy_store: Store, tmp_path: Path, graph: str) -> None:
    student = new_student(graph)
    phase = replace(PHASE, num_steps=160, learning_rate=5e-3, warmup_steps=20, batch_tokens=400, kd_weight=1.0)
    config = replace(CONFIG, phases=(phase,), validate_every=1000, checkpoint_every=1000)
    _, log = train(student, toy_store, config, tmp_path)
    student.eval()
    assert rank_of(student, toy_store) > 0.99
    assert log[-1]["kl"] < 0.5
    generated = student.generate(
        input_ids=torch.tensor([toy_store[4].source_ids.tolist()]), max_new_tokens=12, max_length=None
    )
    assert generated[0, 1:].tolist() == toy_store[4].target_ids.tolist()
    if graph == "marian":
        pad = student.config.pad_token_id
        assert not student.get_input_embeddings().weight[pad].any(), "the row of the padding must stay zero"
        assert student.final_logits_bias[0, pad] == -1e4


def test_padding_row_stays_zero_with_every_loss_at_once(new_student: Make, toy_store: Store, tmp_path: Path) -> None:
    student = new_student(dropout=0.1)
    phase = replace(PHASE, state_weight=0.5, label_smoothing=0.1)
    train(
        student, toy_store, replace(CONFIG, phases=(phase, replace(phase, num_sampled=5)), weight_decay=0.1), tmp_path
    )
    assert not student.get_input_embeddings().weight[student.config.pad_token_id].any()


def test_same_seed_same_bits(new_student: Make, toy_store: Store, tmp_path: Path) -> None:
    students = [new_student(dropout=0.2, seed=3) for _ in range(3)]
    for number, (student, seed) in enumerate(zip(students, (1, 1, 2), strict=True)):
        train(student, toy_store, replace(CONFIG, seed=seed), tmp_path / str(number))
    assert_same(weights(students[0]), weights(students[1]))
    assert not torch.equal(students[0].lm_head.weight, students[2].lm_head.weight)


def test_what_accelerate_finds_in_the_environment_does_not_scale_the_loss(
    new_student: Make, toy_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches are accumulated here, and the loss is divided once; clipping would tell a loss of another size."""
    students = [new_student(seed=3) for _ in range(2)]
    for number, student in enumerate(students):
        train(student, toy_store, replace(CONFIG, gradient_clip=1e-3), tmp_path / str(number))
        monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "1000000")
    assert_same(weights(students[0]), weights(students[1]))


def test_best_weights_are_kept(new_student: Make, toy_store: Store, tmp_path: Path) -> None:
    scores = iter([1.0, 3.0, 2.0])
    seen = []

    def score(student: StudentModel) -> float:
        assert not student.training
        assert not torch.is_grad_enabled()
        seen.append(weights(student))
        return next(scores)

    student = new_student()
    trainer, log = train(student, toy_store, CONFIG, tmp_path, validate=score)
    assert_same(weights(student), seen[1])
    assert (trainer.progress.best_score, [line["chrf"] for line in log]) == (3.0, [1.0, 3.0, 2.0])


def test_without_validation_the_averaged_last_weights_are_kept(
    new_student: Make, toy_store: Store, tmp_path: Path
) -> None:
    averaged, last = new_student(seed=3), new_student(seed=3)
    train(averaged, toy_store, CONFIG, tmp_path / "averaged")
    train(last, toy_store, replace(CONFIG, average_decay=0.0), tmp_path / "last")
    assert not torch.equal(averaged.lm_head.weight, last.lm_head.weight)
    stopped = new_student(seed=3)
    one_step = replace(PHASE, num_steps=1)
    train(stopped, toy_store, replace(CONFIG, phases=(one_step,), average_decay=0.0), tmp_path / "one")
    assert not torch.equal(stopped.lm_head.weight, new_student(seed=3).lm_head.weight)


def test_a_phase_with_other_batches_begins_an_epoch(new_student: Make, toy_store: Store, tmp_path: Path) -> None:
    first = replace(PHASE, num_steps=1)
    for name, second in (("same", first), ("larger", replace(first, batch_tokens=2 * PHASE.batch_tokens))):
        trainer, _ = train(new_student(), toy_store, replace(CONFIG, phases=(first, second)), tmp_path / name)
        assert trainer.progress.position == ((0, 2) if name == "same" else (1, 1))


def test_patience_stops_the_whole_training(new_student: Make, toy_store: Store, tmp_path: Path) -> None:
    scores = iter([5.0, 4.0, 6.0, 5.0, 5.5])
    config = replace(CONFIG, phases=(replace(PHASE, num_steps=100), PHASE), patience=2)
    trainer, log = train(new_student(), toy_store, config, tmp_path, validate=lambda _: next(scores))
    assert [line["step"] for line in log] == [2, 4, 6, 8, 10]
    assert (trainer.progress.finished, trainer.progress.phase, trainer.progress.best_score) == (True, 0, 6.0)


@pytest.mark.parametrize(
    ("trainable", "moving"),
    [
        ("all", {"shared", "encoder", "cross", "self"}),
        ("layers", {"encoder", "cross", "self"}),
        ("decoder_and_embeddings", {"shared", "cross", "self"}),
        ("decoder", {"cross", "self"}),
    ],
)
@pytest.mark.parametrize("graph", ["marian", "nllb"])
def test_phases_freeze_what_they_say(
    new_student: Make, toy_store: Store, tmp_path: Path, graph: str, trainable: str, moving: set[str]
) -> None:
    student = new_student(graph)
    before = weights(student)
    phase = replace(PHASE, trainable=trainable)  # type: ignore[arg-type]
    train(student, toy_store, replace(CONFIG, phases=(phase,)), tmp_path)
    after = weights(student)
    parts: dict[str, set[bool]] = {}
    for name in before:
        if "embed_positions" in name:
            assert torch.equal(before[name], after[name]), "tables of positions are never trained"
        elif name not in ("lm_head.weight", "final_logits_bias") and "embed_tokens" not in name:
            part = next(
                part
                for key, part in {
                    "shared": "shared",
                    "encoder.": "encoder",
                    "encoder_attn": "cross",
                    "": "self",
                }.items()
                if key in name
            )
            parts.setdefault(part, set()).add(torch.equal(before[name], after[name]))
    assert parts == {part: {part not in moving} for part in ("shared", "encoder", "cross", "self")}


def test_the_norm_at_the_end_of_an_nllb_decoder_is_its_own(new_student: Make) -> None:
    student = new_student("nllb")
    phase = replace(PHASE, trainable="decoder")
    moving = {id(parameter) for parameter in trainable_parameters(student, phase)}
    assert id(student.model.decoder.layer_norm.weight) in moving
    assert id(student.model.shared.weight) not in moving


def test_an_anchor_holds_the_embeddings_near_their_start(new_student: Make, toy_store: Store, tmp_path: Path) -> None:
    """Of one phase with an anchor and one without, the first goes no way; a stronger pull goes less far."""
    start = new_student(seed=3).lm_head.weight
    distances = []
    for weight in (0.0, 2.0, 1000.0):
        student = new_student(seed=3)
        phase = replace(PHASE, num_steps=20, embedding_anchor=weight)
        _, log = train(student, toy_store, replace(CONFIG, phases=(phase,), average_decay=0.0), tmp_path / str(weight))
        distances.append(float((student.lm_head.weight - start).detach().norm()))
        assert (log[-1]["anchor"] > 0) == (weight > 0)
    assert distances[0] > 1.2 * distances[1]
    assert distances[1] > 1.2 * distances[2]


def test_a_phase_thaws_what_the_one_before_froze(new_student: Make, toy_store: Store, tmp_path: Path) -> None:
    student = new_student()
    before = weights(student)
    phases = (replace(PHASE, trainable="decoder"), PHASE)
    train(student, toy_store, replace(CONFIG, phases=phases), tmp_path)
    assert not torch.equal(before["model.shared.weight"], student.model.shared.weight)


def test_accumulated_batches_are_one_step(
    new_student: Make, toy_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mean is over all tokens of the step, however the batches divide them."""
    lengths = toy_store.lengths()
    num_batches = len(plan_batches(*lengths, batch_tokens=40, seed=1, epoch=0))
    assert num_batches > 5
    gradients: list[list[Tensor]] = []
    clip = torch.nn.utils.clip_grad_norm_

    def look(parameters: Any, *arguments: Any, **options: Any) -> Tensor:
        parameters = list(parameters)
        gradients.append([parameter.grad.clone() for parameter in parameters])
        norm: Tensor = clip(parameters, *arguments, **options)
        return norm

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", look)
    lines = []
    for name, batch_tokens, num_accumulated, num_parts in (
        ("one", 10_000, 1, 1),
        ("many", 40, num_batches, 1),
        ("parts", 10_000, 1, 7),
        ("more parts than records", 40, num_batches, 10_000),
    ):
        phase = replace(PHASE, num_steps=1, batch_tokens=batch_tokens, num_accumulated=num_accumulated)
        config = replace(CONFIG, phases=(phase,), batch_parts=num_parts)
        _, (line,) = train(new_student(seed=3), toy_store, config, tmp_path / name)
        lines.append(line)
    assert [line["target_tokens"] for line in lines] == [lengths[1].sum()] * 4
    for line, others in zip(lines[1:], gradients[1:], strict=True):
        for name in ("nll", "kl", "agreed"):
            assert line[name] == pytest.approx(lines[0][name], rel=1e-4)
        for one, other in zip(gradients[0], others, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)

    student = new_student(seed=3).train()
    ids = student.config
    records = [toy_store[index] for index in range(len(toy_store))]
    batch = collate(records, pad_id=ids.pad_token_id, start_id=ids.decoder_start_token_id)
    loss, _ = Objective(student, temperature=1.0)(batch, PHASE)
    (loss / lengths[1].sum()).backward()
    for parameter, gradient in zip(trainable_parameters(student, PHASE), gradients[0], strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-5)


def test_store_without_records_is_told(new_student: Make, toy_store: Store, tmp_path: Path) -> None:
    write_header(tmp_path, toy_store.header, [])
    with pytest.raises(NmtDistillError, match=r"holds no records; look at the counts in"):
        Trainer(new_student(), Store(tmp_path), CONFIG, folder=tmp_path / "training")


def test_records_longer_than_the_student_are_passed_over_and_counted(
    new_student: Make, toy_store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header = replace(toy_store.header, num_kept=0, state_dim=0)
    long = [*[3] * 40, 0]
    phase = replace(PHASE, kd_weight=0.0, state_weight=0.0)
    for name, sources in (("some", [[2, 0], long]), ("all", [long, long])):
        write_shard(shard_path(tmp_path / name, 0), header, sources, [[4, 0], [5, 0]])
        write_header(tmp_path / name, header, [2])
    config = replace(CONFIG, phases=(phase,))
    train(new_student(), Store(tmp_path / "some"), config, tmp_path / "run")
    assert "1 of 2 records passed over: longer than student.max_positions" in capsys.readouterr().err
    with pytest.raises(NmtDistillError, match=r"all records of .* are longer than \d+ tokens; raise student\.max_p"):
        Trainer(new_student(), Store(tmp_path / "all"), config, folder=tmp_path / "none")


def test_log_has_means_per_token(new_student: Make, toy_store: Store, tmp_path: Path) -> None:
    phase = replace(PHASE, state_weight=1.0)
    _, log = train(new_student(), toy_store, replace(CONFIG, phases=(phase,)), tmp_path)
    assert [line["step"] for line in log] == [2, 4, 6]
    for line in log:
        assert line.keys() == {
            "phase", "step", "learning_rate", "target_tokens", "nll", "divergence", "kl", "states", "hidden",
            "embedding", "anchor", "agreed", "teacher_entropy", "student_entropy", "kept", "sampled", "chrf", "timing",
        }  # fmt: skip
        assert line["phase"] == 1
        assert 0 < line["target_tokens"] < 2 * 300
        assert 0 <= line["agreed"] <= 1
        assert 0 < line["nll"] < 30
        assert line["states"] > 0
        assert line["divergence"] == line["kl"] > 0
        assert line["kept"] == pytest.approx(0.95, rel=1e-5)
        # natural logarithms of (0.9, 0.05, 0.05)
        assert line["teacher_entropy"] == pytest.approx(0.3944, abs=1e-3)
        assert 0 < line["student_entropy"] < 1.1
    assert log[-1]["learning_rate"] == pytest.approx(PHASE.learning_rate / 4)


def test_a_training_has_its_own_device_whatever_the_one_before_had(
    new_student: Make, toy_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that has trained on a GPU, as accelerate remembers it, goes on with another training on the CPU."""
    Trainer(new_student(), toy_store, CONFIG, folder=tmp_path)
    monkeypatch.setitem(PartialState._shared_state, "device", torch.device("cuda"))
    trainer = Trainer(new_student(), toy_store, CONFIG, folder=tmp_path)
    assert trainer.accelerator.device == torch.device("cpu")


def test_a_warmup_longer_than_its_phase_is_told(
    new_student: Make, toy_store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    phases = PHASE, replace(PHASE, num_steps=3, warmup_steps=3)
    train(new_student(), toy_store, replace(CONFIG, phases=phases), tmp_path)
    told = capsys.readouterr().err
    assert "phase 2 has 3 updates and a warm-up of 3: its learning rate never reaches 0.002" in told
    assert "phase 1 has" not in told
