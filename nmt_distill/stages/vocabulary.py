"""The vocabulary stage: the teacher's pieces, all or the most frequent, or new ones where it shows none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice, zip_longest
from typing import Any

import numpy as np
import numpy.typing as npt

from nmt_distill.distillation.store import Store
from nmt_distill.distillation.trimmed_store import count_pieces
from nmt_distill.files import atomic_file, read_lines, write_json
from nmt_distill.languages import Direction
from nmt_distill.stages.run import KEPT_IDS, Run
from nmt_distill.vocabulary.shared import SharedVocabulary
from nmt_distill.vocabulary.training import drawn, train_sentencepiece
from nmt_distill.vocabulary.trimming import NLLB_PAD, PAD_PIECE, choose_pieces, trim_sentencepiece, with_padding

COUNTED_AT_ONCE = 4096
"""lines whose pieces are counted together"""


def make_vocabulary(run: Run) -> dict[str, Any]:
    """Write the student's SentencePiece model, and the teacher's id of each of its pieces where they share ids.

    The teacher is that of the first direction; language tags that it does not have are new pieces at the end.
    """
    vocabulary = SharedVocabulary.load(run.labels(run.directions[0]))
    return _train(run) if vocabulary is None else _take_over(run, vocabulary)


def _tags(run: Run) -> list[str]:
    return sorted({tag for tag in run.tags.values() if tag is not None})


def _train(run: Run) -> dict[str, Any]:
    """Train a model on the labels and their sources, line by line in turn, so that no language comes first."""
    assert run.recipe.vocabulary.size is not None  # the recipe was checked for it
    total = sum(1 for _ in _distilled_lines(run, run.directions))
    num_lines = train_sentencepiece(
        drawn(_distilled_lines(run, run.directions), total),
        run.sentencepiece_path,
        size=run.recipe.vocabulary.size,
        tags=_tags(run),
        has_padding=run.recipe.student.graph == "nllb",
    )
    return {"pieces": run.recipe.vocabulary.size, "trained_on_lines": num_lines}


def _distilled_lines(run: Run, directions: Sequence[Direction]) -> Iterator[str]:
    sides = (
        read_lines(run.labels(direction) / f"distilled.{language}")
        for direction in directions
        for language in (direction.source, direction.target)
    )
    return (line for line in chain.from_iterable(zip_longest(*sides)) if line is not None)


def _take_over(run: Run, vocabulary: SharedVocabulary) -> dict[str, Any]:
    path, size = run.sentencepiece_path, run.recipe.vocabulary.size
    tags = [tag for tag in _tags(run) if not vocabulary.has_tag(tag)]
    needs_padding = run.recipe.student.graph == "nllb"
    pad = vocabulary.processor.pad_id()
    pieces = np.flatnonzero(vocabulary.teacher_ids >= 0)
    is_whole = len(pieces) == len(vocabulary.teacher_ids) and vocabulary.is_identity
    if size is None and is_whole and not tags and pad == (NLLB_PAD if needs_padding else -1):
        with atomic_file(path, "wb") as stream:
            stream.write(vocabulary.model)
        return {"pieces": len(pieces)}
    told: dict[str, Any] = {}
    if size is not None:
        counts = _count(run, vocabulary)
        pieces = choose_pieces(vocabulary.model, counts, size - len(tags))
        told = {
            "pieces_in_corpus": int((counts > 0).sum()),
            "token_coverage": float(counts[pieces].sum() / max(counts.sum(), 1)),
        }
    # a word of text that reads like a tag would pass for it
    pieces = np.array([piece for piece in pieces if vocabulary.processor.id_to_piece(int(piece)) not in tags])
    pieces = pieces[pieces != pad]  # each graph wants its padding in a place of its own
    new_pieces = [PAD_PIECE, *tags] if needs_padding else tags
    if needs_padding:
        pieces = with_padding(pieces, NLLB_PAD)
    pieces = np.concatenate([pieces, np.full(len(tags), -1)])
    trim_sentencepiece(vocabulary.model, pieces, path, new_pieces=new_pieces)
    write_json(run.vocabulary.path / KEPT_IDS, vocabulary.ids_of(pieces).tolist())
    return {"pieces": len(pieces), "of": len(vocabulary.teacher_ids), **told}


def _count(run: Run, vocabulary: SharedVocabulary) -> npt.NDArray[np.int64]:
    """Count how often each piece occurs in the distilled corpora, (P,)."""
    counts = np.zeros(len(vocabulary.teacher_ids), dtype=np.int64)
    for direction in run.directions:
        own = SharedVocabulary.load(run.labels(direction))
        if own is not None and own.fingerprint == vocabulary.fingerprint:
            counts += vocabulary.piece_counts(count_pieces(Store(run.labels(direction)), vocabulary.num_ids))
            continue
        lines = _distilled_lines(run, [direction])  # labels of a teacher with another vocabulary, or none
        while part := list(islice(lines, COUNTED_AT_ONCE)):
            pieces = np.array(list(chain.from_iterable(vocabulary.processor.encode(part))), dtype=np.int64)
            counts += np.bincount(pieces, minlength=len(counts))
    return counts
