"""Files that a recipe names and that are not there are told before any work, all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from nmt_distill.cli import main
from nmt_distill.recipe import Recipe, load_recipe
from nmt_distill.stages.recipe_files import (
    source_file_faults,
    student_file_faults,
    suite_file_faults,
    teacher_file_faults,
)

FACTS = {"origin": "a test", "licence": "none"}
SUITE = {
    "name": "toys", "origin": "a test", "licence": "none", "drawn": "by hand", "how_to_get": "Write them.",
    "num_sentences": 1, "text_may_be_published": True,
    "pairs": {"de-en": {tag: {"name": f"toys.{tag}", "sha256": "0" * 64} for tag in ("de", "en")}},
}  # fmt: skip
CONTENT: dict[str, Any] = {
    "directions": [{"source": "en", "target": "de"}],
    "corpus": {
        "sources": [
            {"kind": "text", "path": "mono.en"},
            {"kind": "lines", "source": "pairs.en", "target": "pairs.de"},
            {"kind": "tsv", "path": "pairs.tsv"},
        ],
        "held_out": ["pairs.en", "mine.en"],
    },
    "teacher": {"kind": "marian", "model": "model.npz", "vocabulary": "joint.spm", **FACTS},
    "student": {"initialization": "random"},
    "training": {"phases": [{"num_steps": 10, "learning_rate": 0.001}]},
    "evaluation": {"suites": [{"suite": "toys.yaml", "folder": "toys"}, {"suite": "none.yaml", "folder": "toys"}]},
}


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe of whose files some are there."""
    monkeypatch.chdir(tmp_path)
    for name in ("pairs.en", "joint.spm"):
        Path(name).touch()
    Path("toys").mkdir()
    Path("toys/toys.en").touch()
    Path("toys.yaml").write_text(yaml.safe_dump(SUITE))
    Path("toy.yaml").write_text(yaml.safe_dump(CONTENT))
    return Path("toy.yaml")


def read(recipe: Path, **sections: Any) -> Recipe:
    recipe.write_text(yaml.safe_dump(CONTENT | sections))
    return load_recipe(recipe)


@pytest.mark.parametrize("options", [["--plan"], []])
def test_all_are_told_at_once_and_nothing_is_begun(
    recipe: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(recipe), "--out", "run", *options]) == 2
    said = capsys.readouterr()
    assert ("  corpus " in said.out) == bool(options)
    assert said.err.splitlines()[-1] == (
        "nmt-distill: The recipe toy has 7 faults: (1) corpus.sources[0].path names mono.en, which does not exist; "
        "(2) corpus.sources[1].target names pairs.de, which does not exist; "
        "(3) corpus.sources[2].path names pairs.tsv, which does not exist; "
        "(4) corpus.held_out[1] names mine.en, which does not exist; "
        "(5) teacher.model names model.npz, which does not exist; "
        "(6) evaluation.suites[0].folder is toys, which lacks toys.de; how to get them: Write them; "
        "(7) evaluation.suites[1].suite: none.yaml does not exist; the suites that come along lie in eval/suites/"
    )
    assert not Path("run").exists()


def test_a_verb_asks_for_what_it_reads(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare-data", str(recipe), "--out", "run"]) == 2
    told = capsys.readouterr().err
    assert "has 4 faults: (1) corpus.sources[0].path names mono.en" in told
    assert "teacher" not in told


@pytest.mark.parametrize(
    ("teacher", "faults"),
    [
        ({"kind": "marian", "folder": "none"}, ["teacher.folder names none"]),
        ({"kind": "transformers", "name": "facebook/nllb-200-distilled-600M"}, []),
        ({"kind": "transformers", "name": "/none"}, ["teacher.name names /none"]),
        ({"kind": "transformers", "name": "toys", "ensemble": ["toys", "a/b"]}, ["teacher.ensemble[1] names a/b"]),
        ({"kind": "fairseq2", "name": "nllb-200_dense_distill_600m"}, []),
        (
            {"kind": "fairseq2", "name": "none.pt", "vocabulary": "none.spm"},
            ["teacher.name names none.pt", "teacher.vocabulary names none.spm"],
        ),
        (
            {"kind": "ctranslate2", "folder": "toys", "vocabulary": "joint.spm", "target_vocabulary": "toys"},
            ["teacher.folder names toys/model.bin", "teacher.target_vocabulary names toys, which is a folder"],
        ),
        ({"kind": "candidates", "path": "none.tsv"}, ["teacher.path names none.tsv"]),
        ({"kind": "command", "command": "cat"}, []),
    ],
)
def test_teachers(recipe: Path, teacher: dict[str, Any], faults: list[str]) -> None:
    found = read(
        recipe,
        teacher=teacher | FACTS,
        vocabulary={"size": 800},
        distillation={"num_kept": 0},
        training={"phases": [{"num_steps": 10, "learning_rate": 0.001, "kd_weight": 0, "state_weight": 0}]},
    )
    assert list(teacher_file_faults(found)) == [
        fault if "which" in fault else f"{fault}, which does not exist" for fault in faults
    ]


def test_teachers_of_other_places(recipe: Path) -> None:
    found = read(
        recipe,
        teacher=None,
        directions=[{"source": "en", "target": "de", "teacher": CONTENT["teacher"]}],
        distillation={"filters": {"reverse": {"teacher": CONTENT["teacher"] | {"model": "back.npz"}}}},
        embedding={"teacher": {"kind": "transformers", "name": "./none", **FACTS}},
        training={"phases": [{"num_steps": 10, "learning_rate": 0.001, "embedding_weight": 1}]},
        student={"initialize_from": "none"},
    )
    assert list(teacher_file_faults(found)) == [
        "directions[0].teacher.model names model.npz, which does not exist",
        "distillation.filters.reverse.teacher.model names back.npz, which does not exist",
        "embedding.teacher.name names none, which does not exist",
    ]
    assert list(student_file_faults(found)) == ["student.initialize_from names none, which does not exist"]


def test_what_is_there_is_no_fault(recipe: Path) -> None:
    for name in ("mono.en", "mine.en", "pairs.de", "pairs.tsv", "model.npz", "toys/toys.de"):
        Path(name).touch()
    found = read(recipe, evaluation={"suites": CONTENT["evaluation"]["suites"][:1]})
    for faults in (source_file_faults, teacher_file_faults, student_file_faults, suite_file_faults):
        assert list(faults(found)) == []
