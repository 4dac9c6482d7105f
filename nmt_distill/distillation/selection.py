"""Rank a teacher's candidates."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from nmt_distill.teacher.base import Hypothesis

Similarity = Callable[[str, str], float]
"""of a hypothesis and a reference, higher is better"""
Consensus = Callable[[Sequence[str]], npt.NDArray[np.float64]]
"""of N candidates, how well each agrees with all of them, (N,), higher is better"""


def rank_hypotheses(
    candidates: Sequence[Hypothesis],
    reference: str | None,
    *,
    similarity: Similarity | None = None,
    consensus: Consensus | None = None,
) -> list[int]:
    """Return the places of the candidates, the one to learn from first; of equals the earlier.

    What a translation that never ended says is no evidence, so finished candidates come before all others. Ranking by
    likeness to the reference is sequence-level interpolation (Kim & Rush 2016, section 3.3), by consensus minimum Bayes
    risk decoding (Kumar & Byrne 2004).

    :param similarity: ranks where there is a reference
    :param consensus: ranks otherwise; without it the teacher's score does
    """
    if len(candidates) < 2:
        return list(range(len(candidates)))  # a sentence chrF costs as much as a greedy translation on a GPU
    if reference is not None and similarity is not None:
        worth = [similarity(candidate.text, reference) for candidate in candidates]
    elif consensus is not None:
        worth = consensus([candidate.text for candidate in candidates]).tolist()
    else:
        worth = [candidate.score for candidate in candidates]
    return sorted(range(len(candidates)), key=lambda place: (not candidates[place].finished, -worth[place]))
