"""Catalogues in wheels: alignment by key, what is dropped, and what is wrong with damaged ones."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import polib
import pytest

from nmt_distill.corpus.catalogs import path_expression, read_wheel_catalog
from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction

EN_DE = Direction(source="en", target="de")


def wheel(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "x-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def catalog() -> polib.POFile:
    texts = polib.POFile()
    texts.metadata = {"Content-Type": "text/plain; charset=utf-8"}
    texts.append(polib.POEntry(msgid="Open", msgstr="Öffnen"))
    texts.append(polib.POEntry(msgid="Open", msgstr="Offen", msgctxt="state"))
    texts.append(polib.POEntry(msgid="Lacks", msgstr=""))
    texts.append(polib.POEntry(msgid="Guess", msgstr="Geraten", flags=["fuzzy"]))
    texts.append(polib.POEntry(msgid="Old", msgstr="Alt", obsolete=True))
    texts.append(
        polib.POEntry(msgid="%d file", msgid_plural="%d files", msgstr_plural={0: "%d Datei", 1: "%d Dateien"})
    )
    return texts


def test_json_is_aligned_by_file_and_key_path(tmp_path: Path) -> None:
    english = {"a": {"x": "Light", "y": "Only {here}"}, "list": ["one"], "n": 3}
    german = {"list": ["eins"], "a": {"x": "Licht", "z": "Nur hier"}}
    members = {
        "p/k1/t/en.json": json.dumps(english).encode(),
        "p/k1/t/de.json": json.dumps(german).encode(),
        "p/k2/t/en.json": b'{"a": {"x": "Door"}}',
        "p/k2/t/en-GB.json": b'{"a": {"x": "Portal"}}',
    }
    pairs = list(read_wheel_catalog(wheel(tmp_path, members), "p/*/t/{lang}.json", EN_DE))
    assert pairs == [("Light", "Licht"), ("Only {here}", None), ("one", "eins"), ("Door", None)]
    back = list(
        read_wheel_catalog(tmp_path / "x-1-py3-none-any.whl", "p/*/t/{lang}.json", Direction(source="de", target="en"))
    )
    assert back == [("eins", "one"), ("Licht", "Light"), ("Nur hier", None)]


def test_hashes_in_names_do_not_align_and_folders_do(tmp_path: Path) -> None:
    members = {
        "t/en-0a1b.json": b'{"k": "Top"}',
        "t/de-ffff.json": b'{"k": "Oben"}',
        "t/f/g/en-0a1b.json": b'{"k": "Deep"}',
        "t/f/g/de-ffff.json": b'{"k": "Tief"}',
        "t/en-GB-0a1b.json": b'{"k": "Other"}',
    }
    pairs = list(read_wheel_catalog(wheel(tmp_path, members), "t/**/{lang}-{hash}.json", EN_DE))
    assert pairs == [("Top", "Oben"), ("Deep", "Tief")]


@pytest.mark.parametrize("suffix", ["po", "mo"])
def test_gettext_keeps_what_is_neither_fuzzy_nor_obsolete(tmp_path: Path, suffix: str) -> None:
    texts = catalog()
    content = texts.to_binary() if suffix == "mo" else str(texts).encode()
    path = wheel(tmp_path, {f"x/de_DE/app.{suffix}": content})
    found = list(read_wheel_catalog(path, f"x/{{lang}}/*.{suffix}", EN_DE, languages={"de": "de_DE"}))
    pairs = [pair for pair in found if pair[1] is not None]
    assert sorted(pairs) == [("%d file", "%d Datei"), ("%d files", "%d Dateien"), ("Open", "Offen"), ("Open", "Öffnen")]
    if suffix == "po":
        assert {source for source, target in found if target is None} == {"Lacks", "Guess"}
    back = read_wheel_catalog(
        path, f"x/{{lang}}/*.{suffix}", Direction(source="de", target="en"), languages={"de": "de_DE"}
    )
    assert {pair for pair in back if pair[0]} == {(target, source) for source, target in pairs}


def test_two_translations_meet_over_the_key(tmp_path: Path) -> None:
    french = polib.POFile()
    french.append(polib.POEntry(msgid="Open", msgstr="Ouvrir"))
    path = wheel(tmp_path, {"de/a.po": str(catalog()).encode(), "fr/a.po": str(french).encode()})
    pairs = read_wheel_catalog(path, "{lang}/a.po", Direction(source="fr", target="de"))
    assert list(pairs) == [("Ouvrir", "Öffnen")]


@pytest.mark.parametrize(
    ("members", "pattern", "message"),
    [
        ({"en.json": b"{}"}, "{lang}.json", "no catalogue of `de`: no file matches .* set `languages`"),
        ({"en.json": b"{", "de.json": b"{}"}, "{lang}.json", "en.json is not valid JSON in UTF-8"),
        ({"en.json": b'{"a": "\xff"}', "de.json": b"{}"}, "{lang}.json", "en.json is not valid JSON in UTF-8"),
        ({"en.json": b"[" * 99999, "de.json": b"{}"}, "{lang}.json", "en.json is nested too deeply"),
        ({"de.po": b"\xff"}, "{lang}.po", "de.po is no gettext catalogue"),
        ({"de.po": b"nonsense here"}, "{lang}.po", "de.po is no gettext catalogue"),
        ({"de.mo": b"\xde\x12\x04\x95\x00"}, "{lang}.mo", "de.mo is no compiled gettext catalogue"),
        ({"de.mo": b"nonsense"}, "{lang}.mo", "de.mo is no compiled gettext catalogue"),
        ({}, "{lang}.txt", r"must end in \.json, \.po, \.mo or \.html"),
    ],
)
def test_damaged_catalogues(tmp_path: Path, members: dict[str, bytes], pattern: str, message: str) -> None:
    with pytest.raises(NmtDistillError, match=message):
        list(read_wheel_catalog(wheel(tmp_path, members), pattern, EN_DE))


def test_path_patterns() -> None:
    assert path_expression("a.b/*/c").fullmatch("a.b/x/c")
    assert not path_expression("a.b/*/c").fullmatch("aab/x/c")
    assert not path_expression("a.b/*/c").fullmatch("a.b/x/y/c")
    assert path_expression("**/c").fullmatch("c")
