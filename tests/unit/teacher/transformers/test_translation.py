"""Translations by models of transformers: searched, drawn and scored, each as the probabilities shown say."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nmt_distill.teacher.base import Sampling
from nmt_distill.teacher.transformers.teacher import TransformersTeacher
from tests.transformers_teachers import SENTENCES, load, seen_inputs

TIE = 1e-4
"""probabilities that are closer may be in either order on another machine"""


def probs_of(teacher: TransformersTeacher, sentence: str, tokens: list[int]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the probabilities (T, V) that a teacher gives after each prefix of its translation."""
    output = teacher.teacher_output(teacher.encode([sentence]), [tokens], num_kept=teacher.vocab_size)
    probs = np.zeros_like(output.probs)
    np.put_along_axis(probs, output.token_ids, output.probs, axis=1)
    return probs


@pytest.mark.parametrize(("beam_size", "num_candidates"), [(1, 1), (4, 3)])
def test_hypotheses_are_what_they_say(teacher: TransformersTeacher, beam_size: int, num_candidates: int) -> None:
    translated = teacher.translate(SENTENCES, beam_size=beam_size, num_candidates=num_candidates)
    for sentence, source, hypotheses in zip(SENTENCES, teacher.encode(SENTENCES), translated, strict=True):
        assert len(hypotheses) == num_candidates
        assert len({tuple(hypothesis.token_ids) for hypothesis in hypotheses}) == num_candidates
        scores = [hypothesis.score for hypothesis in hypotheses]
        assert all(better >= worse - TIE for better, worse in pairwise(scores))
        for hypothesis in hypotheses:
            ids = hypothesis.token_ids.tolist()
            assert len(ids) <= max(16, len(source))
            assert hypothesis.finished == (ids[-1] == teacher.end_id) == (teacher.end_id in ids)
            assert hypothesis.finished or len(ids) == max(16, len(source))
            steps = np.log(probs_of(teacher, sentence, ids)[np.arange(len(ids)), ids])
            assert hypothesis.score == pytest.approx(steps.mean(), abs=1e-3)


def test_greedy_takes_the_most_probable_token(teacher: TransformersTeacher) -> None:
    for sentence, (hypothesis,) in zip(SENTENCES, teacher.translate(SENTENCES), strict=True):
        ids = hypothesis.token_ids
        probs = probs_of(teacher, sentence, ids.tolist())
        assert (probs[np.arange(len(ids)), ids] >= probs.max(axis=1) - TIE).all()


@pytest.mark.parametrize("name", ["nllb", "mbart50", "marian", "t5"])
def test_company_changes_nothing(checkpoints: dict[str, Path], name: str) -> None:
    teacher = load(checkpoints[name], batch_tokens=4096)
    teacher.graph.model.double()  # where rounding could not decide between two tokens
    for beam_size, num_candidates in ((1, 1), (3, 2)):
        together = teacher.translate(SENTENCES, beam_size=beam_size, num_candidates=num_candidates)
        for sentence, hypotheses in zip(SENTENCES, together, strict=True):
            (alone,) = teacher.translate([sentence], beam_size=beam_size, num_candidates=num_candidates)
            assert [one.token_ids.tolist() for one in alone] == [one.token_ids.tolist() for one in hypotheses]
            assert [one.score for one in alone] == pytest.approx([one.score for one in hypotheses], abs=1e-5)
    sources = teacher.encode(SENTENCES)
    read = teacher.teacher_output(sources, sources, num_kept=4)
    parts = [teacher.teacher_output([source], [source], num_kept=4).probs for source in sources]
    assert read.probs == pytest.approx(np.concatenate(parts), abs=1e-6)


def test_text_is_decoded_without_tags_and_specials(teachers: dict[str, TransformersTeacher]) -> None:
    for name in ("m2m100", "t5", "madlad400"):
        teacher = teachers[name]
        for (hypothesis,) in teacher.translate(SENTENCES[:2]):
            assert not any(sign in hypothesis.text for sign in ("</s>", "<pad>", "__", "<2", "<extra"))


def test_no_sentences_give_no_translations(teachers: dict[str, TransformersTeacher]) -> None:
    assert teachers["t5"].translate([]) == []


def test_a_draw_can_be_repeated(teachers: dict[str, TransformersTeacher]) -> None:
    teacher = teachers["nllb"]

    def draw(seed: int, **settings: Any) -> list[list[list[int]]]:
        drawn = teacher.translate(SENTENCES, num_candidates=3, sampling=Sampling(seed=seed, **settings))
        assert all(len(hypotheses) == 3 for hypotheses in drawn)
        assert all(
            [one.score for one in hypotheses] == sorted((one.score for one in hypotheses), reverse=True)
            for hypotheses in drawn
        )
        return [[one.token_ids.tolist() for one in hypotheses] for hypotheses in drawn]

    first = draw(1)
    torch.rand(3)
    assert draw(1) == first
    assert draw(2) != first
    assert draw(1, temperature=0.5) != first


def test_scores_of_draws_are_those_of_the_teacher(teachers: dict[str, TransformersTeacher]) -> None:
    teacher = teachers["marian"]
    sampling = Sampling(top_k=20, top_p=0.9, temperature=1.5)
    for sentence, hypotheses in zip(
        SENTENCES, teacher.translate(SENTENCES, num_candidates=2, sampling=sampling), strict=True
    ):
        for hypothesis in hypotheses:
            ids = hypothesis.token_ids
            probs = probs_of(teacher, sentence, ids.tolist())
            chosen = probs[np.arange(len(ids)), ids]
            assert hypothesis.score == pytest.approx(np.log(chosen).mean(), abs=1e-3)
            assert (np.sum(probs > chosen[:, None] + TIE, axis=1) < 20).all()


def test_drawing_from_one_token_is_greedy(checkpoints: dict[str, Path]) -> None:
    teacher = load(checkpoints["marian"])
    teacher.graph.model.double()
    (greedy,), *_ = teacher.translate(SENTENCES)
    for sampling in (Sampling(top_k=1), Sampling(top_p=1e-6)):
        (drawn,), *_ = teacher.translate(SENTENCES, sampling=sampling)
        assert drawn.token_ids.tolist() == greedy.token_ids.tolist()


def test_a_sentence_is_finished_or_cut(checkpoints: dict[str, Path]) -> None:
    teacher = load(checkpoints["marian"], max_length_factor=2.0)
    bias = teacher.graph.model.final_logits_bias
    bias[0, teacher.end_id] = 1e4
    for beam_size in (1, 2):
        for (hypothesis,) in teacher.translate(SENTENCES, beam_size=beam_size):
            assert (hypothesis.token_ids.tolist(), hypothesis.finished) == ([teacher.end_id], True)
            assert hypothesis.text == ""
            assert hypothesis.score == pytest.approx(0, abs=1e-6)
    bias[0, teacher.end_id] = -1e4
    lengths = [max(16, 2 * len(ids)) for ids in teacher.encode(SENTENCES)]
    for beam_size in (1, 2):
        found = [hypothesis for (hypothesis,) in teacher.translate(SENTENCES, beam_size=beam_size)]
        assert [len(hypothesis.token_ids) for hypothesis in found] == lengths
        assert not any(hypothesis.finished for hypothesis in found)


def test_a_length_penalty_chooses(checkpoints: dict[str, Path]) -> None:
    for penalty in (0.0, 3.0):
        teacher = load(checkpoints["mbart50"], length_penalty=penalty)
        teacher.graph.model.final_logits_bias[0, teacher.end_id] = 3.0  # so that lengths differ
        for hypotheses in teacher.translate(SENTENCES, beam_size=4, num_candidates=4):
            ranks = [one.score * len(one.token_ids) ** (1 - penalty) for one in hypotheses]
            assert all(better >= worse - 1e-3 * abs(worse) for better, worse in pairwise(ranks))


def test_padding_is_never_predicted(checkpoints: dict[str, Path]) -> None:
    teacher = load(checkpoints["marian"])
    pad = teacher.graph.pad_id
    teacher.graph.model.final_logits_bias[0, pad] = 1e3  # in checkpoints converted from Marian it means nothing
    for beam_size in (1, 3):
        for hypotheses in teacher.translate(SENTENCES, beam_size=beam_size):
            assert pad not in hypotheses[0].token_ids
    sources = teacher.encode(SENTENCES)
    output = teacher.teacher_output(sources, sources, num_kept=teacher.vocab_size)
    assert (output.probs[output.token_ids == pad] == 0).all()
    assert output.probs.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_any_translation_is_scored(teacher: TransformersTeacher) -> None:
    sources, targets = ["Turn on the light", "stop", "Open the door please"], ["the door", "Open the light please", ""]
    with seen_inputs(teacher) as inputs:
        scores = teacher.score(sources, targets)
    assert len(inputs) > 0
    for source, target, score in zip(sources, targets, scores, strict=True):
        ids = [*teacher._text.encode_target([target])[0], teacher.end_id]
        probs = probs_of(teacher, source, ids)
        expected = np.log(probs[np.arange(len(ids)), ids]).mean()
        assert score == pytest.approx(expected, abs=1e-4)


def test_there_is_no_score_without_room(teachers: dict[str, TransformersTeacher]) -> None:
    for name in ("nllb", "marian"):
        scores = teachers[name].score(["the", "the" + " the" * 80, "the"], ["the" + " the" * 80, "the", "the"])
        assert scores[:2] == [-np.inf, -np.inf]
        assert np.isfinite(scores[2])
        assert scores[2:] == teachers[name].score(["the"], ["the"])
    assert np.isfinite(teachers["t5"].score(["the"], ["the" + " the" * 80])).all()
