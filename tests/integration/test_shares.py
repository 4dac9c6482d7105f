"""Labelling that several processes share."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmt_distill.lock import locked
from nmt_distill.pipeline import LOCK
from tests.integration.commands import Command, run_command
from tests.integration.conftest import Toy
from tests.integration.plans import STAGES, times_of, will_run


def test_labelling_is_shared_between_processes(toy: Toy, finished_run: Path, tmp_path: Path) -> None:
    recipe, folder = toy.write_recipe(tmp_path), tmp_path / "run"
    labels, whole = (run / "distilled" / "en-pt-BR" for run in (folder, finished_run))
    share = ("distill", recipe, "--out", folder, "--num-shards", 3)
    assert "has no valid corpus yet; run `prepare-data`" in run_command(*share, "--shard-idx", 0, cwd=tmp_path).error
    assert run_command("prepare-data", recipe, "--out", folder, cwd=tmp_path).status == 0
    side_by_side = [Command(*share, "--shard-idx", index, cwd=tmp_path) for index in (0, 2)]
    for command in side_by_side:
        finished = command.wait()
        assert finished.status == 0, finished.stderr
        assert finished.stderr.startswith("teacher: a toy teacher; licence: CC0-1.0\n"), "before any work"
    every = {path.name for path in whole.glob("shard-*")}
    assert {path.name for path in labels.glob("shard-*")} == {name for name in every if int(name[6:11]) % 3 != 1}
    assert will_run(toy, tmp_path, folder) == STAGES[2:]
    before = times_of(labels)
    finished = run_command("distill", recipe, "--out", folder, cwd=tmp_path)
    assert (finished.status, finished.stdout) == (0, f"{folder / 'distilled'}\n"), finished.stderr
    after = times_of(labels)
    assert {name for name in before if before[name] != after[name]} == set()
    for name in times_of(whole):
        assert (labels / name).read_bytes() == (whole / name).read_bytes()
    assert run_command(*share, "--shard-idx", 1, cwd=tmp_path).status == 0, "nothing is left to do"


@pytest.mark.parametrize("options", [("--num-shards", 2), ("--num-shards", 2, "--shard-idx", 2), ("--shard-idx", 1)])
def test_share_that_is_none_is_told(toy: Toy, tmp_path: Path, options: tuple[object, ...]) -> None:
    finished = run_command("distill", toy.write_recipe(tmp_path), "--out", tmp_path / "run", *options, cwd=tmp_path)
    assert finished.status == 2
    assert "--shard-idx must be from 0 to" in finished.error


def test_nobody_else_may_work_where_shares_are_labelled(toy: Toy, finished_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with locked(folder / LOCK, shared=True):
        finished = run_command("run", toy.write_recipe(tmp_path), "--out", folder, cwd=tmp_path)
    assert finished.status == 2
    assert "another nmt-distill works in" in finished.error
