"""What ends a training: numbers that are not finite, a device without memory."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from nmt_distill.distillation.records import Record
from nmt_distill.distillation.store import Store
from nmt_distill.errors import NmtDistillError
from nmt_distill.training.batches import collate, plan_batches
from nmt_distill.training.checkpoint import TrainingFolder
from nmt_distill.training.config import PhaseConfig
from nmt_distill.training.trainer import Trainer
from nmt_distill.training.trouble import DoneBatch, Place, save_batches
from tests.trainings import CONFIG, PHASE, Make, assert_same, train, weights

GOES_ON = " an update learns the same in less memory: training goes on from its last checkpoint."


def kept_of(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What a training leaves of an update that is not finite."""
    return json.loads((folder / "not_finite.json").read_text()), load_file(folder / "not_finite.safetensors")


def test_damaged_soft_target_ends_training_with_its_batch_kept(
    new_student: Make, toy_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A probability of the third update's batch is not a number: two updates stay, and nothing is learned from it."""
    phase = replace(PHASE, batch_tokens=40)
    taken = plan_batches(*toy_store.lengths(), batch_tokens=40, seed=1, epoch=0)[2]
    assert toy_store[int(taken[0])].kept_probs is not None
    read = type(toy_store).__getitem__

    def damaged(store: Store, index: int) -> Record:
        record = read(store, index)
        if index != taken[0]:
            return record
        assert record.kept_probs is not None
        probs = np.array(record.kept_probs, dtype=np.float32)
        probs[0, 0] = np.nan
        return replace(record, kept_probs=probs)

    monkeypatch.setattr(type(toy_store), "__getitem__", damaged)
    student = new_student(seed=3)
    with pytest.raises(NmtDistillError) as caught:
        train(student, toy_store, replace(CONFIG, phases=(phase,), average_decay=0.0), tmp_path)
    assert str(caught.value) == (
        "the loss of phase 1, step 3 is not finite; the stored soft_targets.probs are not: delete the folder "
        "`distilled` of the run to label anew. The last checkpoint is kept. Nothing was learned from this batch, which "
        f"is in {tmp_path / 'not_finite.safetensors'} (its records in not_finite.json)."
    )
    content, tensors = kept_of(tmp_path)
    assert (content["phase"], content["step"], content["gradient_norm"]) == (1, 3, "nan")
    assert content["batches"] == [{"records": taken.tolist(), "loss": "nan"}]
    ids = student.config
    batch = collate(
        [toy_store[int(index)] for index in taken], pad_id=ids.pad_token_id, start_id=ids.decoder_start_token_id
    )
    assert torch.equal(tensors["0.source_ids"], batch.source_ids)
    assert torch.equal(tensors["0.target"], batch.target)
    assert int(tensors["0.soft_targets.probs"].isnan().sum()) == 1
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert saved["progress"]["step"] == 2
    assert_same(weights(student), saved["student"])


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("states", torch.inf, "the stored states are not: delete the folder `distilled` of the run to label anew"),
        ("states", torch.nan, "lower training.phases[0].learning_rate"),  # rows without states are NaN, and left out
        ("vectors", torch.nan, "the stored vectors are not: delete the folder `vectors` of the run to embed anew"),
    ],
)
def test_what_is_stored_and_not_finite_is_named_with_its_folder(
    toy_store: Store, tmp_path: Path, name: str, value: float, told: str
) -> None:
    batch = collate([toy_store[0]], pad_id=0, start_id=0)
    stored: dict[str, Any] = {name: torch.full((1, 2), value, dtype=torch.float16)}
    batch = replace(batch, **stored)
    done = [DoneBatch(np.array([0]), batch, torch.tensor(torch.nan))]
    said = save_batches(
        tmp_path, done, place=Place(1, 1), total=torch.nan, norm=torch.nan, parameters=[torch.ones(1)], rank=0
    )
    assert said is not None
    assert told in said


def test_student_that_is_not_finite_is_told(new_student: Make, toy_store: Store, tmp_path: Path) -> None:
    student = new_student()
    with torch.no_grad():
        student.model.decoder.layers[0].fc1.bias[0] = torch.nan
    with pytest.raises(
        NmtDistillError,
        match=r"the loss of phase 1, step 1 is not finite; nor are the student's weights before it: look at what it st",
    ):
        train(student, toy_store, CONFIG, tmp_path)


def test_gradient_that_is_not_finite_is_told(
    new_student: Make, toy_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All losses are finite, so that all batches of the update are kept."""
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *_, **__: torch.tensor(torch.inf))
    phase = replace(PHASE, num_accumulated=2)
    with pytest.raises(
        NmtDistillError,
        match=r"the gradient of phase 1, step 1 is not finite; lower training\.phases\[0\]\.learning_rate, with which "
        r"training starts over\. The last",
    ):
        train(new_student(), toy_store, replace(CONFIG, phases=(phase,)), tmp_path)
    content, tensors = kept_of(tmp_path)
    assert content["gradient_norm"] == "inf"
    assert len(content["batches"]) == 2
    assert {"0.target", "1.target"} < tensors.keys()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tr"
        ),
        MemoryError(),
    ],
)
@pytest.mark.parametrize(
    ("num_parts", "of_phase", "remedy"),
    [
        (1, {}, "; set training.batch_parts=2, with which" + GOES_ON),
        (3, {}, " in 3 parts; set training.batch_parts=6, with which" + GOES_ON),
        (
            1,
            {"kd_share": 0.5},
            "; set training.phases[1].batch_tokens=50 and training.phases[1].num_accumulated=6, with which an update "
            "learns from as many tokens as before; with other batches training starts over.",
        ),
    ],
)
def test_device_without_memory_is_told_a_budget(
    new_student: Make,
    toy_store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    num_parts: int,
    of_phase: dict[str, Any],
    remedy: str,
) -> None:
    phases = (replace(PHASE, **of_phase), replace(PHASE, num_accumulated=3))
    config = replace(CONFIG, phases=phases, batch_parts=num_parts)
    trainer = Trainer(new_student(), toy_store, config, folder=tmp_path)
    forward = trainer.objective.forward

    def full(batch: Any, phase: PhaseConfig) -> Any:
        if phase.num_accumulated == 3:
            raise error
        return forward(batch, phase)

    monkeypatch.setattr(trainer.objective, "forward", full)
    with pytest.raises(NmtDistillError) as caught:
        trainer.run()
    assert str(caught.value) == ("memory ran out in phase 2, step 1, on a batch of up to 100 target positions" + remedy)
    assert TrainingFolder(tmp_path).load_checkpoint() is not None


def test_other_errors_stay_what_they_are(
    new_student: Make, toy_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(new_student(), toy_store, CONFIG, folder=tmp_path)

    def wrong(*_: Any) -> Any:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(trainer.objective, "forward", wrong)
    with pytest.raises(RuntimeError, match=r"^shapes do not fit$"):
        trainer.run()
