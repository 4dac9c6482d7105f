"""ICU messages such as ``{count, plural, one {# file} other {# files}}``: what in them is text, and what is frame.

The syntax is that of ICU's MessageFormat; an argument without branches, such as ``{name}``, is part of the text.
"""

from __future__ import annotations

import re

_ARGUMENT = re.compile(r"\{\s*\w+\s*,\s*(?:plural|select|selectordinal)\s*,\s*(?:offset:\s*\d+\s*)?")
_BRANCH = re.compile(r"\s*(?:=\d+|[\w-]+)\s*\{")
_END = re.compile(r"\s*\}")
_SPECIAL = re.compile(r"'(?:''|[{}#|][^']*(?:''[^']*)*'?)?|[{}]")
_MAX_DEPTH = 20

Parts = list[tuple[str, bool]]


class _NoMessageError(Exception):
    """The text is no message after all."""


def message_parts(text: str) -> Parts:
    """Cut a message into its frame and the texts of its branches; joined the parts are the message.

    :return: the parts, and whether each is text; what is no message, or a broken one, is one text
    """
    if _ARGUMENT.search(text) is None:
        return [(text, True)]
    parts: Parts = []
    try:
        end = _read_text(text, 0, parts, 0)
    except _NoMessageError:
        return [(text, True)]
    return parts if end == len(text) else [(text, True)]


def _read_text(text: str, start: int, parts: Parts, depth: int) -> int:
    """Read up to the brace that ends a branch, or to the end; return where that is."""
    if depth > _MAX_DEPTH:
        raise _NoMessageError
    position, open_braces = start, 0
    while match := _SPECIAL.search(text, position):
        position = match.end()
        if match.group() == "{":
            argument = _ARGUMENT.match(text, match.start())
            if argument is None:
                open_braces += 1
                continue
            if open_braces:
                raise _NoMessageError
            parts.append((text[start : match.start()], True))
            start = position = _read_branches(text, match.start(), argument.end(), parts, depth)
        elif match.group() == "}":
            if not open_braces:
                parts.append((text[start : match.start()], True))
                return match.start()
            open_braces -= 1
    if open_braces or depth:
        raise _NoMessageError
    parts.append((text[start:], True))
    return len(text)


def _read_branches(text: str, start: int, position: int, parts: Parts, depth: int) -> int:
    """Read the branches of an argument; return where it ends.

    :param start: of the frame that is not among the parts yet
    """
    while branch := _BRANCH.match(text, position):
        parts.append((text[start : branch.end()], False))
        start = _read_text(text, branch.end(), parts, depth + 1)
        position = start + 1
    end = _END.match(text, position)
    if end is None:
        raise _NoMessageError
    parts.append((text[start : end.end()], False))
    return end.end()
