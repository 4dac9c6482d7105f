from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmt_distill.embedding.encoder import SentenceEncoder
from nmt_distill.embedding.student_vectors import SentenceVectors, write_description
from nmt_distill.errors import NmtDistillError
from nmt_distill.export.encoder_folder import write_encoder
from nmt_distill.export.sentence_transformers_folder import write_sentence_transformers

SENTENCES = ["Turn on the light.", "Close the kitchen window please", "</s> >>de<< <pad>", "музыка 🎵"]


@pytest.fixture
def student(tmp_path: Path, toy_student: Path) -> Path:
    """The toy student with a projection to 5 numbers."""
    folder = tmp_path / "student"
    shutil.copytree(toy_student, folder)
    described = SentenceVectors(
        dim=5, is_normalized=True, languages=("en", "pt-BR"), teacher="nobody", has_projection=True
    )
    projection: Any = np.random.default_rng().standard_normal((17, 5)).astype(np.float32)
    write_description(folder, described, projection)
    return folder


def test_sentence_transformers_gives_the_vectors_of_the_export(student: Path, tmp_path: Path) -> None:
    library = pytest.importorskip("sentence_transformers")
    write_sentence_transformers(student, tmp_path / "folder")
    write_encoder(student, tmp_path, precision="float32", name="toy")
    expected = SentenceEncoder(tmp_path).embed(SENTENCES)
    model = library.SentenceTransformer(str(tmp_path / "folder"), trust_remote_code=True, device="cpu")
    assert np.abs(model.encode(SENTENCES) - expected).max() < 1e-4
    assert model.get_embedding_dimension() == 5
    model.save(str(tmp_path / "again"))
    again = library.SentenceTransformer(str(tmp_path / "again"), trust_remote_code=True, device="cpu")
    assert np.array_equal(again.encode(SENTENCES), model.encode(SENTENCES))


def test_a_student_without_vectors_is_refused(toy_student: Path, tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"sentence_vectors.json does not exist"):
        write_sentence_transformers(toy_student, tmp_path / "folder")


def test_nothing_is_replaced_without_force(student: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(NmtDistillError, match=r"folder exists; give --force"):
        write_sentence_transformers(student, tmp_path / "folder")
    write_sentence_transformers(student, tmp_path / "folder", force=True)
    assert {path.name for path in (tmp_path / "folder").iterdir()} >= {"modules.json", "sentence_encoder.py"}
