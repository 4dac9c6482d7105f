"""The score that chooses a student: chrF of its export, by the very translator that people use."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nmt_distill.languages import Direction
from nmt_distill.student.checkpoint import save_student
from nmt_distill.student.graph import StudentModel
from nmt_distill.translation.translator import Translator

Export = Callable[[Path, Path], None]
"""makes an export folder (second) of a student folder (first)"""
Similarity = Callable[[Sequence[str], Sequence[str]], float]
"""of translations and references, higher is better"""


class UserPathValidation:
    """Exports the student as it is, translates the development set with it, and scores that."""

    def __init__(
        self,
        texts: Mapping[Direction, tuple[Sequence[str], Sequence[str]]],
        *,
        sentencepiece_path: Path,
        export: Export,
        similarity: Similarity,
    ) -> None:
        """Take the development text.

        :param texts: sources and references of each direction
        """
        self._texts = dict(texts)
        self._sentencepiece_path, self._export, self._similarity = sentencepiece_path, export, similarity

    def __call__(self, student: StudentModel) -> float:
        """Return the mean score of all directions; the student is left as it was."""
        with tempfile.TemporaryDirectory(prefix="nmt-distill-") as folder:
            student_folder, export_folder = Path(folder) / "student", Path(folder) / "export"
            save_student(student, self._sentencepiece_path, student_folder)
            self._export(student_folder, export_folder)
            translator = Translator(export_folder)
            scores = [
                self._similarity(
                    translator.translate(sources, source=direction.source, target=direction.target), references
                )
                for direction, (sources, references) in self._texts.items()
            ]
        return sum(scores) / len(scores)
