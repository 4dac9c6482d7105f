"""Several runs in one report: what ``compare`` scores, what it says, and which runs it refuses."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.integration.commands import Finished, run_command
from tests.integration.conftest import Toy

UPPER = "import sys\nfor line in sys.stdin:\n    print(line.strip().upper(), flush=True)\n"


@pytest.fixture(scope="module")
def runs(toy: Toy, finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A finished run, and beside it one whose students learn from human translations only."""
    folder = tmp_path_factory.mktemp("runs")
    shutil.copytree(finished_run, folder / "distilled")
    likelihood = [f"training.phases[{phase}].{key}=0" for phase in (0, 1) for key in ("kd_weight", "state_weight")]
    recipe = toy.write_recipe(
        folder,
        "reuse=distilled",
        "distillation.targets=human",
        "training.phases[0].vocabulary_weight=1",
        *likelihood,
        name="human",
    )
    finished = run_command("run", recipe, "--out", folder / "human", "--set", "name=human", cwd=folder)
    assert finished.status == 0, finished.stderr
    return folder / "distilled", folder / "human"


def compare(tmp_path: Path, *arguments: object) -> Finished:
    return run_command("compare", *arguments, "--report", tmp_path / "report", cwd=tmp_path)


def test_runs_stand_beside_each_other(runs: tuple[Path, Path], tmp_path: Path) -> None:
    upper = tmp_path / "upper.py"
    upper.write_text(UPPER, encoding="utf-8")
    options = (
        "--title",
        "Two toys",
        "--note",
        "a note",
        "--made-by",
        "sh make.sh",
        "--set",
        "evaluation.max_sentences=30",
    )
    finished = compare(tmp_path, *runs, *options, "--peer", f"upper={sys.executable} {upper}")
    assert finished.status == 0, finished.stderr
    results = json.loads((tmp_path / "report" / "results.json").read_text(encoding="utf-8"))
    names = [system["name"] for system in results["systems"]]
    assert names == ["teacher", "toy float32", "toy int8", "human int8", "toy int8, plain", "upper"]
    assert (results["title"], results["notes"], results["command"]) == ("Two toys", ["a note"], "sh make.sh")
    page = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    for name in names:
        assert name in page
        assert name in finished.stdout
    assert str(tmp_path) not in page


def test_folder_without_run_is_refused(runs: tuple[Path, Path], tmp_path: Path) -> None:
    finished = compare(tmp_path, runs[0], tmp_path / "nowhere")
    assert finished.status == 2
    assert f"{tmp_path / 'nowhere'} holds no run (no recipe.yaml)" in finished.error
    assert not (tmp_path / "report").exists()


def test_run_of_another_corpus_is_refused(toy: Toy, runs: tuple[Path, Path], tmp_path: Path) -> None:
    other = Path(shutil.copytree(runs[0], tmp_path / "other"))
    recipe = toy.write_recipe(
        tmp_path, "corpus.seed=2", "training.phases[0].num_steps=1", "training.phases[1].num_steps=1"
    )
    assert run_command("export", recipe, "--out", other, cwd=tmp_path).status == 0
    finished = compare(tmp_path, runs[0], other)
    assert finished.status == 2
    assert f"{other} was made from another corpus than {runs[0]}" in finished.error


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import sys; sys.exit('out of ink')", "the system p ended with status 1: out of ink"),
        ("print('one line')", "the system p answered 60 lines with 1."),
    ],
)
def test_peer_that_fails_is_told(runs: tuple[Path, Path], tmp_path: Path, program: str, said: str) -> None:
    script = tmp_path / "peer.py"
    script.write_text(program, encoding="utf-8")
    finished = compare(tmp_path, runs[0], "--peer", f"p={sys.executable} {script}")
    assert finished.status == 2
    assert said in finished.error


def test_rows_of_seeds_are_compared(runs: tuple[Path, Path], tmp_path: Path) -> None:
    distilled, human = runs
    rows = ("--row", f"no teacher={human}", "--row", f"hybrid={distilled}")
    finished = compare(tmp_path, *rows, "--set", "evaluation.max_sentences=30", "--made-by", "sh make.sh")
    assert finished.status == 0, finished.stderr
    results = json.loads((tmp_path / "report" / "results.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in results["rows"]] == ["no teacher", "hybrid"]
    assert [row["seeds"] for row in results["rows"]] == [[1], [1]]
    (test_set,) = results["test_sets"]
    assert test_set["num_sentences"] == 30
    bleu, chrf = test_set["gains"]
    assert (bleu["row"], bleu["baseline"]) == ("hybrid", "no teacher")
    scores = [row["scores"][0]["chrf"]["value"] for row in test_set["rows"]]
    assert chrf["summary"]["mean"] == pytest.approx(scores[1] - scores[0])
    assert "hybrid, against no teacher: " in finished.stdout


def test_runs_of_one_recipe_are_known_by_their_folders(runs: tuple[Path, Path], tmp_path: Path) -> None:
    other = Path(shutil.copytree(runs[0], tmp_path / "other"))
    fewer = ("--set", "evaluation.max_sentences=10", "--set", "evaluation.speed_repetitions=0")
    finished = compare(tmp_path, runs[0], other, *fewer)
    assert finished.status == 0, finished.stderr
    results = json.loads((tmp_path / "report" / "results.json").read_text(encoding="utf-8"))
    names = [system["name"] for system in results["systems"]]
    assert names == ["teacher", "distilled float32", "distilled int8", "other int8", "distilled int8, plain"]
    assert results["background"]["runs"] == ["distilled", "other"]
    last = results["test_sets"][0]["comparisons"][-1]
    assert (last["system"], last["baseline"], last["identical"]) == ("distilled int8", "other int8", True)


def test_what_cannot_be_told_apart_or_written_is_refused_before_the_work(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("mine", encoding="utf-8")
    for arguments, message in (
        ((runs[0], runs[0]), "two systems are called distilled int8; name each run once"),
        ((runs[0], "--peer", "teacher=cat"), "two systems are called teacher; name each run once"),
        ((runs[0], "--peer", " =cat"), "--peer must be NAME=COMMAND, but is ` =cat`"),
        ((runs[0], "--report", tmp_path / "taken"), f"{tmp_path / 'taken'} is a file, but must be a folder"),
        (("--row", f"a={runs[0]}", "--report", tmp_path / "taken"), "is a file, but must be a folder"),
    ):
        report = () if "--report" in arguments else ("--report", tmp_path / "report")
        finished = run_command("compare", *arguments, *report, cwd=tmp_path)
        assert finished.status == 2
        assert message in finished.error
        assert "translates" not in finished.stderr


def test_faulty_rows_are_refused(runs: tuple[Path, Path], tmp_path: Path) -> None:
    distilled, human = runs
    for arguments, message in (
        ((), "compare needs run folders, or rows of runs by --row NAME=RUN,RUN, one of both"),
        ((distilled, "--row", f"a={human}"), "compare needs run folders, or rows of runs"),
        (("--row", "a"), "--row must be NAME=RUN,RUN,..., but is `a`"),
        (("--row", f"a={human},{distilled}"), "the runs of row `a` have the seeds [1, 1]"),
        (("--row", f"a={human}", "--row", f"a={distilled}"), "--row names `a` twice"),
        (("--row", f"a={tmp_path}"), "holds no run"),
        (("--row", f"a={human}", "--against", "b"), "The rows have no `b` to compare with; they are a"),
        (("--row", f"a={human}", "--peer", "b=cat"), "--peer has no seeds"),
    ):
        finished = compare(tmp_path, *arguments)
        assert finished.status == 2
        assert message in finished.error
        assert "translates" not in finished.stderr
