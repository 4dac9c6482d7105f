from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.export.onnx import load_onnx, write_onnx
from nmt_distill.export.parity import HeldOut, StudentAnswers
from nmt_distill.languages import Direction

DIRECTION = Direction(source="en", target="pt-BR")


@pytest.mark.skipif(
    importlib.util.find_spec("optimum") is None, reason="needs optimum-onnx, and with it transformers 4.57"
)
def test_onnx_says_what_the_student_says(student_folder: Path, tmp_path: Path, toy_sentences: list[str]) -> None:
    write_onnx(student_folder, tmp_path / "onnx")
    sentences = toy_sentences[:10]
    answers = StudentAnswers(
        student_folder, [HeldOut(direction=DIRECTION, tag=None, sources=sentences, references=sentences)]
    )
    parity = answers.compare_model(load_onnx(tmp_path / "onnx"))
    assert (parity.num_equal, parity.num_sentences) == (10, 10)


def test_what_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("optimum.exporters.onnx", "optimum.onnxruntime"):
        monkeypatch.setitem(sys.modules, module, None)
    for work in (lambda: write_onnx(tmp_path, tmp_path / "onnx"), lambda: load_onnx(tmp_path)):
        with pytest.raises(NmtDistillError, match=r'optimum, which is not installed .*pip install "optimum-onnx'):
            work()
    assert not (tmp_path / "onnx").exists()
