"""Which words of two texts differ."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

_TOKEN = re.compile(r"[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|\w+|\s+|[^\w\s]")
"""a word, a run of space, a mark; a character of a script without spaces between words by itself"""


@dataclass(frozen=True)
class Span:
    """A run of text, and whether the other text lacks it there."""

    text: str
    is_marked: bool


def marked_differences(text: str, other: str) -> tuple[Span, ...]:
    """Split a text into runs that stand in the other text too and runs that do not; together they are the text."""
    tokens, others = _TOKEN.findall(text), _TOKEN.findall(other)
    spans: list[Span] = []
    for operation, begin, end, _, _ in difflib.SequenceMatcher(None, tokens, others, autojunk=False).get_opcodes():
        if begin == end:
            continue
        run, is_marked = "".join(tokens[begin:end]), operation != "equal"
        is_gap = not is_marked and run.isspace() and bool(spans)
        if is_gap or (spans and spans[-1].is_marked == is_marked):  # a space between two marked words is marked too
            spans[-1] = Span(spans[-1].text + run, spans[-1].is_marked)
        else:
            spans.append(Span(run, is_marked))
    return tuple(_without_marked_ends(spans))


def _without_marked_ends(spans: list[Span]) -> list[Span]:
    """Move the space that ends a marked run behind the mark."""
    tidy: list[Span] = []
    for span in spans:
        bare = span.text.rstrip()
        if span.is_marked and bare and bare != span.text:
            tidy += [Span(bare, True), Span(span.text[len(bare) :], False)]
        elif tidy and not span.is_marked and not tidy[-1].is_marked:
            tidy[-1] = Span(tidy[-1].text + span.text, False)
        else:
            tidy.append(span)
    return tidy
