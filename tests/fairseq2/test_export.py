"""A student's checkpoint in fairseq2 says what the student says in transformers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from nmt_distill.export.fairseq2_checkpoint import fairseq2_rows, write_fairseq2
from nmt_distill.student.checkpoint import save_student, special_ids
from nmt_distill.student.config import StudentConfig
from nmt_distill.student.graph import build_student
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece

pytestmark = pytest.mark.fairseq2


def test_logits_are_the_students(padded_sentencepiece: Path, tmp_path: Path) -> None:
    from fairseq2.assets import AssetCard
    from fairseq2.models.nllb import get_nllb_model_hub

    from nmt_distill.teacher.fairseq2.graph import Fairseq2Graph

    config = StudentConfig(
        graph="nllb", model_dim=16, ffn_inner_dim=32, num_heads=2, num_encoder_layers=2, num_decoder_layers=1
    )
    student = build_student(config, special_ids(padded_sentencepiece)).eval()
    with torch.no_grad():
        student.get_input_embeddings().weight.normal_(std=0.5)
    save_student(student, padded_sentencepiece, tmp_path / "student")
    write_fairseq2(tmp_path / "student", tmp_path / "fairseq2", name="toy")

    card = AssetCard("toy", yaml.safe_load((tmp_path / "fairseq2" / "model.yaml").read_text()))
    hub = get_nllb_model_hub()
    weights = tmp_path / "fairseq2" / "model.safetensors"
    model = hub.load_custom_model(weights, hub.get_model_config(card), device=torch.device("cpu"), dtype=torch.float32)
    rows = fairseq2_rows(tmp_path / "student")
    theirs = load_sentencepiece(tmp_path / "fairseq2" / "sentencepiece.model")
    ours = load_sentencepiece(padded_sentencepiece)
    end, their_end = ours.eos_id(), 3
    source, target = "Turn on the light.", "open the door"
    graph = Fairseq2Graph(model.eval(), pad_id=0, forced_ids=[their_end])
    with torch.inference_mode():
        encoded = graph.encode([[*(place + 1 for place in theirs.encode(source)), their_end]])
        target_ids = [*(place + 1 for place in theirs.encode(target)), their_end]
        found = graph.logits(graph.decode(encoded, [target_ids]))
        expected = student(
            input_ids=torch.tensor([[*ours.encode(source), end]]),
            decoder_input_ids=torch.tensor([[end, *ours.encode(target)]]),
        ).logits[0]
    named = [place for place, row in enumerate(rows) if row < expected.shape[1] and place > 0]
    assert (found[:, named] - expected[:, [rows[place] for place in named]]).abs().max() < 1e-5
    assert len(named) == ours.vocab_size() - 1
