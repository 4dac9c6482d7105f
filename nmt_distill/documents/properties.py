"""Java's ``.properties``: values are text; UTF-8 where they show that, or else ASCII or Latin-1 with escapes."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from nmt_distill.documents.document import DocumentError, Encoded, Slot, SlottedDocument, decode
from nmt_distill.documents.requirements import load

_KEY = re.compile(r"[ \t\f]*(?:\\(?:\r\n|.)|[^\\:= \t\f\r\n])*[ \t\f]*[:=]?[ \t\f]*", re.DOTALL)
_ARGUMENT = re.compile(r"\{\d+\s*[,}]")


def read_properties(content: bytes, path: Path) -> SlottedDocument:
    """Read properties.

    :raises DocumentError: if one has a broken escape
    """
    javaproperties = load("javaproperties")
    try:
        source = decode(content, path)
    except DocumentError:
        source = Encoded(text=content.decode("latin-1"), encoding="latin-1")
    # java.util.Properties.load reads Latin-1, to which ASCII with escapes is the same as UTF-8
    only_ascii = source.encoding == "latin-1" or (source.text.isascii() and not source.mark)
    slots = []
    position = 0
    try:
        for element in javaproperties.parse(source.text):
            if isinstance(element, javaproperties.KeyValue):
                key = _KEY.match(element.source)
                start = key.end() if key else 0
                end = len(element.source.rstrip("\r\n"))
                if start < end:
                    segment = element.value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
                    is_message = _is_message(segment)
                    segment = segment.replace("''", "'") if is_message else segment
                    write = partial(_write, javaproperties, only_ascii, is_message)
                    slots.append(Slot(start=position + start, end=position + end, segment=segment, write=write))
            position += len(element.source)
    except javaproperties.InvalidUEscapeError as error:
        line = source.text.count("\n", 0, position) + 1
        raise DocumentError(path, line, f"not valid .properties (broken escape {error.escape})") from None
    return SlottedDocument(source=source, slots=slots)


def _is_message(value: str) -> bool:
    """Whether Java's MessageFormat reads a value, to which an apostrophe is two, and which quotes nothing by one."""
    return _ARGUMENT.search(value) is not None and "'" not in value.replace("''", "")


def _write(javaproperties: object, only_ascii: bool, is_message: bool, translation: str) -> str:
    translation = translation.replace("'", "''") if is_message else translation
    joined: str = javaproperties.join_key_value("k", translation, ensure_ascii=only_ascii)  # type: ignore[attr-defined]
    # only in a key must these be escaped
    return re.sub(r"\\(\\|[:=#!])", lambda match: match[0] if match[1] == "\\" else match[1], joined.removeprefix("k="))
