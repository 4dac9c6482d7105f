"""Subtitles: times, numbers and lines stay, and every cue is found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.documents.document import Document, DocumentError
from nmt_distill.documents.subtitles import read_subtitles, wrapped

HERE = Path("page")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def shouted(document: Document) -> str:
    """The document with all its text in capitals, but for tags."""
    kept = re.compile(r"<[^<>]*>|([^<]+)")
    return document.render([
        kept.sub(lambda match: match[1].upper() if match[1] else match[0], segment) for segment in document.segments
    ]).decode()


def test_cues_keep_times_and_number_of_lines() -> None:
    text = (
        "1\r\n00:00:01,000 --> 00:00:02,000\r\n<i>Hello there,</i>\r\nhow are you?\r\n\r\n"
        "2\r\n00:00:03,000 --> 00:00:04,000\r\n- Fine.\r\n- Me too.\r\n"
    )
    document = read_subtitles(text.encode(), HERE)
    assert list(document.segments) == ["<i>Hello there,</i> how are you?", "Fine.", "Me too."]
    assert document.render(document.segments) == text.encode()
    expected = text.replace("Hello there,</i>", "HELLO THERE,</i>").replace("how are you", "HOW ARE YOU")
    assert shouted(document) == expected.replace("Fine", "FINE").replace("Me too", "ME TOO")


def test_what_speakers_say_stays_apart() -> None:
    text = "1\n00:01,0 --> 00:02,0\n[DOOR OPENS]\nwhere is\nit?\n- there.\nJOHN: ah,\nwell.\n\u266a a song \u266a\n"
    expected = ["[DOOR OPENS]", "where is it?", "there.", "JOHN: ah, well.", "\u266a a song \u266a"]
    assert list(read_subtitles(text.encode(), HERE).segments) == expected


def test_notes_and_styles_of_webvtt_stay() -> None:
    text = "WEBVTT\n\nNOTE word\n\nSTYLE\n::cue { color: red }\n\nintro\n01:02.000 --> 01:03.000 line:0\n<v Ann>Hi\n"
    assert shouted(read_subtitles(text.encode(), HERE)) == text.replace(">Hi", ">HI")


def test_an_arrow_without_times_is_told() -> None:
    with pytest.raises(DocumentError, match=r"page, line 3: not a valid cue \(no times around the arrow; write"):
        read_subtitles(b"1\n\nnow --> then\nHi\n", HERE)


@given(TEXT, st.integers(min_value=1, max_value=4))
def test_wrapped_text_has_all_its_words_and_no_more_lines(text: str, num_lines: int) -> None:
    lines = wrapped(text, num_lines=num_lines)
    assert "".join(lines.split()) == "".join(text.split())
    assert num_lines == 1 or len(lines.split("\n")) <= num_lines


CUES = [
    "00:00:01,000 --> 00:00:03,500\nWhere are you?\n",
    "00:00:04,000 --> 00:00:06,000\nThe sign says --> 42\n",
    "00:00:07,000 --> 00:00:09,000\n\nTurn on\n\n\nthe light.\n",
    "00:00:10,000 --> 00:00:12,000\n\n",
    "00:00:13,000 --> 00:00:15,000\nGood night.",
]
SAID = ["Where are you?", "The sign says --> 42", "Turn on", "the light.", "Good night."]


@pytest.mark.parametrize("between", ["", "\n", "\n \n"])
@pytest.mark.parametrize("numbered", [True, False])
def test_a_cue_ends_where_the_next_time_stands(between: str, numbered: bool) -> None:
    text = between.join(f"{number}\n{cue}" if numbered else cue for number, cue in enumerate(CUES, start=1))
    document = read_subtitles(text.encode(), HERE)
    assert list(document.segments) == SAID
    expected = text
    for line in SAID:
        expected = expected.replace(line, line.upper())
    assert shouted(document) == expected


def test_a_blank_line_ends_a_cue_of_webvtt() -> None:
    text = "WEBVTT\n\n1\n00:01.000 --> 00:02.000\nHi\n2\n00:03.000 --> 00:04.000\nHo\n\nNOTE for you\n\nintro\n"
    assert list(read_subtitles(text.encode(), HERE).segments) == ["Hi", "Ho"]
    assert list(read_subtitles(text.removeprefix("WEBVTT\n").encode(), Path("a.vtt")).segments) == ["Hi", "Ho"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\n00:00:01.000 -> 00:00:02.000\nHi\n", r"page, line 2: not a valid cue .*; write them as 00:00:01,000 -->"),
        ("1\n00:01,0 --> 00:02,0\nHi\n\n2\n00:03,0 -> 00:04,0\nHo\n", r"page, line 6: not a valid cue"),
        ("1\n00:01,0 --> 00:02,0\nHi\n2\n00:03 --> 00:04\nHo\n", r"page, line 5: not a valid cue"),
        ("Hello\n\nyou\n", r"page, line 1: no subtitles \(no line of times; write them as .*; the file is left"),
        ("WEBVTT\n\nHello\n", r"page, line 1: no subtitles"),
    ],
)
def test_what_holds_no_cue_is_told(text: str, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        read_subtitles(text.encode(), HERE)


def test_times_may_lack_zeros() -> None:
    text = "WEBVTT\n\n0:0:0.0 --> 0:0:3.54 align:start\n<v Jane>hello</v>\n\n0:0:3.54 --> 0:1:7.2\nbye\n"
    assert shouted(read_subtitles(text.encode(), HERE)) == text.replace("hello", "HELLO").replace("bye", "BYE")


@pytest.mark.parametrize("text", ["", " \n\n", "WEBVTT\n", "WEBVTT - of nothing"])
def test_subtitles_of_nothing_stay(text: str) -> None:
    assert read_subtitles(text.encode(), HERE).render([]) == text.encode()
