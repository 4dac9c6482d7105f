"""What a vocabulary tells of a text."""

from __future__ import annotations

from pathlib import Path

import sentencepiece

from nmt_distill.translation.engine import Pieces


def test_a_vocabulary_says_what_it_lacks(tmp_path: Path) -> None:
    text, model = tmp_path / "text", str(tmp_path / "model")
    text.write_text("open the door\n" * 9)
    sentencepiece.SentencePieceTrainer.train(input=str(text), model_prefix=model, model_type="char", vocab_size=12)
    pieces = Pieces(Path(f"{model}.model"))
    assert pieces.reads("the door")
    assert not pieces.reads("the do\u00f6r")
    assert not pieces.reads("\ufffd"), "the normalizer takes it for a space"
    assert pieces.reads(" ")


def test_a_vocabulary_says_what_it_knows_as_a_name(tmp_path: Path) -> None:
    text, model = tmp_path / "text", str(tmp_path / "model")
    text.write_text("open Google\nopen the door\n" * 9)
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=model, model_type="bpe", vocab_size=38, hard_vocab_limit=False, minloglevel=2
    )
    pieces = Pieces(Path(f"{model}.model"))
    assert pieces.is_name("Google")
    assert not pieces.is_name("Open")
    assert not pieces.is_name("Googles")


def test_letters_in_bytes_are_read_where_a_script_is_too_large_for_a_vocabulary(tmp_path: Path) -> None:
    han = [chr(0x4E00 + number) for number in range(600)]
    models = []
    for name, letters in (("latin", []), ("han", han)):
        text, model = tmp_path / f"{name}.text", str(tmp_path / name)
        text.write_text("".join(f"open the {letter} door\n" for letter in (letters or "x")) * 3, encoding="utf-8")
        sentencepiece.SentencePieceTrainer.train(
            input=str(text), model_prefix=model, vocab_size=900, byte_fallback=True, hard_vocab_limit=False,
            character_coverage=1.0, minloglevel=2,
        )  # fmt: skip
        models.append(Pieces(Path(f"{model}.model")))
    latin, chinese = models
    assert latin.reads("the door")
    assert [latin.reads(sign) for sign in "\u9f98\u0159\u20ac"] == [False] * 3
    assert [chinese.reads(sign) for sign in "\u4e00\u9f98\u0159\u20ac"] == [True, True, False, False]
