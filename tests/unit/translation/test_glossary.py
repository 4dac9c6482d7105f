from __future__ import annotations

from pathlib import Path

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.translation.glossary import Glossary, read_glossary


@pytest.mark.parametrize(
    ("text", "translations"),
    [
        ("Open the home page", ["in\u00edcio"]),
        ("Home Page, HOME PAGE", ["In\u00edcio", "IN\u00cdCIO"]),
        ("homepage and pages", []),
        ("a page", ["p\u00e1gina"]),
        ("NASA nasa", ["Nasa", "Nasa"]),
        ("\u8cc7\u6599\u5eab", ["base"]),
        ("use C++ (now)", ["C mais mais"]),
    ],
)
def test_terms_are_whole_and_the_longest_in_the_case_of_the_text(text: str, translations: list[str]) -> None:
    terms = {
        "page": "p\u00e1gina",
        "home page": "in\u00edcio",
        "NASA": "Nasa",
        "\u8cc7\u6599": "base",
        "C++": "C mais mais",
    }
    assert [span.text for span in Glossary(terms)(text)] == translations


def test_an_empty_glossary_has_no_terms(tmp_path: Path) -> None:
    (tmp_path / "terms.tsv").write_text("# nothing yet\n\n")
    assert read_glossary(tmp_path / "terms.tsv")("some text") == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("page\n", r"terms\.tsv, line 1 must be a term, a tab and its translation, but has 1 fields\."),
        ("page\tp\tq\n", r"line 1 must be a term, a tab and its translation, but has 3 fields"),
        ("\npage\t\n", r"line 2 must be a term, a tab and its translation, but its translation is empty\."),
        ("\tpágina\n", r"line 1 must be a term, a tab and its translation, but its term is empty\."),
        ("page\ta\nPage\tb\n", r"line 2: `Page` has another translation in line 1\."),
    ],
)
def test_what_is_wrong_in_a_glossary_is_told(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "terms.tsv").write_text(content)
    with pytest.raises(NmtDistillError, match=message):
        read_glossary(tmp_path / "terms.tsv")
