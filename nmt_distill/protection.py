"""What in a text must come through a translation as it is: placeholders, addresses, code, markup.

A model breaks `{name}` and `<b>` more often than not. So it never sees them: a *stand-in* such as ``X1``, which models
copy, is put for whatever stands by itself, and paired markup around text is taken out and put back where the attention
says (:mod:`nmt_distill.placement`). Whether all came through is counted, never assumed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from nmt_distill.repetition import WITHOUT_SPACES

_PLAIN = r"""
  (?P<file>(?<!\w)[A-Za-z]:\\[^\s<>"|?*]{1,300}(?<![.,;:!]))
| (?P<control>\\(?:[nrt"']|u[0-9A-Fa-f]{4}))
| (?P<code>``(?:[^`\n]|`(?!`)){1,200}`` | `[^`\n]{1,300}`
    | <(?P<code_tag>code|kbd|samp|var|tt)\b[^<>]{0,300}>[^<]{0,300}</(?P=code_tag)\s*> )
| (?P<comment><!--(?:[^-]|-(?!->)){0,300}-->)
| (?P<tag></?(?:[A-Za-z][^<>]*|[0-9]{1,3}\s*/?)> | &lt;/?[A-Za-z](?:[^&<>]|&(?:quot|apos|amp|\#39|\#34);){0,300}&gt;)
| (?P<entity>&(?:[A-Za-z][A-Za-z0-9]{1,31}|\#[0-9]{1,7}|\#[xX][0-9A-Fa-f]{1,6});)
| (?P<address>(?:(?:https?|ftp|file)://|mailto:|(?<!\w)www\.)[^\s<>"'`(){}\[\]|\\^]{1,2000}(?<![.,;:!?*_~])
    | (?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8} )
| (?P<template><%[^%]{0,300}%>)
| (?P<braces>\{\{[^{}]{0,300}\}\} | \{%[^{}%]{0,300}%\} | [$\#%@]?\{[^{}]{0,300}\} )
| (?P<percent>%\([^()\s]{1,80}\)[\#0+-]*[0-9]*(?:\.[0-9]+)?[A-Za-z]
    | %(?:[0-9]+\$)?[\#0+-]*(?:[0-9]+|\*)?(?:\.(?:[0-9]+|\*))?(?:hh|ll|[hlLqjzt])?[sdiufgeEGxXcopaA@](?![A-Za-z])
    | %% | %[A-Za-z_][A-Za-z0-9_]{0,60}% | %[0-9]{1,2}(?![0-9%]) )
| (?P<variable>\$t\([^()]{0,300}\) | \$[A-Za-z_][A-Za-z0-9_.]{0,80}(?<!\.) )
| (?P<date>(?<![\w/.-])(?:y{2,4}|Y{2,4}|M{1,4}|D{1,2}|d{1,2}|H{1,2}|h{1,2})
    (?:[-/.:](?:y{2,4}|Y{2,4}|M{1,4}|D{1,2}|d{1,2}|mm|ss|SSS))+(?!\w))
| (?P<name>(?<![\w:/.]):[A-Za-z_][\w-]{0,60}(?:(?<=\w):)? | (?<![\w@\#&])[@\#][A-Za-z_]\w{0,60})
| (?P<number_sign>(?<![\w#&])\#(?![\w#]))
"""
_MARKDOWN = r"""
| (?P<escape>\\[!-/:-@\[-`{-~])
| (?P<lone_image>\A!\[(?=[^\[\]\n]{1,300}\]\([^()\n]{0,500}\)\Z))
| (?P<image>!\[[^\[\]\n]{0,300}\](?:\([^()\n]{0,500}\)|\[[^\[\]\n]{0,100}\]))
| (?P<footnote>\[\^[^\[\]\s]{1,60}\])
| (?P<link_end>\]\([^()\n]{0,500}(?:\([^()\n]{0,300}\)[^()\n]{0,300})?\)|\]\[[^\[\]\n]{0,100}\])
| (?P<link>\[)
| (?P<emphasis>\*{1,3}|(?<!\w)_{1,3}(?=\S)|(?<=\S)_{1,3}(?!\w)|~~)
"""
_MATH = r"""
  (?P<math>\$\$[^$]{1,500}\$\$ | (?<![\w$])\$(?=[^\s$])[^$\n]{0,300}(?<=[^\s$\\])\$(?![\w$]))
|"""
_BLOCK = re.compile(r"\{%-?\s*(?:(end)?(\w+))|\{\{\s*([#^/])(\w+)")
_PATTERNS = {False: re.compile(_PLAIN, re.VERBOSE), True: re.compile(_MATH + _PLAIN + _MARKDOWN, re.VERBOSE)}
_OTHER_SIGN = r":[A-Za-z_/]|www\.|MM|YY|yy"
_SIGN = {
    False: re.compile(rf"[{{<&%$`@#\\]|{_OTHER_SIGN}"),
    True: re.compile(rf"[{{<&%$`@#*_~\[\\]|{_OTHER_SIGN}"),
}
_TAG_NAME = re.compile(r"(?:<|&lt;)(/?)([A-Za-z0-9][^\s/>&]*)")
_VOID = frozenset([
    "area",
    "base",
    "br",
    "col",
    "embed",
    "hr",
    "img",
    "input",
    "link",
    "meta",
    "source",
    "track",
    "wbr",
    "x",
    "ph",
    "bx",
    "ex",
])
_STAND_IN_LETTERS = "XZQKWJVY"
_DIGITS = re.compile(r"\d+")
_LETTER = re.compile(rf"(?![{WITHOUT_SPACES}])[^\W\d_]")


@dataclass(frozen=True, kw_only=True)
class Span:
    """A protected stretch of a text."""

    start: int
    end: int
    text: str
    """what comes through: what stands there, or a glossary's translation"""
    opens: str = ""
    """name of the markup that begins here"""
    closes: str = ""
    """name of the markup that ends here"""
    is_markup: bool = False
    """whether it is no part of the sentence: a tag, a comment"""
    is_term: bool = False
    """whether a glossary says so"""

    @property
    def is_single(self) -> bool:
        """Whether it neither begins nor ends any markup."""
        return not self.opens and not self.closes

    @property
    def is_single_markup(self) -> bool:
        """Whether it is markup that has no partner."""
        return self.is_markup and self.is_single


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


Terms = Callable[[str], list[Span]]
"""finds the terms of a glossary in a text"""


def protected_spans(text: str, *, markdown: bool = False, terms: Terms | None = None) -> list[Span]:
    """Find what must come through, in order, without overlap; where a term of the glossary overlaps, it gives way."""
    found: list[Span] = []
    if _SIGN[markdown].search(text):
        for match in _PATTERNS[markdown].finditer(text):
            opens, closes = _names(match)
            span = Span(
                start=match.start(),
                end=match.end(),
                text=match.group(),
                opens=opens,
                closes=closes,
                is_markup=match.lastgroup in {"tag", "comment"},
            )
            found.append(span)
    if terms is not None:
        taken = sorted((span.start, span.end) for span in found)
        for term in terms(text):
            if all(term.end <= start or term.start >= end for start, end in taken):
                found.append(term)
        found.sort(key=lambda span: span.start)
    return found


def _names(match: re.Match[str]) -> tuple[str, str]:
    """Return the names of the markup that a match may begin and may end."""
    kind, text = match.lastgroup, match.group()
    if kind == "tag":
        name = _TAG_NAME.match(text)
        if name is None or text.endswith(("/>", "/&gt;")) or name[2].lower() in _VOID or "://" in text:
            return "", ""
        return ("", name[2]) if name[1] else (name[2], "")
    if kind == "braces" and (block := _BLOCK.match(text)) is not None:
        word = block[2] or block[4]
        return ("", word) if block[1] or block[3] == "/" else (word, "")
    if kind in {"link", "lone_image"}:
        return "[", ""
    if kind == "link_end":
        return "", "["
    if kind == "emphasis":
        rest, before = match.string[match.end() :][:1], match.string[: match.start()][-1:]
        can_open, can_close = bool(rest.strip()), bool(before.strip())
        return (text if can_open else ""), (text if can_close else "")
    return "", ""


def kept(source: str, translation: str, *, markdown: bool = False, terms: Terms | None = None) -> bool:
    """Tell whether the translation holds what is protected in the source just as often, and no more of the kind."""
    expected: Counter[str] = Counter()
    for span in protected_spans(source, markdown=markdown, terms=terms):
        if span.is_term:
            if span.text not in translation:
                return False
            expected.update(inner.text for inner in protected_spans(span.text, markdown=markdown))
        else:
            expected[span.text] += 1
    return expected == Counter(span.text for span in protected_spans(translation, markdown=markdown))


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
