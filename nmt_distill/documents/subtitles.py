"""Subtitles in SubRip and WebVTT: the lines of a cue are one segment, and become as many lines again."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from nmt_distill.documents.document import DocumentError, Slot, SlottedDocument, decode

_TIME = r"(?:\d+:)?\d{1,3}:\d{1,2}[,.]\d{1,3}"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}")
"""as players take them; Microsoft Teams writes 0:0:0.0"""
_ALMOST = re.compile(r".*-->|\s*(?:\d+:)+\d\d[,.]\d{1,3}\s*\W{1,4}\s*(?:\d+:)+\d\d[,.]\d{1,3}")
"""an arrow, or two times around another sign"""
_NUMBER = re.compile(r"\s*\d+\s*")
_REMEDY = "write them as 00:00:01,000 --> 00:00:02,000"
_SPEAKER = re.compile(r"\s*[-\u2013\u2014]\s*")
_OPENING = re.compile(r"\s*(?:[-\u2013\u2014]|[\[(\u266a]|[A-Z][A-Z .'0-9]{0,30}:(?:\s|$))")
"""what begins the line of a speaker, a sound or a song"""
_SOUND = re.compile(r"\s*(?:\[[^\[\]]*\]|\([^()]*\))\s*$")
_TAG = re.compile(r"<[^<>]*>")
_BLANK_IN_TAG = "\ue000"

_Line = tuple[int, str]
"""where a line begins, and the line"""


def read_subtitles(content: bytes, path: Path) -> SlottedDocument:
    """Read the cues.

    :raises DocumentError: if there is an arrow without times, or text without a cue
    """
    source = decode(content, path)
    is_webvtt = source.text.startswith("WEBVTT") or path.suffix.lower() == ".vtt"
    line_break = "\r\n" if "\r\n" in source.text else "\n"
    slots: list[Slot] = []
    for lines in _stretches(source.text, path, blank_ends=is_webvtt):
        slots += _cue_slots(lines, line_break)
    return SlottedDocument(source=source, slots=slots)


def _stretches(text: str, path: Path, *, blank_ends: bool) -> Iterator[list[_Line]]:
    """Yield the lines of each cue that follow one another, with their places.

    :param blank_ends: whether a blank line ends a cue, as in WebVTT; in SubRip the next time does
    """
    position = num_cues = 0
    lines: list[_Line] | None = None
    before = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if _TIMING.match(line):
            if lines and _NUMBER.fullmatch(lines[-1][1]):
                lines.pop()
            yield lines or []
            lines, num_cues = [], num_cues + 1
        elif _ALMOST.match(line) and (lines is None or not before.strip() or _NUMBER.fullmatch(before)):
            raise DocumentError(path, number, f"not a valid cue (no times around the arrow; {_REMEDY})")
        elif not line.strip():
            yield lines or []
            lines = None if blank_ends or lines is None else []
        elif lines is not None:
            lines.append((position, line.removesuffix("\r")))
        position, before = position + len(line) + 1, line
    yield lines or []
    rest = text.partition("\n")[2] if text.startswith("WEBVTT") else text
    if not num_cues and rest.strip():
        raise DocumentError(path, 1, f"no subtitles (no line of times; {_REMEDY})")


def _cue_slots(lines: list[_Line], line_break: str) -> list[Slot]:
    """Make one slot of a cue, or several where a line begins what is somebody else's, or a sound."""
    for number in range(1, len(lines)):
        if _OPENING.match(lines[number][1]) or _SOUND.match(lines[number - 1][1]):
            return _cue_slots(lines[:number], line_break) + _cue_slots(lines[number:], line_break)
    if not lines:
        return []
    write = partial(wrapped, num_lines=len(lines), line_break=line_break)
    dash = _SPEAKER.match(lines[0][1])
    if dash is not None:
        lines = [(lines[0][0] + dash.end(), lines[0][1][dash.end() :]), *lines[1:]]
    segment = " ".join(line.strip() for _, line in lines)
    return [Slot(start=lines[0][0], end=lines[-1][0] + len(lines[-1][1]), segment=segment, write=write)]


def wrapped(text: str, *, num_lines: int, line_break: str = "\n") -> str:
    """Break a text into at most so many lines of about equal length, never inside a tag."""
    if num_lines == 1:
        return text
    solid = _TAG.sub(lambda match: match.group().replace(" ", _BLANK_IN_TAG), text)
    width = max(1, len(text) // num_lines)
    while len(lines := textwrap.wrap(solid, width, break_long_words=False, break_on_hyphens=False)) > num_lines:
        width += 1 + width // 20
    return line_break.join(lines).replace(_BLANK_IN_TAG, " ")
