"""Parallel sentences out of two texts that hold some: each sentence with the best of the other side, by margin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from nmt_distill.counting import counted
from nmt_distill.embedding.encoder import SentenceEncoder
from nmt_distill.embedding.vectors import Vectors
from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.margin import mine_pairs, nearest, pair_margins, unit_rows
from nmt_distill.progress import job, say

MIN_MARGIN = 1.06
"""the ratio from which on LASER's and CCMatrix's authors kept pairs (Schwenk et al. 2021, section 4.2)"""
FEW = 100
"""a margin over the neighbours says little among fewer sentences"""


@dataclass(frozen=True)
class MinedPair:
    """Two sentences that are translations of each other, as it seems."""

    source: str
    target: str
    margin: float


def mine(
    sources: Sequence[str], targets: Sequence[str], encoder: SentenceEncoder, *, min_margin: float = MIN_MARGIN
) -> list[MinedPair]:
    """Pair sentences of two texts, each at most once, best margin first; repeated sentences count once; empty
    ones, and those of which the vocabulary has no piece, not at all.

    :param min_margin: smallest cosine of a pair over the mean cosine of both to their neighbours
    :raises NmtDistillError: if a side has no sentence
    """
    left, right = (_read(_distinct(side), encoder) for side in (sources, targets))
    if not left or not right:
        raise NmtDistillError("mine needs sentences on both sides, but a file is empty.")
    found = mine_pairs(*_both_sides(left, right, encoder))
    triples = zip(found.sources.tolist(), found.targets.tolist(), found.margins.tolist(), strict=True)
    return [MinedPair(left[one], right[other], margin) for one, other, margin in triples if margin >= min_margin]


def aligned_margins(sources: Sequence[str], targets: Sequence[str], encoder: SentenceEncoder) -> list[MinedPair]:
    """Give every pair of two aligned texts its margin, in their order, so that the bad ones can be left out.

    Half pairs, of which a side is empty, are left out already.

    :raises NmtDistillError: if the texts have not as many lines, or no pair is whole
    """
    if len(sources) != len(targets):
        raise NmtDistillError(
            f"aligned texts must have as many lines, but have {len(sources):,} and {len(targets):,}; without --aligned "
            "pairs are searched for."
        )
    whole = [(one, other) for one, other in zip(sources, targets, strict=True) if one.strip() and other.strip()]
    if not whole:
        raise NmtDistillError("mine needs sentences on both sides, but there is no pair of them.")
    left, right = _distinct(one for one, _ in whole), _distinct(other for _, other in whole)
    x, y = (unit_rows(vectors) for vectors in _both_sides(left, right, encoder))
    row_of = {text: row for row, text in enumerate(left)}, {text: row for row, text in enumerate(right)}
    margins = pair_margins(
        x,
        y,
        [row_of[0][one] for one, _ in whole],
        [row_of[1][other] for _, other in whole],
        nearest(x, y),
        nearest(y, x),
    )
    return [MinedPair(*pair, margin) for pair, margin in zip(whole, margins.tolist(), strict=True)]


def _both_sides(left: Sequence[str], right: Sequence[str], encoder: SentenceEncoder) -> tuple[Vectors, Vectors]:
    if (number := min(len(left), len(right))) < FEW:
        say(
            f"a side has {counted(number, 'sentence')} alone: margins compare a pair with its neighbours, and say "
            f"little below {FEW}"
        )
    vectors = _embedded("sources", left, encoder), _embedded("targets", right, encoder)
    say(f"comparing {len(left):,} with {counted(len(right), 'sentence')}")
    return vectors


def _embedded(name: str, sentences: Sequence[str], encoder: SentenceEncoder) -> Vectors:
    parts: list[Vectors] = []
    with job(f"embed {name}", total=len(sentences)) as running:
        for part in encoder.embed_lines(sentences):
            parts.append(part)
            running.advance(len(part))
    return np.concatenate(parts)


def _read(sentences: Sequence[str], encoder: SentenceEncoder) -> list[str]:
    """Leave out sentences of which the model knows no piece: their vectors are all the same."""
    found = [sentence for sentence in sentences if encoder.reads(sentence)]
    if missing := len(sentences) - len(found):
        say(f"{counted(missing, 'sentence')} left out, of which the model's vocabulary has no piece")
    return found


def _distinct(sentences: Iterable[str]) -> list[str]:
    """Return each sentence once, without empty ones."""
    return [sentence for sentence in dict.fromkeys(sentences) if sentence.strip()]
