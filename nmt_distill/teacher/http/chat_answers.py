"""From what a chat model answers to the translation in it, where that is plain."""

from __future__ import annotations

import re

from nmt_distill.corpus.text import one_line

_THOUGHT = re.compile(r"\s*<think>.*?</think>", re.DOTALL)
_FENCE = re.compile(r"```(?:[\w-]*\n(?=\s*[^\s`]))?([^`]*)```")
_CLOSING = {
    '"': '"',
    "'": "'",
    "“": "”",
    "‘": "’",
    "„": "“”",
    "‚": "‘’",
    "«": "»",
    "»": "«",
    "‹": "›",
    "「": "」",
    "『": "』",
}
_QUOTES = frozenset("".join([*_CLOSING, *_CLOSING.values()]))


def translation_in(answer: str, source: str) -> str | None:
    """Take off what a model put around a translation of one line: thoughts, a fence, quotes that the source has not.

    :returns: one line, or None where several are left, because nothing tells the translation from remarks on it
    """
    answer = answer.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")  # JSON may hold half a pair
    text = _THOUGHT.sub("", answer, count=1) if answer.lstrip().startswith("<think>") else answer
    text = text.strip()
    if (fenced := _FENCE.fullmatch(text)) and "```" not in source:
        text = fenced[1].strip()
    if _is_quoted(text) and source[:1] not in _QUOTES and source[-1:] not in _QUOTES:
        text = text[1:-1]
    lines = [line for line in re.split(r"[\n\r]+", text) if line.strip()]
    return one_line(" ".join(lines)) if len(lines) <= 1 else None


def _is_quoted(text: str) -> bool:
    """Tell whether one pair of quotes holds all of a text; in double quotes apostrophes may stand."""
    if len(text) < 3 or text[-1] not in _CLOSING.get(text[0], ""):
        return False
    apostrophes = "" if text[0] in "'‘‚" else "'’"
    return not _QUOTES.intersection(text[1:-1]).difference(apostrophes)
