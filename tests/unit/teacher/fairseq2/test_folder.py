from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import torch
import yaml
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.teacher.fairseq2.folder import (
    CARD,
    NllbCheckpoint,
    NllbSizes,
    read_fairseq2,
    read_transformers,
    read_weights,
)
from nmt_distill.teacher.transformers.teacher import TransformersTeacher
from tests.transformers_models import train_pieces

SIZES = NllbSizes(
    model_dim=16,
    max_seq_len=40,
    vocab_size=400,
    num_encoder_layers=1,
    num_decoder_layers=1,
    num_encoder_attn_heads=2,
    num_decoder_attn_heads=2,
    ffn_inner_dim=32,
)


@pytest.fixture(scope="module")
def source(checkpoints: dict[str, Path]) -> Path:
    return checkpoints["nllb"]


@pytest.fixture(scope="module")
def checkpoint(source: Path) -> NllbCheckpoint:
    return read_transformers(str(source))


@pytest.fixture
def copy(source: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(source, tmp_path / "copy"))


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def same(one: NllbCheckpoint, other: NllbCheckpoint) -> bool:
    """Tell whether two checkpoints are the same, bit for bit."""
    return (
        (one.sizes, one.sentencepiece, list(one.languages)) == (other.sizes, other.sentencepiece, list(other.languages))
        and one.weights.keys() == other.weights.keys()
        and all(torch.equal(tensor, other.weights[name]) for name, tensor in one.weights.items())
    )


def test_a_folder_goes_both_ways(checkpoint: NllbCheckpoint, tmp_path: Path) -> None:
    checkpoint.save_fairseq2(tmp_path / "theirs", name="toy")
    assert same(read_fairseq2(tmp_path / "theirs"), checkpoint)
    checkpoint.save_transformers(tmp_path / "back")
    assert same(read_transformers(str(tmp_path / "back")), checkpoint)


def test_what_comes_back_is_the_model_that_went(source: Path, checkpoint: NllbCheckpoint, tmp_path: Path) -> None:
    """Ids of languages may differ: the one folder was made by transformers, the other is laid out as the hub's are."""
    checkpoint.save_transformers(tmp_path / "back")
    settings: dict[str, Any] = {"direction": Direction(source="en", target="de"), "origin": "a test", "licence": "none"}
    own, back = (TransformersTeacher(str(folder), **settings) for folder in (source, tmp_path / "back"))
    sentences = ["Turn on the light", "", "open the door and the window please"]
    ids = own.encode(sentences)
    assert back.encode(sentences) == ids  # pieces have the same ids
    outputs = [teacher.teacher_output(ids, ids, num_kept=20) for teacher in (own, back)]
    assert outputs[0].probs == pytest.approx(outputs[1].probs, abs=1e-6)


def test_ids_for_transformers_are_those_of_the_public_checkpoints(checkpoint: NllbCheckpoint, tmp_path: Path) -> None:
    checkpoint.save_transformers(tmp_path / "back")
    tokens = AutoTokenizer.from_pretrained(tmp_path / "back").get_vocab()
    pieces = sentencepiece.SentencePieceProcessor(model_proto=checkpoint.sentencepiece)
    assert [tokens[name] for name in ("<s>", "<pad>", "</s>", "<unk>")] == [0, 1, 2, 3]
    assert all(tokens[pieces.id_to_piece(place)] == place + 1 for place in range(3, pieces.vocab_size()))
    first = pieces.vocab_size() + 1
    assert (tokens["ace_Arab"], tokens["zul_Latn"], tokens["<mask>"]) == (first, first + 201, first + 202)
    model = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "back")
    assert model.config.scale_embedding
    assert model.lm_head.weight.data_ptr() == model.get_input_embeddings().weight.data_ptr()


def test_fairseq2_ids_are_in_its_order(source: Path, checkpoint: NllbCheckpoint) -> None:
    assert checkpoint.tokens[:4] == ["<pad>", "<unk>", "<s>", "</s>"]
    assert checkpoint.tokens[-202:][:2] == ["ace_Arab", "ace_Latn"]
    assert checkpoint.sizes == SIZES
    ids = AutoTokenizer.from_pretrained(source).get_vocab()
    table = torch.load(source / "pytorch_model.bin", weights_only=True)["model.shared.weight"]
    moved = checkpoint.weights["final_proj.weight"]
    assert all(torch.equal(moved[place], table[ids[token]]) for place, token in enumerate(checkpoint.tokens))


def test_the_card_is_one_of_fairseq2(checkpoint: NllbCheckpoint, tmp_path: Path) -> None:
    checkpoint.save_fairseq2(tmp_path / "theirs", name="toy")
    card = yaml.safe_load((tmp_path / "theirs" / CARD).read_text())
    assert (card["name"], card["model_family"], card["tokenizer_family"]) == ("toy", "nllb", "nllb")
    assert all((tmp_path / "theirs" / card[key]).is_file() for key in ("checkpoint", "tokenizer"))
    assert card["model_config"]["num_encoder_attn_heads"] == 2


@pytest.mark.parametrize(
    "save",
    [
        lambda checkpoint, folder: checkpoint.save_fairseq2(folder, name="toy"),
        lambda checkpoint, folder: checkpoint.save_transformers(folder),
    ],
    ids=["fairseq2", "transformers"],
)
def test_nothing_is_overwritten(
    checkpoint: NllbCheckpoint, tmp_path: Path, save: Callable[[NllbCheckpoint, Path], None]
) -> None:
    (tmp_path / "kept").write_text("kept")
    with pytest.raises(NmtDistillError, match=r"kept is there already; name another folder, or remove it\."):
        save(checkpoint, tmp_path / "kept")
    assert (tmp_path / "kept").read_text() == "kept"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"activation_function": "gelu"}, "activation_function is gelu, not relu"),
        ({"scale_embedding": False}, "scale_embedding is False, not True"),
        (
            {"decoder_start_token_id": 0, "pad_token_id": 3},
            "pad_token_id is 3, not 1; decoder_start_token_id is 0, not 2",
        ),
        ({"decoder_ffn_dim": 64}, "encoder_ffn_dim and decoder_ffn_dim differ"),
    ],
    ids=str,
)
def test_a_graph_that_fairseq2_does_not_have(copy: Path, changes: dict[str, Any], told: str) -> None:
    edit(copy / "config.json", **changes)
    with pytest.raises(NmtDistillError, match=rf"copy is of another graph than fairseq2's NLLB: {told}\."):
        read_transformers(str(copy))


def test_layers_that_are_missing(copy: Path) -> None:
    edit(copy / "config.json", encoder_layers=3)
    with pytest.raises(NmtDistillError, match=r"of 1 encoder and 1 decoder layers, but its config\.json says 3 and 1;"):
        read_transformers(str(copy))


def test_a_model_of_another_family(checkpoints: dict[str, Path]) -> None:
    with pytest.raises(NmtDistillError, match=r"m2m100 is no NLLB model with sentencepiece\.bpe\.model and languages"):
        read_transformers(str(checkpoints["m2m100"]))
    with pytest.raises(
        NmtDistillError, match=r"another graph than fairseq2's NLLB: model_type is marian, not m2m_100;"
    ):
        read_transformers(str(checkpoints["marian"]))


def test_a_tokenizer_of_another_model(copy: Path, toy_sentences: list[str]) -> None:
    edit(copy / "config.json", vocab_size=300)
    with pytest.raises(NmtDistillError, match=r"tokenizer has no id below 300 for \d+ tokens, such as [a-z]{3}_[A-Z]"):
        read_transformers(str(copy))
    (copy / "sentencepiece.bpe.model").write_bytes(train_pieces(toy_sentences, pad_id=0, eos_id=1, unk_id=2, bos_id=-1))
    with pytest.raises(
        NmtDistillError, match=r"must begin with <unk>, <s>, </s>, as NLLB's does, but begins with <pad>"
    ):
        read_transformers(str(copy))


class RunsCode:
    """Pickled, it would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def test_a_pickle_that_runs_code_is_refused(copy: Path, tmp_path: Path) -> None:
    torch.save({"model.shared.weight": RunsCode(tmp_path / "made")}, copy / "pytorch_model.bin")
    with pytest.raises(NmtDistillError, match=r"the weights in .*pytorch_model\.bin cannot be read \("):
        read_transformers(str(copy))
    assert not (tmp_path / "made").exists()


def test_a_damaged_folder_of_fairseq2(checkpoint: NllbCheckpoint, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    checkpoint.save_fairseq2(folder, name="toy")
    (folder / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(NmtDistillError, match=r"the weights in .*model\.safetensors cannot be read \("):
        read_fairseq2(folder)
    card = yaml.safe_load((folder / CARD).read_text())
    del card["model_config"]["model_dim"]
    (folder / CARD).write_text(yaml.safe_dump(card))
    with pytest.raises(NmtDistillError, match=r"model\.yaml does not say 'model_dim'; write the folder again\."):
        read_fairseq2(folder)
    with pytest.raises(NmtDistillError, match=r"none/model\.yaml does not exist"):
        read_fairseq2(tmp_path / "none")
    assert read_weights(folder / CARD) == {}
