from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece
from nmt_distill.vocabulary.shared import SharedVocabulary
from nmt_distill.vocabulary.trimming import IdMap, trim_sentencepiece

HOSTILE = ["</s> <unk> stop", "", "🙂", "open the door"]


@pytest.fixture
def shifted(toy_sentencepiece: Path) -> SharedVocabulary:
    """A vocabulary whose teacher has each piece 10 ids later, and no id for the last."""
    size = load_sentencepiece(toy_sentencepiece).vocab_size()
    ids = np.arange(size) + 10
    ids[-1] = -1
    return SharedVocabulary(toy_sentencepiece, teacher_ids=ids, num_ids=size + 20)


def test_places_are_ids_unless_told(toy_sentencepiece: Path, toy_sentences: list[str]) -> None:
    vocabulary = SharedVocabulary(toy_sentencepiece)
    processor = load_sentencepiece(toy_sentencepiece)
    texts = [*toy_sentences[:20], *HOSTILE]
    assert vocabulary.encode(texts) == [[*ids, processor.eos_id()] for ids in processor.encode(texts)]
    assert vocabulary.num_ids == processor.vocab_size()
    assert [vocabulary.decode(ids) for ids in vocabulary.encode(texts)] == texts


def test_ids_are_those_of_the_teacher(shifted: SharedVocabulary, toy_sentences: list[str]) -> None:
    plain = SharedVocabulary(shifted.model)
    texts = [*toy_sentences[:20], *HOSTILE]
    last, unknown = len(plain.teacher_ids) - 1, plain.processor.unk_id()
    expected = [[(unknown if token == last else token) + 10 for token in ids] for ids in plain.encode(texts)]
    assert shifted.encode(texts) == expected
    assert [shifted.decode(ids) for ids in expected] == [
        plain.decode([token - 10 for token in ids]) for ids in expected
    ]
    assert shifted.decode([5, *expected[0]]) == plain.decode(plain.encode(texts[:1])[0]), "id 5 has no piece"
    assert shifted.fingerprint != plain.fingerprint == SharedVocabulary(shifted.model).fingerprint


def test_counts_and_ids_follow_the_pieces(shifted: SharedVocabulary) -> None:
    counts = np.arange(shifted.num_ids)
    found = shifted.piece_counts(counts)
    assert found[:3].tolist() == [10, 11, 12]
    assert found[-1] == 0
    assert shifted.ids_of(np.array([2, -1, 0])).tolist() == [12, -1, 10]


def test_ids_for_other_pieces_are_refused(toy_sentencepiece: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"has 3\d\d pieces, but the teacher gives ids to 3; they do"):
        SharedVocabulary(toy_sentencepiece, teacher_ids=np.arange(3))


def test_what_is_saved_is_read_back_without_the_teacher(shifted: SharedVocabulary, tmp_path: Path) -> None:
    assert SharedVocabulary.load(tmp_path) is None
    for vocabulary in (shifted, SharedVocabulary(shifted.model)):
        vocabulary.save(tmp_path)
        again = SharedVocabulary.load(tmp_path)
        assert again is not None
        assert (again.fingerprint, again.num_ids, again.model) == (
            vocabulary.fingerprint,
            vocabulary.num_ids,
            vocabulary.model,
        )


def test_ids_are_mapped_by_what_their_pieces_read(toy_sentencepiece: Path, shifted: SharedVocabulary) -> None:
    plain = SharedVocabulary(toy_sentencepiece)
    id_map = shifted.map_to(plain)
    size = len(plain.teacher_ids)
    assert id_map.new_ids.tolist() == [-1] * 10 + list(range(size - 1)) + [-1] * 11
    turned = plain.map_to(shifted)
    assert turned.new_ids[:3].tolist() == [10, 11, 12]
    assert turned.new_ids[-1] == -1, "a piece that the other teacher has no id for"


def test_pieces_that_the_other_lacks_have_no_id(
    toy_sentencepiece: Path, toy_sentences: list[str], tmp_path: Path
) -> None:
    whole = SharedVocabulary(toy_sentencepiece)
    size = len(whole.teacher_ids)
    gone = max(whole.encode(toy_sentences[:1])[0])
    kept = np.delete(np.arange(size), gone)
    trim_sentencepiece(whole.model, kept, tmp_path / "small.spm")
    id_map = whole.map_to(SharedVocabulary(tmp_path / "small.spm"))
    assert np.flatnonzero(id_map.new_ids < 0).tolist() == [gone]
    assert id_map.new_ids[kept].tolist() == list(range(size - 1))
    assert (id_map.new_ids == IdMap.of(kept, size).new_ids).all(), "a trimmed vocabulary is the special case"
