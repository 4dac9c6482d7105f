"""The score that chooses a student of sentence vectors: does each sentence find its translation, on the users' path."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nmt_distill.embedding.encoder import SentenceEncoder
from nmt_distill.embedding.projection import detached_projection
from nmt_distill.embedding.vectors import Vectors
from nmt_distill.evaluation.retrieval import retrieval_scores
from nmt_distill.languages import Direction
from nmt_distill.student.graph import StudentModel

WriteEncoder = Callable[[StudentModel, Vectors | None, Path], None]
"""writes the folder `encoder` of a student and its projection into a folder"""


class RetrievalValidation:
    """Mixes the retrieval accuracy of a student's exported encoder with the score of its translations."""

    def __init__(
        self,
        texts: Mapping[Direction, tuple[Sequence[str], Sequence[str]]],
        *,
        write_encoder: WriteEncoder,
        translation: Callable[[StudentModel], float],
        share: float,
    ) -> None:
        """Take the development text.

        :param texts: sources and references of each direction
        :param translation: scores a student's translations, 0 to 100
        :param share: of retrieval accuracy in the score, 0 to 1; at 1 nothing is translated
        """
        self._texts, self._write_encoder = dict(texts), write_encoder
        self._translation, self._share = translation, share
        self.measures: dict[str, float | None] = {}
        """what the last score was mixed of"""

    def __call__(self, student: StudentModel) -> float:
        """Return the mixed score, 0 to 100; the student is left as it was."""
        with detached_projection(student) as projection:
            chrf = self._translation(student) if self._share < 1 else None
            accuracy = self._retrieval(student, projection) if self._share > 0 else None
        self.measures = {"chrf": chrf, "retrieval": accuracy}
        return (1 - self._share) * (chrf or 0) + self._share * (accuracy or 0)

    def _retrieval(self, student: StudentModel, projection: Vectors | None) -> float:
        with tempfile.TemporaryDirectory(prefix="nmt-distill-") as folder:
            self._write_encoder(student, projection, Path(folder))
            encoder = SentenceEncoder(folder)
            scores = [
                retrieval_scores(encoder.embed(sources), encoder.embed(references), sources, references)
                for sources, references in self._texts.values()
            ]
        return 100 * sum((each.forward + each.backward) / 2 for each in scores) / len(scores)
