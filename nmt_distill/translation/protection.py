"""What in a text must come through a translation as it is: placeholders, addresses, code, markup.

A model breaks `{name}` and `<b>` more often than not. So it never sees them: a *stand-in* such as ``X1``, which models
copy, is put for whatever stands by itself, and paired markup around text is taken out and put back where the attention
says (:mod:`nmt_distill.translation.placement`). Whether all came through is counted, never assumed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

_PLAIN = r"""
  (?P<file>(?<!\w)[A-Za-z]:\\[^\s<>"|?*]{1,300}(?<![.,;:!]))
| (?P<control>\\(?:[nrt"']|u[0-9A-Fa-f]{4}))
| (?P<code>``(?:[^`\n]|`(?!`)){1,200}`` | `[^`\n]{1,300}`
    | <(?P<code_tag>code|kbd|samp|var|tt)\b[^<>]{0,300}>[^<]{0,300}</(?P=code_tag)\s*> )
| (?P<comment><!--(?:[^-]|-(?!->)){0,300}-->)
| (?P<tag><{1,3}(?:[\w.+-]{1,64}@[\w.-]{1,253}|[A-Za-z][A-Za-z0-9.+-]{1,31}://[^\s<>]{1,2000})>{1,3}
    | </?(?:[A-Za-z][^<>\n\r]*|[0-9]{1,3}\s*/?)> | <!\[CDATA\[ | \]\]>
    | <[A-Za-z](?:[^<>]*=\s*["'{][^<>]*|[\w.:-]*\s*/)> | </[A-Za-z][\w.:-]*\s*>
    | &lt;/?[A-Za-z](?:[^&<>\n\r]|&(?:quot|apos|amp|\#39|\#34);){0,300}&gt;)
| (?P<operator>&&)
| (?P<entity>&(?:[A-Za-z][A-Za-z0-9]{1,31}|\#[0-9]{1,7}|\#[xX][0-9A-Fa-f]{1,6});)
| (?P<address>(?:(?:https?|ftp|file)://|mailto:|(?<!\w)www\.)[^\s<>"'`(){}\[\]|\\^]{1,2000}(?<![.,;:!?*_~])
    | (?<![\w.+-])[\w.+-]{1,64}(?:@|\{'@'\})[\w-]{1,63}(?:\.[\w-]{1,63}){1,8} )
| (?P<path>(?<![\w.:/<+@~-])(?: (?:/[\w.+@-]{1,100}){2,30} | (?:~|\.{1,2})(?:/[\w.+@-]{1,100}){1,30}
    | [\w.+-]{1,100}(?:/[\w.+-]{1,100}){0,30}/[\w+-][\w.+-]{0,99}\.[a-z][a-z0-9]{0,4}(?![\w/]) )(?<![.,-])/?)
| (?P<linked>@(?:\.\w{1,60})?:(?: \{[^{}]{1,300}\} | \([^()\s]{1,300}\) | [\w./-]{1,300}(?<![./-]) )
    | \[%key:[^\s\[\]%]{1,300}%\] )
| (?P<template><%(?:[^%<]|%(?!>)|<(?!%)){0,2000}%>)
| (?P<braces>\{\{\{[^{}]{0,300}\}\}\} | \{\{(?:[^{}]|\{(?!\{)|\}(?!\})){0,2000}\}\}
    | \{%(?:[^%{]|%(?!\})|\{(?!%)){0,2000}%\} | \{\#(?:[^\#{]|\#(?!\})|\{(?!\#)){0,2000}\#\}
    | [$\#%@]?\{[^{}]{0,300}(?:\{[^{}]{0,300}\}[^{}]{0,300}){0,20}\} )
| (?P<broken>\{\s*\w{1,60}\s*,\s*(?:plural|select|selectordinal)\s*,[\s\S]*)
| (?P<percent>%\([^()\s]{1,80}\)[\#0+-]*[0-9]*(?:\.[0-9]+)?[A-Za-z]
    | %(?:[0-9]+\$)?[\#0+-]*(?:[0-9]+|\*)?(?:\.(?:[0-9]+|\*))?(?:hh|ll|[hlLqjzt])?[A-Za-z@](?![A-Za-z])
    | %% | %[A-Za-z_][A-Za-z0-9_]{0,60}% | %[0-9]{1,2}(?![0-9%]) )
| (?P<variable>\$t\([^()]{0,300}\) | \$[A-Za-z_][A-Za-z0-9_.]{0,80}(?<!\.) )
| (?P<date>(?<![\w/.-])(?:y{2,4}|Y{2,4}|M{1,4}|D{1,2}|d{1,2}|H{1,2}|h{1,2})
    (?:[-/.:](?:y{2,4}|Y{2,4}|M{1,4}|D{1,2}|d{1,2}|mm|ss|SSS))+(?!\w))
| (?P<name>(?<![\w:/.]):[A-Za-z_][\w-]{0,60}(?:(?<=\w):)? | (?<![\w@\#&])[@\#][A-Za-z_]\w{0,60})
| (?P<number_sign>(?<![\w#&])\#(?![\w#]))
"""
_MARKDOWN = r"""
| (?P<escape>\\[!-/:-@\[-`{-~])
| (?P<lone_image>\A!\[(?=[^\[\]\n]{1,300}\]\([^()\n]{0,500}\)\Z))
| (?P<image>!\[[^\[\]\n]{0,300}\](?:\([^()\n]{0,500}\)|\[[^\[\]\n]{0,100}\]))
| (?P<footnote>\[\^[^\[\]\s]{1,60}\])
| (?P<link_end>\]\([^()\n]{0,500}(?:\([^()\n]{0,300}\)[^()\n]{0,300})?\)|\]\[[^\[\]\n]{0,100}\])
| (?P<link>\[)
| (?P<emphasis>\*{1,3}|(?<!\w)_{1,3}(?=\S)|(?<=\S)_{1,3}(?!\w)|~~)
"""
_MATH = r"""
  (?P<math>\$\$[^$]{1,500}\$\$ | (?<![\w$])\$(?=[^\s$])[^$\n]{0,300}(?<=[^\s$\\])\$(?![\w$]))
|"""
_IN_ORDER = re.compile(r"%[#0+-]*(?:[0-9]+|\*)?(?:\.(?:[0-9]+|\*))?(?:hh|ll|[hlLqjzt])?[srdiufFgeEGxXcopaA@]")
"""directives of C that have no number: each takes the next argument"""
_BLOCK = re.compile(r"\{%-?\s*(?:(end)?(\w+))|\{\{\s*([#^/])(\w+)")
_UNDERLINED = r"""
| (?P<underlined>(?<!\w)__[a-z][A-Za-z0-9.-]{0,60}?__(?!\w))
"""
"""i18next's old placeholders, in Markdown emphasis"""
_WHOLE_LINK = r"""
| (?P<link>\[(?=[^\[\]\n]{1,300}\]\((?:[a-z]{2,10}:|[./\#])[^()\s]{0,500}(?:\ "[^"\n]{0,300}")?\))
    | (?<![\w\]])\[(?=[^\[\]\n]{1,300}\]\[[^\[\]\n]{0,100}\]))
| (?P<link_end>\]\((?:[a-z]{2,10}:|[./\#])[^()\s]{0,500}(?:\ "[^"\n]{0,300}")?\) | \]\[[^\[\]\n]{0,100}\])
"""
"""a link of Markdown in text that is not said to be Markdown: only where nothing else is likely"""
_PATTERNS = {
    False: re.compile(_PLAIN + _UNDERLINED + _WHOLE_LINK, re.VERBOSE),
    True: re.compile(_MATH + _PLAIN + _MARKDOWN, re.VERBOSE),
}
_OTHER_SIGN = r":[A-Za-z_/]|/[\w.]|www\.|MM|YY|yy|\]\]>"
_SIGN = {
    False: re.compile(rf"[{{<&%$`@#\\]|{_OTHER_SIGN}|\]\[|__[a-z]"),
    True: re.compile(rf"[{{<&%$`@#*_~\[\\]|{_OTHER_SIGN}"),
}
_CDATA = {"<![CDATA[": ("]]", ""), "]]>": ("", "]]")}
"""what each end of a section opens and closes"""
_TAG_NAME = re.compile(r"(?:<|&lt;)(/?)([A-Za-z0-9][^\s/>&]*)")
_VOID = frozenset([
    "area",
    "base",
    "br",
    "col",
    "embed",
    "hr",
    "img",
    "input",
    "link",
    "meta",
    "source",
    "track",
    "wbr",
    "x",
    "ph",
    "bx",
    "ex",
])


@dataclass(frozen=True, kw_only=True)
class Span:
    """A protected stretch of a text."""

    start: int
    end: int
    text: str
    """what comes through: what stands there, or a glossary's translation"""
    opens: str = ""
    """name of the markup that begins here"""
    closes: str = ""
    """name of the markup that ends here"""
    is_markup: bool = False
    """whether it is no part of the sentence: a tag, a comment"""
    is_term: bool = False
    """whether a glossary says so"""
    is_broken: bool = False
    """whether it is an ICU message that breaks off, so that nobody knows what in it is text"""

    @property
    def is_single(self) -> bool:
        """Whether it neither begins nor ends any markup."""
        return not self.opens and not self.closes

    @property
    def is_single_markup(self) -> bool:
        """Whether it is markup that has no partner."""
        return self.is_markup and self.is_single


Terms = Callable[[str], list[Span]]
"""finds the terms of a glossary in a text"""


def protected_spans(text: str, *, markdown: bool = False, terms: Terms | None = None) -> list[Span]:
    """Find what must come through, in order, without overlap; where a term of the glossary overlaps, it gives way."""
    found: list[Span] = []
    if _SIGN[markdown].search(text):
        for match in _PATTERNS[markdown].finditer(text):
            opens, closes = _names(match)
            span = Span(
                start=match.start(),
                end=match.end(),
                text=match.group(),
                opens=opens,
                closes=closes,
                is_markup=match.lastgroup in {"tag", "comment"},
                is_broken=match.lastgroup == "broken",
            )
            found.append(span)
    if terms is not None:
        taken = sorted((span.start, span.end) for span in found)
        for term in terms(text):
            if all(term.end <= start or term.start >= end for start, end in taken):
                found.append(term)
        found.sort(key=lambda span: span.start)
    return found


def _names(match: re.Match[str]) -> tuple[str, str]:
    """Return the names of the markup that a match may begin and may end."""
    kind, text = match.lastgroup, match.group()
    if kind == "tag" and text in _CDATA:
        return _CDATA[text]
    if kind == "tag":
        name = _TAG_NAME.match(text)
        if name is None or text.endswith(("/>", "/&gt;")) or name[2].lower() in _VOID or "://" in text:
            return "", ""
        return ("", name[2]) if name[1] else (name[2], "")
    if kind == "braces" and (block := _BLOCK.match(text)) is not None:
        word = block[2] or block[4]
        return ("", word) if block[1] or block[3] == "/" else (word, "")
    if kind in {"link", "lone_image"}:
        return "[", ""
    if kind == "link_end":
        return "", "["
    if kind == "emphasis":
        rest, before = match.string[match.end() :][:1], match.string[: match.start()][-1:]
        can_open, can_close = bool(rest.strip()), bool(before.strip())
        return (text if can_open else ""), (text if can_close else "")
    return "", ""


def kept(source: str, translation: str, *, markdown: bool = False, terms: Terms | None = None) -> bool:
    """Tell whether the translation holds what is protected in the source just as often, and no more of the kind.

    Directives such as `%s` without a number must also stand in their order.
    """
    expected = source
    if terms is not None:
        found = [span for span in protected_spans(source, markdown=markdown, terms=terms) if span.is_term]
        if any(span.text not in translation for span in found):
            return False
        for span in reversed(found):  # in its place: `#` is a sign of a number or none by what stands beside it
            expected = expected[: span.start] + span.text + expected[span.end :]
    before, after = (
        [span.text for span in protected_spans(text, markdown=markdown)] for text in (expected, translation)
    )
    return Counter(before) == Counter(after) and list(filter(_IN_ORDER.fullmatch, before)) == list(
        filter(_IN_ORDER.fullmatch, after)
    )
