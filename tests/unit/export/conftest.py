from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def nllb_student(tmp_path_factory: pytest.TempPathFactory, padded_sentencepiece: Path) -> Path:
    """A folder with a student in the nllb graph, 16 wide, with weights that nobody trained and that say something."""
    import torch

    from nmt_distill.student.checkpoint import save_student, special_ids
    from nmt_distill.student.config import StudentConfig
    from nmt_distill.student.graph import build_student

    folder = tmp_path_factory.mktemp("nllb") / "student"
    config = StudentConfig(
        graph="nllb",
        model_dim=16,
        ffn_inner_dim=32,
        num_heads=2,
        num_encoder_layers=2,
        num_decoder_layers=1,
        max_positions=64,
    )
    student = build_student(config, special_ids(padded_sentencepiece))
    with torch.no_grad():
        student.get_input_embeddings().weight.normal_(std=0.5)
        # what training teaches it: padding is never said, since the bias outweighs any state of length sqrt(16)
        norm = student.model.decoder.layer_norm
        norm.bias.normal_()
        norm.bias.mul_(6 / norm.bias.norm())
        student.get_input_embeddings().weight[student.config.pad_token_id] = -20 * norm.bias
    save_student(student, padded_sentencepiece, folder)
    return folder


@pytest.fixture(params=["marian", "nllb"])
def student_folder(request: pytest.FixtureRequest, toy_student: Path, nllb_student: Path) -> Path:
    """A student in each graph."""
    return toy_student if request.param == "marian" else nllb_student
