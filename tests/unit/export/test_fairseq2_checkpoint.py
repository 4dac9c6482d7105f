from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from nmt_distill.errors import NmtDistillError
from nmt_distill.export.fairseq2_checkpoint import fairseq2_rows, write_fairseq2
from nmt_distill.student.checkpoint import load_student
from nmt_distill.teacher.fairseq2.interop import to_transformers
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece


def test_weights_come_back_as_they_were(nllb_student: Path, tmp_path: Path) -> None:
    write_fairseq2(nllb_student, tmp_path / "fairseq2", name="toy")
    rows = fairseq2_rows(nllb_student)
    back = to_transformers(load_file(tmp_path / "fairseq2" / "model.safetensors"), rows)
    student = load_student(nllb_student).state_dict()
    table = back.pop("model.shared.weight")
    assert torch.equal(table[:-1], student["model.shared.weight"])
    assert not table[-1].any(), "a student has no <s>"
    assert all(torch.equal(tensor, student[name]) for name, tensor in back.items())


def test_ids_are_places_in_the_sentencepiece_model_plus_one(nllb_student: Path, tmp_path: Path) -> None:
    write_fairseq2(nllb_student, tmp_path / "fairseq2", name="toy")
    theirs = load_sentencepiece(tmp_path / "fairseq2" / "sentencepiece.model")
    ours, rows = load_sentencepiece(nllb_student / "source.spm"), fairseq2_rows(nllb_student)
    names = ["<pad>", *theirs.id_to_piece(list(range(theirs.vocab_size())))]
    assert names[:4] == ["<pad>", "<unk>", "<s>", "</s>"]
    assert len(names) == len(rows) == ours.vocab_size() + 1
    assert all(ours.id_to_piece(row) == name for row, name in zip(rows, names, strict=True) if name != "<s>")
    text = "Turn on the kitchen light, 42 €"
    assert [rows[place + 1] for place in theirs.encode(text)] == ours.encode(text)


def test_card_names_sizes_and_weights(nllb_student: Path, tmp_path: Path) -> None:
    write_fairseq2(nllb_student, tmp_path / "fairseq2", name="toy")
    card = yaml.safe_load((tmp_path / "fairseq2" / "model.yaml").read_text())
    assert (card["name"], card["model_family"], card["checkpoint"]) == ("toy", "nllb", "model.safetensors")
    assert card["model_config"]["model_dim"] == 16
    assert card["model_config"]["vocab_size"] == len(fairseq2_rows(nllb_student))


def test_another_graph_is_refused(toy_student: Path, tmp_path: Path) -> None:
    with pytest.raises(
        NmtDistillError, match=r"is of the marian graph, but fairseq2 has that of NLLB alone; train one"
    ):
        write_fairseq2(toy_student, tmp_path / "fairseq2", name="toy")
    assert not (tmp_path / "fairseq2").exists()
