"""XLIFF 1.2 and 2: units without a target get one; inline elements keep their place in the sentence."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from pathlib import Path
from xml.parsers import expat

from nmt_distill.documents.document import DocumentError, Encoded, Slot, SlottedDocument, Stretch, constant, decode
from nmt_distill.documents.inline_markup import InlineMarkup, Place
from nmt_distill.documents.target_language import check_target_language

_DECLARED = re.compile(rb"""<\?xml[^>]*encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_TAG = re.compile(
    r"""<!--.*?-->|<!\[CDATA\[(?P<characters>.*?)\]\]>|<\?.*?\?>"""
    r"""|<(?P<end>/?)(?P<name>[\w.:-]+)(?P<rest>(?:[^<>"']|"[^"]*"|'[^']*')*)>""",
    re.DOTALL,
)
_STATE = re.compile(r"""\sstate\s*=\s*(?:"[^"]*"|'[^']*')""")
_PREFIX = re.compile(r"<[\w.-]+:")
_CONTINUATION = bytes(range(0x80, 0xC0))
"""the bytes of UTF-8 that begin no character"""
_STEP = 1024
_PAIRED = frozenset(("g", "mrk", "pc", "sub"))
_UNITS = frozenset(("trans-unit", "segment"))


@dataclass
class _Unit:
    version: int
    is_wanted: bool
    keeps_space: bool
    source: Place | None = None
    """of its content"""
    after: int = 0
    """where a target may begin"""
    target: Place | None = None
    """with its tags"""
    target_tag: str = ""
    target_content: str = ""
    told: tuple[int, str, str] = (0, "", "")
    """line, attribute and language of the targets as its file says"""


@dataclass
class _Found:
    units: list[_Unit] = field(default_factory=list)
    language_places: list[tuple[int, str]] = field(default_factory=list)
    """where the name of a missing target language belongs, and of its attribute"""


def read_xliff(content: bytes, path: Path, language: str | None) -> SlottedDocument:
    """Read the units.

    :param language: of the targets
    :raises DocumentError: if it is no well-formed XML, or no XLIFF, or one into another language
    """
    source = _decode(content, path)
    # expat counts bytes of UTF-8; so every byte is a character while places are sought
    data = source.text.encode("utf-8", "surrogatepass")
    found = _Reader(data, path).found
    to_text = _places_in_text(source.text, data)
    slots = []
    for unit in found.units:
        slot = _slot(unit, source.text, to_text)
        if slot is not None:
            check_target_language(path, *unit.told, language)
            slots.append(slot)
    if language is not None and slots:
        for place, attribute in found.language_places:
            mark = constant(f' {attribute}="{language}"')
            slots.append(Slot(start=to_text(place), end=to_text(place), segment="", write=mark, always=True))
    return SlottedDocument(source=source, slots=slots)


def _decode(content: bytes, path: Path) -> Encoded:
    declared = _DECLARED.match(content)
    if declared is not None and declared[1].lower() not in {b"utf-8", b"utf-16"}:
        encoding = declared[1].decode()
        try:
            return Encoded(text=content.decode(encoding), encoding=encoding, errors="xmlcharrefreplace")
        except (LookupError, UnicodeDecodeError):
            raise DocumentError(path, 1, f"not valid {encoding}, which it says it is") from None
    return decode(content, path)


def _places_in_text(text: str, data: bytes) -> Callable[[int], int]:
    if len(text) == len(data):
        return lambda place: place

    def count(start: int, end: int) -> int:
        return len(data[start:end].translate(None, _CONTINUATION))

    before = [0, *accumulate(count(start, start + _STEP) for start in range(0, len(data), _STEP))]
    return lambda place: before[place // _STEP] + count(place - place % _STEP, place)


class _Reader:
    """Follows the elements, and notes where sources and targets stand."""

    def __init__(self, data: bytes, path: Path) -> None:
        self.found = _Found()
        self._data = data
        self._unit: _Unit | None = None
        self._depth = 0
        self._inherited: list[tuple[bool, bool]] = [(True, False)]
        self._open: list[str] = []
        self._version = 0
        self._told = (0, "", "")
        self._begin = 0
        self._depth_inside = -1
        parser = expat.ParserCreate(encoding="utf-8")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        self._parser = parser
        try:
            parser.Parse(data, True)
        except expat.ExpatError as error:
            raise DocumentError(path, error.lineno, f"not valid XML ({expat.ErrorString(error.code)})") from None
        if not self._version:
            raise DocumentError(path, 1, "not an XLIFF file (its root is no `xliff`)")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        place = self._parser.CurrentByteIndex
        wanted, keeps_space = self._inherited[-1]
        wanted = {"no": False, "yes": True}.get(attributes.get("translate", ""), wanted)
        keeps_space = {"preserve": True, "default": False}.get(attributes.get("xml:space", ""), keeps_space)
        self._inherited.append((wanted, keeps_space))
        if name == "xliff":
            self._version = int(attributes.get("version", "1")[:1] in {"2", "3"}) + 1
        for element, attribute, version in (("file", "target-language", 1), ("xliff", "trgLang", 2)):
            if name == element and self._version == version:
                self._told = (self._parser.CurrentLineNumber, attribute, attributes.get(attribute, ""))
                if attribute not in attributes:
                    self.found.language_places.append((self._tag_end(place) - 1, attribute))
        if self._depth_inside >= 0:
            self._depth_inside += 1
        elif name in _UNITS:
            self._unit = _Unit(version=self._version, is_wanted=wanted, keeps_space=keeps_space, told=self._told)
        elif self._unit is not None and name in {"source", "target", "seg-source"} and self._open[-1] in _UNITS:
            self._depth_inside, self._begin = 0, place
        self._open.append(name)

    def _end(self, name: str) -> None:
        name = name.rpartition(":")[2]
        _, keeps_space = self._inherited.pop()
        self._open.pop()
        unit, place = self._unit, self._parser.CurrentByteIndex
        if self._depth_inside > 0:
            self._depth_inside -= 1
        elif unit is not None and self._depth_inside == 0:
            self._depth_inside = -1
            content = self._tag_end(self._begin)
            is_empty = self._data[content - 2 : content] == b"/>"
            place, end = (content, content) if is_empty else (place, self._tag_end(place))
            if name == "target":
                unit.target = (self._begin, end)
                unit.target_tag = self._data[self._begin : content].decode()
                unit.target_content = self._data[content:place].decode()
            else:
                unit.after = end
                if name == "source":
                    unit.keeps_space = keeps_space
                    unit.source = (content, place)
        elif unit is not None and name in _UNITS:
            self.found.units.append(unit)
            self._unit = None

    def _tag_end(self, place: int) -> int:
        """Return where the tag that begins at a place ends."""
        quote = 0
        for end in range(place, len(self._data)):
            byte = self._data[end]
            if quote:
                quote = 0 if byte == quote else quote
            elif byte in b"\"'":
                quote = byte
            elif byte == ord(">"):
                return end + 1
        return len(self._data)


def _slot(unit: _Unit, text: str, to_text: Callable[[int], int]) -> Slot | None:
    if unit.source is None or not unit.is_wanted or _TAG.sub(_characters, unit.target_content).strip():
        return None
    start, end = to_text(unit.source[0]), to_text(unit.source[1])
    characters = _TAG.fullmatch(text, start, end)
    if characters is not None and characters["characters"] is not None:
        segment, write = characters["characters"], _write_characters
        has_letters = any(map(str.isalpha, segment))
    else:
        inline = _inline(text, start, end, unit.keeps_space)
        segment, write = inline.segment, partial(_write, inline)
        has_letters = inline.has_letters
    if not has_letters:
        return None
    state = ' state="needs-review-translation"' if unit.version == 1 else ""
    if unit.target is None:
        tag = text.rindex("<", 0, start)
        prefix = _PREFIX.match(text, tag)
        place = (to_text(unit.after),) * 2
        opening = f"{_space_before(text, tag)}{prefix[0] if prefix else '<'}target{state}>"
    else:
        place = (to_text(unit.target[0]), to_text(unit.target[1]))
        opening = unit.target_tag.removesuffix(">").removesuffix("/").rstrip()
        opening = (_STATE.sub("", opening) + state if state else opening) + ">"
    return Slot(start=place[0], end=place[1], segment=segment, write_around=partial(write, opening), always=True)


def _characters(tag: re.Match[str]) -> str:
    return tag["characters"] or ""


def _space_before(text: str, place: int) -> str:
    start = place
    while start and text[start - 1].isspace():
        start -= 1
    return text[start:place]


def _inline(text: str, start: int, end: int, keeps_space: bool) -> InlineMarkup:
    """Read the content of a source."""
    inline = InlineMarkup(keeps_space=keeps_space)
    position = start
    opaque: list[str] = []
    begin = start
    for match in _TAG.finditer(text, start, end):
        is_end, name = bool(match["end"]), match["name"] or ""
        is_empty = not name or match["rest"].endswith("/")
        if opaque:
            if name == opaque[0] and not is_empty:
                opaque = opaque[:-1] if is_end else [*opaque, name]
            if not opaque:
                inline.add_single((begin, match.end()))
                position = match.end()
            continue
        inline.add_text(text[position : match.start()])
        position, place = match.end(), match.span()
        short = name.rpartition(":")[2]
        if match["characters"] is not None:
            inline.add_text(html.escape(match["characters"], quote=False))
        elif is_empty:
            inline.add_single(place)
        elif is_end:
            inline.close(name, place)
        elif short in _PAIRED:
            inline.open(name, place)
        else:
            opaque, begin = [name], match.start()
    inline.add_text(text[position:end])
    return inline


def _write(inline: InlineMarkup, opening: str, translation: str, stretch: Stretch) -> str:
    return f"{opening}{inline.write(translation, stretch)}{_closing(opening)}"


def _write_characters(opening: str, translation: str, _: Stretch) -> str:
    """Write what is no markup to XML, whatever is in it."""
    characters = translation.replace("]]>", "]]]]><![CDATA[>")
    return f"{opening}<![CDATA[{characters}]]>{_closing(opening)}"


def _closing(opening: str) -> str:
    return f"</{opening.strip().split()[0].strip('<>')}>"
