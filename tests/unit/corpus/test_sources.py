"""Settings of sources: what is wrong with them, and that they read what they name."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from nmt_distill.corpus.sources import (
    DebianDescriptionsSource,
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

EN_DE = Direction(source="en", target="de")
WHEEL = WheelConfig(package="x", version="1", sha256="0" * 64)


@pytest.mark.parametrize(
    ("source", "paths"),
    [
        (WheelCatalogSource(wheel=WHEEL, path="a.txt", min_words=0), ["path", "path", "min_words"]),
        (WheelTextSource(wheel=WHEEL, paths=(), layout="lines", keys=("a",)), ["paths", "keys"]),
        (LinesSource(source="a", target="b", max_sentences=0), ["max_sentences"]),
        (TsvSource(path="a", source_column=0, target_column=-1), ["source_column", "target_column"]),
        (TextSource(path="a", min_words=0), ["min_words"]),
        (DebianDescriptionsSource(max_sentences=-1), ["max_sentences"]),
        (TextSource(path="a"), []),
    ],
)
def test_faults_name_their_field(source: Source, paths: list[str]) -> None:
    faults = list(source.faults())
    assert [path for path, _ in faults] == paths
    assert all(sentence.startswith("must ") for _, sentence in faults)


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
