"""How alike two tables of embeddings are: who is near whom, within a table and across languages; and a map of words.

V pieces, Q pieces that are asked about, K neighbours, N words, D width. Nearness is the cosine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from nmt_distill.evaluation.drawing import Box, label_box, text

NUM_NEIGHBOURS = 10
ROWS_AT_ONCE = 128
"""pieces whose similarities to all others are in memory at once"""
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 640, 520, 16, 64, 16
_COLOURS = ("#0b62c4", "#b3440f", "#0b7a53", "#7a3db8", "#9a6700", "#a6104f", "#616b80", "#00727f")

Vectors = npt.NDArray[np.floating[Any]]
Ids = npt.NDArray[np.int64]


def nearest_rows(table: Vectors, queries: Ids, num_neighbours: int = NUM_NEIGHBOURS) -> Ids:
    """Find the nearest other rows of some rows of a table (V, D): (Q, K), in no order; a row of zeros is near nobody.

    :param queries: (Q,) places in the table
    :param num_neighbours: K, fewer than there are rows
    """
    rows = _unit(table)
    is_zero = ~rows.any(axis=1)
    found = []
    for start in range(0, len(queries), ROWS_AT_ONCE):
        places = queries[start : start + ROWS_AT_ONCE]
        similarities = rows[places] @ rows.T
        similarities[:, is_zero] = -np.inf
        similarities[np.arange(len(places)), places] = -np.inf
        found.append(np.argpartition(-similarities, num_neighbours - 1, axis=1)[:, :num_neighbours])
    return np.concatenate(found).astype(np.int64)


def shared_neighbours(one: Ids, other: Ids) -> float:
    """Tell which share of the neighbours (Q, K) of the same pieces is the same in two tables, whatever their order."""
    return float(np.mean([len(np.intersect1d(*pair)) / one.shape[1] for pair in zip(one, other, strict=True)]))


class NeighbourAgreement:
    """The nearest pieces in a teacher's table, to compare a student's with; the teacher's table is not kept."""

    def __init__(self, teacher_table: Vectors, queries: Mapping[str, Ids]) -> None:
        """Find them.

        :param teacher_table: (V, D), the rows that both have
        :param queries: by language, the places of pieces to ask about
        """
        self._queries = {language: places for language, places in queries.items() if len(places)}
        self._num_neighbours = min(NUM_NEIGHBOURS, len(teacher_table) - 1)
        self._expected = {
            language: nearest_rows(teacher_table, places, self._num_neighbours)
            for language, places in self._queries.items()
        }

    def with_table(self, table: Vectors) -> dict[str, float]:
        """Tell by language which share of the nearest pieces is the same in a student's table (V, d), 0 to 1."""
        return {
            language: shared_neighbours(self._expected[language], nearest_rows(table, places, self._num_neighbours))
            for language, places in self._queries.items()
        }


def neighbour_note(facts: Mapping[str, Any]) -> str | None:
    """Say in a sentence what became of embeddings that were handed down; None where none were.

    :param facts: of the student stage
    """
    shares = facts.get("shared_neighbours")
    if not shares or not shares["after_training"]:
        return None

    def told(when: str) -> str:
        return ", ".join(f"{language} {share:.0%}" for language, share in shares[when].items())

    return (
        f"of the {shares['num_neighbours']} pieces nearest to a frequent one in the table of embeddings that the "
        f"student's comes from, so many are among the nearest in the student's: before training "
        f"{told('before_training')}, after it {told('after_training')}."
    )


def translations_found(vectors: Vectors, concepts: Sequence[int], languages: Sequence[str]) -> dict[str, float]:
    """Tell by language how often the nearest word of another language is a translation.

    :param vectors: (N, D)
    :param concepts: what each word means; words that mean the same have the same number
    :param languages: of each word
    :returns: over all words of the language and all other languages in turn, 0 to 1
    """
    similarities = _unit(vectors) @ _unit(vectors).T
    meanings, tags = np.array(concepts), np.array(languages)
    found: dict[str, float] = {}
    for language in dict.fromkeys(languages):
        own, hits = np.flatnonzero(tags == language), []
        for other in dict.fromkeys(languages):
            theirs = np.flatnonzero(tags == other)
            if other != language:
                nearest = theirs[similarities[np.ix_(own, theirs)].argmax(axis=1)]
                hits.append(meanings[nearest] == meanings[own])
        found[language] = float(np.mean(hits)) if hits else 0.0
    return found


def principal_plane(vectors: Vectors) -> Vectors:
    """Project unit vectors (N, D), centred, on the two directions in which they differ most: (N, 2)."""
    rows = _unit(vectors)
    rows = rows - rows.mean(axis=0)
    _, _, directions = np.linalg.svd(rows, full_matrices=False)
    plane = rows @ directions[:2].T
    signs = np.sign(plane[np.abs(plane).argmax(axis=0), [0, 1]])
    return np.asarray(plane * np.where(signs == 0, 1, signs))


def word_map(panels: Mapping[str, Vectors], words: Sequence[str], languages: Sequence[str]) -> str:
    """Draw words by their principal plane, a panel for each table and a colour for each language.

    :param panels: vectors (N, D) of the words by the name of their table
    :returns: an SVG that follows the reader's light or dark scheme
    """
    tags = list(dict.fromkeys(languages))
    colours = {tag: _COLOURS[number % len(_COLOURS)] for number, tag in enumerate(tags)}
    parts = []
    for number, (name, vectors) in enumerate(panels.items()):
        offset = number * _WIDTH
        parts.append(text(offset + _LEFT, 20, name, "title", "start"))
        x = float(offset + _LEFT)
        for tag in tags:
            parts.append(f'<circle cx="{x + 5:.1f}" cy="38" r="4" fill="{colours[tag]}"/>')
            parts.append(text(x + 14, 42, tag, "label", "start"))
            x += 30 + 7 * len(tag)
        parts += _points(principal_plane(vectors), words, [colours[tag] for tag in languages], offset)
    width = _WIDTH * len(panels)
    style = (
        ".word-map { --ink: #1d2433; font: 12px system-ui, sans-serif; } .word-map text { fill: var(--ink); } "
        "@media (prefers-color-scheme: dark) { .word-map { --ink: #e6e9f0; } } .word-map .title { font-weight: 600; }"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="word-map" viewBox="0 0 {width} {_HEIGHT}" width="{width}" '
        f'height="{_HEIGHT}" role="img"><title>Words by the principal plane of their embeddings: '
        f"{escape(', '.join(panels))}</title><style>{style}</style>{''.join(parts)}</svg>\n"
    )


def _points(plane: Vectors, words: Sequence[str], colours: Sequence[str], offset: int) -> list[str]:
    low, high = plane.min(axis=0), plane.max(axis=0)
    share = (plane - low) / np.where(high > low, high - low, 1)
    frame: Box = (offset + _LEFT, offset + _WIDTH - 8, _TOP - 8, _HEIGHT - 4)
    places = [
        (offset + _LEFT + 4 + right * (_WIDTH - _LEFT - 90), _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM))
        for right, up in share.tolist()
    ]
    taken: list[Box] = [(x - 4, x + 4, y - 4, y + 4) for x, y in places]
    drawn = []
    for (x, y), word, colour in zip(places, words, colours, strict=True):
        box = label_box(word, x, y, frame, taken)
        taken.append(box)
        drawn.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
        drawn.append(text(box[0], box[3] - 3, word, "label", "start"))
    return drawn


def _unit(vectors: Vectors) -> Vectors:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms == 0, 1, norms))
