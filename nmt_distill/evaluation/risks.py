"""How often a system fails in ways that an average hides: silence, copying, repetition, the wrong language, loss.

Oscillatory and natural hallucination are defined as in Dankers & Raunak (ACL 2025, arXiv 2502.01491), who found that
students of sequence-level distillation show more of both than equal models trained on the human text.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nmt_distill.evaluation.kept_items import kept_items, loses
from nmt_distill.evaluation.metrics import check_parallel
from nmt_distill.language_identification import identify, is_alike, is_installed, is_known
from nmt_distill.repetition import oscillates, repeats, words

NATURAL_SOURCES = 5
"""an output given for that many distinct sources is a natural hallucination"""
LENGTH_FACTOR, LENGTH_SLACK = 2, 10
"""an output is too long or too short where its characters differ from the reference's by more than both"""
SINGLE_WORD_SLACK = 3
"""words that the translation of a single word may have beyond the reference before it counts as running on"""


@dataclass(frozen=True, kw_only=True)
class Risks:
    """Shares of sentences, 0-1, and the length of the output. Human references have such values too: compare.

    What is None was not counted, or there was nothing to count.
    """

    empty_rate: float
    """outputs without a visible character, where the source has one"""
    copy_rate: float
    """outputs equal to their source, up to surrounding space, where the source has a letter"""
    oscillation_rate: float
    """outputs with a bigram at least 10 times that is not 10 times in the source"""
    repeated_five_gram_rate: float
    """outputs with a 5-gram of words twice or more that is not twice in the source"""
    natural_hallucination_rate: float
    """sentences whose output, not empty, is also that of at least 4 other distinct sources"""
    length_ratio: float
    """characters of all outputs over characters of all references, or of all sources where no references are given"""
    too_long_rate: float | None = None
    """outputs of more than twice the reference's characters, and more than 10 beyond them"""
    too_short_rate: float | None = None
    """outputs of less than half the reference's characters, and more than 10 below them"""
    off_target_rate: float | None = None
    """outputs that are surely in another language than the target"""
    unknown_language_rate: float | None = None
    """outputs, such as single words and names, whose language nobody could be sure of"""
    num_with_placeholders: int = 0
    """sources that hold a placeholder, a tag or a span of code"""
    lost_placeholder_rate: float | None = None
    """of them, those whose output lacks one"""
    num_with_numbers: int = 0
    """sources that hold a number"""
    lost_number_rate: float | None = None
    """of them, those whose output lacks its digits"""
    num_with_urls: int = 0
    """sources that hold a web or e-mail address"""
    lost_url_rate: float | None = None
    """of them, those whose output lacks it"""
    num_single_words: int = 0
    """sources of a single word"""
    single_word_failure_rate: float | None = None
    """of them, those whose output is empty or at least 3 words longer than the reference (without one: the source)"""


def measure_risks(
    sources: Sequence[str],
    hypotheses: Sequence[str],
    references: Sequence[str] | None = None,
    *,
    target: str | None = None,
) -> Risks:
    """Count what may go wrong in ``hypotheses``.

    :param sources: N source sentences
    :param hypotheses: N translations
    :param references: N human translations, which lengths are compared with
    :param target: language of the translations, BCP 47; with it outputs in other languages are counted, where
        py3langid is installed and knows the language
    :raises NmtDistillError: if there are none, or not equally many of each
    """
    check_parallel(sources=sources, hypotheses=hypotheses)
    compared = sources
    if references is not None:
        check_parallel(sources=sources, references=references)
        compared = references
    pairs = [(source.strip(), hypothesis.strip()) for source, hypothesis in zip(sources, hypotheses, strict=True)]
    expected = [text.strip() for text in compared]
    count = len(pairs)
    outputs = [hypothesis for _, hypothesis in pairs]
    answered = defaultdict(set)
    for source, hypothesis in pairs:
        answered[hypothesis].add(source)
    off_target, unknown = _languages(outputs, target)
    longer = [_differs(hypothesis, text) for hypothesis, text in zip(outputs, expected, strict=True)]
    return Risks(
        empty_rate=sum(bool(source) and not hypothesis for source, hypothesis in pairs) / count,
        copy_rate=sum(source == hypothesis and any(map(str.isalpha, source)) for source, hypothesis in pairs) / count,
        oscillation_rate=sum(oscillates(*pair) for pair in pairs) / count,
        repeated_five_gram_rate=sum(repeats(*pair, order=5, times=2) for pair in pairs) / count,
        natural_hallucination_rate=sum(
            bool(hypothesis) and len(answered[hypothesis]) >= NATURAL_SOURCES for hypothesis in outputs
        )
        / count,
        length_ratio=sum(map(len, outputs)) / max(sum(map(len, expected)), 1),
        too_long_rate=longer.count(1) / count if references is not None else None,
        too_short_rate=longer.count(-1) / count if references is not None else None,
        off_target_rate=off_target,
        unknown_language_rate=unknown,
        **_losses(pairs),
        **_single_words(pairs, expected),
    )


def _languages(outputs: Sequence[str], target: str | None) -> tuple[float | None, float | None]:
    """Return the shares of outputs in another language and of those that nobody could be sure of."""
    if target is None or not is_installed() or not is_known(target):
        return None, None
    found = [identify(output) if output else None for output in outputs]
    off_target = sum(language is not None and not is_alike(language, target) for language in found)
    return off_target / len(found), found.count(None) / len(found)


def _differs(hypothesis: str, expected: str) -> int:
    """Return 1 where the hypothesis is far longer than what is expected, -1 where it is far shorter, else 0."""
    for sign, long, short in ((1, hypothesis, expected), (-1, expected, hypothesis)):
        if len(long) > LENGTH_FACTOR * len(short) and len(long) > len(short) + LENGTH_SLACK:
            return sign
    return 0


def _losses(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Count sources that hold something to keep, and of them those whose output lacks it."""
    held: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for source, hypothesis in pairs:
        wanted, found = kept_items(source), kept_items(hypothesis)
        for kind in ("placeholders", "numbers", "urls"):
            if items := getattr(wanted, kind):
                held[kind] += 1
                lost[kind] += loses(items, getattr(found, kind))
    result: dict[str, Any] = {}
    for kind in ("placeholders", "numbers", "urls"):
        result[f"num_with_{kind}"] = held[kind]
        result[f"lost_{kind[:-1]}_rate"] = lost[kind] / held[kind] if held[kind] else None
    return result


def _single_words(pairs: Sequence[tuple[str, str]], expected: Sequence[str]) -> dict[str, Any]:
    failed = [
        not hypothesis or len(words(hypothesis)) >= len(words(text)) + SINGLE_WORD_SLACK
        for (source, hypothesis), text in zip(pairs, expected, strict=True)
        if len(words(source)) == 1 and any(map(str.isalpha, source))
    ]
    return {
        "num_single_words": len(failed),
        "single_word_failure_rate": sum(failed) / len(failed) if failed else None,
    }
