"""How the student of a run begins: with weights just drawn, or with what its teacher hands down."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.embeddings import NUM_NEIGHBOURS, Ids, NeighbourAgreement
from nmt_distill.files import read_json, read_lines
from nmt_distill.inheritance import EMBEDDINGS, Inheritance
from nmt_distill.progress import say
from nmt_distill.stages.run import Run
from nmt_distill.student.checkpoint import load_student, special_ids
from nmt_distill.student.graph import StudentModel, build_student
from nmt_distill.student.initialization import KeptIds, Start, initialize_from, require_fit
from nmt_distill.teacher.base import OpenTeacher
from nmt_distill.teacher.transformers.student import hand_down
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece
from nmt_distill.vocabulary.shared import SharedVocabulary

COUNTED_LINES = 20_000
"""lines of a language in which pieces are counted"""
FREQUENT_PIECES = 500
"""pieces of a language whose neighbours are compared"""


class Heir:
    """A student that began with a teacher's embeddings, and what tells how near it stays."""

    def __init__(self, run: Run, student: StudentModel, start: Start, inheritance: Inheritance) -> None:
        """Look at the table as it is before training."""
        self._student, self._start = student, start
        table = inheritance.parameters[EMBEDDINGS].detach()[start.teacher_rows].float().cpu().numpy()
        self._agreement = NeighbourAgreement(table, _frequent_pieces(run, start.rows.numpy()))
        self._before = self._shared_neighbours()

    def facts(self) -> dict[str, Any]:
        """Tell what came from the teacher, and which share of a piece's nearest pieces is still what it is there."""
        return {
            "num_copied_parameters": len(self._start.copied),
            "num_copied_rows": len(self._start.rows),
            "shared_neighbours": {
                "num_neighbours": NUM_NEIGHBOURS,
                "before_training": self._before,
                "after_training": self._shared_neighbours(),
            },
        }

    def _shared_neighbours(self) -> dict[str, float]:
        table = self._student.get_input_embeddings().weight.detach().cpu()
        return self._agreement.with_table(table[self._start.rows].float().numpy())


def new_student(run: Run) -> tuple[StudentModel, Heir | None]:
    """Make the student of a run as its recipe wants it to begin; the same recipe makes the same."""
    config = run.recipe.student
    torch.manual_seed(run.recipe.training.seed)
    student = build_student(config, special_ids(run.sentencepiece_path))
    if config.initialization == "random":
        return student, None
    inheritance = inheritance_of(run)
    start = initialize_from(student, config, inheritance, kept_ids=teacher_ids(run, inheritance))
    say(start.describe())
    heir = Heir(run, student, start, inheritance)
    run.release_teachers()
    return student, heir


def inheritance_of(run: Run) -> Inheritance:
    """Return what the student of a run starts from: its teacher's weights, or those of another student.

    :raises NmtDistillError: if it cannot start from them
    """
    config = run.recipe.student
    if config.initialize_from is None:
        teacher = run.teacher(run.directions[0])
        assert isinstance(teacher, OpenTeacher)  # the recipe was checked for it
        inheritance = teacher.hand_down()
        is_named = teacher.vocabulary is not None or inheritance.piece_ids
    else:
        folder = Path(config.initialize_from)
        other = load_student(folder)
        inheritance, is_named = hand_down(other, str(folder), read_json(folder / "vocab.json")), True
    require_fit(config, inheritance)
    if not is_named:
        raise NmtDistillError(
            "this teacher has no single SentencePiece model for source and target, so a student cannot take its "
            "embeddings over; set student.initialization=random."
        )
    return inheritance


def teacher_ids(run: Run, inheritance: Inheritance) -> KeptIds | None:
    """Return the teacher's id of each of the student's pieces: those that both share, else those of the same name."""
    if run.recipe.student.initialize_from is None and SharedVocabulary.load(run.labels(run.directions[0])) is not None:
        return run.kept_ids()
    processor = load_sentencepiece(run.sentencepiece_path)
    names = (processor.id_to_piece(piece) for piece in range(processor.vocab_size()))
    return [inheritance.piece_ids.get(name, -1) for name in names]


def _frequent_pieces(run: Run, rows: Ids) -> dict[str, Ids]:
    """Find by language the most frequent pieces with a letter in the labels and their sources.

    :param rows: the student's pieces that can be asked for
    :returns: their places among ``rows``
    """
    processor = load_sentencepiece(run.sentencepiece_path)
    is_word = np.array([
        not processor.is_byte(row) and any(map(str.isalpha, processor.id_to_piece(row))) for row in rows.tolist()
    ])
    counts: dict[str, Ids] = {}
    for path in sorted(run.distilled.path.rglob("distilled.*")):
        if path.suffix != ".json":
            encoded = processor.encode(list(islice(read_lines(path), COUNTED_LINES)))
            ids = np.array([piece for pieces in encoded for piece in pieces], dtype=np.int64)
            counted = np.bincount(ids, minlength=processor.vocab_size())[rows] * is_word
            language = path.suffix[1:]
            counts[language] = counts.get(language, 0) + counted
    return {
        language: np.argsort(-counted, kind="stable")[: min(FREQUENT_PIECES, np.count_nonzero(counted))]
        for language, counted in counts.items()
    }
