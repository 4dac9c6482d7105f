"""Labels from which a model of the opposite direction would hardly guess the source: the worst share is left out.

So the recipes of Bergamot (browsermt/students) and of Mozilla drop the worst 5 %, by length-normalised cross-entropy.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt

from nmt_distill.configuration.constraints import Bounds
from nmt_distill.files import read_lines
from nmt_distill.teacher.config import MarianTeacherConfig, TransformersTeacherConfig

ReverseScore = Callable[[Sequence[str], Sequence[str]], list[float]]
"""sources and their labels to the mean log-probability of each source given its label, in nats"""


@dataclass(frozen=True, kw_only=True)
class ReverseFilterConfig:
    """The worst labels of the corpus, by how probable a model of the opposite direction finds their sources."""

    teacher: MarianTeacherConfig | TransformersTeacherConfig | None = None
    """the model that translates back, of a kind that gives probabilities; null takes the recipe's teacher of the
    opposite direction"""
    share: Annotated[float, Bounds(above=0, below=1)] = 0.05
    """share that is dropped of all labels that the other filters keep; rounded to whole labels"""


@dataclass(frozen=True)
class LeftOut:
    """Which labels of a corpus are left out."""

    places: list[list[int]]
    """of each file of labels, their numbers in it, in order"""
    num_labels: int
    """labels there are in all"""
    threshold: float | None
    """score of the best of them, None where there is none"""

    def summary(self) -> dict[str, float | int | None]:
        """Return what ``distilled.json`` tells."""
        return {"labels": self.num_labels, "left_out": sum(map(len, self.places)), "threshold": self.threshold}


def worst_labels(hypotheses: Sequence[Path], share: float) -> LeftOut:
    """Find the share of all labels with the lowest scores; among equal scores those that come first.

    :param hypotheses: files of lines as :meth:`nmt_distill.distillation.labels.LabelledSentence.line` makes them
    :param share: from 0 to 1
    """
    by_file = [np.fromiter(_scores(path), dtype=np.float64) for path in hypotheses]
    scores = np.concatenate([np.zeros(0), *by_file])
    number = round(share * len(scores))
    if number == 0:
        return LeftOut([[] for _ in by_file], len(scores), None)
    threshold = np.partition(scores, number - 1)[number - 1]
    num_equal = number - int((scores < threshold).sum())
    is_left_out = scores < threshold
    is_left_out[np.flatnonzero(scores == threshold)[:num_equal]] = True
    parts: list[npt.NDArray[np.bool_]] = np.split(is_left_out, np.cumsum([len(part) for part in by_file])[:-1])
    places = [np.flatnonzero(part).tolist() for part in parts]
    return LeftOut(places, len(scores), float(threshold) if np.isfinite(threshold) else None)


def _scores(path: Path) -> Iterator[float]:
    """Yield the score of every label; minus infinity where the reverse model had no room for it."""
    for line in read_lines(path):
        entry = json.loads(line)
        if entry["chosen"]:
            yield from (-np.inf if score is None else score for score in entry["reverse"])
