"""What a report shows of sentence vectors: a table of measures, and pictures of sentences with their translations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nmt_distill.evaluation.document import Block, Heading, Paragraph, Plot, Plots, Table
from nmt_distill.evaluation.plot import SOFT, TITLE, can_draw, colour, draw_legend, draw_plot
from nmt_distill.evaluation.sentence_vectors import EmbeddingScores, LanguageScores, SentenceMap


def embedding_blocks(
    scores: Sequence[EmbeddingScores], maps: Sequence[SentenceMap], languages: LanguageScores | None = None
) -> Iterator[Block]:
    """Say what sentence vectors are worth, if there are any."""
    if not scores:
        return
    yield Heading(2, "Sentence vectors")
    yield embedding_table(scores)
    yield Paragraph(
        "Retrieval: share of sentences whose nearest one of the other language, by cosine, is their translation; MRR: "
        "mean of 1 over its place. xSIM: share whose best by ratio margin (k = 4) is not; duplicates are left out. "
        "Mining F1: of finding the pairs where half of each side has no partner. Mean cosine: of sentences that are "
        "no translations of each other. Both ways: from source, from translation.",
        "soft",
    )
    for each in scores:
        if each.scores.is_collapsed:
            yield Paragraph(
                f"Note: {each.test_set}: all vectors of {each.system} are nearly the same (mean cosine "
                f"{each.scores.mean_cosine:.2f})."
            )
    if languages is not None:
        yield language_table(languages)
        yield Paragraph(
            f"Which language a sentence is in, macro-F1 over {', '.join(languages.languages)} on "
            f"{languages.num_sentences:,} sentences of the test sets; four times as many taught a linear head on each "
            "student's mean states. py3langid chooses among all languages that it knows.",
            "soft",
        )
    if maps and can_draw():
        yield Plots(tuple(map_plots(maps)))


def embedding_table(scores: Sequence[EmbeddingScores]) -> Table:
    """Set the measures of every system on every test set."""
    return Table(
        headers=(
            "test set",
            "system",
            "retrieval % both ways",
            "MRR both ways",
            "xSIM error % both ways",
            "mining F1 %",
            "mean cosine",
            "sentences/s",
        ),
        rows=tuple(
            (
                each.test_set,
                each.system,
                f"{100 * each.scores.forward:.1f} / {100 * each.scores.backward:.1f}",
                f"{each.scores.forward_mrr:.3f} / {each.scores.backward_mrr:.3f}",
                f"{100 * each.scores.forward_xsim:.1f} / {100 * each.scores.backward_xsim:.1f}",
                f"{100 * each.scores.mining_f1:.1f}",
                f"{each.scores.mean_cosine:.2f}",
                "" if each.sentences_per_second is None else f"{each.sentences_per_second:,.0f}",
            )
            for each in scores
        ),
        num_text_columns=2,
    )


def language_table(languages: LanguageScores) -> Table:
    """Set who tells languages apart, and how well."""
    return Table(
        headers=("language identification", "macro-F1"),
        rows=tuple((each.system, f"{each.macro_f1:.3f}") for each in languages.scores),
        num_text_columns=1,
    )


def map_plots(maps: Sequence[SentenceMap]) -> Iterator[Plot]:
    """Draw each map: a colour for each language, a line between a sentence and its translation."""
    for number, panel in enumerate(maps, start=1):

        def draw(axes: Any, panel: SentenceMap = panel) -> None:
            for point in panel.points:
                x, y = zip(point.source, point.target, strict=True)
                axes.plot(x, y, color=SOFT, linewidth=1, zorder=1)
            sides = ([point.source for point in panel.points], [point.target for point in panel.points])
            for place, (language, points) in enumerate(zip((panel.source, panel.target), sides, strict=True)):
                x, y = zip(*points, strict=True)
                axes.plot(x, y, "os"[place], markersize=5, color=colour(place), label=language)
            axes.set_title(panel.system, **TITLE)
            axes.set_xticks([])
            axes.set_yticks([])
            draw_legend(axes)

        title = f"Sentences and their translations on the principal plane of their vectors: {panel.system}"
        yield draw_plot(draw, title, f"sentence_map_{number}.svg", height=4.4)
