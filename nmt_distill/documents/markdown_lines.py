"""The lines of a paragraph in Markdown: a translation is broken into them, and none begins another block."""

from __future__ import annotations

import re

from nmt_distill.documents.subtitles import wrapped
from nmt_distill.translation.protection import protected_spans

_HTML_BLOCKS = (
    "address article aside base basefont blockquote body caption center col colgroup dd details dialog dir div dl dt "
    "fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 head header hr html iframe legend li link "
    "main menu menuitem nav noframes ol optgroup option p param search section summary table tbody td tfoot th thead "
    "title tr track ul"
)
_BLOCK_START = (
    r"(?P<number>\d{1,9})(?=[.)](?:[ \t]|$))|(?:#{1,6}|[-+*:]|```+|~~~+|=+\s*$|-+\s*$)(?=[ \t]|$)|[|>]"
    r"|<(?i:(?:script|pre|style|textarea)(?=[\s>]|$)|[!?]"
    rf"|/?(?:{_HTML_BLOCKS.replace(' ', '|')})(?=\s|/?>|$))"
)
"""what begins a block where it begins a line (CommonMark 0.31, section 4.6, conditions 1 to 6, for HTML)"""
_WOULD_BEGIN_A_BLOCK = re.compile(_BLOCK_START)
_BLANK_BEFORE_ONE = re.compile(rf" (?={_BLOCK_START})")
_LEADING_TAG = re.compile(r"\A<[^<>]*> ")
"""alone on the first line it would begin HTML (condition 7)"""
_SOLID_BLANK = "\ue001"


def begins_a_block(line: str) -> bool:
    """Tell whether a line of text, unless escaped, begins a block."""
    return _WOULD_BEGIN_A_BLOCK.match(line) is not None


def escaped(line: str) -> str:
    """Write a line of text that would begin a block so that it doesn't."""
    match = _WOULD_BEGIN_A_BLOCK.match(line)
    if match is None:
        return line
    number = match["number"] or ""
    return f"{number}\\{line[len(number) :]}"


def broken(translation: str, num_lines: int) -> list[str]:
    """Break a translation into at most so many lines, never inside code, a link's end or a tag."""
    parts: list[str] = []
    position = 0
    for span in protected_spans(translation, markdown=True):
        solid = translation[span.start : span.end].replace(" ", _SOLID_BLANK)
        parts += [translation[position : span.start], solid]
        position = span.end
    text = "".join([*parts, translation[position:]])
    text = _LEADING_TAG.sub(lambda match: match[0].replace(" ", _SOLID_BLANK), text)
    text = _BLANK_BEFORE_ONE.sub(_SOLID_BLANK, text)
    return wrapped(text, num_lines=num_lines).replace(_SOLID_BLANK, " ").split("\n")
