"""What keeps a student from being trained is told in one line, with what to do, and nothing is lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from nmt_distill.cli import main
from nmt_distill.training.objective import Objective
from tests.integration.conftest import Fails, Toy, half_written

PHASE = "{num_steps: 8, learning_rate: 0.002, warmup_steps: 2, batch_tokens: 300, kd_weight: 1}"
SHORT = (f"training.phases=[{PHASE}]", "training.checkpoint_every=2", "training.validate_every=4")
SHARD = "distilled/en-pt-BR/shard-00000.safetensors"


@pytest.fixture
def labelled(finished_run: Path, tmp_path: Path) -> Path:
    """A run of our own that has labels, but no student yet."""
    run = tmp_path / "run"
    (run / ".stages").mkdir(parents=True)
    for name in ("corpus", "distilled", "vocabulary"):
        shutil.copytree(finished_run / name, run / name)
        shutil.copy(finished_run / ".stages" / f"{name}.json", run / ".stages")
    return run


def offset_of(shard: Path, name: str) -> int:
    """Where a tensor of a safetensors file begins."""
    content = shard.read_bytes()
    length = int.from_bytes(content[:8], "little")
    offset: int = json.loads(content[8 : 8 + length])[name]["data_offsets"][0]
    return 8 + length + offset


def test_store_of_other_labels(toy: Toy, fails: Fails, labelled: Path, tmp_path: Path) -> None:
    """Its shards are of the size that is known, but of another teacher."""
    header = labelled / "distilled/en-pt-BR/store.json"
    content = json.loads(header.read_text())
    teacher = content["header"]["teacher"]
    header.write_text(header.read_text().replace(teacher, teacher[::-1]))
    error = fails("train", toy.write_recipe(tmp_path, *SHORT), "--out", labelled)
    assert error == f"{labelled / SHARD} belongs to another store than its folder; delete it and run `distill` again."


def test_damaged_soft_target_stops_training(toy: Toy, fails: Fails, labelled: Path, tmp_path: Path) -> None:
    """The first probability of the store becomes NaN; once it is mended, training goes on."""
    shard = labelled / SHARD
    whole = shard.read_bytes()
    start = offset_of(shard, "kept_probs")
    nan = np.array([np.nan], dtype=load_file(shard)["kept_probs"].dtype).tobytes()
    shard.write_bytes(whole[:start] + nan + whole[start + len(nan) :])
    recipe = toy.write_recipe(tmp_path, f"training.phases=[{PHASE.replace('8', '200', 1)}]", *SHORT[1:])
    error = fails("train", recipe, "--out", labelled)
    assert error.startswith("the loss of phase 1, step ")
    assert "the stored soft_targets.probs are not: delete the folder `distilled` of the run to label anew" in error
    assert str(labelled / "training" / "not_finite.safetensors") in error
    content = json.loads((labelled / "training" / "not_finite.json").read_text())
    assert any(0 in batch["records"] for batch in content["batches"])
    saved = load_file(labelled / "training" / "not_finite.safetensors")
    assert np.isnan(saved["0.soft_targets.probs"]).sum() == 1
    assert not (labelled / "student").exists()
    assert half_written(labelled) == []
    shard.write_bytes(whole)
    assert main(["train", str(recipe), "--out", str(labelled)]) == 0
    log = [json.loads(line) for line in (labelled / "metrics.jsonl").read_text().splitlines()]
    assert log[-1]["step"] == 200


def test_device_without_memory(
    toy: Toy, fails: Fails, labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, calls = toy.write_recipe(tmp_path, *SHORT), []
    forward = Objective.forward

    def full(self: Objective, *arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 6:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ...\nmore")
        return forward(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(Objective, "forward", full)
        error = fails("train", recipe, "--out", labelled)
    assert error == (
        "memory ran out in phase 1, step 6, on a batch of up to 300 target positions; set training.batch_parts=2, with "
        "which an update learns the same in less memory: training goes on from its last checkpoint."
    )
    saved = torch.load(labelled / "training" / "checkpoint.pt", weights_only=True)
    assert saved["progress"]["step"] == 4
    calls[:] = [1] * 6  # memory is there now
    with monkeypatch.context() as patched:
        patched.setattr(Objective, "forward", full)
        assert main(["train", str(recipe), "--out", str(labelled), "--set", "training.batch_parts=2"]) == 0
    assert len(calls) == 6 + 2 * 4  # it went on after 4 of 8 steps, each batch in two parts


def test_preset_that_the_teacher_cannot_initialise(toy: Toy, fails: Fails, finished_run: Path, tmp_path: Path) -> None:
    recipe = toy.write_recipe(tmp_path, "student={preset: small, max_positions: 64}", f"reuse={finished_run}")
    error = fails("run", recipe, "--out", tmp_path / "run")
    assert error.startswith(f"a student cannot start from {toy.content['teacher']['model']}: ")
    for fault in ("student.model_dim must be at most 64, but is 384", "student.num_encoder_layers must be at most"):
        assert fault in error
    assert error.endswith("; or set student.initialization=random.")
    assert not (tmp_path / "run" / "student").exists()


WIDTH = ("student.model_dim=32", "student.initialization=random", "training.phases[0].state_weight=1")
LAYER = ("training.phases[0].hidden=[{teacher_layer: 3, student_layer: 1}]",)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (WIDTH, "training.phases[0].state_weight must be 0 where student.model_dim is 32 and the teacher's decoder"),
        (LAYER, "training.phases[0].hidden[0].teacher_layer must be at most 2, the teacher's encoder layers"),
    ],
)
def test_what_the_teacher_has_not_is_told_before_anything_is_labelled(
    toy: Toy, fails: Fails, tmp_path: Path, overrides: tuple[str, ...], told: str
) -> None:
    recipe = toy.write_recipe(tmp_path, SHORT[0], *overrides)
    assert fails("distill", recipe, "--out", tmp_path / "run").startswith(told)
    assert not list((tmp_path / "run").rglob("hypotheses-*"))


def test_student_of_another_width_than_states_that_are_labelled(
    toy: Toy, fails: Fails, labelled: Path, tmp_path: Path
) -> None:
    recipe = toy.write_recipe(tmp_path, SHORT[0], *WIDTH)
    assert "are 64 wide; hidden, which projects" in fails("train", recipe, "--out", labelled)


def test_divergence_from_a_teacher_without_probabilities(toy: Toy, fails: Fails, tmp_path: Path) -> None:
    recipe = toy.write_recipe(
        tmp_path,
        "teacher={kind: command, command: cat, origin: a test, licence: none}",
        "student.initialization=random",
        "vocabulary.size=8000",
        "training.phases=[{num_steps: 8, learning_rate: 0.002, divergence: js}]",
    )
    error = fails("run", recipe, "--out", tmp_path / "run")
    assert error == (
        f"{recipe} has 1 fault: training.phases[0].kd_weight must be 0 where teacher.kind is command: it shows "
        "translations alone, no probabilities"
    )
    assert not (tmp_path / "run").exists()


def test_divergence_that_drawn_tokens_do_not_tell(toy: Toy, fails: Fails, tmp_path: Path) -> None:
    phase = PHASE.replace("}", ", divergence: reverse_kl}")
    recipe = toy.write_recipe(tmp_path, "distillation.kept=drawn", f"training.phases=[{phase}]")
    error = fails("run", recipe, "--out", tmp_path / "run")
    assert "training.phases[0].divergence must be kl or skew_kl where distillation.kept is drawn, but is" in error


def test_hardware_is_looked_at_before_anything_is_made(
    toy: Toy, fails: Fails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    recipe = toy.write_recipe(tmp_path, "training.precision=bfloat16")
    error = fails("run", recipe, "--out", tmp_path / "run")
    assert error.startswith("training.precision is bfloat16, which the processor of this machine does not have")
    assert not (tmp_path / "run" / "corpus").exists()
