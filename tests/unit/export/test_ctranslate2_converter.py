from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.torch import load_file, save_file

from nmt_distill.errors import NmtDistillError
from nmt_distill.export.config import PRECISIONS
from nmt_distill.export.ctranslate2_converter import computed_in, convert_student
from nmt_distill.languages import Direction
from nmt_distill.translation.model_folder import read_model_folder
from nmt_distill.translation.translator import Translator

OPTIONS: dict[str, Any] = {"tags": {Direction(source="en", target="pt-BR"): None}, "name": "toy"}


def read_variables(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read CTranslate2's ``model.bin`` (its ``specs/model_spec.py`` writes it)."""
    content, place = path.read_bytes(), 0

    def take(layout: str) -> Any:
        nonlocal place
        (value,) = struct.unpack_from(layout, content, place)
        place += struct.calcsize(layout)
        return value

    def text() -> str:
        nonlocal place
        length = take("=H")
        place += length
        return content[place - length : place - 1].decode()

    take("=I"), text(), take("=I")
    variables = {}
    for _ in range(take("=I")):
        name = text()
        shape = [take("=I") for _ in range(take("=B"))]
        kind = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16, 5: np.uint16}[take("=B")]
        size = take("=I")
        variables[name] = np.frombuffer(content[place : place + size], dtype=kind).reshape(shape)
        place += size
    return variables


@pytest.mark.parametrize("precision", PRECISIONS)
def test_folder_is_what_translate_reads(student_folder: Path, tmp_path: Path, precision: str) -> None:
    folder = tmp_path / "export" / precision
    described = convert_student(student_folder, folder, precision=precision, beam_size=3, **OPTIONS)
    found = read_model_folder(folder)
    assert (found.precision, found.beam_size, found.name) == (precision, 3, "toy")
    assert (found.max_source_tokens, found.max_target_tokens) == (64, 64)
    assert found.tags == OPTIONS["tags"] == described.tags
    assert [path.name for path in folder.glob("*.spm")] == ["joint.spm"]
    assert (folder / "joint.spm").read_bytes() == (student_folder / "source.spm").read_bytes()
    assert len(Translator(folder).translate(["Turn on the light.", ""])) == 2
    assert [path.name for path in folder.parent.iterdir()] == [precision]


WEIGHTS = {
    "float32": np.float32,
    "bfloat16": np.uint16,  # which numpy has not; CTranslate2 counts it as its fifth kind
    "float16": np.float16,
    "int16": np.int16,
    "int8_float32": np.int8,
    "int8_float16": np.int8,
    "int8": np.int8,
}
"""how each precision keeps the matrices"""


def test_every_precision_keeps_its_weights_in_one_table(toy_student: Path, tmp_path: Path) -> None:
    sizes = {}
    for precision in PRECISIONS:
        convert_student(toy_student, tmp_path / precision, precision=precision, **OPTIONS)
        variables = read_variables(tmp_path / precision / "model.bin")
        assert variables["encoder/layer_0/ffn/linear_0/weight"].dtype == WEIGHTS[precision]
        tables = [name for name, weight in variables.items() if weight.ndim == 2 and len(weight) > 300]
        assert len(tables) == 1, "source, target and output share their embeddings"
        sizes[precision] = (tmp_path / precision / "model.bin").stat().st_size
    assert sizes["int8"] < sizes["float16"] < sizes["float32"]
    assert sizes["float16"] == sizes["bfloat16"]


def test_precision_that_a_processor_lacks_is_told_by_what_it_takes(toy_student: Path, tmp_path: Path) -> None:
    import ctranslate2

    able = ctranslate2.get_supported_compute_types("cpu")
    for precision in ("float32", "float16", "int8_float16"):
        convert_student(toy_student, tmp_path / precision, precision=precision, **OPTIONS)
        computed = computed_in(tmp_path / precision)["cpu"]
        assert computed in able
        assert computed == precision or precision not in able
    assert computed_in(tmp_path / "float32")["cpu"] == "float32"


def test_int8_rows_by_hand(toy_student: Path, tmp_path: Path) -> None:
    """CTranslate2's own golden rows (its ``python/tests/test_spec.py``), brought through a student's weights."""
    student = tmp_path / "student"
    shutil.copytree(toy_student, student)
    tensors = load_file(student / "model.safetensors")
    weight = tensors["model.encoder.layers.0.fc1.weight"]
    weight[:2] = 0
    weight[0, :4] = torch.tensor([-10.0, -3.0, 5.0, 2.0])
    save_file(tensors, student / "model.safetensors", metadata={"format": "pt"})
    convert_student(student, tmp_path / "int8", precision="int8", **OPTIONS)
    variables = read_variables(tmp_path / "int8" / "model.bin")
    rows, scales = (variables[f"encoder/layer_0/ffn/linear_0/weight{part}"] for part in ("", "_scale"))
    assert rows.dtype == np.int8
    assert rows[:2, :4].tolist() == [[-127, -38, 64, 25], [0, 0, 0, 0]]
    assert not rows[:2, 4:].any()
    assert scales[:2].tolist() == pytest.approx([12.7, 1.0])


def test_float32_weights_are_the_students(student_folder: Path, tmp_path: Path) -> None:
    convert_student(student_folder, tmp_path / "float32", precision="float32", **OPTIONS)
    variables = read_variables(tmp_path / "float32" / "model.bin")
    tensors = load_file(student_folder / "model.safetensors")
    expected = tensors["model.encoder.layers.0.fc1.weight"].numpy()
    assert np.array_equal(variables["encoder/layer_0/ffn/linear_0/weight"], expected)


def test_folder_that_stands_is_not_replaced(student_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "int8"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(NmtDistillError, match=r"int8 exists; give --force to replace it\."):
        convert_student(student_folder, folder, precision="int8", **OPTIONS)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    convert_student(student_folder, folder, precision="int8", force=True, **OPTIONS)
    assert not (folder / "mine.txt").exists()
    assert (folder / "model.bin").is_file()


def test_unknown_precision(toy_student: Path, tmp_path: Path) -> None:
    with pytest.raises(
        NmtDistillError, match=r"the precision must be one of float32, bfloat16, .*, int8, but is int4 instead\."
    ):
        convert_student(toy_student, tmp_path / "int4", precision="int4", **OPTIONS)
    assert not (tmp_path / "int4").exists()


def test_folder_without_student(tmp_path: Path) -> None:
    (tmp_path / "student").mkdir()
    with pytest.raises(NmtDistillError, match=r"holds no student \(no config\.json\)"):
        convert_student(tmp_path / "student", tmp_path / "int8", precision="int8", **OPTIONS)


def test_model_that_cannot_be_converted_leaves_nothing(toy_student: Path, tmp_path: Path) -> None:
    student = tmp_path / "student"
    shutil.copytree(toy_student, student)
    config = json.loads((student / "config.json").read_text())
    config["activation_function"] = "mish"  # which CTranslate2 has not
    (student / "config.json").write_text(json.dumps(config))
    with pytest.raises(NmtDistillError, match=r"CTranslate2 cannot convert .*student: .*mish"):
        convert_student(student, tmp_path / "export" / "int8", precision="int8", **OPTIONS)
    assert list((tmp_path / "export").iterdir()) == []


def test_nothing_is_said_on_the_terminal(
    student_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    convert_student(student_folder, tmp_path / "int8", precision="int8", **OPTIONS)
    assert capfd.readouterr() == ("", "")
