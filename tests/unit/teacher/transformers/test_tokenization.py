from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.families import FAMILIES, Family, language_codes
from nmt_distill.teacher.transformers.checkpoint import load_tokenizer, quiet
from nmt_distill.teacher.transformers.hub import find_model
from nmt_distill.teacher.transformers.tokenization import (
    FastTokenizerText,
    SentencePieceText,
    TextIds,
    text_ids,
    vocabulary_of,
)

PLAIN = ["Turn on the light in the kitchen.", "stop", "Open the door please", "日本 🙂", ""]
HOSTILE = [
    "</s> <pad> >>fr<<",
    ">>deu<< Turn <2de> on",
    "<s>stop</s>",
    "deu_Latn de_DE __de__ eng_Latn",
    "<mask><unk><extra_id_0>",
    "▁the ▁",
    "<2pt><2de>",
]
WITH_PIECES = ["nllb", "m2m100", "mbart50", "marian_tagged", "t5", "mt5", "madlad400"]
FAST = ["nllb", "mbart50", "t5", "mt5", "madlad400"]


class Loaded:
    """A tokenizer of transformers and what reads text in its place."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.family = folder, family_of(name)
        with quiet():
            self.tokenizer: Any = load_tokenizer(find_model(str(folder)), self.family.load_with)
        self.tokens = vocabulary_of(self.tokenizer)
        self.text: TextIds = text_ids(self.tokenizer, folder, self.family, self.tokens)
        tags = language_codes(self.family, self.tokens).values()
        self.hidden = {*self.tokenizer.all_special_tokens, *tags}
        unknown = self.tokenizer.unk_token_id
        self.special_ids = {self.tokens[token] for token in self.hidden if token in self.tokens} - {unknown}


def family_of(name: str) -> Family:
    return next(row for row in FAMILIES if row.name == name.split("_")[0])


@pytest.fixture(scope="module")
def loaded(checkpoints: dict[str, Path]) -> dict[str, Loaded]:
    return {name: Loaded(folder, name) for name, folder in checkpoints.items()}


def test_sentencepiece_segments_where_its_model_is_there(loaded: dict[str, Loaded]) -> None:
    kinds = {name: type(one.text) for name, one in loaded.items()}
    assert {name for name, kind in kinds.items() if kind is FastTokenizerText} == {
        "nllb_saved",
        "mbart50_saved",
        "t5_saved",
        "madlad400_saved",
    }


def test_plain_text_is_segmented_as_transformers_does(loaded: dict[str, Loaded]) -> None:
    for name, one in loaded.items():
        theirs = [one.tokenizer(sentence, add_special_tokens=False)["input_ids"] for sentence in PLAIN[:3]]
        assert one.text.encode(PLAIN[:3]) == theirs, name
        assert [one.text.decode(ids) for ids in theirs] == PLAIN[:3] or name == "marian", name


def test_no_text_makes_a_special(loaded: dict[str, Loaded]) -> None:
    for name, one in loaded.items():
        assert one.special_ids, name
        for sentence, ids in zip(HOSTILE, one.text.encode(HOSTILE), strict=True):
            assert not one.special_ids & set(ids), (name, sentence)
            assert max(ids, default=0) <= one.text.highest_id


@given(sentence=st.lists(st.sampled_from([*"</s>2d pa_Lnx▁", "<2de>", "</s>", "▁the", "deu_Latn"])).map("".join))
def test_no_text_at_all_makes_a_special(loaded: dict[str, Loaded], sentence: str) -> None:
    for name in ("madlad400", "madlad400_saved", "t5_saved", "nllb_saved"):
        (ids,) = loaded[name].text.encode([sentence])
        assert not loaded[name].special_ids & set(ids)


def test_target_text_is_segmented_as_transformers_does(loaded: dict[str, Loaded]) -> None:
    for name, one in loaded.items():
        side = "text_target" if name.startswith("marian") else "text"  # the others have one segmentation
        theirs = [one.tokenizer(**{side: text}, add_special_tokens=False)["input_ids"] for text in PLAIN[:3]]
        assert one.text.encode_target(PLAIN[:3]) == theirs, name
        assert [one.text.decode(ids) for ids in theirs] == PLAIN[:3], name


def test_no_target_text_makes_a_special(loaded: dict[str, Loaded]) -> None:
    for name, one in loaded.items():
        for sentence, ids in zip(HOSTILE, one.text.encode_target(HOSTILE), strict=True):
            assert not one.special_ids & set(ids), (name, sentence)


def test_a_prompt_may_hold_tags(loaded: dict[str, Loaded]) -> None:
    for name in ("madlad400", "madlad400_saved"):
        one = loaded[name]
        assert one.text.encode_prompt("<2de>")[-1] == one.tokens["<2de>"]
        assert one.text.encode_prompt("Turn on ") == one.text.encode(["Turn on"])[0]


@pytest.mark.parametrize("name", WITH_PIECES)
def test_a_student_can_share_the_ids(loaded: dict[str, Loaded], name: str) -> None:
    one = loaded[name]
    vocabulary = one.text.vocabulary
    assert vocabulary is not None
    shared = sentencepiece.SentencePieceProcessor(model_proto=vocabulary.model)
    assert vocabulary.teacher_ids.shape == (shared.vocab_size(),)
    teacher_ids = [one.tokenizer.unk_token_id if index < 0 else index for index in vocabulary.teacher_ids.tolist()]
    pieces = shared.encode([*PLAIN, *HOSTILE])
    assert [[teacher_ids[piece] for piece in row] for row in pieces] == one.text.encode([*PLAIN, *HOSTILE])
    for piece, index in enumerate(vocabulary.teacher_ids.tolist()):
        assert index == -1 or one.tokens[shared.id_to_piece(piece)] == index


def test_a_piece_that_the_dictionary_lacks_is_unknown(loaded: dict[str, Loaded]) -> None:
    vocabulary = loaded["m2m100"].text.vocabulary
    assert vocabulary is not None
    shared = sentencepiece.SentencePieceProcessor(model_proto=vocabulary.model)
    (lost,) = [
        piece for piece, index in enumerate(vocabulary.teacher_ids) if index < 0 and not shared.is_control(piece)
    ]
    (ids,) = loaded["m2m100"].text.encode([shared.id_to_piece(lost).replace("▁", " ")])
    assert ids[0] == loaded["m2m100"].tokenizer.unk_token_id


def test_there_is_nothing_to_share_without_one_sentencepiece_model(loaded: dict[str, Loaded]) -> None:
    assert loaded["marian"].text.vocabulary is None  # one for the source, one for the target
    assert loaded["nllb_saved"].text.vocabulary is None


@pytest.mark.parametrize("name", FAST)
def test_both_ways_of_segmenting_agree(loaded: dict[str, Loaded], name: str) -> None:
    one = loaded[name]
    other = FastTokenizerText(one.tokenizer, hidden=one.hidden)
    assert isinstance(one.text, SentencePieceText)
    assert other.encode(PLAIN) == one.text.encode(PLAIN)
    assert other.encode(HOSTILE[:3]) == one.text.encode(HOSTILE[:3])
    assert [other.decode(ids) for ids in other.encode(PLAIN[:3])] == PLAIN[:3]


def test_specials_leave_no_text(loaded: dict[str, Loaded]) -> None:
    for name, one in loaded.items():
        (ids,) = one.text.encode(["stop"])
        wrapped = [min(one.special_ids), *ids, one.tokenizer.eos_token_id, max(one.special_ids)]
        assert one.text.decode(wrapped) == one.text.decode(ids) != "", name


def test_marian_decodes_by_the_model_of_the_target(loaded: dict[str, Loaded]) -> None:
    one = loaded["marian"]
    target = sentencepiece.SentencePieceProcessor(model_file=str(one.folder / "target.spm"))
    pieces = target.encode("thgil eht no nruT", out_type=str)
    assert one.text.decode([one.tokens[piece] for piece in pieces]) == "thgil eht no nruT"


def test_a_sentencepiece_model_of_another_tokenizer_is_left_alone(
    loaded: dict[str, Loaded], checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(checkpoints["t5"], folder)
    shutil.copy(checkpoints["marian"] / "target.spm", folder / "spiece.model")
    one = loaded["t5"]
    text = text_ids(one.tokenizer, folder, one.family, one.tokens)
    assert isinstance(text, FastTokenizerText)
    assert text.encode(PLAIN) == one.text.encode(PLAIN)


def test_a_damaged_sentencepiece_model(loaded: dict[str, Loaded], tmp_path: Path) -> None:
    (tmp_path / "spiece.model").write_bytes(b"not a model")
    one = loaded["t5"]
    with pytest.raises(NmtDistillError, match=r"spiece.model is not a SentencePiece model \(.*\); fetch it again"):
        text_ids(one.tokenizer, tmp_path, one.family, one.tokens)


def test_a_tokenizer_of_python_needs_its_sentencepiece_model(loaded: dict[str, Loaded], tmp_path: Path) -> None:
    one = loaded["m2m100"]
    with pytest.raises(NmtDistillError, match=r"has no sentencepiece.bpe.model, with which its M2M100Tokenizer segme"):
        text_ids(one.tokenizer, tmp_path, one.family, one.tokens)
