"""Labels that a model of the opposite direction finds worst are left out, of text and of the store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nmt_distill.distillation.store import Store
from nmt_distill.files import read_lines
from nmt_distill.pipeline import Pipeline
from nmt_distill.recipe import load_recipe
from tests.integration.commands import Command, run_command
from tests.integration.conftest import Fails, Toy
from tests.integration.test_kill import SHORT, assert_same
from tests.integration.toy import train_marian, write_marian

NUM_STEPS = 120
FILTER = "distillation.filters.reverse"


def wanted(toy: Toy, model: Path) -> list[str]:
    """Ask for a reverse teacher."""
    said = {"model": model, "vocabulary": toy.folder / "teacher.spm", "origin": "a toy", "licence": "CC0-1.0"}
    return [*SHORT, f"{FILTER}={{share: 0.1, teacher: {{kind: marian}}}}"] + [
        f"{FILTER}.teacher.{key}={value}" for key, value in said.items()
    ]


@pytest.fixture(scope="module")
def back(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Marian model that translates the toy language back."""
    sides = [read_lines(toy.folder / f"more_pairs.{language}") for language in ("pt-BR", "en")]
    path = tmp_path_factory.mktemp("back") / "back.npz"
    pairs = list(zip(*sides, strict=True))
    write_marian(path, train_marian(pairs, toy.folder / "teacher.spm", seed=toy.seed, num_steps=NUM_STEPS))
    return path


def test_worst_labels_are_left_out_and_a_killed_run_agrees(toy: Toy, back: Path, tmp_path: Path) -> None:
    recipe, run, killed = toy.write_recipe(tmp_path, *wanted(toy, back)), tmp_path / "run", tmp_path / "killed"
    finished = run_command("train", recipe, "--out", run, cwd=tmp_path)
    assert finished.status == 0, finished.stderr
    assert "reverse teacher: a toy; licence: CC0-1.0" in finished.stderr
    labels = run / "distilled" / "en-pt-BR"
    summary = json.loads((labels / "distilled.json").read_text())
    num_labels = summary["reverse"]["labels"]
    told = f"labels: {summary['counts']['labels']} for {summary['counts']['sentences']} sentences; left out: "
    assert told in finished.stderr
    assert summary["dropped"]["reverse_score"] == summary["reverse"]["left_out"] == round(num_labels / 10)
    assert len(summary["samples_of_dropped"]["reverse_score"]) == 5
    assert len(Store(labels)) == summary["counts"]["labels"] == num_labels - round(num_labels / 10)
    paths = sorted(labels.glob("hypotheses-*.jsonl"))
    scores = [score for path in paths for line in read_lines(path) for score in json.loads(line).get("reverse", [])]
    assert len(scores) == num_labels
    assert sum(score <= summary["reverse"]["threshold"] for score in scores) >= round(num_labels / 10)
    command = Command("train", recipe, "--out", killed, cwd=tmp_path)
    assert command.kill_when(lambda: (killed / "distilled" / "en-pt-BR" / "shard-00002.safetensors").exists())
    assert run_command("train", recipe, "--out", killed, cwd=tmp_path).status == 0
    assert_same(killed, run, "student")


def test_teacher_itself_is_no_reverse_teacher(toy: Toy, tmp_path: Path, fails: Fails) -> None:
    recipe = toy.write_recipe(tmp_path, *wanted(toy, toy.folder / "teacher.npz"))
    told = f"{FILTER}.teacher must translate pt-BR to en, but seems to translate en to pt-BR: over 32 sentences "
    assert told in fails("distill", recipe, "--out", tmp_path / "run")


def test_reverse_teacher_that_is_not_there(toy: Toy, tmp_path: Path, fails: Fails) -> None:
    recipe = toy.write_recipe(tmp_path, *wanted(toy, tmp_path / "back.npz"))
    assert fails("distill", recipe, "--out", tmp_path / "run") == (
        f"The recipe toy has 1 fault: {FILTER}.teacher.model names {tmp_path}/back.npz, which does not exist"
    )


def test_reverse_teacher_that_shows_no_probabilities(toy: Toy, tmp_path: Path, fails: Fails) -> None:
    teacher = "{kind: command, command: cat, origin: a program, licence: none}"
    recipe = toy.write_recipe(tmp_path, f"{FILTER}={{teacher: {teacher}}}")
    error = fails("distill", recipe, "--out", tmp_path / "run")
    assert f"{FILTER}.teacher.kind must be one of marian, transformers, but is the text 'command' instead" in error


def test_what_a_reverse_teacher_is_made_of_decides_about_the_labels(toy: Toy, tmp_path: Path) -> None:
    model = tmp_path / "back.npz"
    fingerprints = []
    for content in (b"one", b"one", b"two"):
        model.write_bytes(content)
        recipe = load_recipe(toy.write_recipe(tmp_path, *wanted(toy, model)))
        fingerprints.append(Pipeline(recipe, tmp_path / "run").distilled.fingerprint)
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]
    other_share = load_recipe(toy.write_recipe(tmp_path, *wanted(toy, model), f"{FILTER}.share=0.2"))
    assert Pipeline(other_share, tmp_path / "run").distilled.fingerprint != fingerprints[2]
