"""The sign before the letter that chooses a menu's entry by keyboard: ``_Open`` of GTK, ``&Save`` of Qt and Windows.

A model makes ``_ Open`` of it. So it is taken out, and put before a letter of the translation.
"""

from __future__ import annotations

import re

from nmt_distill.repetition import WITHOUT_SPACES
from nmt_distill.translation.protection import protected_spans

MAX_CHARACTERS = 60
"""longer text is no entry of a menu"""
_SIGN = re.compile(
    r"(?<!\w)(?:[A-Z][a-z]{0,2})?(?P<line>_)(?=[^\W\d_]+(?!\w))"
    r"|(?<!\w)(?:[A-Z][a-z]{0,8})?(?P<and>&)(?=[^\W\d_])(?![A-Za-z0-9]+[;=])(?!(?<=[A-Z]&)[A-Z])"
)
_IN_BRACKETS = re.compile(r"(?<=\S)\s*\((?P<key>[&_][^\W\d_])\)(?=[\s.:\u2026\uff1a]*$)")
"""as Chinese and Japanese menus have it: ``Zoom (&Z)``"""
_BARE = re.compile(rf"(?![{WITHOUT_SPACES}])[^\W\d_]")
_END = re.compile(r"[\s.:\u2026\uff1a]*$")


def without_access_key(text: str) -> tuple[str, str]:
    """Take the sign out.

    :return: the text, and the sign with the letter behind it, empty where there is none, or no single one
    """
    if ("_" not in text and "&" not in text) or len(text) > MAX_CHARACTERS:
        return text, ""
    if text.count("_") + text.count("&") > 1:
        return text, ""
    if bracketed := _IN_BRACKETS.search(text):
        return text[: bracketed.start()] + text[bracketed.end() :], bracketed["key"]
    match = _SIGN.search(text)
    if match is None:
        return text, ""
    place = match.end() - 1
    return text[:place] + text[place + 1 :], text[place : place + 2]


def with_access_key(text: str, key: str) -> str:
    """Put the sign before the same letter, else before the first of a word; behind text of a script without any."""
    inside = {place for span in protected_spans(text) for place in range(span.start, span.end)}
    letters = [match.start() for match in _BARE.finditer(text) if match.start() not in inside]
    heads = [place for place in letters if place == 0 or not text[place - 1].isalnum()]
    same = [place for place in heads or letters if text[place].casefold() == key[1].casefold()]
    for place in same or heads or letters:
        return f"{text[:place]}{key[0]}{text[place:]}"
    end = _END.search(text)
    place = end.start() if end else len(text)
    return f"{text[:place]}({key.upper()}){text[place:]}"
