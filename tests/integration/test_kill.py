"""A run that was killed at any moment goes on, and ends with the bytes of one that was never killed."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.integration.commands import Command, run_command
from tests.integration.conftest import Toy

Condition = Callable[[], bool]

VERBS = {
    "corpus": "prepare-data",
    "distilled": "distill",
    "vocabulary": "train-vocabulary",
    "student": "train",
    "export": "export",
}
"""the stages whose bytes are compared, and the verb that ends with each"""
SHORT = (
    "corpus.max_train_sentences=300",
    "corpus.max_mono_sentences=100",
    "distillation.shard_sentences=60",
    "training.phases[0].num_steps=20",
    "training.phases[1].num_steps=12",
    "training.validate_every=16",
    "training.checkpoint_every=3",
    "export.num_parity_sentences=8",
    "export.min_parity=0",
)
"""a run of a second or two, in which all moments come"""


@pytest.fixture(scope="module")
def undisturbed(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run that nobody killed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    finished = run_command("export", toy.write_recipe(folder, *SHORT), "--out", folder / "run", cwd=folder)
    assert finished.status == 0, finished.stderr
    return folder / "run"


def before_stage(stage: str, undisturbed: Path, run: Path) -> Path:
    """Copy a run as it was before one of its stages began."""
    for name in list(VERBS)[: list(VERBS).index(stage)]:
        shutil.copytree(undisturbed / name, run / name)
        (run / ".stages").mkdir(exist_ok=True)
        shutil.copy(undisturbed / ".stages" / f"{name}.json", run / ".stages")
        if name == "student":
            shutil.copy(undisturbed / "metrics.jsonl", run)
    return run


def bytes_of(run: Path, last: str) -> dict[str, bytes]:
    """Read all that a run has made up to a stage; times and speeds are left out."""
    contents = {}
    for stage in list(VERBS)[: list(VERBS).index(last) + 1]:
        for path in (run / stage).rglob("*"):
            if path.is_file():
                contents[str(path.relative_to(run))] = path.read_bytes()
        if stage == "student":
            log = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
            contents["metrics.jsonl"] = json.dumps([{**line, "timing": None} for line in log]).encode()
    report = json.loads(contents["corpus/corpus.json"])
    contents["corpus/corpus.json"] = json.dumps({**report, "speed": None}).encode()
    return contents


def assert_same(run: Path, other: Path, last: str) -> None:
    ours, theirs = bytes_of(run, last), bytes_of(other, last)
    assert sorted(ours) == sorted(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []


def leftovers(folder: Path) -> list[str]:
    """Name what only a run under way needs."""
    names = [str(path.relative_to(folder)) for path in folder.rglob("*")]
    return [name for name in names if name.endswith((".partial", ".begun.json", ".spool")) or "training" in name]


def exists(pattern: str) -> Callable[[Path], Condition]:
    """Wait for something in the run that matches."""
    return lambda run: lambda: any(run.glob(pattern))


def has_checkpoint(number: int) -> Callable[[Path], Condition]:
    """Wait until the training has written its checkpoint so many times."""

    def begin(run: Path) -> Condition:
        seen: set[tuple[int, int]] = set()

        def condition() -> bool:
            try:
                state = (run / "training" / "checkpoint.pt").stat()
            except FileNotFoundError:
                return False
            seen.add((state.st_ino, state.st_mtime_ns))
            return len(seen) >= number

        return condition

    return begin


MOMENTS: dict[str, tuple[str, Callable[[Path], Condition]]] = {
    "while the corpus is read": ("corpus", exists(".corpus.*.partial/*")),
    "when labelling began": ("distilled", exists(".stages/distilled.begun.json")),
    "while a shard is written": ("distilled", exists("distilled/en-pt-BR/.shard-00001.*")),
    "between shards": ("distilled", exists("distilled/en-pt-BR/shard-00003.safetensors")),
    "before the first checkpoint": ("student", exists(".stages/student.begun.json")),
    "after the first checkpoint": ("student", has_checkpoint(1)),
    "after some checkpoints": ("student", has_checkpoint(4)),
    "while a checkpoint is written": ("student", exists("training/.checkpoint.pt.*")),
    "in the second phase": ("student", has_checkpoint(8)),
    "while the student is written": ("student", exists(".student.*.partial")),
    "while an export is written": ("export", exists("export/.float32.*.partial")),
    "between two exports": ("export", exists("export/float32/model.bin")),
    "while the second export is written": ("export", exists("export/.int8.*.partial")),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_run_ends_as_if_nothing_had_happened(toy: Toy, undisturbed: Path, tmp_path: Path, moment: str) -> None:
    stage, condition = MOMENTS[moment]
    recipe, run = toy.write_recipe(tmp_path, *SHORT), before_stage(stage, undisturbed, tmp_path / "run")
    command = Command(VERBS[stage], recipe, "--out", run, cwd=tmp_path)
    assert command.kill_when(condition(run)), f"the run ended before it could be killed {moment}"
    finished = run_command(VERBS[stage], recipe, "--out", run, cwd=tmp_path)
    assert finished.status == 0, finished.stderr
    assert_same(run, undisturbed, stage)
    assert leftovers(run) == []


def test_run_that_is_killed_again_and_again_ends_all_the_same(toy: Toy, undisturbed: Path, tmp_path: Path) -> None:
    recipe, run = toy.write_recipe(tmp_path, *SHORT), tmp_path / "run"
    generator = random.Random(toy.seed)
    kills = 0
    for attempt in range(1, 7):
        command = Command("export", recipe, "--out", run, cwd=tmp_path)
        end = time.monotonic() + attempt * generator.uniform(
            0.2, 0.6
        )  # later each time, so that all stages have a turn
        kills += command.kill_when(lambda end=end: time.monotonic() > end)  # type: ignore[misc]
    finished = run_command("export", recipe, "--out", run, cwd=tmp_path)
    assert finished.status == 0, f"seed {toy.seed}: {finished.stderr}"
    assert kills > 1
    assert_same(run, undisturbed, "export")
    assert leftovers(run) == []


@pytest.mark.skipif(not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="the processor has no bfloat16")
def test_killed_training_goes_on_with_every_option(toy: Toy, undisturbed: Path, tmp_path: Path) -> None:
    """In bfloat16, with several batches an update, and with TensorBoard's curves, which are those of the log again."""
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    options = ("training.precision=bfloat16", "training.phases[1].num_accumulated=3", "training.tensorboard=true")
    recipe = toy.write_recipe(tmp_path, *SHORT, *options)
    whole, killed = (before_stage("student", undisturbed, tmp_path / name) for name in ("whole", "killed"))
    assert run_command("train", recipe, "--out", whole, cwd=tmp_path).status == 0
    assert Command("train", recipe, "--out", killed, cwd=tmp_path).kill_when(has_checkpoint(9)(killed))
    finished = run_command("train", recipe, "--out", killed, cwd=tmp_path)
    assert finished.status == 0, finished.stderr
    assert_same(killed, whole, "student")
    assert bytes_of(killed, "student") != bytes_of(undisturbed, "student")
    curves = []
    for run in (whole, killed):
        events = EventAccumulator(str(run / "tensorboard"))
        events.Reload()
        curves.append([(event.step, event.value) for event in events.Scalars("nll")])
    log = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert curves[0] == curves[1]
    assert [value for _, value in curves[0]] == pytest.approx([line["nll"] for line in log], rel=1e-6)


def test_killed_run_says_that_it_can_be_gone_on_with(toy: Toy, undisturbed: Path, tmp_path: Path) -> None:
    recipe, run = toy.write_recipe(tmp_path, *SHORT), before_stage("student", undisturbed, tmp_path / "run")
    assert Command("run", recipe, "--out", run, cwd=tmp_path).kill_when(has_checkpoint(2)(run))
    planned = run_command("run", recipe, "--out", run, "--plan", cwd=tmp_path)
    assert "  student    goes on where it was cut off\n" in planned.stdout
    changed = run_command("run", recipe, "--out", run, "--plan", "--set", "training.seed=9", cwd=tmp_path)
    assert "  student    runs\n" in changed.stdout
