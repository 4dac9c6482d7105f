"""What a report knows of sentence vectors: measures, and sentences with their translations on a plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nmt_distill.evaluation.embeddings import Vectors, principal_plane
from nmt_distill.evaluation.retrieval import RetrievalScores

MAP_PAIRS = 40
"""sentences that are drawn, with their translations"""


@dataclass(frozen=True, kw_only=True)
class EmbeddingScores:
    """One system's sentence vectors on one test set."""

    test_set: str
    """its name"""
    system: str
    """as the table prints it"""
    scores: RetrievalScores
    """what they are worth"""
    sentences_per_second: float | None = None
    """one pass over both sides, loading left out"""


@dataclass(frozen=True, kw_only=True)
class LanguageScore:
    """How well one system tells languages apart."""

    system: str
    """as the table prints it"""
    macro_f1: float
    """mean F1 of all languages, 0 to 1"""


@dataclass(frozen=True, kw_only=True)
class LanguageScores:
    """Language identification on sentences of all test sets."""

    languages: tuple[str, ...]
    """that are told apart, BCP 47"""
    num_sentences: int
    """that were kept apart; four times as many taught the heads"""
    scores: tuple[LanguageScore, ...]
    """of each student's head, and of what anybody gets for nothing"""


@dataclass(frozen=True, kw_only=True)
class MapPoint:
    """A sentence and its translation on a plane."""

    source: tuple[float, ...]
    """x and y of the sentence"""
    target: tuple[float, ...]
    """x and y of its translation"""


@dataclass(frozen=True, kw_only=True)
class SentenceMap:
    """Sentences of a test set in the plane in which their vectors differ most."""

    system: str
    """whose vectors"""
    source: str
    """language of the sentences"""
    target: str
    """language of their translations"""
    points: tuple[MapPoint, ...]
    """pairs"""


def sentence_map(system: str, languages: tuple[str, str], sources: Vectors, translations: Vectors) -> SentenceMap:
    """Lay the first pairs of vectors (N, D) out on their principal plane."""
    count = min(MAP_PAIRS, len(sources))
    plane = principal_plane(np.concatenate([sources[:count], translations[:count]]).astype(np.float64)).round(5)
    pairs = zip(plane[:count].tolist(), plane[count:].tolist(), strict=True)
    points = tuple(MapPoint(source=tuple(one), target=tuple(other)) for one, other in pairs)
    return SentenceMap(system=system, source=languages[0], target=languages[1], points=points)
