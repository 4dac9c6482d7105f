"""A Marian model as a teacher: its translations, the soft targets that it shows, and its fingerprint."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.base import Sampling, Teacher, WhiteBoxTeacher
from nmt_distill.teacher.batches import batches_by_length
from nmt_distill.teacher.marian.teacher import MarianTeacher
from tests.marian_models import architecture, random_parameters, write_marian_model
from tests.marian_teachers import SENTENCES, all_logits, load


def test_it_is_a_teacher_that_can_be_looked_into(teacher: MarianTeacher) -> None:
    typed: Teacher = teacher
    assert isinstance(typed, WhiteBoxTeacher)


def test_sources_end_with_the_end_of_sentence(teacher: MarianTeacher) -> None:
    encoded = teacher.encode(SENTENCES)
    assert [ids[-1] for ids in encoded] == [0] * len(SENTENCES)
    assert encoded[2] == [0]
    assert [teacher.source_vocabulary.decode(ids) for ids in encoded] == SENTENCES


@pytest.mark.parametrize(("beam_size", "num_candidates"), [(1, 1), (4, 1), (4, 3)])
def test_hypotheses_are_what_they_say(teacher: MarianTeacher, beam_size: int, num_candidates: int) -> None:
    translated = teacher.translate(SENTENCES, beam_size=beam_size, num_candidates=num_candidates)
    assert len(translated) == len(SENTENCES)
    for source, hypotheses in zip(teacher.encode(SENTENCES), translated, strict=True):
        assert 1 <= len(hypotheses) <= num_candidates
        for hypothesis in hypotheses:
            ids = hypothesis.token_ids.tolist()
            assert len(ids) <= max(16, len(source))
            assert hypothesis.finished == (ids[-1] == 0)
            assert hypothesis.text == teacher.target_vocabulary.decode(ids)
            steps = all_logits(teacher, source, ids).log_softmax(-1)[torch.arange(len(ids)), ids]
            assert hypothesis.score == pytest.approx(steps.mean().item(), abs=1e-4)


def test_greedy_takes_the_most_probable_token(teacher: MarianTeacher) -> None:
    for source, (hypothesis,) in zip(teacher.encode(SENTENCES), teacher.translate(SENTENCES), strict=True):
        ids = hypothesis.token_ids
        assert all_logits(teacher, source, ids.tolist()).argmax(-1).tolist() == ids.tolist()


def test_company_changes_nothing(teacher: MarianTeacher) -> None:
    together = teacher.translate(SENTENCES, beam_size=3, num_candidates=2)
    for sentence, hypotheses in zip(SENTENCES, together, strict=True):
        (alone,) = teacher.translate([sentence], beam_size=3, num_candidates=2)
        assert [hypothesis.token_ids.tolist() for hypothesis in alone] == [
            hypothesis.token_ids.tolist() for hypothesis in hypotheses
        ]


def test_nothing_to_translate(teacher: MarianTeacher) -> None:
    assert teacher.translate([]) == []


def test_more_candidates_than_the_beam_is_wide(teacher: MarianTeacher) -> None:
    with pytest.raises(NmtDistillError, match=r"num_candidates must be at most beam_size \(2\), but is 3\."):
        teacher.translate(["Stop"], beam_size=2, num_candidates=3)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_probabilities_are_the_softmax_of_the_logits(teacher: MarianTeacher, temperature: float) -> None:
    sources, targets = teacher.encode(SENTENCES), [[4, 9, 0], [0], [7, 0], [30, 31, 32, 33, 34, 0], [8, 0]]
    output = teacher.teacher_output(sources, targets, num_kept=5, temperature=temperature, keep_states=True)
    assert output.tail is not None
    assert output.states is not None
    logits = torch.cat([all_logits(teacher, *pair) for pair in zip(sources, targets, strict=True)])
    probs, token_ids = (logits / temperature).softmax(-1).topk(5)
    assert output.token_ids.tolist() == token_ids.tolist()
    np.testing.assert_allclose(output.probs, probs.numpy(), rtol=1e-4)
    np.testing.assert_allclose(output.tail, 1 - probs.sum(-1).numpy(), atol=1e-6)
    projected = teacher.graph.logits(torch.from_numpy(output.states).float())
    torch.testing.assert_close(projected, logits, atol=0.02, rtol=0.01)
    arrays = (output.token_ids, output.probs, output.tail, output.states)
    assert [array.dtype.name for array in arrays] == ["int64", "float32", "float32", "float16"]


def test_everything_kept_leaves_no_tail(teacher: MarianTeacher) -> None:
    output = teacher.teacher_output([[4, 0]], [[5, 0]], num_kept=teacher.vocab_size)
    np.testing.assert_allclose(output.probs.sum(axis=1), 1, atol=1e-5)
    assert output.tail is not None
    assert (output.tail >= 0).all()
    assert (output.tail < 1e-5).all()
    assert output.states is None


def test_more_kept_than_there_are_pieces(teacher: MarianTeacher) -> None:
    with pytest.raises(NmtDistillError, match=r"num_kept must be at most the teacher's 3\d\d ids, but is 1000"):
        teacher.teacher_output([[4, 0]], [[5, 0]], num_kept=1000)


def test_rows_follow_the_order_of_the_sentences(teacher: MarianTeacher) -> None:
    sources = teacher.encode(SENTENCES)
    targets = [[4 + place, 0] for place in range(len(SENTENCES))]
    together = teacher.teacher_output(sources, targets, num_kept=3)
    for place, pair in enumerate(zip(sources, targets, strict=True)):
        alone = teacher.teacher_output([pair[0]], [pair[1]], num_kept=3)
        assert together.token_ids[2 * place : 2 * place + 2].tolist() == alone.token_ids.tolist()


def test_a_shifted_target_is_another_distribution(teacher: MarianTeacher) -> None:
    source = teacher.encode(["open the door"])
    one, other = (teacher.teacher_output(source, [target], num_kept=3) for target in ([9, 10, 0], [10, 9, 0]))
    assert one.probs[0].tolist() == pytest.approx(other.probs[0].tolist()), "before the first token both know the same"
    assert np.abs(one.probs[1] - other.probs[1]).max() > 1e-4


def test_fingerprint_names_weights_and_decoding(tiny_marian: Path, tmp_path: Path) -> None:
    model, vocabulary = tiny_marian / "model.bin", tiny_marian / "vocab.spm"
    again = load(Path(shutil.copy(model, tmp_path / "copy.bin")), vocabulary)
    assert again.fingerprint == load(model, vocabulary).fingerprint
    assert load(model, vocabulary, max_length_factor=3.0).fingerprint != again.fingerprint


def test_vocabulary_of_another_model(tiny_marian: Path, tmp_path: Path) -> None:
    options = architecture()
    parameters = random_parameters(options, vocab_size=50, generator=np.random.default_rng(0))
    write_marian_model(tmp_path / "model.npz", parameters, options)
    with pytest.raises(
        NmtDistillError, match=r"vocab\.spm has 3\d\d pieces, but .*model\.npz has 50; they do not belong"
    ):
        load(tmp_path / "model.npz", tiny_marian / "vocab.spm")


def test_candidates_are_drawn(teacher: MarianTeacher) -> None:
    drawn = teacher.translate(SENTENCES, num_candidates=4, sampling=Sampling(temperature=1.5, top_p=0.9))
    for source, hypotheses in zip(teacher.encode(SENTENCES), drawn, strict=True):
        assert len(hypotheses) == 4
        scores = [hypothesis.score for hypothesis in hypotheses]
        assert scores == sorted(scores, reverse=True)
        for hypothesis in hypotheses:
            ids = hypothesis.token_ids.tolist()
            assert len(ids) <= max(16, len(source))
            assert hypothesis.text == teacher.target_vocabulary.decode(ids)
            steps = all_logits(teacher, source, ids).log_softmax(-1)[torch.arange(len(ids)), ids]
            assert hypothesis.score == pytest.approx(steps.mean().item(), abs=1e-4)


def test_what_is_drawn_depends_on_the_seed_and_the_sentence_alone(teacher: MarianTeacher) -> None:
    def draw(sentences: list[str], seed: int) -> list[list[list[int]]]:
        drawn = teacher.translate(sentences, num_candidates=2, sampling=Sampling(temperature=2.0, seed=seed))
        return [[hypothesis.token_ids.tolist() for hypothesis in hypotheses] for hypotheses in drawn]

    first = draw(SENTENCES, seed=1)
    assert draw(SENTENCES[::-1], seed=1) == first[::-1]
    assert draw(SENTENCES, seed=2) != first


def test_sampling_has_no_beam(teacher: MarianTeacher) -> None:
    with pytest.raises(NmtDistillError, match=r"beam_size must be 1 where candidates are drawn .*, but is 4\."):
        teacher.translate(["Stop"], beam_size=4, sampling=Sampling())


def test_what_the_teacher_says_has_the_score_that_it_says(teacher: MarianTeacher) -> None:
    said = [hypotheses[0] for hypotheses in teacher.translate(SENTENCES)]
    again = teacher.target_vocabulary.encode([hypothesis.text for hypothesis in said])
    scores = teacher.score(SENTENCES, [hypothesis.text for hypothesis in said])
    for hypothesis, ids, score in zip(said, again, scores, strict=True):
        if hypothesis.token_ids.tolist() == ids:  # text may be segmented in another way
            assert score == pytest.approx(hypothesis.score, abs=1e-4)


@given(st.lists(st.integers(1, 40)), st.integers(0, 100))
def test_batches_hold_every_sequence_once(lengths: list[int], batch_tokens: int) -> None:
    sequences = [[0] * length for length in lengths]
    batches = batches_by_length(sequences, batch_tokens)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        widest = max(lengths[index] for index in batch)
        assert len(batch) == 1 or len(batch) * widest <= batch_tokens
    ordered = [lengths[index] for batch in batches for index in batch]
    assert ordered == sorted(ordered, reverse=True)
