"""Text as one line: whitespace, placeholders, the key of the split, hashes."""

from __future__ import annotations

import hashlib
import re
import unicodedata

_WHITESPACE = re.compile(r"[ \t\n\r\f\v]+")
_LINE_BREAK = re.compile(r"[\n\r\f\v]+")
PLACEHOLDER = re.compile(
    r"\{[^{}]*\}"  # {name}, {{name}}
    r"|%(?:\([^()]*\))?[#0+-]*\d*(?:\.\d+)?[sdifgxr](?![A-Za-z])"  # %s, %(count)d, %.1f
    r"|</?[A-Za-z][^<>]*>"  # <b>, </a>
    r"|\$\{?\w+\}?"  # $name
    r"|https?://[^\s)\]>]+"
)
_PLACEHOLDER_SIGN = re.compile(r"[{%<$]|://")
_DIGITS = re.compile(r"\d+")
_SEPARATORS = re.compile(r"[\s_]+")


def one_line(text: str) -> str:
    """Return text in NFC with runs of ASCII whitespace as one space; U+0085, U+00A0 and U+2028 stay content."""
    text = _WHITESPACE.sub(" ", text).strip(" ")
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def without_placeholders(text: str, filler: str) -> str:
    """Return text with ``filler`` for each placeholder, tag and web address."""
    return PLACEHOLDER.sub(filler, text) if _PLACEHOLDER_SIGN.search(text) else text


def paired_lines(source: str, target: str | None) -> list[tuple[str, str | None]]:
    """Split text with line breaks into the pairs that it holds.

    Where both sides have as many lines that are not blank, line answers line; else the breaks become spaces.
    """
    sources = [line for part in _LINE_BREAK.split(source) if (line := one_line(part))]
    if target is None:
        return [(line, None) for line in sources] or [("", None)]
    targets = [line for part in _LINE_BREAK.split(target) if (line := one_line(part))]
    if len(sources) == len(targets) > 1:
        return list(zip(sources, targets, strict=True))
    return [(" ".join(sources), " ".join(targets))]


def split_key(text: str) -> str:
    """Return what two lines share that must not straddle training and test text.

    Case, digits, placeholders, markup, whitespace, underscores, and punctuation at the ends are folded: ``Button_1``
    and ``button 23.`` have one key.
    """
    folded = without_placeholders(text, " {} ")
    folded = (folded if folded.isascii() else unicodedata.normalize("NFKC", folded)).casefold()
    folded = _SEPARATORS.sub(" ", _DIGITS.sub("0", folded))
    start, end = 0, len(folded)
    while start < end and not folded[start].isalnum():
        start += 1
    while end > start and not folded[end - 1].isalnum():
        end -= 1
    return folded[start:end]


def hash_of(text: str, seed: int = 0) -> int:
    """Return 64 bits that depend on the text and the seed alone, never on the process."""
    salt = seed.to_bytes(8, "little", signed=True)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, salt=salt)
    return int.from_bytes(digest.digest(), "little")
