"""Trainings in bfloat16 and compiled."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt_distill.distillation.losses import vocabulary_loss
from nmt_distill.distillation.store import Store
from nmt_distill.student.graph import StudentModel
from nmt_distill.training.trainer import Trainer
from tests.trainings import CONFIG, PHASE, InterruptedTrainingError, Make, assert_same, closeness_to_3, train, weights

HAS_BFLOAT16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()


@pytest.mark.skipif(not HAS_BFLOAT16, reason="the processor has no bfloat16")
def test_losses_in_bfloat16_training_are_in_float32(
    new_student: Make, toy_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The logits are rounded as bfloat16 is; what is made of them is not."""
    seen: list[float] = []

    def look(states: Tensor, weight: Tensor, bias: Tensor, target: Tensor, *others: Any, **options: Any) -> Any:
        loss = vocabulary_loss(states, weight, bias, target, *others, **options)
        assert {value.dtype for value in vars(loss).values()} == {torch.float32}
        with torch.no_grad():
            logits = torch.addmm(bias, states, weight.T)
        assert logits.dtype == torch.bfloat16
        expected = torch.nn.functional.cross_entropy(logits.double(), target, reduction="sum")
        assert loss.nll.item() == pytest.approx(expected.item(), rel=1e-5)
        seen.append(loss.divergence.item())
        return loss

    monkeypatch.setattr("nmt_distill.training.objective.vocabulary_loss", look)
    student = new_student(seed=3)
    phase = replace(PHASE, divergence="js", num_accumulated=2)
    train(student, toy_store, replace(CONFIG, precision="bfloat16", phases=(phase, PHASE)), tmp_path)
    assert len(seen) == 18
    assert min(seen) > 0
    assert {parameter.dtype for parameter in student.parameters()} == {torch.float32}


@pytest.mark.skipif(not HAS_BFLOAT16, reason="the processor has no bfloat16")
@pytest.mark.parametrize(("precision", "attention"), [("bfloat16", "eager"), ("float32", "sdpa")])
def test_attention_is_the_faster_one_of_a_processor(
    new_student: Make, toy_store: Store, tmp_path: Path, precision: Any, attention: str
) -> None:
    student = new_student()
    assert student.config._attn_implementation == "sdpa"
    Trainer(student, toy_store, replace(CONFIG, precision=precision), folder=tmp_path)
    assert {part.config._attn_implementation for part in (student, student.model.encoder)} == {attention}


OPTIONS: list[dict[str, Any]] = [{"precision": "bfloat16"}, {"precision": "float32"}]


def test_precision_changes_the_weights(new_student: Make, toy_store: Store, tmp_path: Path) -> None:
    if not HAS_BFLOAT16:
        pytest.skip("the processor has no bfloat16")
    students = [new_student(seed=3) for _ in OPTIONS]
    for number, (student, options) in enumerate(zip(students, OPTIONS, strict=True)):
        train(student, toy_store, replace(CONFIG, **options), tmp_path / str(number))
    assert not torch.equal(students[0].lm_head.weight, students[1].lm_head.weight)
    torch.testing.assert_close(students[0].lm_head.weight, students[1].lm_head.weight, rtol=0.1, atol=0.05)


@pytest.mark.skipif(not HAS_BFLOAT16, reason="the processor has no bfloat16")
def test_interrupted_training_in_bfloat16_ends_with_the_same_bits(
    new_student: Make, toy_store: Store, tmp_path: Path
) -> None:
    config = replace(CONFIG, precision="bfloat16")
    whole = new_student(dropout=0.2, seed=3)
    _, expected = train(whole, toy_store, config, tmp_path / "whole", validate=closeness_to_3)
    scores: Iterator[Exception | None] = iter([None, InterruptedTrainingError(), None, None])

    def validate(student: StudentModel) -> float:
        if error := next(scores):
            raise error
        return closeness_to_3(student)

    with pytest.raises(InterruptedTrainingError):
        train(new_student(dropout=0.2, seed=3), toy_store, config, tmp_path / "parts", validate=validate)
    student = new_student(dropout=0.2)
    _, log = train(student, toy_store, config, tmp_path / "parts", validate=validate)
    assert_same(weights(student), weights(whole))
    assert [line | {"timing": None} for line in log] == [line | {"timing": None} for line in expected]


def test_compiling_is_asked_for_with_shapes_that_change(
    new_student: Make, toy_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made by dynamo alone, which needs no compiler: the same weights under the same names."""
    compiled = []

    def by_dynamo_alone(module: torch.nn.Module, **options: Any) -> None:
        compiled.append(options)
        module._compiled_call_impl = torch.compile(module._call_impl, backend="eager", **options)

    monkeypatch.setattr(torch.nn.Module, "compile", by_dynamo_alone)
    students = [new_student(seed=3) for _ in range(2)]
    logs = []
    for student, compile in zip(students, (False, True), strict=True):
        config = replace(CONFIG, compile=compile, average_decay=0.0)
        logs.append(train(student, toy_store, config, tmp_path / str(compile), validate=closeness_to_3)[1])
    assert compiled == [{"dynamic": True}]
    assert weights(students[0]).keys() == weights(students[1]).keys()
    for name, value in weights(students[0]).items():
        torch.testing.assert_close(weights(students[1])[name], value, rtol=1e-4, atol=1e-5, msg=name)
    assert [line["nll"] for line in logs[0]] == pytest.approx([line["nll"] for line in logs[1]], rel=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
def test_compiled_student_learns_the_same(new_student: Make, toy_store: Store, tmp_path: Path) -> None:
    """By torch's own compiler, which takes a minute or more."""
    phase = replace(PHASE, num_steps=3)
    students = [new_student(seed=3) for _ in range(2)]
    logs = []
    for student, compile in zip(students, (False, True), strict=True):
        config = replace(CONFIG, phases=(phase,), compile=compile, checkpoint_every=1)
        logs.append(train(student, toy_store, config, tmp_path / str(compile))[1])
    for name, value in weights(students[0]).items():
        if "k_proj.bias" not in name:  # moves by rounding alone
            torch.testing.assert_close(weights(students[1])[name], value, rtol=1e-3, atol=1e-4, msg=name)
    assert [line["nll"] for line in logs[0]] == pytest.approx([line["nll"] for line in logs[1]], rel=1e-4)
