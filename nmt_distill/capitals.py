"""Text in capitals, which models hardly know: it is translated in small letters, and the answer is raised again."""

from __future__ import annotations

import re

MIN_LETTERS = 5
"""a single word of fewer letters is taken for an abbreviation"""


def is_shouted(text: str) -> bool:
    """Tell whether a text is all in capitals, and more than an abbreviation."""
    if text.upper() != text or text.lower() == text:
        return False
    return " " in text.strip() or sum(map(str.isalpha, text)) >= MIN_LETTERS


def lowered(text: str, letter: str) -> str:
    """Write a text in small letters but for its first and for stand-ins such as ``X1``.

    :param letter: what the stand-ins begin with
    """
    small = re.sub(rf"\b{letter.lower()}(?=\d)", letter, text.lower())
    return small[:1].upper() + small[1:]


def raised(text: str, language: str) -> str:
    """Write a translation in capitals, a dotted one for an i of Turkish and Azerbaijani."""
    if language.partition("-")[0] in {"tr", "az"}:
        text = text.replace("i", "\u0130")
    return text.upper()
