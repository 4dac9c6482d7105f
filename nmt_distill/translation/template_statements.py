"""Statements of template languages, such as ``{% if x %}``, which choose between the texts that stand around them.

The languages are Jinja, Django's, Liquid, Twig, Handlebars and Go's. What prints a value, such as ``{{ name }}``, is
part of the text.
"""

from __future__ import annotations

import re

from nmt_distill.translation.icu_messages import Parts
from nmt_distill.translation.protection import Span, protected_spans

_STATEMENT = re.compile(
    r"\{%[-+~]?\s*(?P<tag>\w+)|\{\{[-~]?\s*(?:[#^/]|(?P<word>if|else|range|with|end)\b(?![.(]|\s*\|))"
)
"""what may be one"""
_TAG = re.compile(
    r"end\w*|if|el(?:se|if|s?eif|sif)|unless|for|empty|while|break|continue|set|assign|do|macro|block|call|filter|with|raw"
    r"|case|when|import|from|extends|load|plural(?:ize)?"
)
"""words that begin a statement; so does what a word with ``end`` ends"""
_OPENS_MUSTACHE = re.compile(r"\{\{[-~]?\s*[#^]")
_OPENS_GO = re.compile(r"\{\{[-~]?\s*(?:if|range|with)\s+(?!(?:if|in|is)\b)[\w.$(\"'`]")
_BY_ITSELF = re.compile(
    r"\{%[-+~]?\s*(?:el(?:se|if|s?eif|sif)|set|assign|do|import|from|extends|when)\b|\{\{[-~]?\s*(?:\^|else\b)"
)
"""one that is no part of a pair around some text"""


def template_parts(text: str) -> Parts:
    """Cut a template at its statements; joined the parts are the template.

    ``{% url x %}`` is a part of the text, and so is ``{{ end }}`` where no ``{{ if x }}`` of Go begins. Where all
    statements stand in one line, and each begins or ends a part of it, as in ``{% if x %}a{% endif %}``, they are
    markup around a part of the sentence, and nothing is cut.

    :return: the parts, and whether each is text
    """
    if _STATEMENT.search(text) is None:
        return [(text, True)]
    statements = _statements_of(text)
    if "\n" not in text.strip() and not any(_BY_ITSELF.match(span.text) for span in statements):
        return [(text, True)]
    parts: Parts = []
    position = 0
    for span in statements:
        parts += [(text[position : span.start], True), (span.text, False)]
        position = span.end
    return [*parts, (text[position:], True)]


def _statements_of(text: str) -> list[Span]:
    found = [(span, match) for span in protected_spans(text) if (match := _STATEMENT.match(span.text)) is not None]
    tags = [match["tag"] or "" for _, match in found]
    ended = {"", *(tag.removeprefix("end") for tag in tags if tag.startswith("end"))}
    words: set[str | None] = {None}
    if any(_OPENS_GO.match(span.text) for span, _ in found):
        words |= {"if", "else", "range", "with", "end"}
    elif any(_OPENS_MUSTACHE.match(span.text) for span, _ in found):
        words.add("else")
    return [
        span
        for (span, match), tag in zip(found, tags, strict=True)
        if match["word"] in words and (tag in ended or _TAG.fullmatch(tag))
    ]
