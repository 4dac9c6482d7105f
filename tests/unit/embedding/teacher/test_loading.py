from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmt_distill.embedding.config import (
    CommandEncoderConfig,
    SentenceTransformersConfig,
    TransformersEncoderConfig,
    TranslationEncoderConfig,
)
from nmt_distill.embedding.teacher.loading import (
    fetch_embedding_teacher,
    identify_embedding_teacher,
    load_embedding_teacher,
)
from nmt_distill.errors import NmtDistillError

FACTS: dict[str, Any] = {"origin": "o", "licence": "l"}


@pytest.fixture(scope="module")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT 8 wide that knows four words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    words = {"[PAD]": 0, "[UNK]": 1, "turn": 2, "on": 3, "off": 4, "light": 5}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    BertModel(
        BertConfig(vocab_size=6, hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
    ).save_pretrained(folder)
    return folder


def test_settings_reach_the_encoder(tiny_bert: Path) -> None:
    def embed(**options: Any) -> Any:
        config = TransformersEncoderConfig(name=str(tiny_bert), **FACTS, **options)
        return load_embedding_teacher(config, device="cpu").embed(["turn light on", "off"])

    plain = embed(normalize=False)
    assert plain.shape == (2, 8)
    assert np.allclose(embed(), plain / np.linalg.norm(plain, axis=1, keepdims=True), atol=1e-6)
    for options in ({"pooling": "first_token"}, {"prefix": "turn "}):
        assert not np.allclose(embed(normalize=False, **options), plain)
    assert np.allclose(embed(normalize=False, precision="bfloat16"), plain, atol=0.1)


def test_a_sentence_beyond_the_models_positions_is_told(tiny_bert: Path, tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    folder = shutil.copytree(tiny_bert, tmp_path / "short")
    sizes = {"vocab_size": 6, "hidden_size": 8, "intermediate_size": 16}
    short = BertConfig(**sizes, num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=4)
    BertModel(short).save_pretrained(folder)
    encoder = load_embedding_teacher(TransformersEncoderConfig(name=str(folder), **FACTS), device="cpu")
    assert encoder.embed(["turn on light off"]).shape == (1, 8)
    with pytest.raises(NmtDistillError, match=r"a sentence has 5 tokens, but .*short is given at most 4 "):
        encoder.embed(["turn on light off off"])


def test_library_pools_as_its_folder_says(tiny_bert: Path, tmp_path: Path) -> None:
    library = pytest.importorskip("sentence_transformers")
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    words = Transformer(str(tiny_bert))
    modules = [words, Pooling(8, pooling_mode="mean"), Normalize()]
    library.SentenceTransformer(modules=modules, device="cpu").save(str(tmp_path / "folder"))
    config = SentenceTransformersConfig(name=str(tmp_path / "folder"), **FACTS)
    teacher = load_embedding_teacher(config, device="cpu")
    own = load_embedding_teacher(TransformersEncoderConfig(name=str(tiny_bert), **FACTS), device="cpu")
    sentences = ["turn light on", "off"]
    assert np.abs(teacher.embed(sentences) - own.embed(sentences)).max() < 1e-5
    prefixed = SentenceTransformersConfig(name=str(tmp_path / "folder"), prefix="turn ", **FACTS)
    assert np.allclose(
        load_embedding_teacher(prefixed, device="cpu").embed(["on"]), teacher.embed(["turn on"]), atol=1e-5
    )


def test_another_file_is_another_teacher(tiny_bert: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bert, tmp_path / "copy")
    config = TransformersEncoderConfig(name=str(tmp_path / "copy"), **FACTS)
    before = identify_embedding_teacher(config)
    assert identify_embedding_teacher(TransformersEncoderConfig(name=str(tiny_bert), **FACTS)) == before
    (tmp_path / "copy" / "config.json").write_text("{}", encoding="utf-8")
    assert identify_embedding_teacher(config) != before
    program = tmp_path / "embed.sh"
    program.write_text("cat")
    command = CommandEncoderConfig(command=f"sh {program}", **FACTS)
    before = identify_embedding_teacher(command)
    program.write_text("tac")
    assert identify_embedding_teacher(command) != before
    assert identify_embedding_teacher(CommandEncoderConfig(command="no_such_program", **FACTS)) == {"files": []}


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    config = TransformersEncoderConfig(name=str(tmp_path), **FACTS)
    with pytest.raises(NmtDistillError, match=r"holds no transformers model \(no config.json\)"):
        fetch_embedding_teacher(config)
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(NmtDistillError, match=r"cannot be loaded as an encoder"):
        load_embedding_teacher(config, device="cpu")
    with pytest.raises(NmtDistillError, match=r"there is no program `no-such-program`"):
        fetch_embedding_teacher(CommandEncoderConfig(command="no-such-program", **FACTS))
    fetch_embedding_teacher(CommandEncoderConfig(command="cat", **FACTS))


def test_library_that_is_missing_is_told_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(NmtDistillError, match=r"install nmt-distill\[sentence-transformers\]"):
        fetch_embedding_teacher(SentenceTransformersConfig(name="x", **FACTS))


def test_teacher_whose_encoder_is_not_seen_is_refused() -> None:
    class Translates:
        fingerprint = "f"

    with pytest.raises(NmtDistillError, match=r"the encoder of this teacher cannot be read; use one"):
        load_embedding_teacher(TranslationEncoderConfig(), device="cpu", translation_teacher=Translates())  # type: ignore[arg-type]
