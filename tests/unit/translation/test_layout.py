"""How texts come apart into sentences, and together again."""

from __future__ import annotations

from typing import Any

from nmt_distill.languages import Direction
from nmt_distill.translation.alphabet import Alphabet
from nmt_distill.translation.layout import Layout, joined
from nmt_distill.translation.sentence import Candidate

DIRECTION = Direction(source="en", target="pt")
ALL = Alphabet(lambda text: True)


def lay_out(*texts: str, **settings: Any) -> Layout:
    defaults: dict[str, Any] = {"markdown": False, "terms": None, "alphabet": ALL, "guarded": True, "plain": False}
    return Layout(texts, DIRECTION, **defaults | settings)


def shouted(layout: Layout) -> list[str]:
    answers = [[Candidate(text=sentence.text.upper())] for sentence in layout.sentences]
    return [found[0].text for found in layout.filled(answers)]


def test_each_distinct_sentence_is_there_once_and_stands_wherever_it_stood() -> None:
    layout = lay_out("Stop here. Go on.", "Go on.\tStop here.", "", "  Go on. ")
    assert [sentence.text for sentence in layout.sentences] == ["Stop here.", "Go on."]
    assert shouted(layout) == ["STOP HERE. GO ON.", "GO ON.\tSTOP HERE.", "", "  GO ON. "]


def test_plain_lines_are_not_cut() -> None:
    layout = lay_out("Stop here. Go on.", guarded=False, plain=True)
    assert [sentence.text for sentence in layout.sentences] == ["Stop here. Go on."]


def test_texts_of_a_message_are_translated_apart_where_there_is_something_to_protect() -> None:
    message = "{n, plural, one {A file} other {Some files}}"
    assert [sentence.text for sentence in lay_out(message).sentences] == ["A file", "Some files"]
    assert [sentence.text for sentence in lay_out(message, guarded=False).sentences] == [message]


def test_a_template_over_several_lines_is_translated_around_its_code() -> None:
    template = "{% if a <\n   3 %}\n  Low, {{ b |\n    c }}.\n{% else %}\n  Full\n{% endif %}\n"
    layout = lay_out(template)
    assert [sentence.text for sentence in layout.sentences] == ["Low, {{ b |\n    c }}.", "Full"]
    assert "\n" not in layout.sentences[0].model_text
    assert shouted(layout)[0] == template.replace("Low, {{ b |\n    c", "LOW, {{ B |\n    C").replace("Full", "FULL")
    assert [sentence.text for sentence in lay_out("{{ a\n}} b", guarded=False).sentences] == ["{{ a", "}} b"]


def test_a_sign_before_a_letter_at_the_end_of_a_line_begins_no_tag() -> None:
    text = "If size <b\nthen files > c are removed from the list."
    assert [sentence.text for sentence in lay_out(text).sentences] == text.split("\n")


def test_candidates_are_joined_by_rank_and_the_last_one_serves_further_on() -> None:
    found = joined([[Candidate(text="a"), Candidate(text="b")], " ", [Candidate(text="c")]])
    assert [candidate.text for candidate in found] == ["a c", "b c"]
    assert [candidate.text for candidate in joined(["copied"])] == ["copied"]
