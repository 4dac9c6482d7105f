from __future__ import annotations

from pathlib import Path

import ctranslate2
import numpy as np
import pytest
import torch

from nmt_distill.embedding.student_vectors import read_description
from nmt_distill.errors import NmtDistillError
from nmt_distill.export.ctranslate2_converter import convert_student
from nmt_distill.export.encoder_folder import write_encoder
from nmt_distill.languages import Direction
from nmt_distill.student.checkpoint import load_student
from nmt_distill.translation.model_folder import read_model_folder, verify_checksums


def test_encoder_beside_the_model_is_the_students(student_folder: Path, tmp_path: Path) -> None:
    folder, tags = tmp_path / "float32", {Direction(source="en", target="pt-BR"): None}
    convert_student(student_folder, folder, precision="float32", tags=tags, name="toy")
    assert not (folder / "encoder").exists(), "only where it is asked for"
    about = write_encoder(student_folder, folder, precision="float32", name="toy")
    student = load_student(student_folder)
    assert about.model_dim == student.config.d_model
    ids = [9, 20, 33, student.config.eos_token_id]
    with torch.inference_mode():
        expected = student.get_encoder()(torch.tensor([ids])).last_hidden_state.numpy()
    found = ctranslate2.Encoder(str(folder / "encoder")).forward_batch([ids]).last_hidden_state
    assert np.abs(np.array(found) - expected).max() < 1e-5
    read_model_folder(folder)
    assert verify_checksums(folder / "encoder") > 0
    described, projection = read_description(folder / "encoder")
    assert (described.teacher, projection) == ("", None), "nobody has trained its vectors"


def test_encoder_that_cannot_be_converted_is_told(toy_student: Path, tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"CTranslate2 cannot convert .*: .*quantization"):
        write_encoder(toy_student, tmp_path, precision="int7", name="toy")
    assert not (tmp_path / "encoder").exists()
