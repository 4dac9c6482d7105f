from __future__ import annotations

from pathlib import Path

from nmt_distill.stages.reuse import reused_runs


def run_of(folder: Path, reuse: str | None) -> Path:
    folder.mkdir()
    (folder / "recipe.yaml").write_text(f"name: x\nreuse: {reuse or 'null'}\n", encoding="utf-8")
    return folder


def test_runs_are_followed_by_name_and_by_path(tmp_path: Path) -> None:
    elsewhere = run_of(tmp_path / "elsewhere", None)
    (tmp_path / "runs").mkdir()
    first = run_of(tmp_path / "runs" / "first", str(elsewhere))
    second = run_of(tmp_path / "runs" / "second", "first")
    assert list(reused_runs(tmp_path / "runs" / "third", "second")) == [second, first, elsewhere]


def test_a_circle_ends(tmp_path: Path) -> None:
    first = run_of(tmp_path / "first", "second")
    second = run_of(tmp_path / "second", "first")
    assert list(reused_runs(first, "second")) == [second]
    assert list(reused_runs(tmp_path / "third", "first")) == [first, second]


def test_a_folder_that_is_no_run_is_the_last(tmp_path: Path) -> None:
    assert list(reused_runs(tmp_path / "run", "nothing")) == [Path("nothing")]
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "recipe.yaml").write_text("- no recipe\n", encoding="utf-8")
    assert list(reused_runs(tmp_path / "run", "empty")) == [tmp_path / "empty"]
