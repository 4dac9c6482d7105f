"""What the sentence vectors of a run are worth on its test sets: those of the teacher, and those of every export."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from nmt_distill.counting import counted
from nmt_distill.embedding.encoder import SentenceEncoder
from nmt_distill.embedding.vectors import Vectors
from nmt_distill.evaluation.retrieval import retrieval_scores
from nmt_distill.evaluation.sentence_vectors import EmbeddingScores, SentenceMap, sentence_map
from nmt_distill.languages import Direction
from nmt_distill.progress import say
from nmt_distill.stages.run import Run
from nmt_distill.stages.vectors import embedding_teacher

TEACHER = "embedding teacher"

Embed = Callable[[Sequence[str]], Vectors]


class Text(Protocol):
    """Sentences with their human translations."""

    @property
    def name(self) -> str:
        """As the report prints it."""
        ...

    @property
    def direction(self) -> Direction:
        """Of the text."""
        ...

    @property
    def sources(self) -> list[str]:
        """Sentences."""
        ...

    @property
    def references(self) -> list[str]:
        """Their translations."""
        ...


@dataclass(frozen=True)
class EmbeddingReport:
    """What a report says of sentence vectors."""

    scores: tuple[EmbeddingScores, ...] = ()
    maps: tuple[SentenceMap, ...] = ()


def score_embeddings(run: Run, texts: Sequence[Text]) -> EmbeddingReport:
    """Embed every test set with every system and measure; nothing, where the recipe has no section `embedding`."""
    if run.recipe.embedding is None:
        return EmbeddingReport()
    scores: list[EmbeddingScores] = []
    maps: list[SentenceMap] = []
    for text in texts:
        for system, embed in _systems(run, text.direction):
            say(f"{text.name}: {system} embeds {counted(len(text.sources), 'pair')}")
            embed(text.sources[:1])
            began = time.monotonic()
            sources, translations = embed(text.sources), embed(text.references)
            seconds = max(time.monotonic() - began, 1e-9)
            scores.append(
                EmbeddingScores(
                    test_set=text.name,
                    system=system,
                    scores=retrieval_scores(sources, translations, text.sources, text.references),
                    sentences_per_second=round(2 * len(text.sources) / seconds, 1),
                )
            )
            if text is texts[0]:
                languages = (text.direction.source, text.direction.target)
                maps.append(sentence_map(system, languages, sources, translations))
    return EmbeddingReport(tuple(scores), tuple(maps))


def _systems(run: Run, direction: Direction) -> Iterator[tuple[str, Embed]]:
    """Yield what embeds; the teacher is closed before the next is loaded."""
    teacher = embedding_teacher(run, direction)
    try:
        yield TEACHER, teacher.embed
    finally:
        teacher.close()
    for precision in run.recipe.export.ordered_precisions:
        yield f"student {precision}", SentenceEncoder(run.export.path / precision).embed
