"""What in a line is translated and what is copied, and how a text that is too long comes apart.

A line is cut at characters that separate by nature (tab, carriage return, vertical tab, form feed, U+0085, U+2028,
U+2029, a line feed that a caller left inside). Of each part the margin (space, control characters, symbols such as
emoji) is copied, and so is whatever holds no letter. The rest are segments, each cut until it is small enough.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

from nmt_distill.translation.protection import Span
from nmt_distill.translation.sentences import sentences_of

_HARD_BREAK = re.compile("[\t\n\x0b\x0c\r\x1c-\x1e\x85\u2028\u2029]+")
_MARGIN_CATEGORIES = frozenset(("Zs", "Zl", "Zp", "Cc", "Cf", "Cn", "Co", "Cs", "So"))
_MARGIN_MARKS = frozenset("\ufe0e\ufe0f\u20e3\u00b7\u2022\u2023\u2043")  # of emoji; bullets of lists
_CLOSING = "[\"'\u00bb\u2019\u201d)\\]]*"
_CLAUSE_END = re.compile(
    rf"[.!?\u2026,;:\u060c\u061b]+{_CLOSING}\s+|\s+(?=[\u2013\u2014(\[])|[\u3001\uff0c\uff1b\uff1a]+\s*",
)
_WORD_END = re.compile(r"\s+")
Lengths = Callable[[Sequence[str]], list[int]]
"""how many tokens each text becomes, without tag and ``</s>``"""


def may_be_cut(line: str) -> bool:
    """Tell whether a line holds a character that separates."""
    return _HARD_BREAK.search(line) is not None


def parts_of(line: str, whole: Sequence[Span] = ()) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a line in order, and whether each is to be translated; joined they are the line.

    :param whole: what is not cut, in order
    """
    for part in _chunks(line, whole):
        start, end = _inner_span(part)
        inner = part[start:end]
        if not any(map(str.isalpha, inner)):
            if part:
                yield part, False
            continue
        if start:
            yield part[:start], False
        yield inner, True
        if end < len(part):
            yield part[end:], False


def _chunks(line: str, whole: Sequence[Span]) -> Iterator[str]:
    position = 0
    remaining = iter(whole)
    span = next(remaining, None)
    for match in _HARD_BREAK.finditer(line):
        while span is not None and span.end <= match.start():
            span = next(remaining, None)
        if span is None or match.start() < span.start:
            yield line[position : match.start()]
            yield match.group()
            position = match.end()
    yield line[position:]


def _inner_span(text: str) -> tuple[int, int]:
    start, end = 0, len(text)
    while start < end and _is_margin(text[start]):
        start += 1
    while end > start and _is_margin(text[end - 1]):
        end -= 1
    return start, end


def _is_margin(character: str) -> bool:
    if "!" <= character <= "~":
        return False
    return unicodedata.category(character) in _MARGIN_CATEGORIES or character in _MARGIN_MARKS


def split_to_fit(text: str, *, limit: int, lengths: Lengths, cut_words: bool = True) -> list[str]:
    """Cut a text into pieces of at most ``limit`` tokens: at sentence ends, else clauses, else spaces, else characters.

    Sentences stay apart, because models are trained on sentences; smaller pieces are filled evenly.

    :param cut_words: whether words longer than the limit are cut as well
    :return: the pieces, each with the space that follows it; joined they are ``text``. A single character that
        exceeds the limit by itself stays whole
    """
    return list(_split(text, 0, limit, lengths, cut_words))


def _split(text: str, level: int, limit: int, lengths: Lengths, cut_words: bool) -> Iterator[str]:
    (length,) = lengths([text])
    if length <= limit or len(text) == 1 or (level == len(_LEVELS) and not cut_words):
        yield text
        return
    if level == len(_LEVELS):
        pieces = _cut_characters(text, length, limit)
    else:
        pieces = _LEVELS[level](text)
        level += 1
        if level > 1:
            pieces = _pack(pieces, limit, lengths)
    for piece in pieces:
        yield from _split(piece, level, limit, lengths, cut_words)


def _clauses(text: str) -> list[str]:
    return _cut(text, [match.end() for match in _CLAUSE_END.finditer(text)])


def _words(text: str) -> list[str]:
    return _cut(text, [match.end() for match in _WORD_END.finditer(text)])


def _cut(text: str, positions: Iterable[int]) -> list[str]:
    inner = sorted({position for position in positions if 0 < position < len(text)})
    return [text[start:end] for start, end in pairwise((0, *inner, len(text)))]


_LEVELS: tuple[Callable[[str], list[str]], ...] = (sentences_of, _clauses, _words)


def _pack(pieces: list[str], limit: int, lengths: Lengths) -> list[str]:
    """Join neighbouring pieces as long as they fit, into parts of about equal length."""
    sizes = lengths(pieces)
    total = sum(sizes)
    goal = total / max(1, -(-total // limit))
    packed: list[str] = []
    run: list[str] = []
    filled = 0
    for piece, size in zip(pieces, sizes, strict=True):
        if run and (filled + size > limit or filled + size / 2 > goal):
            packed.append("".join(run))
            run, filled = [], 0
        run.append(piece)
        filled += size
    return [*packed, "".join(run)]


def _cut_characters(text: str, length: int, limit: int) -> list[str]:
    """Cut between characters into parts of about equal length, at least two."""
    positions = [position for position in range(1, len(text)) if not _joins_left(text, position)]
    positions = positions or list(range(1, len(text)))
    num_parts = max(2, -(-length // limit))
    return _cut(text, [positions[len(positions) * part // num_parts] for part in range(1, num_parts)])


def _joins_left(text: str, position: int) -> bool:
    """Tell whether the character at ``position`` belongs to the one before it (accents, joined emoji)."""
    return unicodedata.category(text[position])[0] == "M" or "\u200d" in (text[position], text[position - 1])
