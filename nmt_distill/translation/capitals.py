"""Text in capitals, which models hardly know: they read it in small letters.

An answer to SHOUTED text is raised again. One to Text In Title Case is not: that is a habit of English, and headings in
other languages are written as sentences.
"""

from __future__ import annotations

import re
from collections.abc import Callable

MIN_LETTERS = 5
"""a single word of fewer letters is taken for an abbreviation"""

_FUNCTION_WORDS = frozenset({
    "a", "all", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "cannot", "could",
    "did", "do", "does", "for", "from", "had", "has", "have", "her", "his", "how", "if", "in", "into", "is", "it",
    "its", "may", "might", "must", "my", "no", "nor", "not", "of", "off", "on", "only", "onto", "or", "our", "out",
    "over", "per", "should", "so", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this",
    "those", "to", "under", "until", "up", "upon", "was", "we", "were", "what", "when", "where", "which", "while",
    "who", "will", "with", "within", "without", "would", "you", "your",
})  # fmt: skip
"""English words that names hardly hold in capitals, but titles do"""
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")


def is_shouted(text: str) -> bool:
    """Tell whether a text is all in capitals, and more than an abbreviation."""
    if text.upper() != text or text.lower() == text:
        return False
    return " " in text.strip() or sum(map(str.isalpha, text)) >= MIN_LETTERS


def lowered(text: str, letter: str) -> str:
    """Write a text in small letters but for its first and for stand-ins such as ``X1``.

    :param letter: what the stand-ins begin with
    """
    small = re.sub(rf"\b{letter.lower()}(?=\d)", letter, _small_letters(text))
    return small[:1].upper() + small[1:]


def is_titled(text: str, language: str) -> bool:
    """Tell whether an English text Is Written Like This, and is more than a name.

    It is if every word begins with a capital but for function words, of which one after the first has a capital too:
    "Turn Off the Lights", and neither "Home Assistant Cloud" nor "Connect to Home Assistant".

    :param language: of the text
    """
    if re.split("[-_]", language)[0] not in {"en", "eng"}:
        return False
    words = _WORD.findall(text)
    if not any(word.istitle() and word != "A" and word.lower() in _FUNCTION_WORDS for word in words[1:]):
        return False
    return all(not word[0].islower() or word in _FUNCTION_WORDS for word in words)


def as_sentence(text: str, is_name: Callable[[str], bool]) -> str:
    """Write a text in title case as a sentence; abbreviations, and words with digits or inner capitals, stay.

    :param is_name: whether a word keeps its capital
    """
    begin = _WORD.search(text)
    head = begin.end() if begin is not None else 0
    return text[:head] + _WORD.sub(lambda match: _small(match[0], is_name), text[head:])


def _small(word: str, is_name: Callable[[str], bool]) -> str:
    letters = re.sub("['\u2019]", "", word)
    is_common = letters.isalpha() and letters.istitle() and re.split("['\u2019]", word)[0] != "I"
    return _small_letters(word) if is_common and (word.lower() in _FUNCTION_WORDS or not is_name(word)) else word


def _small_letters(text: str) -> str:
    """Write all letters small that are one character then too, so that markup keeps its place: not the dotted I."""
    small = text.lower()
    return small if len(small) == len(text) else "".join(map(_small_letter, text))


def _small_letter(letter: str) -> str:
    small = letter.lower()
    return small if len(small) == 1 else letter


def raised(text: str, language: str) -> str:
    """Write a translation in capitals, a dotted one for an i of Turkish and Azerbaijani."""
    if language.partition("-")[0] in {"tr", "az"}:
        text = text.replace("i", "\u0130")
    return text.upper()
