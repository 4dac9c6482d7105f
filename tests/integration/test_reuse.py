"""A second student out of the corpus and the labels of a first one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.integration.commands import run_command
from tests.integration.conftest import Toy
from tests.integration.plans import STAGES, plan_of, times_of


@pytest.fixture(scope="module")
def small_run(toy: Toy, finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A smaller student out of the first run's corpus and labels, beside it, and what its run said."""
    folder = tmp_path_factory.mktemp("small")
    shutil.copytree(finished_run, folder / "first")
    before = times_of(folder / "first")
    recipe = toy.write_recipe(folder, *SMALLER)
    finished = run_command("run", recipe, "--out", folder / "second", cwd=folder)
    assert finished.status == 0, finished.stderr
    assert times_of(folder / "first") == before
    return folder / "second", finished.stderr


SMALLER = (
    "reuse=first",
    "vocabulary.size=360",
    "student.num_encoder_layers=1",
    "training.phases[0].trainable=all",
    "training.phases[0].num_steps=120",
)


def test_second_student_reuses_corpus_and_labels(small_run: tuple[Path, str]) -> None:
    folder, said = small_run
    states = plan_of("\n".join(said.splitlines()[: len(STAGES) + 1]))
    first = folder.parent / "first"
    assert [states[name] for name in ("corpus", "distilled")] == [f"reused from {first}"] * 2
    assert [states[name] for name in STAGES[2:]] == ["runs"] * 4
    assert not (folder / "corpus").exists()
    assert not (folder / "distilled").exists()


def test_second_student_is_smaller_and_still_good(small_run: tuple[Path, str], finished_run: Path, toy: Toy) -> None:
    folder, said = small_run
    assert "vocabulary trimmed: " in said
    config = json.loads((folder / "student" / "config.json").read_text())
    assert (config["vocab_size"], config["encoder_layers"]) == (361, 1)
    sizes = [(run / "export" / "int8" / "model.bin").stat().st_size for run in (folder, finished_run)]
    assert sizes[0] < 0.8 * sizes[1]
    scores = json.loads((folder / ".stages" / "scores.json").read_text())["result"]["held-out"]
    assert scores["student int8"]["chrf"] > 0.8 * scores["teacher"]["chrf"], f"seed {toy.seed}"


def test_only_stages_that_fit_are_reused(toy: Toy, small_run: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = small_run
    recipe = toy.write_recipe(tmp_path, *SMALLER, "distillation.num_kept=4")
    finished = run_command("run", recipe, "--out", folder.parent / "third", "--plan", cwd=tmp_path)
    states = plan_of(finished.stdout)
    assert states["corpus"].startswith("reused from")
    assert states["distilled"] == "runs"


def test_student_of_drawn_tokens_through_a_trimmed_vocabulary(
    toy: Toy, small_run: tuple[Path, str], tmp_path: Path
) -> None:
    folder, _ = small_run
    drawn = ("distillation.kept=drawn", "distillation.num_kept=50", "training.phases[1].divergence=skew_kl")
    out = folder.parent / "drawn"
    finished = run_command("train", toy.write_recipe(tmp_path, *SMALLER, *drawn), "--out", out, cwd=tmp_path)
    assert finished.status == 0, finished.stderr
    header = json.loads((out / "distilled" / "en-pt-BR" / "store.json").read_text())["header"]
    assert (header["kept"], header["num_kept"], header["probs_precision"]) == ("drawn", 50, "float16")
    last, plain = (json.loads((run / "metrics.jsonl").read_text().splitlines()[-1]) for run in (out, folder))
    assert plain["divergence"] == plain["kl"]
    assert last["divergence"] != last["kl"]
    assert abs(last["kl"]) < 0.1, f"seed {toy.seed}: an estimate, which may also lie a little below 0"
    assert last["agreed"] > 0.8 * plain["agreed"], f"seed {toy.seed}"
    text = (out / "distilled" / "en-pt-BR" / "distilled.pt-BR").read_bytes()
    assert text == (folder.parent / "first" / "distilled" / "en-pt-BR" / "distilled.pt-BR").read_bytes()


def test_what_a_reused_run_has_reused_serves_too(toy: Toy, small_run: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = small_run
    recipe = toy.write_recipe(tmp_path, *SMALLER, "reuse=second", "training.seed=2")
    finished = run_command("run", recipe, "--out", folder.parent / "fourth", "--plan", cwd=tmp_path)
    states = plan_of(finished.stdout)
    assert states["distilled"] == f"reused from {folder.parent / 'first'}"
    assert states["vocabulary"] == f"reused from {folder}"
    assert states["student"] == "runs"


def test_run_that_cannot_be_reused_is_told(toy: Toy, tmp_path: Path) -> None:
    recipe = toy.write_recipe(tmp_path, "reuse=no_such_run")
    finished = run_command("prepare-data", recipe, "--out", tmp_path / "run", cwd=tmp_path)
    assert finished.status == 0
    assert "nothing of the run no_such_run fits this recipe, so all stages are made here" in finished.stderr
