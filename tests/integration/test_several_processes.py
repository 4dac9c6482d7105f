"""Several processes train one student: started by hand as torchrun would, and once by torchrun itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tests.integration.commands import Command, Finished
from tests.integration.conftest import Toy, half_written
from tests.ranks import environments

SHORT = (
    "training.phases[0].num_steps=8",
    "training.phases[1].num_steps=8",
    "training.validate_every=6",
    "training.checkpoint_every=2",
    "training.max_dev_sentences=5",
)


def recipe_of(toy: Toy, folder: Path, finished_run: Path, *overrides: str) -> Path:
    """A short training on the labels of another run."""
    return toy.write_recipe(folder, *SHORT, f"reuse={finished_run}", *overrides)


def start(*arguments: object, cwd: Path) -> list[Command]:
    """Start a command twice, as two processes of one training."""
    return [Command(*arguments, cwd=cwd, environment=environment) for environment in environments(2)]


def finish(commands: list[Command]) -> list[Finished]:
    """Wait for all of them."""
    return [command.wait() for command in commands]


def log_of(run: Path) -> list[dict[str, Any]]:
    """What training logged, without times."""
    return [json.loads(line) | {"timing": None} for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def trained(toy: Toy, finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Finished]]:
    """A run whose student two processes trained, and what they said."""
    folder = tmp_path_factory.mktemp("trained")
    commands = start("train", recipe_of(toy, folder, finished_run), "--out", folder / "run", cwd=folder)
    return folder / "run", finish(commands)


def test_main_process_speaks_and_the_other_trains_along(trained: tuple[Path, list[Finished]]) -> None:
    run, (main, other) = trained
    assert (main.status, other.status) == (0, 0), main.stderr + other.stderr
    assert main.stdout.strip() == str(run / "student")
    assert "training: 16/16 steps" in main.stderr
    assert (other.stdout, other.stderr) == ("", "")
    assert not (run / "training").exists()
    assert half_written(run) == []


def test_two_processes_learn_sentence_vectors(toy: Toy, finished_run: Path, tmp_path: Path) -> None:
    vectors = ("embedding={teacher: {kind: translation_teacher}, projection: always}",)
    weights = [f"training.phases[{index}].embedding_weight=1" for index in (0, 1)]
    allowed = "training.phases[0].trainable=all"  # frozen encoders learn no vectors
    recipe = recipe_of(toy, tmp_path, finished_run, *vectors, *weights, allowed)
    main, other = finish(start("train", recipe, "--out", tmp_path / "run", cwd=tmp_path))
    assert (main.status, other.status) == (0, 0), main.stderr + other.stderr
    assert (tmp_path / "run" / "student" / "sentence_projection.npy").is_file()
    last = log_of(tmp_path / "run")[-1]
    assert last["embedding"] > 0
    assert 0 <= last["retrieval"] <= 100


def test_two_processes_train_as_one_with_twice_the_batches(
    toy: Toy, finished_run: Path, trained: tuple[Path, list[Finished]], tmp_path: Path
) -> None:
    doubled = [f"training.phases[{index}].num_accumulated=2" for index in (0, 1)]
    recipe = recipe_of(toy, tmp_path, finished_run, *doubled)
    alone = Command("train", recipe, "--out", tmp_path / "run", cwd=tmp_path).wait()
    assert alone.status == 0, alone.stderr
    run, _ = trained
    for line, expected in zip(log_of(run), log_of(tmp_path / "run"), strict=True):
        for name in line.keys() - {"chrf", "timing"}:  # rounding can change a word of a translation
            assert line[name] == pytest.approx(expected[name], rel=1e-3, abs=1e-4), name
    weights, theirs = (load_file(folder / "student" / "model.safetensors") for folder in (run, tmp_path / "run"))
    num_near = sum(int((weights[name] - theirs[name]).abs().le(1e-4).sum()) for name in weights)
    assert num_near > 0.99 * sum(tensor.numel() for tensor in weights.values())


@pytest.mark.parametrize("victim", [0, 1])
def test_training_that_lost_a_process_goes_on_with_the_same_bytes(
    toy: Toy, finished_run: Path, trained: tuple[Path, list[Finished]], tmp_path: Path, victim: int
) -> None:
    recipe, run = recipe_of(toy, tmp_path, finished_run), tmp_path / "run"
    commands = start("train", recipe, "--out", run, cwd=tmp_path)
    assert commands[victim].kill_when((run / "training" / "checkpoint.pt").exists)
    began = time.monotonic()
    survivor = finish(commands)[1 - victim]
    assert survivor.status == 2, survivor.stderr
    assert "of this training has ended (" in survivor.error
    assert "The last checkpoint is kept: the same command goes on from there." in survivor.error
    assert "Traceback" not in survivor.stderr
    assert time.monotonic() - began < 60
    again = finish(start("train", recipe, "--out", run, cwd=tmp_path))
    assert [finished.status for finished in again] == [0, 0], again[0].stderr + again[1].stderr
    undisturbed, _ = trained
    name = "student/model.safetensors"
    assert (run / name).read_bytes() == (undisturbed / name).read_bytes()
    assert log_of(run) == log_of(undisturbed)
    assert half_written(run) == []


def test_what_is_finished_needs_no_training_along(trained: tuple[Path, list[Finished]], toy: Toy) -> None:
    run, _ = trained
    recipe = run.parent / "toy.yaml"
    main, other = finish(start("train", recipe, "--out", run, cwd=run.parent))
    assert (main.status, other.status, other.stderr) == (0, 0, ""), main.stderr
    assert "training:" not in main.stderr


def test_main_process_that_fails_sends_the_others_home(toy: Toy, finished_run: Path, tmp_path: Path) -> None:
    recipe = recipe_of(toy, tmp_path, finished_run, "student.max_positions=16", "student.initialize_from=nowhere")
    main, other = finish(start("train", recipe, "--out", tmp_path / "run", cwd=tmp_path))
    assert main.status == 2
    assert "nowhere" in main.error
    assert (other.status, other.stderr) == (0, "")


@pytest.mark.slow
def test_torchrun_starts_them(
    toy: Toy, finished_run: Path, trained: tuple[Path, list[Finished]], tmp_path: Path
) -> None:
    recipe = recipe_of(toy, tmp_path, finished_run)
    words = [
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "nmt_distill",
        "train",
        str(recipe),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.getcwd()}
    command = [sys.executable, "-m", *map(str, words), "--out", str(tmp_path / "run")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    name = "student/model.safetensors"
    assert (tmp_path / "run" / name).read_bytes() == (trained[0] / name).read_bytes()
