"""How often a system fails in ways that an average hides: silence, copying, repetition, the same answer to all.

Oscillatory and natural hallucination are defined as in Dankers & Raunak (ACL 2025, arXiv 2502.01491), who found that
students of sequence-level distillation show more of both than equal models trained on the human text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from nmt_distill.evaluation.metrics import check_parallel
from nmt_distill.repetition import oscillates, repeats

NATURAL_SOURCES = 5
"""an output given for that many distinct sources is a natural hallucination"""


@dataclass(frozen=True, kw_only=True)
class Risks:
    """Shares of sentences, 0-1, and the length of the output. Human references have such values too: compare."""

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


def measure_risks(sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str] | None = None) -> Risks:
    """Count what may go wrong in ``hypotheses``.

    :param sources: N source sentences
    :param hypotheses: N translations
    :param references: N human translations, used for the length ratio
    :raises NmtDistillError: if there are none, or not equally many of each
    """
    check_parallel(sources=sources, hypotheses=hypotheses)
    compared = sources
    if references is not None:
        check_parallel(sources=sources, references=references)
        compared = references
    pairs = [(source.strip(), hypothesis.strip()) for source, hypothesis in zip(sources, hypotheses, strict=True)]
    count = len(pairs)
    answered = defaultdict(set)
    for source, hypothesis in pairs:
        answered[hypothesis].add(source)
    compared_length = sum(len(text.strip()) for text in compared)
    return Risks(
        empty_rate=sum(bool(source) and not hypothesis for source, hypothesis in pairs) / count,
        copy_rate=sum(source == hypothesis and any(map(str.isalpha, source)) for source, hypothesis in pairs) / count,
        oscillation_rate=sum(oscillates(*pair) for pair in pairs) / count,
        repeated_five_gram_rate=sum(repeats(*pair, order=5, times=2) for pair in pairs) / count,
        natural_hallucination_rate=sum(
            bool(hypothesis) and len(answered[hypothesis]) >= NATURAL_SOURCES for _, hypothesis in pairs
        )
        / count,
        length_ratio=sum(len(hypothesis) for _, hypothesis in pairs) / max(compared_length, 1),
    )
