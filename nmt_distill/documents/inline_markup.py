"""Text with markup in it, as a segment: short tags such as ``<g1>`` stand for whatever the file has there.

So no line break or ``>`` inside a tag matters, and what reads like a tag but is text can be told from one.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

_SHORT_TAG = re.compile(r"</?g\d+>|<x\d+/>")
_SPACE = re.compile(r"[ \t\r\n\f]+")
_AMBIGUOUS = re.compile(r"&(?:lt|gt|quot|apos|#0*(?:38|60|62)|#[xX]0*(?:26|3[cCeE]));|&amp;(?=[\w#])")
_BARE_AMPERSAND = re.compile(r"&(?![A-Za-z][A-Za-z0-9]{1,31};|#\d{1,7};|#[xX][0-9A-Fa-f]{1,6};)")

Place = tuple[int, int]
"""where something begins and ends in the file"""


class InlineMarkup:
    """Builds a segment out of text and markup, and turns its translation back.

    :param keeps_space: whether runs of white space mean something
    """

    def __init__(self, *, keeps_space: bool = False) -> None:
        self._keeps_space = keeps_space
        self._parts: list[str] = []
        self._places: dict[str, Place] = {}
        self._opened: list[tuple[str, int, int, Place]] = []
        self.has_letters = False
        """whether there is any text with a letter"""

    def add_text(self, raw: str) -> None:
        """Add text as it stands in the file, with its entities."""
        text = raw if self._keeps_space else _SPACE.sub(" ", raw)
        parts: list[str] = []
        position = 0
        for match in _AMBIGUOUS.finditer(text):
            parts += [html.unescape(text[position : match.start()]), match.group()]
            position = match.end()
        text = "".join([*parts, html.unescape(text[position:])])
        if not self._keeps_space and self._parts and self._parts[-1].endswith(" "):
            text = text.removeprefix(" ")
        self.has_letters = self.has_letters or any(map(str.isalpha, html.unescape(raw)))
        self._parts.append(text)

    def add_single(self, place: Place) -> None:
        """Add markup that stands by itself."""
        tag = f"<x{len(self._places) + 1}/>"
        self._places[tag] = place
        self._parts.append(tag)

    def open(self, name: str, place: Place) -> None:
        """Begin markup around text."""
        self._opened.append((name, len(self._parts), len(self._places) + 1, place))
        self.add_single(place)

    def close(self, name: str, place: Place) -> None:
        """End the last markup of that name; where there is none, it stands by itself."""
        for number in reversed(range(len(self._opened))):
            opened, part, idx, opening = self._opened[number]
            if opened == name:
                del self._opened[number:], self._places[f"<x{idx}/>"]
                self._parts[part] = f"<g{idx}>"
                self._parts.append(f"</g{idx}>")
                self._places |= {f"<g{idx}>": opening, f"</g{idx}>": place}
                return
        self.add_single(place)

    @property
    def segment(self) -> str:
        """The text with short tags."""
        return "".join(self._parts)

    def write(self, translation: str, stretch: Callable[[int, int], str]) -> str:
        """Turn a translation into what stands in the file: escaped, with the markup it had.

        :param stretch: returns what has become of the file between two places
        """
        parts: list[str] = []
        position = 0
        for match in _SHORT_TAG.finditer(translation):
            place = self._places.get(match.group())
            if place is not None:
                parts += [_escaped(translation[position : match.start()]), stretch(*place)]
                position = match.end()
        return "".join([*parts, _escaped(translation[position:])])


def _escaped(text: str) -> str:
    return _BARE_AMPERSAND.sub("&amp;", text).replace("<", "&lt;").replace(">", "&gt;")
