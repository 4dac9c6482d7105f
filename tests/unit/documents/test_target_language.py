"""A file that says which language it is in is not filled with another."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmt_distill.documents.document import DocumentError
from nmt_distill.documents.formats import read_document

PO = 'msgid ""\nmsgstr ""\n"X-Language: fr\\n"\n"Language: {}\\n"\n\nmsgid "a"\nmsgstr "{}"\n'
XLIFF = """<xliff version='1.2'>
<file target-language='{}'><trans-unit><source>a</source><target>{}</target></trans-unit></file></xliff>"""
XLIFF_2 = """<xliff version='2.0'
 trgLang='{}'><file><unit><segment><source>a</source><target>{}</target></segment></unit></file></xliff>"""
FORMS = [("a.po", PO), ("a.xlf", XLIFF), ("b.xlf", XLIFF_2)]


def segments(path: Path, content: str, language: str | None) -> list[str]:
    path.write_text(content)
    document = read_document(path, "po" if path.suffix == ".po" else "xliff", language=language)
    return [segment for segment in document.segments if segment]


@pytest.mark.parametrize(("name", "form"), FORMS)
@pytest.mark.parametrize("said", ["de", "de_AT", "de-Latn", "deu", "DE"])
def test_another_language_is_refused(name: str, form: str, said: str, tmp_path: Path) -> None:
    line, attribute = {"a.po": (4, "Language"), "a.xlf": (2, "target-language"), "b.xlf": (1, "trgLang")}[name]
    with pytest.raises(DocumentError) as caught:
        segments(tmp_path / name, form.format(said, ""), "pt-BR")
    assert str(caught.value) == (
        f"{tmp_path / name}, line {line}: its `{attribute}` is {said}, but it was to be filled with pt-BR; translate "
        f"it with a model into de, or correct its `{attribute}`; the file is left as it is."
    )
    assert segments(tmp_path / name, form.format(said, "b"), "pt-BR") == [], "nothing is to be filled"


@pytest.mark.parametrize(("name", "form"), FORMS)
@pytest.mark.parametrize(
    "said", ["", " ", "pt", "pt_BR", "pt-PT", "PT", "pt_BR.UTF-8", "pt@latin", "por", "por_Latn", "LANGUAGE", "?"]
)
def test_the_same_language_or_none_is_filled(name: str, form: str, said: str, tmp_path: Path) -> None:
    assert segments(tmp_path / name, form.format(said, ""), "pt-BR") == ["a"]


@pytest.mark.parametrize(("name", "form"), FORMS)
@pytest.mark.parametrize(
    ("said", "language"),
    [
        *[("no", "nb"), ("nb_NO", "no"), ("nob", "nor"), ("no", "nb-NO"), ("nn", "nno")],
        *[("iw", "he"), ("he_IL", "iw"), ("in", "id"), ("id", "in"), ("ji", "yi"), ("tl", "fil"), ("fil_PH", "tl")],
    ],
)
def test_other_codes_of_the_language_count_as_one(
    name: str, form: str, said: str, language: str, tmp_path: Path
) -> None:
    assert segments(tmp_path / name, form.format(said, ""), language) == ["a"]


@pytest.mark.parametrize(("said", "language"), [("nn", "nb"), ("no", "nn"), ("da", "no"), ("id", "he")])
def test_languages_that_are_close_are_two(said: str, language: str, tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=f"its `Language` is {said}, but it was to be filled with {language}"):
        segments(tmp_path / "a.po", PO.format(said, ""), language)


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_without_a_language_nothing_is_compared(name: str, form: str, tmp_path: Path) -> None:
    assert segments(tmp_path / name, form.format("de", ""), None) == ["a"]


def test_only_the_files_that_are_filled_count(tmp_path: Path) -> None:
    done = XLIFF.format("de", "b").removesuffix("</xliff>")
    both = done + XLIFF.format("pt", "").removeprefix("<xliff version='1.2'>")
    assert segments(tmp_path / "a.xlf", both, "pt-BR") == ["a"]
