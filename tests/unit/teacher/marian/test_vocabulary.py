from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import sentencepiece

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.marian.vocabulary import (
    MappedVocabulary,
    PlainVocabulary,
    VocabularyFiles,
    load_vocabulary,
    read_piece_ids,
    shared_vocabulary,
    tag_id,
)
from tests.marian_models import write_piece_ids

SENTENCES = ["Turn on the light.", "", "no 12 off", "🙂 €"]


def pieces_of(spm: Path) -> list[str]:
    processor = sentencepiece.SentencePieceProcessor(model_file=str(spm))
    return [processor.id_to_piece(token) for token in range(processor.vocab_size())]


@pytest.fixture
def ids(toy_sentencepiece: Path, tmp_path: Path) -> Path:
    """Ids in another order than the pieces', two tags last, as in OPUS-MT's vocabularies."""
    others = sorted(set(pieces_of(toy_sentencepiece)) - {"</s>", "<unk>"}, reverse=True)
    return write_piece_ids(tmp_path / "opus.vocab.yml", ["</s>", "<unk>", *others, ">>deu<<", ">>nld<<"])


def test_plain_ids_are_the_places_of_pieces(toy_sentencepiece: Path) -> None:
    vocabulary = load_vocabulary(VocabularyFiles(toy_sentencepiece))
    assert isinstance(vocabulary, PlainVocabulary)
    processor = sentencepiece.SentencePieceProcessor(model_file=str(toy_sentencepiece))
    encoded = vocabulary.encode(SENTENCES)
    assert encoded == [[*processor.encode(text), 0] for text in SENTENCES]
    assert [vocabulary.decode(ids) for ids in encoded] == SENTENCES
    assert (vocabulary.size, vocabulary.end_id, vocabulary.tags) == (processor.vocab_size(), 0, {})


def test_mapped_ids_are_those_of_the_file(toy_sentencepiece: Path, ids: Path) -> None:
    vocabulary = load_vocabulary(VocabularyFiles(toy_sentencepiece, ids))
    assert isinstance(vocabulary, MappedVocabulary)
    known, processor = read_piece_ids(ids), sentencepiece.SentencePieceProcessor(model_file=str(toy_sentencepiece))
    encoded = vocabulary.encode(SENTENCES)
    assert encoded == [[*(known[piece] for piece in processor.encode(text, out_type=str)), 0] for text in SENTENCES]
    assert [vocabulary.decode(row) for row in encoded] == SENTENCES
    size = processor.vocab_size()
    assert (vocabulary.size, vocabulary.end_id) == (size + 2, 0)
    assert vocabulary.tags == {">>deu<<": size, ">>nld<<": size + 1}


def test_piece_without_id_is_unknown(toy_sentencepiece: Path, tmp_path: Path) -> None:
    known = [piece for piece in pieces_of(toy_sentencepiece) if piece not in {"</s>", "<unk>", "▁light"}]
    path = write_piece_ids(tmp_path / "vocab.yml", ["</s>", "<unk>", *known])
    vocabulary = MappedVocabulary(toy_sentencepiece, path)
    (encoded,) = vocabulary.encode(["the light"])
    assert encoded[-2:] == [1, 0]
    assert vocabulary.decode(encoded) == "the ⁇ "


@pytest.mark.parametrize("text", ["</s>", "<unk>", ">>deu<< the light", ">>deu<<", "a</s>b"])
def test_text_makes_no_specials(toy_sentencepiece: Path, ids: Path, text: str) -> None:
    for files in (VocabularyFiles(toy_sentencepiece), VocabularyFiles(toy_sentencepiece, ids)):
        vocabulary = load_vocabulary(files)
        (encoded,) = vocabulary.encode([text])
        assert not {vocabulary.end_id, *vocabulary.tags.values()} & set(encoded[:-1])


def test_tag_that_sentencepiece_would_find_in_text_is_unknown(tmp_path: Path, toy_sentences: list[str]) -> None:
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(toy_sentences),
        model_prefix=str(tmp_path / "joint"),
        vocab_size=100,
        hard_vocab_limit=False,
        user_defined_symbols=[">>deu<<"],
        minloglevel=2,
    )
    vocabulary = PlainVocabulary(tmp_path / "joint.model")
    (tag,) = vocabulary.tags.values()
    (encoded,) = vocabulary.encode([">>deu<< the light"])
    assert tag not in encoded


@pytest.mark.parametrize(
    "word", ["no", "off", "true", "null", "~", "12", "1_0", "0x1F", "1:30", "1e3", "2020-01-01", "="]
)
def test_words_that_mean_something_in_yaml_are_text(tmp_path: Path, word: str) -> None:
    (tmp_path / "vocab.yml").write_text(f"</s>: 0\n<unk>: 1\n{word}: 2\n", encoding="utf-8")
    assert read_piece_ids(tmp_path / "vocab.yml") == {"</s>": 0, "<unk>": 1, word: 2}


def test_quoted_and_escaped_pieces(tmp_path: Path) -> None:
    lines = [
        '"</s>": 0',
        '"<unk>": 1',
        '"\'": 2',
        "'\"': 3",
        '"\\\\": 4',
        "▁não: 5",
        '"\\x85": 6',
        '"<<": 7',
        "? '#'\n: 8",
    ]
    (tmp_path / "vocab.yml").write_text("\n".join(lines), encoding="utf-8")
    pieces = ["</s>", "<unk>", "'", '"', "\\", "▁não", "\x85", "<<", "#"]
    assert read_piece_ids(tmp_path / "vocab.yml") == {piece: token for token, piece in enumerate(pieces)}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("- a\n- b\n", "is not a list of pieces and ids"),
        ("", "is not a list of pieces and ids"),
        ("</s>: zero\n", "is not a list of pieces and ids"),
        ("a: [1\n", "is not a list of pieces and ids"),
        ("!!python/object/apply:os.getcwd []\n", "is not a list of pieces and ids"),
        ("a: 0\n", "has no </s> and no <unk>, so it is not a vocabulary of Marian"),
        ("</s>: 0\n", "has no <unk>, so it is not a vocabulary of Marian"),
        ("</s>: 0\n<unk>: 1\na: 1\n", "gives an id twice, or a negative one"),
        ("</s>: 0\n<unk>: -1\n", "gives an id twice, or a negative one"),
    ],
)
def test_file_that_is_no_vocabulary(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "vocab.yml").write_text(content, encoding="utf-8")
    with pytest.raises(NmtDistillError, match=rf"vocab\.yml {told}.*; fetch it again\."):
        read_piece_ids(tmp_path / "vocab.yml")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"vocab\.yml does not exist; Marian's vocabulary .* is needed there"):
        read_piece_ids(tmp_path / "vocab.yml")


def test_tags_are_found_by_name(toy_sentencepiece: Path, ids: Path) -> None:
    files = VocabularyFiles(toy_sentencepiece, ids)
    vocabulary = load_vocabulary(files)
    assert tag_id(vocabulary, ">>nld<<", files) == vocabulary.tags[">>nld<<"]
    with pytest.raises(NmtDistillError, match=r"opus\.vocab\.yml has no tag >>fra<<; it has: >>deu<<, >>nld<<\."):
        tag_id(vocabulary, ">>fra<<", files)
    with pytest.raises(NmtDistillError, match=r"has tags for several target languages, so give one: >>deu<<, >>nld<<"):
        tag_id(vocabulary, None, files)


def test_model_without_tags(toy_sentencepiece: Path) -> None:
    files = VocabularyFiles(toy_sentencepiece)
    vocabulary = load_vocabulary(files)
    assert tag_id(vocabulary, None, files) is None
    with pytest.raises(NmtDistillError, match=r"joint\.spm has no tag >>deu<<; it has no tags, so leave it out\."):
        tag_id(vocabulary, ">>deu<<", files)


def test_long_lists_of_tags_are_cut(toy_sentencepiece: Path, tmp_path: Path) -> None:
    tags = [f">>a{chr(97 + place)}<<" for place in range(25)]
    files = VocabularyFiles(toy_sentencepiece, write_piece_ids(tmp_path / "vocab.yml", ["</s>", "<unk>", *tags]))
    with pytest.raises(NmtDistillError, match=r"so give one: >>aa<<, .*>>at<< \.\.\.\."):
        tag_id(load_vocabulary(files), None, files)


def test_student_shares_what_source_and_target_share(toy_sentencepiece: Path, ids: Path) -> None:
    plain, mapped = VocabularyFiles(toy_sentencepiece), VocabularyFiles(toy_sentencepiece, ids)
    shared = {files: shared_vocabulary(files, files) for files in (plain, mapped)}
    for files, vocabulary in shared.items():
        assert vocabulary is not None
        assert vocabulary.encode(SENTENCES[:2]) == load_vocabulary(files).encode(SENTENCES[:2])
        assert vocabulary.num_ids == load_vocabulary(files).size
    assert shared_vocabulary(plain, mapped) is None


def test_vocabularies_that_differ_are_not_shared(
    toy_sentencepiece: Path, padded_sentencepiece: Path, ids: Path, tmp_path: Path
) -> None:
    assert shared_vocabulary(VocabularyFiles(toy_sentencepiece), VocabularyFiles(padded_sentencepiece)) is None
    other = write_piece_ids(tmp_path / "other.yml", [*reversed(pieces_of(toy_sentencepiece))])
    sides: Mapping[str, VocabularyFiles] = {
        "source": VocabularyFiles(toy_sentencepiece, ids), "target": VocabularyFiles(toy_sentencepiece, other)
    }  # fmt: skip
    assert shared_vocabulary(sides["source"], sides["target"]) is None
