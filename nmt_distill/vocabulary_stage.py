"""The vocabulary stage: the teacher's pieces, all or the most frequent, or new ones where it shows none."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, zip_longest
from typing import Any

import numpy as np
import numpy.typing as npt

from nmt_distill.distillation.store import Store
from nmt_distill.distillation.trimmed_store import count_pieces
from nmt_distill.files import atomic_file, read_lines, write_json
from nmt_distill.run import KEPT_IDS, Run
from nmt_distill.vocabulary.shared import SharedVocabulary
from nmt_distill.vocabulary.training import train_sentencepiece
from nmt_distill.vocabulary.trimming import NLLB_PAD, choose_pieces, trim_sentencepiece, with_padding


def make_vocabulary(run: Run) -> dict[str, Any]:
    """Write the student's SentencePiece model, and the teacher's id of each of its pieces where they share ids."""
    vocabulary = SharedVocabulary.load(run.distilled.path)
    return _train(run) if vocabulary is None else _take_over(run, vocabulary)


def _train(run: Run) -> dict[str, Any]:
    """Train a model on the labels and their sources, line by line in turn, so that no language comes first."""
    assert run.recipe.vocabulary.size is not None  # the recipe was checked for it
    num_lines = train_sentencepiece(
        _distilled_lines(run),
        run.sentencepiece_path,
        size=run.recipe.vocabulary.size,
        has_padding=run.recipe.student.graph == "nllb",
    )
    return {"pieces": run.recipe.vocabulary.size, "trained_on_lines": num_lines}


def _distilled_lines(run: Run) -> Iterator[str]:
    sides = (read_lines(run.distilled.path / f"distilled.{tag}") for tag in (run.recipe.source, run.recipe.target))
    return (line for line in chain.from_iterable(zip_longest(*sides)) if line is not None)


def _take_over(run: Run, vocabulary: SharedVocabulary) -> dict[str, Any]:
    path, size = run.sentencepiece_path, run.recipe.vocabulary.size
    needs_padding = run.recipe.student.graph == "nllb"
    pad = vocabulary.processor.pad_id()
    pieces = np.flatnonzero(vocabulary.teacher_ids >= 0)
    is_whole = len(pieces) == len(vocabulary.teacher_ids) and vocabulary.is_identity
    if size is None and is_whole and pad == (NLLB_PAD if needs_padding else -1):
        with atomic_file(path, "wb") as stream:
            stream.write(vocabulary.model)
        return {"pieces": len(pieces)}
    told: dict[str, Any] = {}
    if size is not None:
        counts = _count(run, vocabulary)
        pieces = choose_pieces(vocabulary.model, counts, size)
        told = {
            "pieces_in_corpus": int((counts > 0).sum()),
            "token_coverage": float(counts[pieces].sum() / max(counts.sum(), 1)),
        }
    pieces = pieces[pieces != pad]  # each graph wants its padding in a place of its own
    if needs_padding:
        pieces = with_padding(pieces, NLLB_PAD)
    trim_sentencepiece(vocabulary.model, pieces, path)
    write_json(run.vocabulary.path / KEPT_IDS, vocabulary.ids_of(pieces).tolist())
    return {"pieces": len(pieces), "of": len(vocabulary.teacher_ids), **told}


def _count(run: Run, vocabulary: SharedVocabulary) -> npt.NDArray[np.int64]:
    """Count how often each piece occurs in the distilled corpus, (P,)."""
    store = Store(run.distilled.path)
    store.require(vocabulary=vocabulary.fingerprint)
    return vocabulary.piece_counts(count_pieces(store, vocabulary.num_ids))
