"""Suites: what identifies a test set, and files that are not the right ones."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.test_sets import Suite, draw_sample, load_suite, read_test_set
from nmt_distill.languages import Direction

TATOEBA = Path(__file__).parents[3] / "eval" / "suites" / "tatoeba.yaml"
ENGLISH, PORTUGUESE = "One.\nTwo.\n", "Um.\nDois.\n"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def suite_text(english: str = ENGLISH, portuguese: str = PORTUGUESE, num_sentences: str = "2") -> str:
    return f"""\
name: tiny
origin: made up
  here
licence: CC0-1.0
drawn: not at all
how_to_get: ask the test
num_sentences: {num_sentences}
text_may_be_published: true
serves: {{pt-br: pt}}
pairs:
  en-pt:
    en: {{name: a.en, sha256: {sha256(english)}}}
    pt: {{name: a.pt, sha256: {sha256(portuguese)}}}
"""


def made_suite(folder: Path, text: str | None = None) -> Suite:
    (folder / "a.en").write_text(ENGLISH, encoding="utf-8")
    (folder / "a.pt").write_text(PORTUGUESE, encoding="utf-8")
    path = folder / "tiny.yaml"
    path.write_text(suite_text() if text is None else text, encoding="utf-8")
    return load_suite(path)


@pytest.mark.parametrize("target", ["pt", "pt-BR"])
def test_both_directions_and_served_languages(tmp_path: Path, target: str) -> None:
    suite = made_suite(tmp_path)
    assert suite.origin == "made up here"
    forth = read_test_set(suite, tmp_path, Direction(source="en", target=target))
    assert forth == (["One.", "Two."], ["Um.", "Dois."])
    assert read_test_set(suite, tmp_path, Direction(source=target, target="en")) == forth[::-1]


@pytest.mark.parametrize(("source", "target"), [("en", "de"), ("en", "en"), ("pt", "pt-BR"), ("pt-PT", "en")])
def test_direction_that_is_not_there(tmp_path: Path, source: str, target: str) -> None:
    message = rf"The suite `tiny` has no test set for `{source}-{target}`; there is \(in either direction\): en-pt\."
    with pytest.raises(NmtDistillError, match=message):
        read_test_set(made_suite(tmp_path), tmp_path, Direction(source=source, target=target))


def test_missing_and_altered_files_say_how_to_get_them(tmp_path: Path) -> None:
    suite = made_suite(tmp_path)
    direction = Direction(source="en", target="pt")
    (tmp_path / "a.pt").write_text(PORTUGUESE + "Três.\n", encoding="utf-8")
    with pytest.raises(NmtDistillError, match=r"a\.pt has sha256 \w{64}, but must have \w{64}; .* ask the test"):
        read_test_set(suite, tmp_path, direction)
    (tmp_path / "a.pt").unlink()
    with pytest.raises(NmtDistillError, match=r"a\.pt does not exist\. How to get the files of `tiny`: ask the test"):
        read_test_set(suite, tmp_path, direction)


def test_wrong_number_of_lines(tmp_path: Path) -> None:
    suite = made_suite(tmp_path, suite_text(num_sentences="3"))
    with pytest.raises(NmtDistillError, match=r"a\.en has 2 lines, but the suite `tiny` says 3; correct"):
        read_test_set(suite, tmp_path, Direction(source="en", target="pt"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("licence: CC0-1.0\n", "", "`licence` is missing"),
        ("licence:", "license:", "`license` is not a key; there is name, origin"),
        ("num_sentences: 2", "num_sentences: two", "`num_sentences` must be of type int, but is 'two' instead"),
        ("num_sentences: 2", "num_sentences: true", "`num_sentences` must be of type int, but is True instead"),
        (sha256(ENGLISH), "abc", "`pairs.en-pt`, `en`: `sha256` must be 64 hexadecimal digits, but is 'abc' instead"),
        ("    pt: {name", "    # pt: {name", "`pairs.en-pt` must hold two languages"),
        ("    pt: {name", "    no: {name", "`pairs.en-pt`: YAML reads a language as False; put it in quotes, such as"),
        ("{pt-br: pt}", "{nb: no}", "`serves`: YAML reads a language as False; put it in quotes, such as"),
        ("    pt: {name", "    EN: {name", "`pairs.en-pt` must hold two languages, but both are en"),
        ("name: a.pt, ", "", "`pairs.en-pt`, `pt`: `name` is missing"),
        (suite_text(), "just words", "must hold keys and values"),
        ("name: tiny", "name: [tiny", "is not valid YAML"),
    ],
)
def test_faulty_suites(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in suite_text()
    with pytest.raises(NmtDistillError, match=r"tiny\.yaml.*" + message.replace("(", r"\(")):
        made_suite(tmp_path, suite_text().replace(old, new))


def test_missing_suite(tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"none\.yaml does not exist; the suites that come along"):
        load_suite(tmp_path / "none.yaml")


def test_tatoeba_is_complete() -> None:
    suite = load_suite(TATOEBA)
    assert {pair.second for pair in suite.pairs} == {"cs", "de", "es", "fr", "it", "nl", "pl", "pt", "ru", "uk"}
    assert {pair.first for pair in suite.pairs} == {"en"}
    assert suite.serves["pt-BR"] == "pt"
    assert not suite.text_may_be_published
    files = [file for pair in suite.pairs for file in pair.files.values()]
    assert len({file.sha256 for file in files}) == len({file.name for file in files}) == 20


def test_sample_by_hand() -> None:
    pairs = [("a", "1"), ("b", ""), ("a", "2"), ("", "3"), ("b", "4"), ("c", "5")]
    kept = [("a", "1"), ("b", "4"), ("c", "5")]
    random.Random(7).shuffle(kept)
    assert draw_sample(pairs, count=2, seed=7) == kept[:2]
    assert draw_sample(pairs, count=9, seed=7) == kept
