"""Where markup around some words of a source belongs in its translation, by the model's own attention.

N target tokens, S source tokens without tag and ``</s>``. A word is a run of letters and digits; of scripts without
spaces each character is one; so is any other sign. Marks, such as the vowel signs of Hindi, belong to what they follow.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nmt_distill.repetition import WITHOUT_SPACES
from nmt_distill.translation.masking import Element

Offsets = list[tuple[int, int]]
"""where each token begins and ends in its text"""
Floats = npt.NDArray[np.float64]

_MARK = "\u0301"
"""stands for every mark"""
_LETTERS = rf"(?:(?![{WITHOUT_SPACES}])\w)"
_WORD = re.compile(rf"[{WITHOUT_SPACES}]{_MARK}*|{_LETTERS}+(?:{_MARK}+{_LETTERS}*)*|[^\w\s]{_MARK}*")
_SPACE = "\u2581"


class _Shapes(dict[int, int]):
    """What each character reads like: a mark like any other; filled as characters come."""

    def __missing__(self, character: int) -> int:
        is_mark = unicodedata.category(chr(character)) in {"Mn", "Mc"} or character in {0x200C, 0x200D}  # joiners
        self[character] = ord(_MARK) if is_mark else character
        return self[character]


_SHAPES = _Shapes()


def place(
    elements: Sequence[Element],
    source: str,
    translation: str,
    *,
    source_tokens: Sequence[str],
    target_tokens: Sequence[str],
    attention: Sequence[Sequence[float]],
) -> str | None:
    """Put markup into a translation: each element around the words that look at what it held in the source.

    Elements keep their nesting, each holds at least one word, and two that stand side by side never share one.

    :param elements: outer ones before what they hold
    :param attention: (N, S)
    :return: None where tokens do not line up with their text, or there are not enough words
    """
    source_offsets = token_offsets(source_tokens, source)
    target_offsets = token_offsets(target_tokens, translation)
    words = [match.span() for match in _WORD.finditer(_shape(translation))]
    if source_offsets is None or target_offsets is None or not words:
        return None
    is_sign = [not translation[start].isalnum() for start, _ in words]
    looks = _by_word(np.asarray(attention, dtype=np.float64), target_offsets, words)
    placed: list[tuple[Element, int, int]] = []
    taken = [[False] * len(words)]
    holders = [(Element(start=0, end=len(source), opening="", closing=""), 0, len(words), taken[0])]
    for element in elements:
        while element.start >= holders[-1][0].end or element.end > holders[-1][0].end:
            holders.pop()
        holder, first, last, used = holders[-1]
        if (element.start, element.end) != (holder.start, holder.end):
            inside = _share_inside(source_offsets, element)
            gains = _share_of_looks(looks, inside) - 0.5
            held = source[element.start : element.end]
            found = _best_run(gains, used, first, last)
            if found is None:
                return None
            if any(map(str.isalnum, held)) and all(is_sign[found[0] : found[1]]):  # such as a quote before the word
                found = _best_run(gains, [*map(max, used, is_sign)], first, last) or found
            first, last = _without_edges(held, translation, words, *found)
        used[first:last] = [True] * (last - first)
        placed.append((element, words[first][0], words[last - 1][1]))
        holders.append((element, first, last, [False] * len(words)))
    return _insert(translation, placed)


def _shape(text: str) -> str:
    return text if text.isascii() else text.translate(_SHAPES)


def token_offsets(tokens: Sequence[str], text: str) -> Offsets | None:
    """Find tokens in their text: exactly, or where text was normalized the words that they belong to.

    :return: None where there are other words in the text
    """
    lengths = [len(token) for token in tokens]
    joined = "".join(tokens).replace(_SPACE, " ")
    lead = len(joined) - len(joined.lstrip())
    if joined[lead:] == text:
        ends = np.cumsum(lengths) - lead
        inner = [len(token.lstrip(_SPACE)) for token in tokens]
        return [(int(end) - length, int(end)) if length else (0, 0) for end, length in zip(ends, inner, strict=True)]
    words = [match.span() for match in re.finditer(r"\S+", text)]
    offsets = []
    number = -1
    for token in tokens:
        number += token.startswith(_SPACE) or number < 0
        if number >= len(words):
            return None
        offsets.append(words[number])
    return offsets if number + 1 == len(words) else None


def _by_word(attention: Floats, offsets: Offsets, words: Offsets) -> Floats:
    """Add the attention of the tokens that share characters with each word: (words, S)."""
    looks = np.zeros((len(words), attention.shape[1]))
    word = 0
    for row, (start, end) in zip(attention, offsets, strict=True):
        while word > 0 and words[word - 1][1] > start:
            word -= 1
        while word < len(words) and words[word][1] <= start:
            word += 1
        for number in range(word, len(words)):
            if words[number][0] >= end:
                break
            looks[number] += row
        word = min(word, len(words) - 1)
    return looks


def _share_inside(offsets: Offsets, element: Element) -> Floats:
    """Tell how much of each source token an element holds, 0 to 1: (S)."""
    shares = [
        max(0, min(end, element.end) - max(start, element.start)) / (end - start) if end > start else 0.0
        for start, end in offsets
    ]
    return np.asarray(shares)


def _share_of_looks(looks: Floats, inside: Floats) -> Floats:
    # every source token counts alike, however much it is looked at in all
    looks = looks / np.maximum(looks.sum(0), 1e-9)
    total = looks.sum(1)
    return np.where(total > 0, looks @ inside / np.maximum(total, 1e-9), 0.0)


def _best_run(gains: Floats, used: Sequence[bool], first: int, last: int) -> tuple[int, int] | None:
    """Find the run of free words with the largest sum of gains (Kadane's algorithm)."""
    best: tuple[float, int, int] | None = None
    total, start = 0.0, first
    for number in range(first, last):
        if used[number]:
            total, start = 0.0, number + 1
            continue
        if total < 0 or start == number:
            total, start = 0.0, number
        total += float(gains[number])
        if best is None or total > best[0]:
            best = (total, start, number + 1)
    return None if best is None else best[1:]


def _without_edges(held: str, translation: str, words: Offsets, first: int, last: int) -> tuple[int, int]:
    """Leave signs at the edges of a run out where the element has none there: a token may hold a word and a comma.

    So are signs that join the run to a word outside; behind ``**a-`` Markdown takes ``**b`` for no end.
    """
    letters = [translation[start].isalnum() for start, _ in words]
    ends_in_letter = _shape(held).rstrip(_MARK)[-1:].isalnum()
    while last - first > 1 and not letters[last - 1]:
        is_joined = last < len(words) and letters[last] and words[last - 1][1] == words[last][0]
        if not (ends_in_letter or is_joined):
            break
        last -= 1
    while last - first > 1 and not letters[first]:
        is_joined = first > 0 and letters[first - 1] and words[first - 1][1] == words[first][0]
        if not (held[0].isalnum() or is_joined):
            break
        first += 1
    return first, last


def _insert(text: str, placed: Sequence[tuple[Element, int, int]]) -> str:
    marks: list[tuple[int, int, int, str]] = []
    for number, (element, start, end) in enumerate(placed):
        marks += [(start, 1, number, element.opening), (end, 0, -number, element.closing)]
    parts: list[str] = []
    position = 0
    for where, _, _, mark in sorted(marks):
        parts += [text[position:where], mark]
        position = where
    return "".join([*parts, text[position:]])


def attention_on_source(attention: Sequence[Sequence[float]], num_tags: int) -> Any:
    """Cut the columns of tags in front and of ``</s>`` behind off: (N, S)."""
    return np.asarray(attention, dtype=np.float64)[:, num_tags:-1]
