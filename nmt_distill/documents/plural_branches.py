"""The forms of a plural in one string, as vue-i18n and Polyglot write them: ``no apples | one apple | {n} apples``.

Each form is a segment of its own. A ``|`` is a frame, but not where it begins or ends a string, as in the row of a
table, stands in brackets or in what is protected, such as code, or is doubled, as ``||`` in a program. All stand
between spaces, or none beside one: then the forms have as many words as one another, and either one each or a
placeholder in the last, as in ``One post|{count} posts``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from nmt_distill.documents.document import Document
from nmt_distill.translation.protection import protected_spans

_SIGN = re.compile(r"(?P<opens>[(\[{])|(?P<closes>[)\]}])|\s*(?P<bars>\|+)\s*")
_BARS = frozenset(("|", "||||"))
"""what vue-i18n and Polyglot put between forms"""


@dataclass(kw_only=True)
class BranchedDocument:
    """A document in which the forms of a plural are segments of their own."""

    inner: Document
    markdown: bool = False

    @property
    def segments(self) -> Sequence[str]:
        """What is to be translated, in order."""
        return [form for _, form in self._forms]

    @cached_property
    def _forms(self) -> list[tuple[int, str]]:
        """The forms of all plurals, each with the place of its segment in the document within."""
        return [(number, form) for number, segment in enumerate(self.inner.segments) for form in branches(segment)[::2]]

    def line_of(self, number: int) -> int:
        """Return the line, from 1, in which the plural of a form begins."""
        return self.inner.line_of(self._forms[number][0])

    def render(self, translations: Sequence[str]) -> bytes:
        """Return the file with one translation for each segment."""
        remaining = iter(translations)
        joined = []
        for segment in self.inner.segments:
            parts = branches(segment)
            parts[::2] = [next(remaining) for _ in parts[::2]]
            joined.append("".join(parts))
        return self.inner.render(joined)


def branches(text: str) -> list[str]:
    """Cut a text into the forms of a plural and, between them, their frame; what has no forms is one."""
    if "|" not in text or "\n" in text.strip():
        return [text]
    visible = text
    spans = protected_spans(text)
    for span in spans:
        visible = visible[: span.start] + "x" * (span.end - span.start) + visible[span.end :]
    depth, position, used = 0, 0, set()
    parts: list[str] = []
    lengths: list[int] = []
    gaps: set[bool] = set()
    for sign in _SIGN.finditer(visible):
        depth = max(0, depth + (sign["opens"] is not None) - (sign["closes"] is not None))
        if sign["bars"] is not None and not depth:
            parts += [text[position : sign.start()], text[sign.start() : sign.end()]]
            lengths.append(len(visible[position : sign.start()].split()))
            gaps |= {sign.start() < sign.start("bars"), sign.end("bars") < sign.end()}
            position = sign.end()
            used.add(sign["bars"])
    parts.append(text[position:])
    lengths.append(len(visible[position:].split()))
    if len(used) != 1 or not used <= _BARS or not all(map(str.strip, parts[::2])):
        return [text]
    has_placeholder = any(span.start >= position and not span.is_markup for span in spans)
    is_tight_plural = gaps == {False} and len(set(lengths)) == 1 and (lengths[0] == 1 or has_placeholder)
    return parts if "||||" in used or gaps == {True} or is_tight_plural else [text]
