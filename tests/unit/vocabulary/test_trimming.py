from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt_distill.errors import NmtDistillError
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece
from nmt_distill.vocabulary.trimming import (
    IdMap,
    Merges,
    VocabularyConfig,
    choose_pieces,
    trim_sentencepiece,
    with_padding,
)
from tests.faults import faults_of

Ids = npt.NDArray[np.int64]


@pytest.fixture(scope="module")
def full(toy_sentencepiece: Path) -> sentencepiece.SentencePieceProcessor:
    return load_sentencepiece(toy_sentencepiece)


@pytest.fixture(scope="module")
def model(toy_sentencepiece: Path) -> bytes:
    return toy_sentencepiece.read_bytes()


@pytest.fixture(scope="module")
def counts(full: sentencepiece.SentencePieceProcessor, toy_sentences: list[str]) -> Ids:
    ids = [token for sentence in full.encode(toy_sentences) for token in sentence]
    return np.bincount(ids, minlength=full.vocab_size()).astype(np.int64)


def is_forced(processor: sentencepiece.SentencePieceProcessor, token: int) -> bool:
    special = processor.is_control(token) or processor.is_unknown(token) or processor.is_byte(token)
    return special or len(processor.id_to_piece(token).replace("▁", "")) <= 1


@pytest.fixture(scope="module")
def trim(
    tmp_path_factory: pytest.TempPathFactory, toy_sentencepiece: Path
) -> Callable[[Ids], sentencepiece.SentencePieceProcessor]:
    def write(kept_ids: Ids) -> sentencepiece.SentencePieceProcessor:
        path = tmp_path_factory.mktemp("trimmed") / "joint.spm"
        new_pieces = ["<pad>"] * int((kept_ids < 0).sum())
        trim_sentencepiece(toy_sentencepiece.read_bytes(), kept_ids, path, new_pieces=new_pieces)
        return load_sentencepiece(path)

    return write


@pytest.fixture(scope="module")
def num_forced(full: sentencepiece.SentencePieceProcessor) -> int:
    return sum(is_forced(full, token) for token in range(full.vocab_size()))


@pytest.mark.parametrize("extra", [0, 1, 8, 20])
def test_specials_characters_and_the_most_frequent_stay(
    full: sentencepiece.SentencePieceProcessor, model: bytes, counts: Ids, num_forced: int, extra: int
) -> None:
    kept = choose_pieces(model, counts, num_forced + extra).tolist()
    assert kept == sorted(set(kept))
    assert len(kept) == num_forced + extra
    assert {token for token in range(full.vocab_size()) if is_forced(full, token)} <= set(kept)
    chosen = [counts[token] for token in kept if not is_forced(full, token)]
    gone = [counts[token] for token in range(full.vocab_size()) if token not in kept]
    assert min(chosen, default=np.inf) >= max(gone)


def test_all_pieces_may_stay(full: sentencepiece.SentencePieceProcessor, model: bytes, counts: Ids) -> None:
    assert choose_pieces(model, counts, full.vocab_size()).tolist() == list(range(full.vocab_size()))


def test_more_pieces_than_there_are(model: bytes, counts: Ids) -> None:
    with pytest.raises(
        NmtDistillError, match=r"size must be at most the teacher's 3\d\d pieces, but is 4000 instead\."
    ):
        choose_pieces(model, counts, 4000)


def test_too_few_for_the_characters(model: bytes, counts: Ids, num_forced: int) -> None:
    with pytest.raises(NmtDistillError, match=rf"vocabulary\.size is 8, but the teacher has {num_forced} special and"):
        choose_pieces(model, counts, 8)


@settings(max_examples=20)
@given(st.data())
def test_text_whose_pieces_stay_is_segmented_as_before(
    full: sentencepiece.SentencePieceProcessor,
    trim: Callable[[Ids], sentencepiece.SentencePieceProcessor],
    toy_sentences: list[str],
    data: st.DataObject,
) -> None:
    optional = [token for token in range(full.vocab_size()) if not is_forced(full, token)]
    gone = set(data.draw(st.lists(st.sampled_from(optional), max_size=len(optional) // 2)))
    kept = np.array([token for token in range(full.vocab_size()) if token not in gone], dtype=np.int64)
    trimmed, id_map = trim(kept), IdMap.of(kept, full.vocab_size())
    assert trimmed.vocab_size() == len(kept)
    assert [trimmed.id_to_piece(token) for token in range(len(kept))] == [full.id_to_piece(int(old)) for old in kept]
    compared = 0
    for sentence in toy_sentences[:100]:
        before = np.array(full.encode(sentence))
        after = trimmed.encode(sentence)
        assert trimmed.decode(after) == sentence
        if (id_map.new_ids[before] >= 0).all():
            compared += 1
            assert after == id_map.new_ids[before].tolist()
        else:
            assert [trimmed.id_to_piece(token) for token in after] != full.encode(sentence, out_type=str)
    assert gone or compared == 100


def test_specials_are_found_at_their_new_places(
    full: sentencepiece.SentencePieceProcessor, trim: Callable[[Ids], sentencepiece.SentencePieceProcessor]
) -> None:
    order = np.array([5, 1, *range(6, full.vocab_size()), 2, 3, 4, 0], dtype=np.int64)
    trimmed = trim(order)
    assert (trimmed.unk_id(), trimmed.eos_id(), trimmed.bos_id(), trimmed.pad_id()) == (1, len(order) - 1, -1, -1)
    assert trimmed.is_byte(trimmed.piece_to_id("<0x41>"))
    assert trimmed.decode(trimmed.encode("🙂 turn on")) == "🙂 turn on"


@pytest.mark.parametrize("place", [1, 0, 9])
def test_room_for_padding(
    full: sentencepiece.SentencePieceProcessor,
    trim: Callable[[Ids], sentencepiece.SentencePieceProcessor],
    toy_sentences: list[str],
    place: int,
) -> None:
    kept = with_padding(np.arange(full.vocab_size()), place)
    padded, id_map = trim(kept), IdMap.of(kept, full.vocab_size())
    assert padded.vocab_size() == full.vocab_size() + 1
    assert (padded.pad_id(), padded.id_to_piece(place), padded.bos_id()) == (place, "<pad>", -1)
    assert padded.is_control(place)
    assert id_map.new_ids.tolist() == [token for token in range(full.vocab_size() + 1) if token != place]
    for sentence in [*toy_sentences[:50], "<pad> turn on"]:
        assert padded.encode(sentence) == id_map.new_ids[full.encode(sentence)].tolist()
        assert place not in padded.encode(sentence)


def train(kind: str, sentences: list[str], folder: Path, **settings: Any) -> bytes:
    prefix = folder / kind
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_prefix=str(prefix), model_type=kind, minloglevel=2, **settings
    )
    return prefix.with_suffix(".model").read_bytes()


def test_byte_pair_pieces_come_with_all_that_is_merged_on_the_way(tmp_path: Path, toy_sentences: list[str]) -> None:
    model = train("bpe", toy_sentences, tmp_path, vocab_size=120)
    whole = sentencepiece.SentencePieceProcessor(model_proto=model)
    encoded = whole.encode(toy_sentences)
    counts = np.bincount([piece for ids in encoded for piece in ids], minlength=120)
    compared = reached = 0
    for size in (72, 80, 96, 112):
        kept = choose_pieces(model, counts, size)
        assert len(kept) == len({*kept.tolist()}) <= size
        trim_sentencepiece(model, kept, tmp_path / "trimmed.spm")
        trimmed, id_map = load_sentencepiece(tmp_path / "trimmed.spm"), IdMap.of(kept, 120)
        for sentence, before in zip(toy_sentences, encoded, strict=True):
            after = trimmed.encode(sentence)
            assert trimmed.decode(after) == sentence
            reached += sum(len(piece) > 2 for piece in trimmed.encode(sentence, out_type=str))
            if (id_map.new_ids[before] >= 0).all():
                compared += 1
                assert after == id_map.new_ids[before].tolist()
    assert compared > 20
    assert reached > 20


def test_merges_are_met_in_the_order_of_their_scores() -> None:
    pieces = {"a": 0, "b": 1, "c": 2, "bc": 3, "ab": 4, "abc": 5}
    merges = Merges(pieces, lambda place: -float(place))
    assert merges.on_the_way_to("abc") == [3, 5]
    assert merges.on_the_way_to("ab") == [4]
    assert merges.on_the_way_to("a") == []
    assert merges.on_the_way_to("cab") == [4], "no piece: it ends where nothing can be merged"


def test_other_kinds_cannot_be_trimmed(tmp_path: Path, toy_sentences: list[str]) -> None:
    model = train("char", toy_sentences, tmp_path, vocab_size=40, hard_vocab_limit=False)
    with pytest.raises(NmtDistillError, match="is neither a unigram nor a byte-pair model, so it cannot be trimmed"):
        trim_sentencepiece(model, np.arange(10), tmp_path / "trimmed.spm")
    assert not (tmp_path / "trimmed.spm").exists()


@given(st.permutations(range(12)), st.integers(0, 12))
def test_id_map_goes_from_old_to_new(order: list[int], num_kept: int) -> None:
    kept = np.array(order[:num_kept], dtype=np.int64)
    id_map = IdMap.of(kept, 12)
    assert id_map.new_ids[kept].tolist() == list(range(num_kept))
    assert sorted(np.flatnonzero(id_map.new_ids < 0).tolist()) == sorted(order[num_kept:])
    assert (id_map.new_ids[kept] >= 0).all()
    for gone in order[num_kept:]:
        assert id_map.new_ids[gone] < 0


@pytest.mark.parametrize(
    ("size", "right"), [(None, True), (8000, True), (8, True), (0, False), (100, False), (-8, False)]
)
def test_size_is_a_multiple_of_8(size: int | None, right: bool) -> None:
    told = f"size must be a positive multiple of 8, but is {size} instead"
    assert faults_of(VocabularyConfig, {"size": size}) == (() if right else (told,))


def test_language_tags_are_pieces_that_no_text_makes(
    toy_sentencepiece: Path, full: sentencepiece.SentencePieceProcessor, tmp_path: Path
) -> None:
    size = full.vocab_size()
    kept = np.concatenate([with_padding(np.arange(size), 1), [-1, -1]])
    path = tmp_path / "tagged.spm"
    trim_sentencepiece(toy_sentencepiece.read_bytes(), kept, path, new_pieces=["<pad>", ">>de<<", ">>pt-BR<<"])
    tagged = load_sentencepiece(path)
    assert (tagged.vocab_size(), tagged.pad_id()) == (size + 3, 1)
    places = [tagged.piece_to_id(tag) for tag in (">>de<<", ">>pt-BR<<")]
    assert places == [size + 1, size + 2]
    assert all(tagged.is_control(place) for place in places)
    text = ">>de<< open the >>pt-BR<< door <pad>"
    assert not {1, *places} & set(tagged.encode(text))
    assert [token - (token > 1) for token in tagged.encode(text)] == full.encode(text)
