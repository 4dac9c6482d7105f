"""What a model sees of a protected text, and the way back: stand-ins for what stands by itself, no paired markup."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from nmt_distill.repetition import WITHOUT_SPACES
from nmt_distill.translation.protection import Span

_STAND_IN_LETTERS = "XZQKWJVY"
_DIGITS = re.compile(r"\d+")
_LETTER = re.compile(rf"(?![{WITHOUT_SPACES}])[^\W\d_]")


@dataclass(frozen=True, kw_only=True)
class Element:
    """Paired markup around some text."""

    start: int
    """where it begins in the masked text"""
    end: int
    """where it ends in the masked text"""
    opening: str
    closing: str


@dataclass(frozen=True, kw_only=True)
class Masked:
    """A text as the model sees it, and what belongs back into its translation."""

    text: str
    letter: str
    """what stand-ins begin with"""
    stand_ins: tuple[str, ...]
    """what each of them stands for"""
    before: str
    """markup and space in front of the text"""
    after: str
    """space and markup behind it"""
    has_letters: bool
    """whether there is anything to translate beside what is protected"""
    elements: tuple[Element, ...]
    """paired markup; an outer one comes before what it holds"""
    glued: tuple[tuple[bool, bool], ...] = ()
    """whether each stand-in has a space before and behind that is not in the text"""


def mask(text: str, spans: Sequence[Span]) -> Masked:
    """Put stand-ins for what stands by itself, and take paired markup around letters out.

    What stands side by side has one stand-in; so has a pair with no letter in it. Markup at the margins stays there.

    :param spans: all that is protected in the text
    """
    units = _units(text, spans)
    start, end = 0, len(text)
    while units and units[0].is_single_markup and not text[start : units[0].start].strip():
        start = units.pop(0).end
    while units and units[-1].is_single_markup and not text[units[-1].end : end].strip():
        end = units.pop().start
    start = end - len(text[start:end].lstrip())
    end = start + len(text[start:end].rstrip())
    letter = next((one for one in _STAND_IN_LETTERS if not re.search(rf"(?i){one} ?\d", text)), "X")
    parts: list[str] = []
    stand_ins: list[str] = []
    glued: list[tuple[bool, bool]] = []
    elements: list[Element] = []
    opened: list[tuple[int, int, str]] = []
    length, position, has_letters = 0, start, False
    for unit, following in pairwise([*units, *[Span(start=end, end=end, text="", closes="end")] * 2]):
        parts.append(text[position : unit.start])
        has_letters = has_letters or any(map(str.isalpha, parts[-1]))
        length += len(parts[-1])
        position = unit.end
        if unit.opens:
            opened.append((len(elements), length, unit.text))
            elements.append(Element(start=length, end=length, opening="", closing=""))
        elif not unit.closes:
            if digits := _DIGITS.match(text, position, following.start):  # they would make another number of it
                position = digits.end()
            stand_ins.append(unit.text + text[unit.end : position])
            # a model reads no word that a stand-in is part of
            is_glued = (
                bool(parts[-1]) and _LETTER.match(parts[-1][-1]) is not None,
                position < following.start and _LETTER.match(text, position) is not None,
            )
            glued.append(is_glued)
            parts.append(f"{' ' * is_glued[0]}{letter}{len(stand_ins)}{' ' * is_glued[1]}")
            length += len(parts[-1])
        elif opened:
            number, begin, opening = opened.pop()
            elements[number] = Element(start=begin, end=length, opening=opening, closing=unit.text)
    return Masked(
        text="".join(parts),
        letter=letter,
        stand_ins=tuple(stand_ins),
        before=text[:start],
        after=text[end:],
        has_letters=has_letters,
        elements=tuple(elements),
        glued=tuple(glued),
    )


def restore(masked: Masked, translation: str) -> str | None:
    """Put back what the stand-ins stand for; None where one is lost, doubled or invented."""
    if not masked.stand_ins:
        return translation
    seen: list[int] = []

    def original(match: re.Match[str]) -> str:
        seen.append(int(match[2]))
        if not 0 < seen[-1] <= len(masked.stand_ins):
            return ""
        glued_before, glued_behind = masked.glued[seen[-1] - 1]
        before, behind = "" if glued_before else match[1], "" if glued_behind else match[3]
        return f"{before}{masked.stand_ins[seen[-1] - 1]}{behind}"

    restored = re.sub(rf"(?i)( ?){masked.letter} ?(\d{{1,6}})( ?)", original, translation)
    return restored if sorted(seen) == list(range(1, len(masked.stand_ins) + 1)) else None


def _units(text: str, spans: Sequence[Span]) -> list[Span]:
    """Join what has one stand-in; of the rest only what is paired opens or closes anything."""
    pairs = _pairs(spans)
    chunks_with_letters = _chunks_with_letters(text, spans)
    closing: set[int] = set()
    units: list[Span] = []
    number = 0
    while number < len(spans):
        last = pairs.get(number, number)
        if number in closing:
            units.append(replace(spans[number], opens=""))
        elif last > number and chunks_with_letters[last] > chunks_with_letters[number]:
            closing.add(last)
            units.append(replace(spans[number], closes=""))
            last = number
        else:
            single = _joined(text, spans[number : last + 1])
            if units and units[-1].end == single.start and units[-1].is_single:
                single = _joined(text, [units.pop(), single])
            units.append(single)
        number = last + 1
    return units


def _pairs(spans: Sequence[Span]) -> dict[int, int]:
    """Match what opens with what closes, well nested."""
    pairs: dict[int, int] = {}
    stack: list[int] = []
    names: Counter[str] = Counter()
    for number, span in enumerate(spans):
        if span.closes and names[span.closes]:
            while True:
                opened = stack.pop()
                names[spans[opened].opens] -= 1
                if spans[opened].opens == span.closes:
                    break
            pairs[opened] = number
        elif span.opens:
            stack.append(number)
            names[span.opens] += 1
    return pairs


def _chunks_with_letters(text: str, spans: Sequence[Span]) -> list[int]:
    """Count, up to each span, the stretches between spans that hold a letter."""
    counts: list[int] = []
    position = count = 0
    for span in spans:
        count += any(map(str.isalpha, text[position : span.start]))
        counts.append(count)
        position = span.end
    return counts


def _joined(text: str, spans: Sequence[Span]) -> Span:
    parts: list[str] = []
    position = spans[0].start
    for span in spans:
        parts += [text[position : span.start], span.text]
        position = span.end
    is_markup = all(span.is_markup for span in spans)
    return Span(start=spans[0].start, end=position, text="".join(parts), is_markup=is_markup)
