"""Links of Markdown that name a definition by their own text: translated, they must still name it.

``[guide]`` and ``[guide][]`` become ``[guide][guide]`` before the translation, and the second part stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_SIGN = re.compile(r"\\.|(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)|`+|<[A-Za-z/!?][^<>]*>|!?\[|\]", re.DOTALL)
_TARGET = re.compile(r"\([^()]*(?:\([^()]*\)[^()]*)?\)|\[((?:[^\[\]\\]|\\.)*)\]", re.DOTALL)
_LABEL = re.compile(r"(?!\^)[^\[\]]{1,100}")
"""what protection takes for a label; a footnote is none"""


@dataclass(frozen=True, kw_only=True)
class NamedLinks:
    """A segment whose links all have a label, and what they were."""

    segment: str
    originals: dict[str, str]
    """each link that got a label, and how it stood in the file"""

    def restore(self, translation: str) -> str:
        """Take the labels of links whose text is still the label away."""
        for labelled, original in self.originals.items():
            # in front of these it would be another link, or a definition
            translation = re.sub(re.escape(labelled) + r"(?![\[(:])", original.replace("\\", r"\\"), translation)
        return translation


def name_links(segment: str, is_defined: Callable[[str], bool]) -> NamedLinks:
    """Give links without a label of their own the label that they mean.

    :param is_defined: whether the document has a definition of a label
    """
    parts: list[str] = []
    originals: dict[str, str] = {}
    opened: list[re.Match[str]] = []
    position = copied = last_link = 0
    while sign := _SIGN.search(segment, position):
        position = sign.end()
        if sign[0].endswith("[") and not sign[0].startswith("\\"):
            opened.append(sign)
        if sign[0] != "]" or not opened:
            continue
        opening = opened.pop()
        is_link = opening[0] == "["
        if is_link and opening.start() < last_link:  # no link holds another
            continue
        target = _TARGET.match(segment, position)
        label = segment[opening.end() : sign.start()]
        if target is not None and (target[1] is None or is_defined(target[1])):
            position = target.end()
        elif (target is None or not target[1]) and _LABEL.fullmatch(label) and is_defined(label):
            position = sign.end() if target is None else target.end()
            labelled = f"{segment[opening.start() : sign.end()]}[{label}]"
            originals.setdefault(labelled, segment[opening.start() : position])
            parts += [segment[copied : opening.start()], labelled]
            copied = position
        else:
            continue
        last_link = opening.start() if is_link else last_link
    return NamedLinks(segment="".join([*parts, segment[copied:]]), originals=originals)
