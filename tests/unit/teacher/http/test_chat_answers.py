"""What chat models put around translations, and what must stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.corpus.text import one_line
from nmt_distill.teacher.http.chat_answers import translation_in


@pytest.mark.parametrize(
    ("answer", "translation"),
    [
        (" Guten  Tag.\n", "Guten Tag."),
        ("\n\nGuten Tag.\n\n", "Guten Tag."),
        ('"Guten Tag."', "Guten Tag."),
        ("„Guten Tag.“", "Guten Tag."),
        ("„Guten Tag.”", "Guten Tag."),
        ("« Bonjour. »", "Bonjour."),
        ("'Guten Tag.'", "Guten Tag."),
        ('"Wie geht\'s?"', "Wie geht's?"),
        ("“Wie geht’s?”", "Wie geht’s?"),
        ("'Wie geht's?'", "'Wie geht's?'"),
        ('"Guten" und "Tag"', '"Guten" und "Tag"'),
        ("\"Guten Tag.'", "\"Guten Tag.'"),
        ('""', '""'),
        ("```\nGuten Tag.\n```", "Guten Tag."),
        ("```text\nGuten Tag.\n```", "Guten Tag."),
        ("```Guten Tag.```", "Guten Tag."),
        ('```\n"Guten Tag."\n```', "Guten Tag."),
        ("```Hallo\n```", "Hallo"),
        ("Code: ```x```", "Code: ```x```"),
        ("<think>Guten?\nTag?</think>\n\nGuten Tag.", "Guten Tag."),
        ("Guten <think>Tag</think>", "Guten <think>Tag</think>"),
        ("<think></think>", ""),
        ("", ""),
    ],
)
def test_what_is_plain_is_taken_off(answer: str, translation: str) -> None:
    assert translation_in(answer, "Good day.") == translation


@pytest.mark.parametrize(
    "answer", ["Guten Tag.\n\nNote: formal.", "Guten Tag.\rHallo.", "```\nGuten Tag.\nHallo.\n```", "<think>Guten\nTag"]
)
def test_several_lines_are_no_translation_of_one(answer: str) -> None:
    assert translation_in(answer, "Good day.") is None


@pytest.mark.parametrize(
    ("answer", "source"),
    [
        ('"Guten Tag."', '"Good day."'),
        ('"Guten Tag."', "He said 'Good day.'"),
        ("„Guten Tag.“", "“Good day.”"),
        ("```Guten Tag.```", "```Good day.```"),
    ],
)
def test_what_the_source_has_stays(answer: str, source: str) -> None:
    assert translation_in(answer, source) == answer


def test_half_a_surrogate_pair_is_no_text() -> None:
    assert translation_in("Hallo \ud83d", "Hello") == "Hallo \ufffd"
    assert translation_in("Hallo \ud83d\ude42", "Hello") == "Hallo 🙂"


@given(text=st.text(st.characters(exclude_characters="\"'`“”‘’„‚«»‹›「」『』\n\r", exclude_categories=["Cs"])))
def test_a_bare_line_stays_as_it_is(text: str) -> None:
    if not text.strip().startswith("<think>"):
        assert translation_in(text, "Good day.") == one_line(text.strip())
