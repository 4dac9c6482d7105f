"""Subtitles in SubRip and WebVTT: the lines of a cue are one segment, and become as many lines again."""

from __future__ import annotations

import re
import textwrap
from functools import partial
from pathlib import Path

from nmt_distill.documents.document import DocumentError, Slot, SlottedDocument, decode

_TIMING = re.compile(r"\s*(?:\d+:)?\d{1,3}:\d{2}[,.]\d{1,3}\s*-->\s*(?:\d+:)?\d{1,3}:\d{2}[,.]\d{1,3}")
_SPEAKER = re.compile(r"\s*[-\u2013\u2014]\s*")
_OPENING = re.compile(r"\s*(?:[-\u2013\u2014]|[\[(\u266a]|[A-Z][A-Z .'0-9]{0,30}:(?:\s|$))")
"""what begins the line of a speaker, a sound or a song"""
_SOUND = re.compile(r"\s*(?:\[[^\[\]]*\]|\([^()]*\))\s*$")
_TAG = re.compile(r"<[^<>]*>")
_BLANK_IN_TAG = "\ue000"


def read_subtitles(content: bytes, path: Path) -> SlottedDocument:
    """Read the cues.

    :raises DocumentError: if there is an arrow without times
    """
    source = decode(content, path)
    line_break = "\r\n" if "\r\n" in source.text else "\n"
    slots: list[Slot] = []
    position = 0
    cue: list[tuple[int, str]] | None = None
    for number, line in enumerate([*source.text.split("\n"), ""], start=1):
        if not line.strip():
            slots += _cue_slots(cue or [], line_break)
            cue = None
        elif cue is None and "-->" in line:
            if _TIMING.match(line) is None:
                raise DocumentError(path, number, "not a valid cue (no times around the arrow)")
            cue = []
        elif cue is not None:
            cue.append((position, line.removesuffix("\r")))
        position += len(line) + 1
    return SlottedDocument(source=source, slots=slots)


def _cue_slots(lines: list[tuple[int, str]], line_break: str) -> list[Slot]:
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
