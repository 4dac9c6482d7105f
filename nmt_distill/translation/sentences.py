"""Sentences of a text, by sentencex (Wikimedia's splitter, which knows the abbreviations of some 240 languages).

Models are trained on sentences: given several at once they get worse with each, and may drop what follows the first.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from itertools import pairwise

import sentencex

from nmt_distill.translation.protection import Span

_WORD = "Xxxx"
"""what a protected span reads like"""
_SINGLE = re.compile("[0-9A-Za-z\u00c0-\u024f ,'\"/&%+=\u2013-]*[.!?]?")
"""Latin text that ends no sentence before its end, whatever the language"""


def sentences_of(text: str, language: str = "en") -> list[str]:
    """Cut a text into sentences, each with the space that follows it; joined they are the text.

    What goes on with a small letter is no new sentence, but follows an abbreviation.

    :param language: of the text, BCP 47
    """
    if text and _SINGLE.fullmatch(text):
        return [text]
    found: list[str] = sentencex.segment(language.partition("-")[0], text)
    if "".join(found) != text:
        return [text]
    sentences: list[list[str]] = []
    for sentence in found:
        if sentences and sentence[:1].islower():
            sentences[-1].append(sentence)
        else:
            sentences.append([sentence])
    return ["".join(parts) for parts in sentences]


def sentences_around(text: str, spans: list[Span], language: str) -> list[str]:
    """Cut a text into sentences as it reads without its markup, and with a word for each other protected span.

    No span is cut; markup that ends with a sentence stays with it.
    """
    if not spans:
        return sentences_of(text, language)
    visible: list[str] = []
    places: list[int] = []
    position = 0
    for span in spans:
        visible.append(text[position : span.start])
        places += range(position, span.start)
        if span.is_single:
            visible.append(_WORD)
            places += [span.start] * len(_WORD)
        position = span.end
    visible.append(text[position:])
    places += range(position, len(text))
    places.append(len(text))
    starts = [span.start for span in spans]
    ends = {span.start: span.end for span in spans if span.closes}
    cuts = [0]
    length = 0
    for sentence in sentences_of("".join(visible), language)[:-1]:
        length += len(sentence)
        cut = places[length - 1] + 1
        while cut in ends:
            cut = ends[cut]
        before = bisect_left(starts, cut) - 1
        if cut < len(text) and (before < 0 or spans[before].end <= cut):
            cuts.append(cut)
    return [text[start:end] for start, end in pairwise([*cuts, len(text)]) if start < end]
