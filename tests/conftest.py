"""Small models that many tests share: made once a session, with weights that nobody trained."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

import pytest

# Before torch is loaded: models of these tests are too small for threads, which wait for each other on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

WORDS = (
    "turn on off the light in kitchen open door window close please show all rooms set temperature to degrees "
    "start stop music play next song what is weather today delete file save changes cancel user name password"
)


@pytest.fixture(scope="session")
def toy_sentences() -> list[str]:
    """Some hundred short English sentences out of a few words."""
    generator = random.Random(7)
    return [
        " ".join(generator.choices(WORDS.split(), k=generator.randint(2, 9))).capitalize() + "." for _ in range(400)
    ]


@pytest.fixture(scope="session")
def toy_sentencepiece(tmp_path_factory: pytest.TempPathFactory, toy_sentences: list[str]) -> Path:
    """A SentencePiece model of 360 pieces with byte fallback, laid out as students want: ``</s>`` 0, ``<unk>`` 1."""
    import sentencepiece

    folder = tmp_path_factory.mktemp("sentencepiece")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(toy_sentences),
        model_prefix=str(folder / "joint"),
        vocab_size=360,
        hard_vocab_limit=False,
        byte_fallback=True,
        character_coverage=1.0,
        eos_id=0,
        unk_id=1,
        bos_id=-1,
        pad_id=-1,
        minloglevel=2,
    )
    (folder / "joint.model").rename(folder / "joint.spm")
    return folder / "joint.spm"


@pytest.fixture(scope="session")
def padded_sentencepiece(tmp_path_factory: pytest.TempPathFactory, toy_sentencepiece: Path) -> Path:
    """The toy SentencePiece model with ``<pad>`` at id 1, where the nllb graph needs it."""
    import numpy as np

    from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece
    from nmt_distill.vocabulary.trimming import trim_sentencepiece, with_padding

    path = tmp_path_factory.mktemp("padded") / "joint.spm"
    size = load_sentencepiece(toy_sentencepiece).vocab_size()
    trim_sentencepiece(toy_sentencepiece.read_bytes(), with_padding(np.arange(size), 1), path, new_pieces=["<pad>"])
    return path


@pytest.fixture(scope="session")
def tiny_marian(tmp_path_factory: pytest.TempPathFactory, toy_sentencepiece: Path) -> Path:
    """A folder with ``model.bin``, a Marian model of random weights, 32 wide and 2-2 layers deep, and ``vocab.spm``."""
    import numpy as np
    import sentencepiece

    from tests.marian_models import architecture, random_parameters, write_marian_model

    folder = tmp_path_factory.mktemp("marian")
    shutil.copy(toy_sentencepiece, folder / "vocab.spm")
    vocab_size = sentencepiece.SentencePieceProcessor(model_file=str(toy_sentencepiece)).vocab_size()
    options = architecture()
    parameters = random_parameters(options, vocab_size=vocab_size, generator=np.random.default_rng())
    write_marian_model(folder / "model.bin", parameters, options, quantized={"Wemb", "encoder_l1_ffn_W1"})
    return folder


@pytest.fixture(scope="session")
def toy_student(tmp_path_factory: pytest.TempPathFactory, toy_sentencepiece: Path) -> Path:
    """A transformers folder with a student in the marian graph, 16 wide, with random weights.

    It writes pieces with a letter only and never ends a text. The seed is fixed: of ten random students one is so
    nearly undecided somewhere in its long texts that two engines, which round differently, rightly disagree. This one
    says the same with weights that are changed by 2e-5 of themselves.
    """
    import sentencepiece
    import torch
    from transformers import MarianConfig, MarianMTModel, MarianTokenizer

    folder = tmp_path_factory.mktemp("student")
    processor = sentencepiece.SentencePieceProcessor(model_file=str(toy_sentencepiece))
    pad = processor.vocab_size()
    vocabulary = {processor.id_to_piece(token): token for token in range(pad)} | {"<pad>": pad}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    for name in ("source.spm", "target.spm"):
        shutil.copy(toy_sentencepiece, folder / name)
    MarianTokenizer.from_pretrained(folder).save_pretrained(folder)
    config = MarianConfig(
        vocab_size=pad + 1,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        activation_function="relu",
        max_position_embeddings=64,
        scale_embedding=True,
        pad_token_id=pad,
        eos_token_id=0,
        bos_token_id=0,
        decoder_start_token_id=pad,
        forced_eos_token_id=None,
        init_std=0.5,
    )
    torch.manual_seed(4)
    model = MarianMTModel(config)
    kinds = (processor.is_control, processor.is_unknown, processor.is_byte, processor.is_unused)
    for piece, token in vocabulary.items():
        if token == pad or any(kind(token) for kind in kinds) or not any(map(str.isalpha, piece)):
            model.final_logits_bias[0, token] = -1e4
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def toy_export(tmp_path_factory: pytest.TempPathFactory, toy_student: Path, toy_sentencepiece: Path) -> Path:
    """An export folder of the toy student: English to Brazilian Portuguese, 64 positions."""
    return _export(tmp_path_factory.mktemp("export") / "float32", toy_student, toy_sentencepiece)


@pytest.fixture(scope="session")
def mute_export(tmp_path_factory: pytest.TempPathFactory, toy_student: Path, toy_sentencepiece: Path) -> Path:
    """An export folder of a student that ends every translation before its first word."""
    from transformers import MarianMTModel

    folder = tmp_path_factory.mktemp("mute")
    shutil.copytree(toy_student, folder / "student")
    model = MarianMTModel.from_pretrained(toy_student)
    model.final_logits_bias[0, 0] = 1e4
    model.save_pretrained(folder / "student")
    return _export(folder / "float32", folder / "student", toy_sentencepiece)


def _export(folder: Path, student: Path, sentencepiece: Path) -> Path:
    from ctranslate2.converters import TransformersConverter

    TransformersConverter(str(student)).convert(str(folder))
    shutil.copy(sentencepiece, folder / "joint.spm")
    languages = {
        "format": 1,
        "directions": [{"source": "en", "target": "pt-BR", "tag": None}],
        "beam_size": 1,
        "max_source_tokens": 64,
        "max_target_tokens": 64,
        "precision": "float32",
        "name": "toy",
    }
    (folder / "languages.json").write_text(json.dumps(languages), encoding="utf-8")
    return folder
