from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.stages.stage import STAMPS, Stage, run_stages


class Killed(BaseException):
    """Stands for the end of a process."""


def make_stage(folder: Path, work: Callable[[], dict[str, Any] | None] | None = None, **values: Any) -> Stage:
    """Make a stage that writes ``out/a.txt`` and ``log.txt``."""

    def write() -> dict[str, Any]:
        (folder / "out").mkdir(parents=True, exist_ok=True)
        (folder / "out" / "a.txt").write_text("result")
        (folder / "log.txt").write_text("log")
        return {"answer": 42}

    fields: dict[str, Any] = {
        "name": "toy",
        "work": work or write,
        "settings": {"size": 3},
        "artefacts": ("out", "log.txt"),
        "run_folder": folder,
    }
    return Stage(**(fields | values))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


def test_fingerprint_names_everything_that_decides(folder: Path) -> None:
    stage = make_stage(folder)
    other_input = make_stage(folder, name="input")
    variants = [
        stage,
        replace(stage, name="other"),
        replace(stage, settings={"size": 4}),
        replace(stage, settings={"size": 3, "more": None}),
        replace(stage, version=2),
        replace(stage, inputs=(other_input,)),
        replace(stage, inputs=(replace(other_input, version=2),)),
        replace(stage, inputs=(replace(other_input, inputs=(stage,)),)),
    ]
    assert len({variant.fingerprint for variant in variants}) == len(variants)


def test_fingerprint_leaves_out_what_decides_nothing(folder: Path, tmp_path: Path) -> None:
    stage = make_stage(folder)
    same = replace(
        stage, run_folder=tmp_path / "elsewhere", scratch=("tmp",), reused=True, resumable=True, replace=True, work=dict
    )
    assert same.fingerprint == stage.fingerprint


def test_stage_is_valid_once_it_has_run(folder: Path) -> None:
    stage = make_stage(folder)
    assert (stage.stamp(), stage.path) == (None, folder / "out")
    assert stage.describe() == "  toy        runs"
    stage.execute()
    stamp = stage.stamp()
    assert stamp is not None
    assert (stamp["stage"], stamp["fingerprint"], stamp["result"]) == ("toy", stage.fingerprint, {"answer": 42})
    assert stamp["files"] == {"out/a.txt": 6, "log.txt": 3}
    assert (stamp["settings"], stamp["inputs"]) == ({"size": 3}, {})
    assert stage.describe() == "  toy        valid"
    assert sorted(path.name for path in (folder / STAMPS).iterdir()) == ["toy.json"]


def remove(path: Path) -> None:
    path.unlink()


def grow(path: Path) -> None:
    path.write_text("a longer result")


@pytest.mark.parametrize("name", ["out/a.txt", "log.txt"])
@pytest.mark.parametrize("damage", [remove, grow])
def test_missing_or_resized_artefact_makes_it_invalid(folder: Path, name: str, damage: Callable[[Path], None]) -> None:
    stage = make_stage(folder)
    stage.execute()
    damage(folder / name)
    assert stage.stamp() is None
    stage.execute()
    assert stage.stamp() is not None


@pytest.mark.parametrize("content", ["", "{", "not json", "{}"])
def test_damaged_stamp_makes_it_invalid(folder: Path, content: str) -> None:
    stage = make_stage(folder)
    stage.execute()
    (folder / STAMPS / "toy.json").write_text(content)
    assert stage.stamp() is None


@pytest.mark.parametrize("change", [{"settings": {"size": 4}}, {"version": 2}])
def test_other_settings_make_it_invalid_and_empty_its_place(folder: Path, change: dict[str, Any]) -> None:
    make_stage(folder, scratch=("tmp",)).execute()
    (folder / "tmp").mkdir()
    (folder / "tmp" / "checkpoint").write_text("old")
    seen = []

    def work() -> None:
        seen.append(sorted(path.name for path in folder.iterdir()))

    other = make_stage(folder, work, scratch=("tmp",), resumable=True, **change)
    assert other.stamp() is None
    other.execute()
    assert seen == [[STAMPS]]


def test_input_that_changes_makes_what_follows_invalid(folder: Path) -> None:
    first = make_stage(folder, lambda: None, name="first", artefacts=("first",))
    second = make_stage(folder, inputs=(first,))
    second.execute()
    first.settings = {"size": 9}
    assert second.stamp() is None


def interrupted(folder: Path, **values: Any) -> Stage:
    """Run a stage that is killed half-way, with a checkpoint written."""

    def work() -> None:
        for name in ("out", "tmp"):
            (folder / name).mkdir(parents=True)
        (folder / "out" / "shard").write_text("whole")
        (folder / "tmp" / "checkpoint").write_text("step 7")
        raise Killed

    stage = make_stage(folder, work, scratch=("tmp",), **values)
    with pytest.raises(Killed):
        stage.execute()
    assert stage.stamp() is None
    return stage


def look_and_finish(folder: Path, seen: list[str]) -> Callable[[], None]:
    def work() -> None:
        seen.extend(sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()))
        (folder / "out").mkdir(exist_ok=True)

    return work


def test_resumable_stage_goes_on_with_what_a_killed_run_left(folder: Path) -> None:
    stage = interrupted(folder, resumable=True)
    assert stage.has_begun
    assert stage.describe() == "  toy        goes on where it was cut off"
    seen: list[str] = []
    again = replace(stage, work=look_and_finish(folder, seen))
    again.execute()
    assert {"out/shard", "tmp/checkpoint"} <= set(seen)
    assert not (folder / "tmp").exists(), "scratch goes once the stage is complete"
    assert not again.has_begun


@pytest.mark.parametrize("change", [{"resumable": False}, {"settings": {"size": 4}}, {"version": 2}])
def test_other_stages_begin_anew(folder: Path, change: dict[str, Any]) -> None:
    stage = interrupted(folder, resumable=True)
    seen: list[str] = []
    again = replace(stage, work=look_and_finish(folder, seen), **change)
    assert not again.has_begun
    again.execute()
    assert seen == [f"{STAMPS}/toy.begun.json"]


def test_what_nobody_made_is_not_removed(folder: Path) -> None:
    (folder / "log.txt").write_text("mine")
    stage = make_stage(folder)
    with pytest.raises(NmtDistillError, match=r"log\.txt exists, but no run has made it; move it away, name another"):
        stage.execute()
    assert (folder / "log.txt").read_text() == "mine"
    replace(stage, replace=True).execute()
    assert (folder / "log.txt").read_text() == "log"


def test_export_tells_how_to_replace(folder: Path) -> None:
    (folder / "out").mkdir()
    with pytest.raises(NmtDistillError, match=r"or replace it with `export --force`\."):
        make_stage(folder, name="export").execute()


def test_only_what_is_not_valid_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs: list[str] = []

    def stage(name: str, *inputs: Stage, **values: Any) -> Stage:
        def work() -> None:
            runs.append(name)
            (folder / name).write_text(name)

        return make_stage(folder, work, name=name, artefacts=(name,), inputs=inputs, **values)

    first = stage("first")
    second = stage("second", first)
    run_stages([first, second])
    run_stages([first, second])
    assert runs == ["first", "second"]
    assert capsys.readouterr().err == "== first\n== second\n"
    (folder / "first").unlink()
    run_stages([first, second])
    assert runs == ["first", "second", "first"]
    run_stages([first, replace(second, replace=True)])
    assert runs[3:] == ["second"]


def test_scratch_that_a_killed_run_left_behind_its_stamp_is_removed(folder: Path) -> None:
    stage = make_stage(folder, scratch=("tmp",))
    stage.execute()
    (folder / "tmp").mkdir()
    (folder / STAMPS / "toy.begun.json").write_text(json.dumps({"fingerprint": stage.fingerprint}))
    run_stages([stage])
    assert sorted(path.name for path in folder.iterdir()) == [STAMPS, "log.txt", "out"]
    assert sorted(path.name for path in (folder / STAMPS).iterdir()) == ["toy.json"]


def test_stage_of_another_run_is_reused_and_left_alone(folder: Path, tmp_path: Path) -> None:
    make_stage(folder).execute()
    (folder / "tmp").mkdir()
    here = make_stage(tmp_path / "here", scratch=("tmp",))
    assert here.stamp() is None
    assert here.stamp(folder) is not None
    here.run_folder, here.reused = folder, True
    assert here.describe() == f"  toy        reused from {folder}"
    run_stages([here])
    assert (folder / "tmp").exists()


def test_artefacts_of_another_run_are_only_read(folder: Path) -> None:
    stage = make_stage(folder)
    stage.execute()
    reused = replace(stage, settings={"size": 4}, reused=True)
    with pytest.raises(ValueError, match="belongs to"):
        reused.execute()
    assert stage.stamp() is not None
