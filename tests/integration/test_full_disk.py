"""A full disk and a missed quality bound end a run with one line and their status; nothing is lost."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nmt_distill.cli import main
from nmt_distill.export.parity import Parity
from tests.integration.conftest import Fails, Toy, half_written


@pytest.fixture
def labelled(toy: Toy, finished_run: Path, tmp_path: Path) -> Path:
    """A run that has its corpus and its labels, and nothing more."""
    run = tmp_path / "labelled"
    (run / ".stages").mkdir(parents=True)
    for stage in ("corpus", "distilled"):
        shutil.copytree(finished_run / stage, run / stage)
        shutil.copy(finished_run / ".stages" / f"{stage}.json", run / ".stages")
    return run


def test_missed_quality_bound_ends_with_status_3(
    toy: Toy, fails: Fails, finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    (run / ".stages" / "export.json").unlink()
    shutil.rmtree(run / "export")
    recipe = toy.write_recipe(tmp_path)
    poor = Parity(num_sentences=40, num_equal=31, differences=())
    with monkeypatch.context() as patch:
        patch.setattr("nmt_distill.export.parity.StudentAnswers.compare", lambda *arguments, **options: poor)
        for _ in range(2):  # the second time it is not mistaken for a finished export
            error = fails("export", recipe, "--out", run, status=3)
            assert error.startswith("only 31 of 40 sentences have the same greedy ids")
            assert "export.min_parity wants 99%" in error
        assert main(["export", str(recipe), "--out", str(run), "--allow-drop"]) == 0
        assert main(["export", str(recipe), "--out", str(run), "--set", "export.min_parity=0.7"]) == 0
    fails("export", recipe, "--out", run, status=3)  # it stands, until it is made again
    assert main(["export", str(recipe), "--out", str(run), "--force"]) == 0


@pytest.mark.parametrize(
    ("verb", "name"),
    [
        ("prepare-data", "corpus.json"),
        ("distill", "shard-00002"),
        ("train", "checkpoint.pt"),
        ("export", "checksums.json"),
    ],
)
def test_full_disk_loses_nothing(
    toy: Toy, fails: Fails, labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, name: str
) -> None:
    run = tmp_path / "empty" if verb == "prepare-data" else labelled
    if verb == "distill":
        (run / ".stages" / "distilled.json").unlink()
        shutil.rmtree(run / "distilled")
    recipe = toy.write_recipe(tmp_path)
    replace = os.replace

    def fail_for(source: str | Path, target: str | Path) -> None:
        if name in Path(target).name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail_for)
        error = fails(verb, recipe, "--out", run)
    assert error.startswith("No space left on device (")
    assert name in error
    assert "make room or name another folder with --out" in error
    assert half_written(run) == []
    assert main([verb, str(recipe), "--out", str(run)]) == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of some kilobytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no small file system can be mounted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.parametrize("verb", ["distill", "train", "export"])
def test_disk_that_is_really_full(
    toy: Toy, fails: Fails, finished_run: Path, small_disk: Path, tmp_path: Path, verb: str
) -> None:
    kept = {"distill": 0, "train": 3, "export": 4}[verb]
    source = tmp_path / "source"
    (source / ".stages").mkdir(parents=True)
    for stage in ["corpus", "distilled", "vocabulary", "student"][:kept]:
        shutil.copytree(finished_run / stage, source / stage)
        shutil.copy(finished_run / ".stages" / f"{stage}.json", source / ".stages")
    if kept == 4:
        shutil.copy(finished_run / "metrics.jsonl", source)
    recipe = toy.write_recipe(tmp_path, f"reuse={source}")
    error = fails(verb, recipe, "--out", small_disk / "run")
    assert "No space left on device" in error
    assert half_written(small_disk) == []
