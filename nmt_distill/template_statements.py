"""Statements of template languages, such as ``{% if x %}``, which choose between the texts that stand around them.

The languages are Jinja, Django's, Liquid, Twig, Handlebars and Go's. What prints a value, such as ``{{ name }}``, is
part of the text.
"""

from __future__ import annotations

import re

from nmt_distill.icu_messages import Parts
from nmt_distill.protection import protected_spans

_STATEMENT = re.compile(r"\{%|\{\{[-~]?\s*(?:[#^/]|(?:if|else|range|with|end)\b(?![.(]|\s*\|))")
_BY_ITSELF = re.compile(
    r"\{%[-+~]?\s*(?:el(?:se|if|s?eif|sif)|set|assign|do|import|from|extends|when)\b|\{\{[-~]?\s*(?:\^|else\b)"
)
"""one that is no part of a pair around some text"""


def template_parts(text: str) -> Parts:
    """Cut a template at its statements; joined the parts are the template.

    Where all statements stand in one line, and each begins or ends a part of it, as in ``{% if x %}a{% endif %}``, they
    are markup around a part of the sentence, and nothing is cut.

    :return: the parts, and whether each is text
    """
    if _STATEMENT.search(text) is None:
        return [(text, True)]
    statements = [span for span in protected_spans(text) if _STATEMENT.match(span.text)]
    if "\n" not in text.strip() and not any(_BY_ITSELF.match(span.text) for span in statements):
        return [(text, True)]
    parts: Parts = []
    position = 0
    for span in statements:
        parts += [(text[position : span.start], True), (span.text, False)]
        position = span.end
    return [*parts, (text[position:], True)]
