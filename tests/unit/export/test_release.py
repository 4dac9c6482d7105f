from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.export.model_card import Origin
from nmt_distill.export.release import export_student
from nmt_distill.languages import Direction
from nmt_distill.model_folder import verify_checksums
from nmt_distill.student.checkpoint import load_student
from nmt_distill.student.graph import count_parameters

DIRECTION = Direction(source="en", target="pt-BR")


def export(student: Path, folder: Path, sentences: list[str], **options: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "precisions": ("int8", "float32"),
        "beam_size": 1,
        "tags": {DIRECTION: None},
        "name": "toy",
        "teachers": [Origin("a teacher", "a licence")],
        "corpus": {"directions": {}},
    }
    return export_student(student, folder, parity_sentences={DIRECTION: sentences}, **(facts | options))


def test_every_precision_has_card_and_checksums(student_folder: Path, tmp_path: Path, toy_sentences: list[str]) -> None:
    told = export(student_folder, tmp_path / "export", toy_sentences[:20])
    assert told == {
        "num_parameters": count_parameters(load_student(student_folder)),
        "parity": {"num_sentences": 20, "num_equal": 20, "differences": []},
    }
    json.dumps(told)
    for precision in ("float32", "int8"):
        folder = tmp_path / "export" / precision
        assert verify_checksums(folder) == len(list(folder.iterdir())) - 1
        card = (folder / "README.md").read_text(encoding="utf-8")
        assert card.startswith(f"# toy, en-pt-BR, {precision}\n")
        assert "20 of 20 held-out sentences" in card, "the check of float32 stands in every card"
        (folder / "model.bin").write_bytes((folder / "model.bin").read_bytes()[:-1] + b"\x01\x02")
        with pytest.raises(NmtDistillError, match=r"model\.bin damaged or missing"):
            verify_checksums(folder)


def test_int8_alone_is_not_compared(toy_student: Path, tmp_path: Path, toy_sentences: list[str]) -> None:
    told = export(toy_student, tmp_path / "export", toy_sentences[:2], precisions=("int8",))
    assert told["parity"] is None
    assert [path.name for path in (tmp_path / "export").iterdir()] == ["int8"]


def test_export_that_stands_is_kept_unless_forced(toy_student: Path, tmp_path: Path, toy_sentences: list[str]) -> None:
    export(toy_student, tmp_path / "export", toy_sentences[:2])
    with pytest.raises(NmtDistillError, match=r"float32 exists; give --force to replace it\."):
        export(toy_student, tmp_path / "export", toy_sentences[:2])
    export(toy_student, tmp_path / "export", toy_sentences[:2], force=True)
    assert verify_checksums(tmp_path / "export" / "int8")
