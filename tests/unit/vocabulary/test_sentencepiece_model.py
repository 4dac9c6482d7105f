from __future__ import annotations

from pathlib import Path

import pytest
import sentencepiece

from nmt_distill.errors import NmtDistillError
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece


def test_model_is_loaded(toy_sentencepiece: Path) -> None:
    processor = load_sentencepiece(toy_sentencepiece)
    assert (processor.eos_id(), processor.unk_id(), processor.pad_id()) == (0, 1, -1)


def test_missing_model(tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"joint\.spm does not exist; a SentencePiece model \(\.spm\) is needed"):
        load_sentencepiece(tmp_path / "joint.spm")


@pytest.mark.parametrize("content", [b"", b"not a model", bytes(1000)])
def test_file_that_is_no_model(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "joint.spm").write_bytes(content)
    with pytest.raises(
        NmtDistillError, match=r"joint\.spm is not a SentencePiece model \(.*\); fetch it again\."
    ) as told:
        load_sentencepiece(tmp_path / "joint.spm")
    assert "\n" not in str(told.value)


def test_truncated_model(tmp_path: Path, toy_sentencepiece: Path) -> None:
    content = toy_sentencepiece.read_bytes()
    (tmp_path / "joint.spm").write_bytes(content[: len(content) // 2])
    with pytest.raises(NmtDistillError, match=r"joint\.spm is not a SentencePiece model"):
        load_sentencepiece(tmp_path / "joint.spm")


def test_model_without_end_of_sentence(tmp_path: Path, toy_sentences: list[str]) -> None:
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(toy_sentences),
        model_prefix=str(tmp_path / "joint"),
        vocab_size=60,
        eos_id=-1,
        minloglevel=2,
    )
    with pytest.raises(NmtDistillError, match=r"has no end-of-sentence piece; train it with one\."):
        load_sentencepiece(tmp_path / "joint.model")
