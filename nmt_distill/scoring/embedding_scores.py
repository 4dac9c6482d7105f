"""What the sentence vectors of a run are worth on its test sets: those of the teacher, and those of every export."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np

from nmt_distill.counting import counted
from nmt_distill.embedding.encoder import SentenceEncoder
from nmt_distill.embedding.head import UNKNOWN
from nmt_distill.embedding.head_training import MIN_EXAMPLES, has_scikit_learn, held_out, train_head
from nmt_distill.embedding.vectors import Vectors
from nmt_distill.evaluation.classification import macro_f1
from nmt_distill.evaluation.retrieval import retrieval_scores
from nmt_distill.evaluation.sentence_vectors import (
    EmbeddingScores,
    LanguageScore,
    LanguageScores,
    SentenceMap,
    sentence_map,
)
from nmt_distill.language_identification import is_installed, most_probable, named_as
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
    languages: LanguageScores | None = None


def score_embeddings(run: Run, texts: Sequence[Text]) -> EmbeddingReport:
    """Embed every test set with every system and measure; nothing, where the recipe has no section `embedding`."""
    if run.recipe.embedding is None:
        return EmbeddingReport()
    scores: list[EmbeddingScores] = []
    maps: list[SentenceMap] = []

    @cache  # loaded behind the first teacher: CTranslate2 sets the threads of OpenMP to 1, those of some teachers too
    def students() -> Mapping[str, SentenceEncoder]:
        precisions = run.recipe.export.ordered_precisions
        return {f"student {precision}": SentenceEncoder(run.export.path / precision) for precision in precisions}

    for text in texts:
        for system, embed in _systems(run, text.direction, students):
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
    return EmbeddingReport(tuple(scores), tuple(maps), language_scores(students(), texts))


def _systems(
    run: Run, direction: Direction, students: Callable[[], Mapping[str, SentenceEncoder]]
) -> Iterator[tuple[str, Embed]]:
    """Yield what embeds; the teacher is closed before the next is loaded."""
    teacher = embedding_teacher(run, direction)
    try:
        yield TEACHER, teacher.embed
    finally:
        teacher.close()
    for name, encoder in students().items():
        yield name, encoder.embed


def language_scores(students: Mapping[str, SentenceEncoder], texts: Sequence[Text]) -> LanguageScores | None:
    """Tell the languages of all test sets apart; None where a library is missing, or a language has few sentences."""
    languages = {
        sentence: language
        for text in texts
        for language, side in ((text.direction.source, text.sources), (text.direction.target, text.references))
        for sentence in side
        if sentence.strip()
    }
    sentences, labels = list(languages), list(languages.values())
    counts = Counter(labels)
    if len(counts) < 2 or min(counts.values()) < MIN_EXAMPLES or not (has_scikit_learn() and is_installed()):
        return None
    scores = [
        LanguageScore(system=name, macro_f1=train_head(encoder, sentences, labels, reads="states")[1].macro_f1)
        for name, encoder in students.items()
    ]
    apart = np.flatnonzero(held_out(labels))
    answers = [named_as(sorted(counts), most_probable(sentences[place])) or UNKNOWN for place in apart]
    baseline = macro_f1(answers, [labels[place] for place in apart])
    return LanguageScores(
        languages=tuple(sorted(counts)),
        num_sentences=len(apart),
        scores=(*scores, LanguageScore(system="py3langid", macro_f1=baseline)),
    )
