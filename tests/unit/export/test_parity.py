from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from nmt_distill.export.ctranslate2_converter import convert_student
from nmt_distill.export.parity import Parity, measure_parity
from nmt_distill.languages import Direction

DIRECTION = Direction(source="en", target="pt-BR")


def test_export_says_what_its_student_says(student_folder: Path, tmp_path: Path, toy_sentences: list[str]) -> None:
    convert_student(student_folder, tmp_path / "float32", precision="float32", tags={DIRECTION: None}, name="toy")
    sentences = [*toy_sentences[:60], "🙂", "</s> <pad> <unk> >>pt<<"]
    parity = measure_parity(student_folder, tmp_path / "float32", {None: sentences}, max_tokens=24)
    assert parity == Parity(num_sentences=62, num_equal=62, differences=())
    assert parity.share == 1.0


def test_other_weights_are_noticed(toy_student: Path, tmp_path: Path, toy_sentences: list[str]) -> None:
    convert_student(toy_student, tmp_path / "float32", precision="float32", tags={DIRECTION: None}, name="toy")
    other = tmp_path / "other"
    shutil.copytree(toy_student, other)
    tensors = load_file(other / "model.safetensors")
    tensors["model.decoder.layers.0.fc2.weight"] += 3 * torch.randn(tensors["model.decoder.layers.0.fc2.weight"].shape)
    save_file(tensors, other / "model.safetensors", metadata={"format": "pt"})
    parity = measure_parity(other, tmp_path / "float32", {None: toy_sentences[:20]}, max_tokens=16)
    assert parity.num_equal < 20
    assert parity.share == parity.num_equal / 20
    assert len(parity.differences) == min(5, 20 - parity.num_equal)
    first = parity.differences[0]
    assert first["source"] in toy_sentences
    assert first["transformers"] != first["ctranslate2"]


def test_sentences_that_do_not_fit_are_left_out(toy_student: Path, tmp_path: Path) -> None:
    convert_student(toy_student, tmp_path / "float32", precision="float32", tags={DIRECTION: None}, name="toy")
    sentences = ["open the door", "open the door " * 40, "stop"]
    assert measure_parity(toy_student, tmp_path / "float32", {None: sentences}, max_tokens=16).num_sentences == 2


@pytest.mark.parametrize(("num_equal", "num_sentences", "share"), [(0, 0, 1.0), (1, 4, 0.25)])
def test_share(num_equal: int, num_sentences: int, share: float) -> None:
    assert Parity(num_sentences=num_sentences, num_equal=num_equal, differences=()).share == share
