"""Choose one of a teacher's candidates."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nmt_distill.teacher.base import Hypothesis

Similarity = Callable[[str, str], float]


def choose_hypothesis(
    candidates: Sequence[Hypothesis], reference: str | None, *, similarity: Similarity | None = None
) -> Hypothesis:
    """Take the candidate most like the reference, or without one the best score; of equals the first.

    Choosing by likeness to the reference is sequence-level interpolation (Kim & Rush 2016, section 3.3).

    :param similarity: of a hypothesis and a reference, higher is better; None chooses by score always
    """
    if reference is None or similarity is None:
        return max(candidates, key=lambda candidate: candidate.score)
    return max(candidates, key=lambda candidate: similarity(candidate.text, reference))
