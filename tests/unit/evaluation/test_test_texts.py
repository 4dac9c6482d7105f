"""Test sets as the command line names them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sacrebleu.dataset

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.test_texts import read_test_texts
from nmt_distill.languages import Direction

GERMAN, FRENCH = Direction(source="en", target="de"), Direction(source="en", target="fr")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"t.en": "one\ntwo\n", "t.de": "eins\nzwei\n", "t.fr": "un\ndeux\n", "short": "x\n"}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "empty").touch()
    return tmp_path


def test_files_of_lines(folder: Path) -> None:
    (text,) = read_test_texts(f"{folder}/t.en,{folder}/t.de", [GERMAN])
    assert (text.name, text.sources, text.references) == ("t", ["one", "two"], ["eins", "zwei"])
    assert str(folder) not in text.origin
    (folder / "t.de").write_text("\ufeffeins\nzwei\n", encoding="utf-8")
    assert read_test_texts(f"{folder}/t.en,{folder}/t.de", [GERMAN]) == [text]
    assert read_test_texts(f" ={folder}/t.en,{folder}/t.de", [GERMAN]) == [text]
    german, french = read_test_texts(f"toy={folder}/t.en,{folder}/t.{{target}}", [GERMAN, FRENCH], max_sentences=1)
    assert (german.name, french.name) == ("toy en-de", "toy en-fr")
    assert (french.sources, french.references) == (["one"], ["un"])


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("{0}/t.en", "--test-set must be SOURCES,REFERENCES, suite:FILE,FOLDER or sacrebleu:NAME, but is"),
        ("{0}/t.en,{0}/short", "t.en has 2 lines but .*short has 1; line N of one must translate line N"),
        ("{0}/empty,{0}/empty", "empty is empty; it must hold a sentence a line"),
        ("{0}/t.en,{0}/none", "none does not exist"),
        ("suite:{0}/s.yaml", "must name the folder of its files"),
        ("suite:{0}/s.yaml,{0}", r"s\.yaml does not exist; the suites that come along"),
        ("sacrebleu:wmt2019", "sacreBLEU knows no test set `wmt2019`; there is .*wmt19"),
        ("sacrebleu:wmt08", "sacreBLEU's `wmt08` has no en-tlh; there is cs-en, "),
    ],
)
def test_what_cannot_be_read_is_told(folder: Path, what: str, said: str) -> None:
    with pytest.raises(NmtDistillError, match=said):
        read_test_texts(what.format(folder), [Direction(source="en", target="tlh")])


class FakeDataset:
    """A test set as sacreBLEU keeps it."""

    description = "An invented test set"
    langpairs = ("en-pt",)

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def get_source_file(self, pair: str) -> str:
        if self.folder is None:
            raise OSError("no route to host")
        assert pair == "en-pt"
        return str(self.folder / "t.en")

    def get_reference_files(self, pair: str) -> list[str]:
        return [str(self.folder / "t.fr"), "another reference"] if self.folder else []


def test_names_that_sacrebleu_knows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known: dict[str, Any] = {"invented": FakeDataset(folder), "far": FakeDataset(None)}
    monkeypatch.setattr(sacrebleu.dataset, "DATASETS", known)
    brazilian = Direction(source="en", target="pt-BR")
    (text,) = read_test_texts("sacrebleu:invented", [brazilian])
    assert (text.sources, text.references) == (["one", "two"], ["un", "deux"])
    assert text.origin.startswith("An invented test set")
    assert not text.text_may_be_published
    with pytest.raises(NmtDistillError, match=r"`far` cannot be fetched .no route to host.; connect to the network"):
        read_test_texts("sacrebleu:far", [brazilian])
