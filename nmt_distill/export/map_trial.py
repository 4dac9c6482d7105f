"""Whether a map of the vocabulary is worth having, measured on the path that ``translate`` takes."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from nmt_distill.export.parity import StudentAnswers
from nmt_distill.translation.model_folder import VOCABULARY_MAP_FILE
from nmt_distill.translation.translator import Translator

MIN_SPEEDUP = 1.03
"""what is less could be chance"""
REPETITIONS = 3


@dataclass(frozen=True, kw_only=True)
class MapTrial:
    """What a vocabulary map brought, and whether it was kept."""

    speedup: float
    """time without it over time with it, the median of turns"""
    num_changed: int
    """sentences whose translation it changes"""
    num_sentences: int
    """sentences translated"""
    max_drop: float
    """most points of BLEU or chrF2++ that a direction loses against the student with it"""
    kept: bool
    """whether it was faster and within the bound"""

    def in_words(self) -> str:
        """Say it in a few words."""
        return (
            f"with a vocabulary map {self.speedup:.2f} times as fast, {self.num_changed} of {self.num_sentences} "
            f"translations changed: {'kept' if self.kept else 'left out'}"
        )


def try_vocabulary_map(folder: Path, answers: StudentAnswers, *, max_drop: float) -> MapTrial:
    """Translate the held-out text with and without the map in a folder, by turns; remove it where it does not pay.

    :param max_drop: most points of BLEU or chrF2++ that it may lose against the student
    """
    contestants = {uses: Translator(folder, vocabulary_map=uses) for uses in (False, True)}
    outputs = {uses: _translate(translator, answers) for uses, translator in contestants.items()}  # warms up, too
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(REPETITIONS):
        for uses in (False, True) if turn % 2 == 0 else (True, False):
            began = time.perf_counter()
            _translate(contestants[uses], answers)
            seconds[uses].append(time.perf_counter() - began)
    drops = answers.drops(contestants[True])
    lost = max((loss for drop in drops for loss in (drop.bleu, drop.chrf)), default=0.0)
    speedup = statistics.median(before / after for before, after in zip(seconds[False], seconds[True], strict=True))
    kept = speedup >= MIN_SPEEDUP and lost <= max_drop
    if not kept:
        (folder / VOCABULARY_MAP_FILE).unlink()
    return MapTrial(
        speedup=speedup,
        num_changed=sum(one != other for one, other in zip(outputs[False], outputs[True], strict=True)),
        num_sentences=len(answers.sources),
        max_drop=lost,
        kept=kept,
    )


def _translate(translator: Translator, answers: StudentAnswers) -> list[str]:
    return [
        line
        for text in answers.texts
        for line in translator.translate(text.sources, source=text.direction.source, target=text.direction.target)
    ]
