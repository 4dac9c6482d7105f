"""The whole pipeline on a toy language: what a run leaves, what the next one keeps, and what it makes again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from nmt_distill.lock import locked
from nmt_distill.pipeline import LOCK, Pipeline
from nmt_distill.recipe import load_recipe
from tests.integration.commands import run_command
from tests.integration.conftest import Toy
from tests.integration.plans import STAGES, plan_of, times_of, will_run


@pytest.fixture
def own_run(finished_run: Path, tmp_path: Path) -> Path:
    """A finished run that may be changed."""
    return Path(shutil.copytree(finished_run, tmp_path / "runs" / "first"))


def test_run_leaves_what_a_newcomer_looks_for(finished_run: Path) -> None:
    left = {str(path.relative_to(finished_run)) for path in finished_run.rglob("*")}
    names = ["corpus/en-pt-BR/train.en", "corpus/en-pt-BR/test.pt-BR", "corpus/en-pt-BR/mono.en", "corpus/corpus.json"]
    names += ["distilled/en-pt-BR/store.json", "distilled/en-pt-BR/distilled.pt-BR"]
    names += ["vocabulary/joint.spm", "recipe.yaml"]
    names += ["student/model.safetensors", "student/config.json", "metrics.jsonl"]
    names += ["export/float32/model.bin", "export/int8/model.bin", "export/int8/README.md"]
    names += ["scores.json", "report.md", "report.html"]
    assert set(names) <= left
    assert [name for name in left if ".partial" in name or ".begun" in name or name.startswith("training")] == []


def test_student_of_a_teacher_that_knows_the_language_knows_it_too(finished_run: Path, toy: Toy) -> None:
    scores = json.loads((finished_run / ".stages" / "scores.json").read_text())["result"]["held-out"]
    assert scores["teacher"]["chrf"] > 90, f"seed {toy.seed}"
    for student in ("student float32", "student int8"):
        assert scores[student]["chrf"] > 0.95 * scores["teacher"]["chrf"], f"seed {toy.seed}"


def test_distilled_corpus_is_the_teachers_answer_to_all_source_text(finished_run: Path) -> None:
    summary = json.loads((finished_run / "distilled" / "en-pt-BR" / "distilled.json").read_text())
    train = (finished_run / "corpus/en-pt-BR/train.en").read_text().splitlines()
    mono = (finished_run / "corpus/en-pt-BR/mono.en").read_text().splitlines()
    assert summary["counts"]["sentences"] == len(train) + len(mono) > 1000
    sources = (finished_run / "distilled/en-pt-BR/distilled.en").read_text().splitlines()
    assert summary["counts"]["kept"] == len(sources) > 0.9 * len(train + mono)
    assert set(sources) <= {*train, *mono}


def test_report_tells_how_near_the_embeddings_stayed(finished_run: Path) -> None:
    facts = json.loads((finished_run / ".stages" / "student.json").read_text(encoding="utf-8"))["result"]
    shares = facts["shared_neighbours"]
    assert shares["before_training"] == {"en": 1.0, "pt-BR": 1.0}, "all rows are the teacher's"
    assert all(0.1 < share <= 1 for share in shares["after_training"].values()), shares
    assert facts["num_copied_rows"] > 300
    report = (finished_run / "report.md").read_text(encoding="utf-8")
    assert "nearest in the student's: before training en 100%, pt-BR 100%, after it en " in report


def test_parity_of_the_export_is_perfect(finished_run: Path) -> None:
    parity = json.loads((finished_run / ".stages" / "export.json").read_text())["result"]["parity"]
    assert parity == {"num_sentences": 40, "num_equal": 40, "differences": []}


def test_plan_makes_nothing(toy: Toy, tmp_path: Path) -> None:
    recipe = toy.write_recipe(tmp_path)
    finished = run_command("run", recipe, "--plan", "--out", tmp_path / "run", cwd=tmp_path)
    assert finished.status == 0
    assert plan_of(finished.stdout) == dict.fromkeys(STAGES, "runs")
    assert not (tmp_path / "run").exists()


def test_second_run_does_nothing_but_show_the_result(toy: Toy, own_run: Path, tmp_path: Path) -> None:
    before = times_of(own_run)
    finished = run_command("run", toy.write_recipe(tmp_path), "--out", own_run, cwd=tmp_path)
    assert finished.status == 0
    assert finished.seconds < 5
    assert "chrF2++" in finished.stdout
    assert "en: what a day" in finished.stdout
    assert [line.split()[1] for line in finished.stderr.splitlines()[1:]] == ["valid"] * len(STAGES)
    after = times_of(own_run)
    assert {name for name in before | after if before.get(name) != after.get(name)} <= {"recipe.yaml"}


@pytest.mark.parametrize(
    ("override", "stages"),
    [
        ("description=another", ""),
        ("training.checkpoint_every=7", ""),
        ("training.compile=true", ""),
        ("training.tensorboard=true", ""),
        ("training.precision=bfloat16", "student export scores"),
        ("evaluation.max_sentences=30", "scores"),
        ("export.precisions=[int8]", "export scores"),
        ("training.seed=2", "student export scores"),
        ("training.phases[1].kd_weight=0.5", "student export scores"),
        ("student.num_encoder_layers=1", "student export scores"),
        ("vocabulary.size=400", "vocabulary student export scores"),
        ("training.phases[1].divergence=js", "student export scores"),
        ("distillation.num_kept=4", "distilled vocabulary student export scores"),
        ("distillation.kept=drawn", "distilled vocabulary student export scores"),
        ("teacher.max_length_factor=2.0", "distilled vocabulary student export scores"),
        ("corpus.seed=2", "corpus distilled vocabulary student export scores"),
    ],
)
def test_change_runs_again_only_what_depends_on_it(
    toy: Toy, finished_run: Path, tmp_path: Path, override: str, stages: str
) -> None:
    assert will_run(toy, tmp_path, finished_run, override) == stages.split()


def test_changed_text_is_noticed_though_the_recipe_stays(toy: Toy, finished_run: Path, tmp_path: Path) -> None:
    mono = tmp_path / "mono.en"
    mono.write_bytes((toy.folder / "mono.en").read_bytes())
    override = f"corpus.sources[1].path={mono}"
    recipe = toy.write_recipe(tmp_path, override)
    folder = tmp_path / "run"
    assert run_command("prepare-data", recipe, "--out", folder, cwd=tmp_path).status == 0
    assert will_run(toy, tmp_path, folder, override) == STAGES[1:]
    mono.write_bytes(mono.read_bytes() + b"one more line\n")
    assert will_run(toy, tmp_path, folder, override) == STAGES


def test_only_what_changed_is_made_again(toy: Toy, own_run: Path, tmp_path: Path) -> None:
    before = times_of(own_run)
    arguments = ("--out", own_run, "--set", "evaluation.max_sentences=10", "--set", "evaluation.speed_repetitions=0")
    finished = run_command("run", toy.write_recipe(tmp_path), *arguments, cwd=tmp_path)
    assert finished.status == 0, finished.stderr
    assert "held-out: 10 sentences" in finished.stdout
    changed = {name for name, time in times_of(own_run).items() if before.get(name) != time}
    assert {name.split("/")[0].split(".")[0] for name in changed - {".stages/scores.json"}} == {
        "recipe",
        "scores",
        "report",
        "plots",
    }


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("student/model.safetensors", "student"),
        ("export/int8/model.bin", "export"),
        ("corpus/en-pt-BR/mono.en", "corpus"),
        ("distilled/en-pt-BR/shard-00000.safetensors", "distilled"),
        ("report.html", "scores"),
    ],
)
def test_damaged_artefact_is_made_again(toy: Toy, own_run: Path, tmp_path: Path, name: str, stage: str) -> None:
    path = own_run / name
    path.write_bytes(path.read_bytes()[:-1])
    assert will_run(toy, tmp_path, own_run) == [stage]
    path.unlink()
    assert will_run(toy, tmp_path, own_run) == [stage]


def test_shard_that_was_lost_comes_back_the_same(toy: Toy, own_run: Path, finished_run: Path, tmp_path: Path) -> None:
    lost = own_run / "distilled" / "en-pt-BR" / "shard-00001.safetensors"
    lost.unlink()
    finished = run_command("distill", toy.write_recipe(tmp_path), "--out", own_run, cwd=tmp_path)
    assert (finished.status, finished.stdout) == (0, f"{own_run / 'distilled'}\n"), finished.stderr
    assert lost.read_bytes() == (finished_run / "distilled" / "en-pt-BR" / "shard-00001.safetensors").read_bytes()


def test_single_verbs_make_what_run_makes(toy: Toy, finished_run: Path, tmp_path: Path) -> None:
    recipe, folder = toy.write_recipe(tmp_path), tmp_path / "by_verbs"
    verbs = ["prepare-data", "distill", "train-vocabulary", "train", "export"]
    for verb, stage in zip(verbs, STAGES, strict=False):
        finished = run_command(verb, recipe, "--out", folder, cwd=tmp_path)
        assert (finished.status, finished.stdout) == (0, f"{folder / stage}\n"), finished.stderr
    finished = run_command("evaluate", recipe, "--out", folder, cwd=tmp_path)
    assert finished.status == 0, finished.stderr
    assert "chrF2++" in finished.stdout
    for name in ("student/model.safetensors", "export/int8/model.bin", "distilled/en-pt-BR/distilled.pt-BR"):
        assert (folder / name).read_bytes() == (finished_run / name).read_bytes()


def test_export_is_translated_with(toy: Toy, finished_run: Path, tmp_path: Path) -> None:
    sources = [source for source, _ in toy.unseen[:40]]
    model = finished_run / "export" / "int8"
    finished = run_command("translate", "--model", model, "--to", "pt", *sources, cwd=tmp_path)
    assert (finished.status, finished.stderr) == (0, "")
    answers = finished.stdout.splitlines()
    assert len(answers) == len(sources)
    right = sum(answer == target for answer, (_, target) in zip(answers, toy.unseen, strict=False))
    assert right > 0.7 * len(sources), f"seed {toy.seed}"


def test_export_is_kept_unless_forced(toy: Toy, own_run: Path, tmp_path: Path) -> None:
    recipe, model = toy.write_recipe(tmp_path), own_run / "export" / "int8" / "model.bin"
    before = model.stat().st_mtime_ns
    assert run_command("export", recipe, "--out", own_run, cwd=tmp_path).status == 0
    assert model.stat().st_mtime_ns == before
    finished = run_command("export", recipe, "--out", own_run, "--force", cwd=tmp_path)
    assert finished.status == 0, finished.stderr
    assert model.stat().st_mtime_ns > before


def test_what_no_run_has_made_is_not_removed(toy: Toy, own_run: Path, tmp_path: Path) -> None:
    recipe, mine = toy.write_recipe(tmp_path), own_run / "export" / "mine"
    shutil.rmtree(own_run / "export")
    (own_run / ".stages" / "export.json").unlink()
    mine.mkdir(parents=True)
    finished = run_command("export", recipe, "--out", own_run, cwd=tmp_path)
    assert finished.status == 2
    assert finished.error == (
        f"nmt-distill: {own_run / 'export'} exists, but no run has made it; move it away, name another folder with "
        "--out, or replace it with `export --force`."
    )
    assert mine.is_dir()
    assert run_command("export", recipe, "--out", own_run, "--force", cwd=tmp_path).status == 0
    assert not mine.exists()


def test_folder_of_somebody_else_is_not_a_run(toy: Toy, tmp_path: Path) -> None:
    mine = tmp_path / "home" / "corpus" / "letters.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("years of work", encoding="utf-8")
    finished = run_command("run", toy.write_recipe(tmp_path), "--out", tmp_path / "home", cwd=tmp_path)
    assert finished.status == 2
    assert f"{mine.parent} exists, but no run has made it; move it away, name another folder" in finished.error
    assert mine.read_text(encoding="utf-8") == "years of work"


def test_two_processes_do_not_work_in_one_folder(toy: Toy, own_run: Path, tmp_path: Path) -> None:
    with locked(own_run / LOCK):
        finished = run_command("run", toy.write_recipe(tmp_path), "--out", own_run, cwd=tmp_path)
        plan = run_command("run", toy.write_recipe(tmp_path), "--out", own_run, "--plan", cwd=tmp_path)
    assert finished.status == 2
    assert finished.error == (
        f"nmt-distill: another nmt-distill works in {own_run}; wait for it, or name another folder with --out."
    )
    assert plan.status == 0
    assert run_command("run", toy.write_recipe(tmp_path), "--out", own_run, cwd=tmp_path).status == 0


def test_changed_suite_is_noticed(toy: Toy, finished_run: Path, tmp_path: Path) -> None:
    suite = tmp_path / "suite.yaml"
    suite.write_text("name: one\n", encoding="utf-8")
    recipe = toy.write_recipe(tmp_path, f"evaluation.suites=[{{suite: {suite}, folder: texts}}]")
    fingerprints = []
    for name in ("one", "one", "two"):
        suite.write_text(f"name: {name}\n", encoding="utf-8")
        fingerprints.append(Pipeline(load_recipe(recipe), finished_run).scores.fingerprint)
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]
