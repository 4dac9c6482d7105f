from __future__ import annotations

import sys

import pytest

from nmt_distill import language_identification
from nmt_distill.errors import NmtDistillError
from nmt_distill.language_identification import identify, is_in_another_language, is_known, named_as


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The train to the city leaves at eight in the morning", "en"),
        ("O trem para a cidade sai às oito horas da manhã", "pt"),
        ("Der Zug in die Stadt fährt um acht Uhr morgens ab", "de"),
        ("Wi-Fi", None),
        ("", None),
        ("42 %", None),
    ],
)
def test_language_is_told_where_it_can_be(text: str, language: str | None) -> None:
    assert identify(text) == language


def test_region_script_and_spelling_of_the_code_do_not_count() -> None:
    portuguese = "O trem para a cidade sai às oito horas da manhã"
    assert not is_in_another_language(portuguese, "pt-BR")
    assert is_in_another_language(portuguese, "de")
    assert not is_in_another_language("Wi-Fi", "de")
    norwegian = "Toget til byen går klokka åtte om morgenen og kommer fram om kvelden"
    assert not is_in_another_language(norwegian, "nb")


def test_what_is_known_is_told() -> None:
    assert is_known("pt-BR")
    assert is_known("nb")
    assert not is_known("tlh")


def test_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    language_identification._identifier.cache_clear()
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    with pytest.raises(NmtDistillError, match=r"needs py3langid; install nmt-distill\[train\]"):
        identify("text")


def test_languages_are_named_as_labels_are() -> None:
    assert [named_as(["en", "pt-BR"], language) for language in ("pt", "en", "de", None)] == ["pt-BR", "en", None, None]
