"""A sentence with what its teacher made of it: which candidates are its labels, or why it has none."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nmt_distill.distillation.filters import Label, LabelFilters
from nmt_distill.files import atomic_file, read_lines
from nmt_distill.languages import Direction
from nmt_distill.teacher.base import Hypothesis

NUM_SAMPLES = 5
"""dropped sources that are shown for each reason"""

Rank = Callable[[Sequence[Hypothesis], "str | None"], list[int]]
"""candidates and the human reference, if any, to the places of the candidates, the one to learn from first"""


@dataclass(frozen=True)
class LabelledSentence:
    """A sentence of the corpus, its candidates, and those of them that are its labels."""

    source: str
    reference: str | None
    candidates: Sequence[Hypothesis]
    """best score first"""
    chosen: tuple[int, ...] = ()
    """places of the labels among the candidates, the best first"""
    dropped: str | None = None
    """why there is no label"""

    def label_ids(self) -> list[npt.NDArray[np.int64]]:
        """Return the teacher's own ids of each label."""
        return [self.candidates[place].token_ids for place in self.chosen]

    def line(self) -> str:
        """Return what stands in ``hypotheses-*.jsonl``."""
        candidates = [{"text": candidate.text, "score": round(candidate.score, 6)} for candidate in self.candidates]
        content: dict[str, Any] = {"source": self.source, "candidates": candidates, "chosen": self.chosen}
        if self.reference is not None:
            content["reference"] = self.reference
        if self.dropped:
            content["dropped"] = self.dropped
        return json.dumps(content, ensure_ascii=False) + "\n"


def choose_labels(
    source: str,
    reference: str | None,
    candidates: Sequence[Hypothesis],
    *,
    rank: Rank,
    filters: LabelFilters,
    num_labels: int = 1,
) -> LabelledSentence:
    """Take the first candidates in rank that may be labels and differ in text.

    :param num_labels: most labels of one sentence
    """
    chosen: list[int] = []
    dropped = None if candidates else "no_translation"
    for place in rank(candidates, reference):
        candidate = candidates[place]
        reason = _reason_to_drop(candidate) or filters.reason_to_drop(Label(source, candidate.text, reference))
        if reason:
            dropped = dropped or reason
        elif candidate.text not in {candidates[other].text for other in chosen}:
            chosen.append(place)
        if len(chosen) == num_labels:
            break
    return LabelledSentence(source, reference, candidates, tuple(chosen), None if chosen else dropped)


def _reason_to_drop(candidate: Hypothesis) -> str | None:
    if not candidate.finished:
        return "unfinished"
    return None if candidate.text.strip() else "empty"


def write_labels(hypotheses: Sequence[Path], folder: Path, direction: Direction) -> dict[str, Any]:
    """Write the labels of all sentences as aligned text, one line a label, and count what became of every sentence.

    :param hypotheses: files of lines as :meth:`LabelledSentence.line` makes them
    """
    counts: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    samples: dict[str, list[str]] = {}
    names = [folder / f"distilled.{language}" for language in (direction.source, direction.target)]
    with atomic_file(names[0]) as sources, atomic_file(names[1]) as targets:
        for entry in (json.loads(line) for path in hypotheses for line in read_lines(path)):
            counts["sentences"] += 1
            counts["candidates"] += len(entry["candidates"])
            if reason := entry.get("dropped"):
                dropped[reason] += 1
                samples.setdefault(reason, [])
                samples[reason] += [entry["source"][:200]] * (len(samples[reason]) < NUM_SAMPLES)
                continue
            counts["kept"] += 1
            counts["labels"] += len(entry["chosen"])
            counts["not_the_best_score"] += entry["chosen"][0] > 0
            for place in entry["chosen"]:
                sources.write(entry["source"] + "\n")
                targets.write(entry["candidates"][place]["text"].replace("\n", " ") + "\n")
    return {"counts": dict(counts), "dropped": dict(dropped), "samples_of_dropped": samples}


def count_labels(hypotheses: Path) -> int:
    """Count the labels in a file of lines as :meth:`LabelledSentence.line` makes them."""
    return sum(len(json.loads(line)["chosen"]) for line in read_lines(hypotheses))
