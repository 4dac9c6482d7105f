from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from nmt_distill.export.ctranslate2_converter import convert_student
from nmt_distill.languages import Direction
from nmt_distill.student.checkpoint import load_student
from nmt_distill.training.validation import UserPathValidation
from nmt_distill.translation.translator import Translator

DIRECTION = Direction(source="en", target="pt")


def test_score_is_that_of_the_export_and_the_student_stays_as_it_was(
    toy_student: Path, toy_sentencepiece: Path, toy_sentences: list[str], tmp_path: Path
) -> None:
    seen: list[list[str]] = []
    folders: list[Path] = []

    def export(student_folder: Path, folder: Path) -> None:
        folders.append(folder)
        convert_student(student_folder, folder, precision="int8", tags={DIRECTION: None}, name="toy")

    def similarity(translations: Sequence[str], references: Sequence[str]) -> float:
        assert list(references) == ["a", "b", "c"]
        seen.append(list(translations))
        return 42.0

    student = load_student(toy_student)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    validate = UserPathValidation(
        {DIRECTION: (toy_sentences[:3], ["a", "b", "c"])},
        sentencepiece_path=toy_sentencepiece,
        export=export,
        similarity=similarity,
    )
    assert validate(student) == 42.0
    for name, value in student.state_dict().items():
        assert torch.equal(value, before[name])
    export(toy_student, tmp_path / "int8")
    assert seen == [Translator(tmp_path / "int8").translate(toy_sentences[:3])]
    assert not folders[0].exists(), "the export of a validation goes with it"


def test_export_that_fails_leaves_nothing(
    toy_student: Path, toy_sentencepiece: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def export(student_folder: Path, folder: Path) -> None:
        assert (student_folder / "config.json").is_file()
        raise KeyboardInterrupt

    validate = UserPathValidation(
        {DIRECTION: (["a"], ["b"])}, sentencepiece_path=toy_sentencepiece, export=export, similarity=lambda *_: 0.0
    )
    with pytest.raises(KeyboardInterrupt):
        validate(load_student(toy_student))
    assert list(tmp_path.iterdir()) == []
