"""What a translation must hold as its source does: web addresses, placeholders and markup, numbers."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

_URL = re.compile(r"(?:https?://|www\.)[^\s<>\"'«»“”()\[\]{}]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PLACEHOLDER = re.compile(
    r"\{\{[^{}\s]*\}\}|\$?\{[^{}\s]*\}"  # {{name}}, {name}, ${name}
    r"|%(?:\d+\$|\([^()]*\))?[#0+-]*\d*(?:\.\d+)?[sdifgxr@](?![A-Za-z])"  # %s, %1$s, %(count)d, %.1f
    r"|\$[A-Za-z_]\w*"  # $name, and no price
    r"|</?[A-Za-z][^<>]*>"  # <b>, </a>
    r"|`[^`]+`"  # `code`
)
_NUMBER = re.compile(r"\d{1,3}(?: \d{3})+(?!\d)|\d+(?:[.,'’\u00a0\u202f]\d+)*")
_END_MARKS = ".,;:!?…"


@dataclass(frozen=True)
class KeptItems:
    """What was found in a text, each as often as it stands there."""

    urls: Counter[str]
    """web and e-mail addresses"""
    placeholders: Counter[str]
    """``{name}``, ``%1$s``, tags and spans of code; not what stands inside addresses"""
    numbers: Counter[str]
    """numbers as their digits alone, since languages group and point them differently: ``1,000.5`` is ``10005``"""


def kept_items(text: str) -> KeptItems:
    """Find what a translation of the text must hold too."""
    urls = Counter(found.rstrip(_END_MARKS) for found in _URL.findall(text))
    text = _URL.sub(" ", text)
    placeholders = Counter(_PLACEHOLDER.findall(text))
    numbers = Counter(_digits(found) for found in _NUMBER.findall(_PLACEHOLDER.sub(" ", text)))
    return KeptItems(urls, placeholders, numbers)


def loses(source: Counter[str], output: Counter[str]) -> bool:
    """Tell whether something stands less often in the output than in the source."""
    return bool(source - output)


def kept_spans(text: str) -> list[tuple[int, int]]:
    """Return where addresses, placeholders, markup and code stand in a text, in order, none inside another."""
    spans = [match.span() for match in _URL.finditer(text)]
    for match in _PLACEHOLDER.finditer(text):
        if not any(start < match.end() and match.start() < end for start, end in spans):
            spans.append(match.span())
    return sorted(spans)


def _digits(number: str) -> str:
    return "".join(str(unicodedata.decimal(character)) for character in number if character.isdecimal())
