"""HTML: the text of each block is a segment, inline markup in it and all; so are attributes that people read."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from functools import partial
from itertools import accumulate, groupby, pairwise
from pathlib import Path
from typing import NamedTuple

from nmt_distill.documents.document import Slot, SlottedDocument, constant
from nmt_distill.documents.html_charset import decode_page
from nmt_distill.documents.inline_markup import InlineMarkup
from nmt_distill.documents.target_language import primary_language
from nmt_distill.html_reader import HtmlReader

_INLINE = frozenset(
    re.findall(
        r"\w+",
        "a abbr acronym b bdi bdo big cite data del dfn em font i img input ins label mark nobr output q rp rt ruby s "
        "small span strike strong sub sup time tt u wbr",
    )
)
_OPAQUE_INLINE = frozenset(["code", "kbd", "samp", "var", "math", "svg"])
_OPAQUE = frozenset(
    re.findall(
        r"\w+",
        "script style pre listing xmp plaintext textarea template object iframe noembed noframes canvas",
    )
)
_VOID = frozenset(
    re.findall(r"\w+", "area base br col embed hr img input link meta param source track wbr"),
)
_ENDS_A_PARAGRAPH = frozenset(
    re.findall(
        r"\w+",
        "address article aside blockquote details div dl fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 "
        "header hr main menu nav ol p pre section table ul",
    )
)
_ENDED_BY = {
    **dict.fromkeys(["p"], _ENDS_A_PARAGRAPH),
    **dict.fromkeys(["li"], frozenset(["li"])),
    **dict.fromkeys(["dt", "dd"], frozenset(["dt", "dd"])),
    **dict.fromkeys(["td", "th"], frozenset(["td", "th", "tr", "tbody", "tfoot"])),
    **dict.fromkeys(["tr"], frozenset(["tr", "tbody", "tfoot"])),
    **dict.fromkeys(["option"], frozenset(["option", "optgroup"])),
}
"""which tags end an element whose own end is left out (https://html.spec.whatwg.org/#optional-tags)"""
_ATTRIBUTES = frozenset(("alt", "title", "placeholder", "aria-label"))
_BUTTONS = frozenset(("submit", "button", "reset"))
_LABELLED = frozenset(("option", "optgroup", "track"))
_DESCRIPTIONS = frozenset(["description", "og:title", "og:description", "twitter:title", "twitter:description"])
_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]+)\s*=\s*("[^"]*"|'[^']*'|[^\s"'>][^\s>]*?(?=\s|/?>))""")


class _Token(NamedTuple):
    kind: str
    """``start``, ``end``, ``text`` or ``other``"""
    start: int
    name: str
    attributes: dict[str, str]


def read_html_page(content: bytes, path: Path, language: str | None = None) -> SlottedDocument:
    """Read a page; HTML is never broken, only odd.

    :param language: of the translation, for the page to name instead of another
    :raises DocumentError: if it is not of the encoding that it declares
    """
    source = decode_page(content, path)
    tokens = _Reader(source.text).tokens
    told = _language_of(tokens)
    is_source = language is None or told != primary_language(language)
    slots = _Blocks(source.text, 0, told if is_source else None).read(tokens)
    if language is not None and slots:
        slots += _language_slots(source.text, tokens, language)
    return SlottedDocument(source=source, slots=slots)


def html_slots(text: str, offset: int = 0) -> list[Slot]:
    """Find what is to be translated in HTML.

    :param offset: where the HTML begins in a larger text
    """
    reader = _Reader(text)
    return _Blocks(text, offset).read(reader.tokens)


def _language_of(tokens: list[_Token]) -> str | None:
    """Return the language that the root element names."""
    roots = (token for token in tokens if token.kind == "start" and token.name == "html")
    return next((_language(root) for root in roots), None)


def _language(token: _Token) -> str | None:
    return primary_language(token.attributes.get("lang", token.attributes.get("xml:lang", "")))


def _language_slots(text: str, tokens: list[_Token], language: str) -> Iterator[Slot]:
    """Find where the root element names another language."""
    for token, following in pairwise(tokens):
        if token.kind == "start" and token.name == "html":
            for match in _ATTRIBUTE.finditer(text, token.start, following.start):
                told = primary_language(match[2].strip("\"'"))
                if match[1].lower() in {"lang", "xml:lang"} and told not in {None, primary_language(language)}:
                    quote = "'" if match[2].startswith("'") else '"'
                    write = constant(f"{quote}{language}{quote}")
                    yield Slot(start=match.start(2), end=match.end(2), segment="", write=write, always=True)


class _Reader(HtmlReader):
    """Notes where each token begins."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=False)
        self._line_starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
        self.tokens: list[_Token] = []
        self.feed(text)
        self.close()
        self._note("other")

    def _note(self, kind: str, name: str = "", attributes: dict[str, str] | None = None) -> None:
        line, column = self.getpos()
        self.tokens.append(_Token(kind, self._line_starts[line - 1] + column, name, attributes or {}))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note("start", tag, {name: value or "" for name, value in attrs})

    def handle_endtag(self, tag: str) -> None:
        self._note("end", tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note("start", tag, {name: value or "" for name, value in attrs} | {"/": ""})

    def handle_data(self, data: str) -> None:
        self._note("text")

    def handle_entityref(self, name: str) -> None:
        self._note("text")

    def handle_charref(self, name: str) -> None:
        self._note("text")

    def handle_comment(self, data: str) -> None:
        self._note("other")

    def handle_decl(self, decl: str) -> None:
        self._note("other")

    def handle_pi(self, data: str) -> None:
        self._note("other")

    def unknown_decl(self, data: str) -> None:
        self._note("other")


class _Blocks:
    """Gathers tokens into blocks of text with inline markup."""

    def __init__(self, text: str, offset: int, language: str | None = None) -> None:
        """Take text whose language is known, or is not."""
        self._text = text
        self._offset = offset
        self._language = language
        self._slots: list[Slot] = []
        self._run: list[tuple[_Token, int]] = []

    def read(self, tokens: list[_Token]) -> list[Slot]:
        """Return the slots of all tokens; the last token only tells where the one before it ends."""
        opaque: list[str] = []
        begins = 0
        for token, following in pairwise(tokens):
            if opaque and not _ends_before(opaque, token):
                opaque = _after(opaque, token)
                if not opaque and self._run and self._run[-1][0].kind == "opaque":
                    self._run[-1] = (self._run[-1][0], following.start)
                continue
            opaque = []
            if token.kind == "start":
                self._read_attributes(token, following.start)
                if self._is_opaque(token):
                    opaque = [token.name]
                    if token.name in _INLINE | _OPAQUE_INLINE:
                        begins = token.start
                        self._run.append((_Token("opaque", begins, token.name, {}), following.start))
                    else:
                        self._flush()
                    continue
            if token.kind == "text" or (token.kind in {"start", "end"} and token.name in _INLINE | _OPAQUE_INLINE):
                self._run.append((token, following.start))
            else:
                self._flush()
        self._flush()
        return self._slots

    def _flush(self) -> None:
        run, self._run = self._run, []
        while run and self._is_blank(*run[0]):
            run.pop(0)
        while run and self._is_blank(*run[-1]):
            run.pop()
        if not run:
            return
        inline = InlineMarkup()
        start, end = run[0][0].start, run[-1][1]
        if run[0][0].kind == "text":
            start = end - len(self._text[start:end].lstrip())
        if run[-1][0].kind == "text":
            end = start + len(self._text[start:end].rstrip())
        for token, token_end in _merged(run):
            place = (max(start, token.start), min(end, token_end))
            there = (place[0] + self._offset, place[1] + self._offset)
            if token.kind == "text":
                inline.add_text(self._text[slice(*place)])
            elif token.kind == "opaque" or token.name in _VOID or "/" in token.attributes:
                inline.add_single(there)
            elif token.kind == "start":
                inline.open(token.name, there)
            else:
                inline.close(token.name, there)
        if inline.has_letters:
            self._slots.append(
                Slot(
                    start=start + self._offset,
                    end=end + self._offset,
                    segment=inline.segment,
                    write_around=inline.write,
                )
            )

    def _is_opaque(self, token: _Token) -> bool:
        """Whether an element is copied: it is none of text, asks for it, or says that it is in another language."""
        if token.name in _VOID or "/" in token.attributes:
            return False
        return (
            token.name in _OPAQUE | _OPAQUE_INLINE
            or token.attributes.get("translate", "").lower() == "no"
            or "notranslate" in token.attributes.get("class", "").split()
            or (self._language is not None and _language(token) not in {None, self._language})
        )

    def _is_blank(self, token: _Token, end: int) -> bool:
        return token.kind == "text" and not self._text[token.start : end].strip()

    def _read_attributes(self, token: _Token, end: int) -> None:
        attributes = token.attributes
        wanted = set(_ATTRIBUTES)
        if token.name == "input" and attributes.get("type", "").lower() in _BUTTONS:
            wanted.add("value")
        if token.name in _LABELLED:
            wanted.add("label")
        if token.name == "meta" and (attributes.get("name") or attributes.get("property", "")).lower() in _DESCRIPTIONS:
            wanted.add("content")
        if not wanted & set(attributes):
            return
        for match in _ATTRIBUTE.finditer(self._text, token.start, end):
            quote = match[2][0] if match[2][0] in "\"'" else ""
            value = match[2][1:-1] if quote else match[2]
            if match[1].lower() in wanted and any(map(str.isalpha, value)):
                start = self._offset + match.start(2) + len(quote)
                write = partial(_write_attribute, quote)
                slot = Slot(start=start, end=start + len(value), segment=html.unescape(value), write=write)
                self._slots.append(slot)


def _merged(run: list[tuple[_Token, int]]) -> Iterator[tuple[_Token, int]]:
    """Join text with the text behind it: what an entity means depends on what follows."""
    for is_text, group in groupby(run, key=lambda item: item[0].kind == "text"):
        items = list(group)
        yield from [(items[0][0], items[-1][1])] if is_text else items


def _after(opaque: list[str], token: _Token) -> list[str]:
    """Return what is open inside an element that is copied, after one more token of it."""
    if token.kind == "start" and token.name not in _VOID and "/" not in token.attributes:
        return [*opaque, token.name]
    if token.kind == "end" and token.name in opaque:
        return opaque[: len(opaque) - 1 - opaque[::-1].index(token.name)]
    return opaque


def _ends_before(opaque: list[str], token: _Token) -> bool:
    """Tell whether an element that is copied and whose end may be left out ends in front of a token."""
    if opaque[0] not in _ENDED_BY:
        return False
    if token.kind == "end":
        return token.name not in opaque and token.name not in _INLINE
    is_next = token.kind == "start" and token.name in _ENDED_BY[opaque[0]]
    return is_next and all(name in _ENDED_BY or name in _INLINE for name in opaque[1:])


def _write_attribute(quote: str, translation: str) -> str:
    escaped = html.escape(translation, quote=False)
    if not quote:
        return '"' + escaped.replace('"', "&quot;") + '"'
    return escaped.replace(quote, "&quot;" if quote == '"' else "&#39;")
