"""A student of this toolkit as the teacher of another: its folder is a transformers folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nmt_distill.languages import Direction
from nmt_distill.student.checkpoint import save_student, special_ids
from nmt_distill.student.config import StudentConfig
from nmt_distill.student.graph import StudentModel, build_student
from nmt_distill.teacher.config import TransformersTeacherConfig
from nmt_distill.teacher.transformers.teacher import TransformersTeacher
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece
from nmt_distill.vocabulary.trimming import trim_sentencepiece

TAGS = [">>de<<", ">>pt-BR<<"]
SENTENCES = ["Turn on the light.", "stop music play", "what is the weather today"]


def write_student(folder: Path, pieces: Path, graph: Any) -> StudentModel:
    config = StudentConfig(
        graph=graph, model_dim=32, ffn_inner_dim=48, num_heads=4, num_encoder_layers=2, num_decoder_layers=1,
        max_positions=48,
    )  # fmt: skip
    student = build_student(config, special_ids(pieces))
    save_student(student, pieces, folder)
    return student.eval()


@pytest.mark.parametrize("tags", [[], TAGS], ids=["single", "tagged"])
@pytest.mark.parametrize("graph", ["marian", "nllb"])
def test_student_folder_is_a_teacher(
    tmp_path: Path, toy_sentencepiece: Path, padded_sentencepiece: Path, graph: Any, tags: list[str]
) -> None:
    """It says what the student says, and hands down vocabulary and weights."""
    base = toy_sentencepiece if graph == "marian" else padded_sentencepiece
    size = load_sentencepiece(base).vocab_size()
    pieces = tmp_path / "joint.spm"
    trim_sentencepiece(
        base.read_bytes(), np.concatenate([np.arange(size), [-1] * len(tags)]).astype(np.int64), pieces, new_pieces=tags
    )
    student = write_student(tmp_path / "student", pieces, graph)
    config = TransformersTeacherConfig(name=str(tmp_path / "student"), origin="a test", licence="none")
    teacher = TransformersTeacher(
        config.name, direction=Direction(source="en", target="pt-BR"), origin="a test", licence="none"
    )
    assert teacher.family.name == ("marian" if graph == "marian" else "student")
    processor = load_sentencepiece(pieces)
    prefix = [processor.piece_to_id(tags[1])] if tags else []
    hypotheses = teacher.translate(SENTENCES)
    for sentence, (hypothesis,) in zip(SENTENCES, hypotheses, strict=True):
        source = [*prefix, *processor.encode(sentence), processor.eos_id()]
        own = student.generate(
            input_ids=torch.tensor([source]), max_new_tokens=len(hypothesis.token_ids), max_length=None
        )
        assert own[0, 1:].tolist() == hypothesis.token_ids.tolist()
    assert teacher.vocabulary is not None
    assert teacher.vocabulary.encode(SENTENCES) == [[*ids, processor.eos_id()] for ids in processor.encode(SENTENCES)]
    inheritance = teacher.hand_down()
    assert (inheritance.graph, inheritance.obstacles) == (graph, ())
    assert graph in config.student_graphs
    assert torch.equal(inheritance.parameters["model.shared.weight"], student.model.shared.weight)
