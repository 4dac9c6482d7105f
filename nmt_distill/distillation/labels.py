"""A sentence with what its teacher made of it: which candidates are its labels, or why it has none."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
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
SAMPLE_CHARACTERS = 200
"""longest text that is shown"""
REVERSE_REASON = "reverse_score"
"""why a sentence has no label whose labels a reverse model finds among the worst"""

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
    reverse: tuple[float, ...] | None = None
    """of each label, the mean log-probability of its source by a reverse model, minus infinity where it has no room"""
    human: int | None = None
    """place of the human translation among the candidates, where it is a label too"""

    def labels(self) -> list[str]:
        """Return the text of each label."""
        return [self.candidates[place].text for place in self.chosen]

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
        if self.human is not None:
            content["human"] = self.human
        if self.reverse is not None:
            content["reverse"] = [round(score, 6) if math.isfinite(score) else None for score in self.reverse]
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


def with_human(sentence: LabelledSentence, human: Hypothesis, *, filters: LabelFilters) -> LabelledSentence:
    """Make the human translation a label too, the last one; nothing changes where another label reads the same.

    :param human: the reference as a candidate
    :param filters: keep it out as they do the teacher's
    """
    label = Label(sentence.source, human.text, sentence.reference)
    if _reason_to_drop(human) or filters.reason_to_drop(label) or human.text in sentence.labels():
        return sentence
    place = len(sentence.candidates)
    return replace(
        sentence,
        candidates=[*sentence.candidates, human],
        chosen=(*sentence.chosen, place),
        dropped=None,
        human=place,
    )


def is_in_share(source: str, reference: str, share: float) -> bool:
    """Say whether a human translation is one of the share that is learned from; the same pair always gets the same."""
    digest = hashlib.blake2b(f"{source}\n{reference}".encode(), digest_size=8, person=b"human_share").digest()
    return int.from_bytes(digest, "little") < share * 2**64


def _reason_to_drop(candidate: Hypothesis) -> str | None:
    if not candidate.finished:
        return "unfinished"
    return None if candidate.text.strip() else "empty"


def write_labels(
    hypotheses: Sequence[Path], folder: Path, direction: Direction, left_out: Sequence[Collection[int]] = ()
) -> dict[str, Any]:
    """Write the labels of all sentences as aligned text, one line a label, and count what became of every sentence.

    :param hypotheses: files of lines as :meth:`LabelledSentence.line` makes them
    :param left_out: which labels of each file are left out, by their number in it, as :func:`worst_labels` finds them
    """
    counts: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    samples: dict[str, list[str]] = {}
    names = [folder / f"distilled.{language}" for language in (direction.source, direction.target)]
    with atomic_file(names[0]) as sources, atomic_file(names[1]) as targets:
        for entry, kept in _entries(hypotheses, left_out):
            counts["sentences"] += 1
            counts["candidates"] += len(entry["candidates"])
            if not kept:
                reason = entry.get("dropped", REVERSE_REASON)
                dropped[reason] += 1
                samples.setdefault(reason, [])
                samples[reason] += [_sample(entry)] * (len(samples[reason]) < NUM_SAMPLES)
                continue
            counts["kept"] += 1
            counts["labels"] += len(kept)
            human = entry.get("human")
            if human in kept:
                counts["human"] += 1
            counts["not_the_best_score"] += kept[0] > 0 and kept[0] != human
            for place in kept:
                sources.write(entry["source"] + "\n")
                targets.write(entry["candidates"][place]["text"].replace("\n", " ") + "\n")
    return {"counts": dict(counts), "dropped": dict(dropped), "samples_of_dropped": samples}


def _entries(
    hypotheses: Sequence[Path], left_out: Sequence[Collection[int]]
) -> Iterator[tuple[dict[str, Any], list[int]]]:
    """Yield what is known of each sentence, and which of its candidates are labels in the end."""
    for index, path in enumerate(hypotheses):
        gone = frozenset(left_out[index] if left_out else ())
        numbers = count()
        for line in read_lines(path):
            entry = json.loads(line)
            yield entry, [place for place in entry["chosen"] if next(numbers) not in gone]


def _sample(entry: Mapping[str, Any]) -> str:
    """Show a sentence that has no label; what a reverse model thought badly of is shown too."""
    source = entry["source"][:SAMPLE_CHARACTERS]
    if "dropped" in entry:
        return str(source)
    return f"{source} → {entry['candidates'][entry['chosen'][0]]['text'][:SAMPLE_CHARACTERS]}"


def in_words(summary: Mapping[str, Any]) -> str:
    """Say in one line what became of all sentences.

    :param summary: as :func:`write_labels` returns it
    """
    counts, dropped = summary["counts"], Counter(summary["dropped"])
    told = f"labels: {counts.get('labels', 0):,} for {counts.get('sentences', 0):,} sentences"
    if counts.get("human"):
        told += f", {counts['human']:,} of them human"
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in dropped.most_common())
    return f"{told}; left out: {reasons}" if reasons else f"{told}; none left out"


def count_labels(hypotheses: Path) -> int:
    """Count the labels in a file of lines as :meth:`LabelledSentence.line` makes them."""
    return sum(len(json.loads(line)["chosen"]) for line in read_lines(hypotheses))
