"""A student out of a teacher and text in the source language: nobody has translated a line of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nmt_distill.files import read_json, read_lines
from tests.integration.commands import run_command
from tests.integration.conftest import Fails, Toy


def alone(toy: Toy) -> list[str]:
    """Overrides that leave the toy's recipe without pairs."""
    texts = [{"kind": "text", "path": str(toy.folder / name), "licence": "CC0-1.0"} for name in ("pairs.en", "mono.en")]
    return [f"corpus.sources={json.dumps(texts)}", "corpus.split.references=teacher"]


@pytest.fixture(scope="module")
def run_folder(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    finished = run_command("run", toy.write_recipe(folder, *alone(toy)), "--out", folder / "run", cwd=folder)
    assert finished.status == 0, finished.stderr
    assert "test text: the teacher translated " in finished.stderr
    return folder / "run"


def test_references_are_the_teachers_translations_of_held_out_sentences(run_folder: Path) -> None:
    held_out = {line for part in ("dev", "test") for line in read_lines(run_folder / f"corpus/en-pt-BR/{part}.en")}
    labels = run_folder / "distilled" / "en-pt-BR"
    for part, most in (("dev", 40), ("test", 60)):
        sources, references = (list(read_lines(labels / f"{part}.{language}")) for language in ("en", "pt-BR"))
        assert 0.9 * most < len(sources) == len(references) <= most
        assert held_out.issuperset(sources)
    assert held_out.isdisjoint(read_lines(labels / "distilled.en"))


def test_scores_say_how_well_the_teacher_is_imitated(run_folder: Path, toy: Toy) -> None:
    scores = read_json(run_folder / ".stages" / "scores.json")["result"]["held-out"]
    assert scores["teacher"]["bleu"] == pytest.approx(100)
    assert 90 < scores["student int8"]["chrf"] < 100.01, f"seed {toy.seed}"
    report = (run_folder / "report.md").read_text(encoding="utf-8")
    assert "References of held-out: the teacher's own translations." in report
    assert "(the teacher's references)" in report
    assert "human references" not in report
    card = (run_folder / "export" / "int8" / "README.md").read_text(encoding="utf-8")
    assert "The references are the teacher's translations" in card


def test_report_over_rows_says_whose_the_references_are(run_folder: Path, tmp_path: Path) -> None:
    finished = run_command("compare", "--row", f"one={run_folder}", "--report", tmp_path, cwd=tmp_path)
    assert finished.status == 0, finished.stderr
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert f"translations by the teacher of {run_folder.name}, with that run's settings" in report


def test_references_that_are_there_are_kept(run_folder: Path, toy: Toy) -> None:
    path = run_folder / "distilled" / "en-pt-BR" / "test.pt-BR"
    before = path.stat().st_mtime_ns
    (run_folder / ".stages" / "distilled.json").rename(run_folder / ".stages" / "distilled.begun.json")
    recipe = toy.write_recipe(run_folder.parent, *alone(toy))
    finished = run_command("distill", recipe, "--out", run_folder, cwd=run_folder.parent)
    assert finished.status == 0, finished.stderr
    assert path.stat().st_mtime_ns == before


def test_a_file_of_translations_must_have_those_of_held_out_text(toy: Toy, tmp_path: Path, fails: Fails) -> None:
    (tmp_path / "candidates.tsv").write_text("nothing of the text\tnada\n", encoding="utf-8")
    candidates = {
        "kind": "candidates", "path": str(tmp_path / "candidates.tsv"), "origin": "a file", "licence": "CC0-1.0",
    }  # fmt: skip
    recipe = toy.write_recipe(tmp_path, *alone(toy), f"teacher={json.dumps(candidates)}", *SEQUENCE_LEVEL)
    said = fails("distill", recipe, "--out", tmp_path / "run")
    assert said.startswith(f"no sentence of {tmp_path / 'run/corpus/en-pt-BR/dev.en'} gets a label of the teacher; ")
    assert not list((tmp_path / "run" / "distilled").rglob("test.*"))


SEQUENCE_LEVEL = (
    "vocabulary.size=304",
    "student.initialization=random",
    "distillation.num_kept=0",
    "distillation.keep_states=false",
    'training.phases=[{"num_steps": 10, "kd_weight": 0, "warmup_steps": 2, "learning_rate": 0.001}]',
)


def test_what_such_a_recipe_lacks_is_told_before_work(toy: Toy, tmp_path: Path, fails: Fails) -> None:
    text = json.dumps([{"kind": "text", "path": str(toy.folder / "mono.en"), "licence": "CC0-1.0"}])
    said = fails("run", toy.write_recipe(tmp_path, f"corpus.sources={text}"), "--out", tmp_path / "run")
    assert "corpus.split.references must be teacher where no source has pairs, but is human" in said
    human = ("corpus.split.references=teacher", "distillation.targets=human")
    said = fails("run", toy.write_recipe(tmp_path, *human, name="other"), "--out", tmp_path / "run")
    assert "corpus.split.references must be human where distillation.targets is human, but is teacher" in said
    said = fails("run", toy.write_recipe(tmp_path, f"corpus.sources={text}", *human, name="none"), "--out", tmp_path)
    assert "corpus.sources must hold a source of pairs where distillation.targets is human" in said
    assert "corpus.split.references" not in said
