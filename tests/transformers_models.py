"""Small transformers models for tests, in the file layouts of the families' public checkpoints, of random weights."""

from __future__ import annotations

import io
import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from transformers import (
    AutoTokenizer,
    M2M100Config,
    M2M100ForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    MBartConfig,
    MBartForConditionalGeneration,
    MT5Config,
    MT5ForConditionalGeneration,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES

POSITIONS = 40
_SIZES = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": POSITIONS,
    "init_std": 0.5,
    "scale_embedding": True,
}
_T5_SIZES = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_decoder_layers": 1, "num_heads": 2}


def train_pieces(lines: Sequence[str], *, model_type: str = "unigram", **settings: Any) -> bytes:
    """Train a small SentencePiece model."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=160,
        model_type=model_type,
        hard_vocab_limit=model_type == "bpe",
        character_coverage=1.0,
        minloglevel=2,
        **settings,
    )
    return model.getvalue()


def piece_names(model: bytes) -> list[str]:
    """Return the pieces of a SentencePiece model, by id."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    return [processor.id_to_piece(index) for index in range(processor.vocab_size())]


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _save(model: Any, folder: Path, *, pickle: bool = False) -> None:
    with torch.no_grad():
        for name, parameter in model.named_parameters():  # transformers leaves all biases at 0
            if name.endswith("bias") and "norm" not in name:
                parameter.normal_(std=0.1)
    model.save_pretrained(folder)
    if pickle:  # as many public checkpoints still have them
        (folder / "model.safetensors").unlink()
        torch.save(model.state_dict(), folder / "pytorch_model.bin")


def _seed() -> None:
    torch.manual_seed(random.randrange(1 << 30))


def _fairseq_specials(end: int = 2) -> dict[str, int]:
    return {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": end, "decoder_start_token_id": end}


def write_nllb(folder: Path, lines: Sequence[str]) -> Path:
    """NLLB-200: a BPE model of SentencePiece beside tokenizer.json, weights in a .bin."""
    folder.mkdir()
    (folder / "sentencepiece.bpe.model").write_bytes(train_pieces(lines, model_type="bpe"))
    config = M2M100Config(vocab_size=400, **_SIZES, **_fairseq_specials())
    tokenizer_config = {"tokenizer_class": "NllbTokenizer", "additional_special_tokens": FAIRSEQ_LANGUAGE_CODES}
    write_json(folder / "tokenizer_config.json", tokenizer_config)
    config.save_pretrained(folder)
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    _seed()
    _save(M2M100ForConditionalGeneration(config), folder, pickle=True)
    return folder


def write_m2m100(folder: Path, lines: Sequence[str], tokenizer_class: str = "M2M100Tokenizer") -> Path:
    """M2M-100, and SMaLL-100 by the name of its tokenizer: SentencePiece and a dictionary, tags after its end."""
    folder.mkdir()
    model = train_pieces(lines, model_type="bpe")
    (folder / "sentencepiece.bpe.model").write_bytes(model)
    dictionary = ["<s>", "<pad>", "</s>", "<unk>", *piece_names(model)[4:]]  # one piece is not in the dictionary
    write_json(folder / "vocab.json", {piece: index for index, piece in enumerate(dictionary)})
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": tokenizer_class})
    config = M2M100Config(vocab_size=len(dictionary) + 108, **_SIZES, **_fairseq_specials())
    _seed()
    _save(M2M100ForConditionalGeneration(config), folder)
    return folder


def write_mbart50(folder: Path, lines: Sequence[str]) -> Path:
    """mBART-50: a SentencePiece model alone; the tokenizer's class tells it from mBART-25; a bias on the logits."""
    folder.mkdir()
    (folder / "sentencepiece.bpe.model").write_bytes(train_pieces(lines))
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "MBart50Tokenizer"})
    config = MBartConfig(vocab_size=230, **_SIZES, **_fairseq_specials())
    _seed()
    model = MBartForConditionalGeneration(config)
    model.final_logits_bias.normal_()
    _save(model, folder)
    return folder


def write_marian(
    folder: Path,
    lines: Sequence[str],
    target_lines: Sequence[str],
    *,
    tags: Sequence[str] = (),
    languages: tuple[str, str] = ("en", "de"),
) -> Path:
    """OPUS-MT: a SentencePiece model a side, one dictionary of both with padding last."""
    folder.mkdir()
    models = {"source.spm": train_pieces(lines), "target.spm": train_pieces(target_lines)}
    for name, content in models.items():
        (folder / name).write_bytes(content)
    pieces = dict.fromkeys(piece for content in models.values() for piece in piece_names(content)[3:])
    dictionary = ["</s>", "<unk>", *pieces, *tags, "<pad>"]
    write_json(folder / "vocab.json", {piece: index for index, piece in enumerate(dictionary)})
    tokenizer_config = {"source_lang": languages[0], "target_lang": languages[1], "tokenizer_class": "MarianTokenizer"}
    write_json(folder / "tokenizer_config.json", tokenizer_config)
    last = len(dictionary) - 1
    config = MarianConfig(
        vocab_size=len(dictionary),
        **_SIZES,
        eos_token_id=0,
        pad_token_id=last,
        decoder_start_token_id=last,
        forced_eos_token_id=0,
        num_beams=4,
        bad_words_ids=[[last]],
    )
    _seed()
    model = MarianMTModel(config)
    model.final_logits_bias.normal_()
    with torch.no_grad():
        model.get_input_embeddings().weight[last] = 0
    _save(model, folder)
    return folder


def write_t5(folder: Path, lines: Sequence[str]) -> Path:
    """T5: sentinels after the pieces, padding starts the decoder, the head is the table of embeddings, scaled."""
    folder.mkdir()
    (folder / "spiece.model").write_bytes(train_pieces(lines, pad_id=0, eos_id=1, unk_id=2, bos_id=-1))
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "T5Tokenizer", "extra_ids": 100})
    config = T5Config(
        vocab_size=280, **_T5_SIZES, decoder_start_token_id=0, pad_token_id=0, eos_token_id=1, initializer_factor=2.0
    )
    config.save_pretrained(folder)
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    _seed()
    _save(T5ForConditionalGeneration(config), folder)
    return folder


def write_mt5(folder: Path, lines: Sequence[str], tags: Sequence[str] = ()) -> Path:
    """mT5, and with tags MADLAD-400: gated activation, a head of its own, no scaling."""
    folder.mkdir()
    if tags:
        model = train_pieces(lines, user_defined_symbols=list(tags), unk_id=0, bos_id=1, eos_id=2, pad_id=-1)
    else:
        model = train_pieces(lines, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    (folder / "spiece.model").write_bytes(model)
    tokenizer_config = {"tokenizer_class": "T5Tokenizer", "extra_ids": 0, "pad_token": "<s>" if tags else "<pad>"}
    write_json(folder / "tokenizer_config.json", tokenizer_config)
    config = (T5Config if tags else MT5Config)(
        vocab_size=200,
        **_T5_SIZES,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        decoder_start_token_id=0,
        pad_token_id=1 if tags else 0,
        eos_token_id=2 if tags else 1,
    )
    _seed()
    network = (T5ForConditionalGeneration if tags else MT5ForConditionalGeneration)(config)
    network.lm_head.weight = torch.nn.Parameter(0.5 * torch.randn(200, 16))
    _save(network, folder)
    saved = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", saved | {"tie_word_embeddings": False})  # transformers 5 always says true
    return folder


def without_pieces(folder: Path, copy: Path) -> Path:
    """Copy a folder as transformers 5 saves it: tokenizer.json in place of the SentencePiece model."""
    shutil.copytree(folder, copy)
    AutoTokenizer.from_pretrained(folder).save_pretrained(copy)
    for name in ("spiece.model", "sentencepiece.bpe.model"):
        (copy / name).unlink(missing_ok=True)
    return copy
