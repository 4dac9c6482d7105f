"""Which keys of a recipe decide about a stage, so that a change makes it anew, and which do not."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from nmt_distill.errors import NmtDistillError
from nmt_distill.pipeline import Pipeline
from nmt_distill.recipe import Recipe, load_recipe
from nmt_distill.stages.settings import (
    corpus_settings,
    evaluation_settings,
    export_settings,
    student_settings,
    teacher_settings,
    vocabulary_settings,
)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "mono.en"
    path.write_text("Stop\n", encoding="utf-8")
    return path


def read(text: Path, *overrides: str, **sections: Any) -> Recipe:
    content = {
        "directions": [{"source": "en", "target": "pt"}],
        "corpus": {
            "sources": [{"kind": "text", "path": str(text), "licence": "CC0-1.0"}],
            "split": {"references": "teacher"},
        },
        "teacher": {"kind": "command", "command": "cat", "origin": "a test", "licence": "none"},
        "vocabulary": {"size": 8000},
        "student": {"initialization": "random"},
        "training": {"phases": [{"num_steps": 10, "learning_rate": 0.001, "kd_weight": 0}]},
    }
    path = text.parent / "recipe.yaml"
    path.write_text(yaml.safe_dump(content | sections), encoding="utf-8")
    return load_recipe(path, overrides)


@pytest.mark.parametrize(
    "override",
    [
        "training.checkpoint_every=7",
        "training.device=cpu",
        "training.compile=true",
        "training.tensorboard=true",
        "export.min_parity=0.5",
        "evaluation.max_sentences=3",
        "description=another",
    ],
)
def test_what_decides_nothing_about_a_student_makes_none_anew(text: Path, override: str) -> None:
    assert student_settings(read(text, override)) == student_settings(read(text))


@pytest.mark.parametrize(
    "override",
    [
        "training.seed=7",
        "distillation.temperature=2",
        "student.model_dim=128",
        "export.beam_size=4",  # the export chooses among checkpoints
        "export.precisions=[float32]",
    ],
)
def test_what_decides_about_a_student_makes_it_anew(text: Path, override: str) -> None:
    assert student_settings(read(text, override)) != student_settings(read(text))


def test_contents_of_local_files_count(text: Path) -> None:
    recipe = read(text)
    directions = [entry.direction for entry in recipe.directions]
    before = corpus_settings(recipe, directions)
    assert before["directions"] == ["en-pt"]
    assert before["files"] == [hashlib.sha256(b"Stop\n").hexdigest()]
    text.write_text("Go\n", encoding="utf-8")
    assert corpus_settings(recipe, directions)["files"] != before["files"]
    text.unlink()
    assert corpus_settings(recipe, directions)["files"] == ["missing"]


def test_weights_of_another_student_count(text: Path) -> None:
    recipe = read(text, student={"initialize_from": str(text.parent)})
    before = student_settings(recipe)
    assert set(before["student"]["files"]) == {"missing"}
    for name in ("model.safetensors", "config.json", "vocab.json", "source.spm", "sentence_projection.npy"):
        (text.parent / name).write_bytes(b"content")
        after = student_settings(recipe)
        assert after != before, name
        before = after
    assert set(before["student"]["files"]) == {hashlib.sha256(b"content").hexdigest()}


def test_bounds_of_an_export_count_only_where_they_choose(text: Path) -> None:
    plain, other = read(text), read(text, "export.max_drop=9", "export.min_parity=0.1")
    assert export_settings(plain) == export_settings(other)
    chosen, elsewhere = (read(text, f"export.max_drop={drop}", export={"vocabulary_map": {}}) for drop in (1, 9))
    assert export_settings(chosen) != export_settings(elsewhere)


def test_less_memory_keeps_labels(text: Path) -> None:
    teacher = {"kind": "transformers", "name": "a", "origin": "a test", "licence": "none"}
    one, other = (read(text, teacher=teacher | settings).teacher for settings in ({}, {"batch_tokens": 2048}))
    assert teacher_settings(one) == teacher_settings(other)


@pytest.mark.parametrize("key", ["origin", "licence"])
def test_where_a_teacher_comes_from_counts_for_the_card_alone(text: Path, key: str) -> None:
    one, other = read(text), read(text, f"teacher.{key}=another")
    (direction,) = one.teachers
    assert teacher_settings(one.teachers[direction]) == teacher_settings(other.teachers[direction])
    assert export_settings(one) != export_settings(other)


def test_graph_counts_for_the_vocabulary(text: Path) -> None:
    assert vocabulary_settings(read(text, "student.graph=nllb")) != vocabulary_settings(read(text))
    assert vocabulary_settings(read(text, "student.model_dim=128")) == vocabulary_settings(read(text))


def test_file_that_names_an_outside_test_set_counts(text: Path) -> None:
    suite = {"suite": str(text), "folder": "there"}
    (found,) = evaluation_settings(read(text, evaluation={"suites": [suite]}))["suites"]
    assert found == {**suite, "max_sentences": None, "file": hashlib.sha256(b"Stop\n").hexdigest()}


@pytest.mark.parametrize(
    ("key", "last", "stage"),
    [("num_dev", "student", "student"), ("num_dev", "scores", "student"), ("num_test", "scores", "export")],
)
def test_no_held_out_text_is_told_before_labelling(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, last: str, stage: str
) -> None:
    pipeline = Pipeline(read(text, f"corpus.split.{key}=0"), tmp_path / "run")
    told = rf"`corpus\.split\.{key}` must be 1 or more for the stage {stage}, but is 0 instead: it is judged on held"
    with pytest.raises(NmtDistillError, match=told):
        pipeline.run(last)
    assert "== corpus" not in capsys.readouterr().err


def test_who_translates_held_out_text_counts_and_corpora_of_pairs_stay_what_they_are(text: Path) -> None:
    pairs = {"kind": "lines", "source": str(text), "target": str(text), "licence": "CC0-1.0"}
    corpora = [
        corpus_settings(recipe, [entry.direction for entry in recipe.directions])
        for references in ({}, {"references": "human"}, {"references": "teacher"})
        for recipe in [read(text, corpus={"sources": [pairs], "split": references})]
    ]
    assert corpora[0] == corpora[1] != corpora[2]
    assert "references" not in corpora[0]["split"]
