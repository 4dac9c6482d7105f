from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from nmt_distill.cli import main
from nmt_distill.errors import NmtDistillError
from nmt_distill.pipeline import Pipeline
from nmt_distill.ranks import Ranks
from nmt_distill.recipe import load_recipe

CONTENT = {
    "directions": [{"source": "en", "target": "pt"}],
    "corpus": {
        "sources": [{"kind": "text", "path": "mono.en", "licence": "CC0-1.0"}],
        "split": {"references": "teacher"},
    },
    "teacher": {"kind": "transformers", "name": "toys/model", "origin": "a test", "licence": "none"},
    "student": {"initialization": "random"},
    "training": {"phases": [{"num_steps": 10, "learning_rate": 0.001}]},
}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe of which nothing is made."""
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump(CONTENT))
    return path


def test_process_that_sees_another_run_is_told(recipe: Path, tmp_path: Path) -> None:
    pipeline = Pipeline(load_recipe(recipe), tmp_path / "run", ranks=Ranks(1, 2))
    with pytest.raises(
        NmtDistillError,
        match=r"run holds another run here than for the main process; give every process the same recipe",
    ):
        pipeline.train_along("another fingerprint")


def test_plan_is_shown_once(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mono.en").touch()
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, shown in (("0", True), ("1", False)):
        monkeypatch.setenv("RANK", rank)
        assert main(["run", str(recipe), "--plan", "--out", str(tmp_path / "run")]) == 0
        assert ("student" in capsys.readouterr().out) == shown


def test_what_cannot_train_is_everyones_own_command(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A scheduler may say the rank in the same words to processes that label a share each."""
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "3")
    assert main(["distill", str(recipe), "--num-shards", "4", "--shard-idx", "4"]) == 2
    assert "--shard-idx must be from 0 to 3, one less than --num-shards, but is 4 instead" in capsys.readouterr().err
    assert main(["distill", str(recipe), "--num-shards", "4"]) == 2
    assert "--shard-idx must be from 0 to 3, one less than --num-shards, but is missing." in capsys.readouterr().err
