"""Paragraphs and headings of HTML pages, by the identifiers that all languages of a documentation share."""

from __future__ import annotations

import re

from nmt_distill.html_reader import HtmlReader

BLOCKS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "li", "td", "th", "dt", "dd", "figcaption"})
"""elements whose text is a message, where they have an identifier"""
VOID = frozenset({"br", "img", "input", "hr", "wbr", "link", "meta", "col", "source", "area", "base", "embed", "track"})
"""elements without an end"""


def texts_of_blocks(page: str) -> dict[str, str]:
    """Return the text of each block by its ``id``, without markup; one that another block stands in is left out.

    So is a block of which a part is hidden: scripts choose among such parts, so that what stands is no sentence.
    """
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return reader.texts


class _Reader(HtmlReader):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: dict[str, str] = {}
        self._open: list[str] = []
        """elements within the block"""
        self._key: str | None = None
        self._parts: list[str] = []
        self._is_whole = True

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if self._key is None:
            if tag in BLOCKS and found.get("id"):
                self._key, self._parts, self._is_whole, self._open = found["id"], [], True, [tag]
        elif tag in VOID:
            self._parts.append(" " if tag == "br" else "")
        else:
            self._open.append(tag)
            self._is_whole &= tag not in BLOCKS and "hidden" not in found

    def handle_endtag(self, tag: str) -> None:
        if self._key is None or tag not in self._open:
            return
        while self._open.pop() != tag:
            pass
        if not self._open:
            text = " ".join(re.split(r"[ \t\n\r\f]+", "".join(self._parts))).strip()
            if self._is_whole and text:
                self.texts[self._key] = text
            self._key = None

    def handle_data(self, data: str) -> None:
        if self._key is not None:
            self._parts.append(data)
