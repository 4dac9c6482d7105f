"""A teacher that is missing, truncated or another than the pinned one is told in one line, and labels nothing."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from nmt_distill.cli import main
from nmt_distill.files import sha256_of
from tests.integration.conftest import Fails, Toy


@pytest.mark.parametrize("key", ["model", "vocabulary"])
def test_teacher_that_is_missing(toy: Toy, fails: Fails, finished_run: Path, tmp_path: Path, key: str) -> None:
    recipe = toy.write_recipe(tmp_path, f"teacher.{key}={tmp_path / 'nothing.npz'}", f"reuse={finished_run}")
    error = fails("distill", recipe, "--out", tmp_path / "run")
    assert error == f"The recipe toy has 1 fault: teacher.{key} names {tmp_path / 'nothing.npz'}, which does not exist"
    assert not (tmp_path / "run" / "distilled").exists()


@pytest.mark.parametrize(
    ("key", "message"),
    [("model", "is truncated or no Marian model of version 1"), ("vocabulary", "is not a SentencePiece model")],
)
def test_teacher_that_is_truncated(
    toy: Toy, fails: Fails, finished_run: Path, tmp_path: Path, key: str, message: str
) -> None:
    whole = Path(toy.content["teacher"][key])
    broken = tmp_path / whole.name
    broken.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    recipe = toy.write_recipe(tmp_path, f"teacher.{key}={broken}", f"reuse={finished_run}")
    error = fails("distill", recipe, "--out", tmp_path / "run")
    assert error.startswith(str(broken))
    assert message in error
    assert "fetch it again" in error
    assert not (tmp_path / "run" / "distilled").exists()


@pytest.fixture
def wheel(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of wheels that holds one, the toy teacher's."""
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setenv("NMT_DISTILL_CACHE", str(cache))
    path = cache / "toy_teacher-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("teacher.npz", "teacher.spm"):
            archive.write(toy.folder / name, f"toy_teacher/{name}")
    return path


def write_wheel_recipe(toy: Toy, tmp_path: Path, finished_run: Path, sha256: str) -> Path:
    return toy.write_recipe(
        tmp_path,
        f"teacher.wheel={{package: toy-teacher, version: '1.0', sha256: '{sha256}'}}",
        "teacher.model=toy_teacher/teacher.npz",
        "teacher.vocabulary=toy_teacher/teacher.spm",
        f"reuse={finished_run}",
    )


def test_wheel_is_read_as_an_archive(toy: Toy, wheel: Path, finished_run: Path, tmp_path: Path) -> None:
    recipe = write_wheel_recipe(toy, tmp_path, finished_run, sha256_of(wheel))
    assert main(["distill", str(recipe), "--out", str(tmp_path / "run")]) == 0
    name = "distilled/en-pt-BR/shard-00000.safetensors"
    assert (tmp_path / "run" / name).read_bytes() == (finished_run / name).read_bytes()


def test_wheel_that_is_truncated(toy: Toy, fails: Fails, wheel: Path, finished_run: Path, tmp_path: Path) -> None:
    recipe = write_wheel_recipe(toy, tmp_path, finished_run, sha256_of(wheel))
    wheel.write_bytes(wheel.read_bytes()[:-100])
    error = fails("distill", recipe, "--out", tmp_path / "run")
    assert error.startswith(f"{wheel} is not the pinned wheel: its SHA-256 is {sha256_of(wheel)}")
    assert "it is truncated or another build: delete it" in error


def test_wheel_with_another_hash(toy: Toy, fails: Fails, wheel: Path, finished_run: Path, tmp_path: Path) -> None:
    recipe = write_wheel_recipe(toy, tmp_path, finished_run, "0" * 64)
    error = fails("distill", recipe, "--out", tmp_path / "run")
    assert f"must be {'0' * 64}" in error
    assert not (tmp_path / "run" / "distilled").exists()
