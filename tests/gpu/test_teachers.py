"""Teachers on a GPU say what they say on the processor.

Products are in float32 proper: torch leaves TF32 off for matrix products unless it is asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmt_distill.embedding.teacher.transformers_encoder import TransformersEncoder
from nmt_distill.embedding.teacher.translation_encoder import TranslationEncoder
from nmt_distill.languages import Direction
from nmt_distill.teacher.base import Sampling, WhiteBoxTeacher
from nmt_distill.teacher.marian.teacher import MarianTeacher
from tests.transformers_teachers import load

pytestmark = pytest.mark.gpu
KINDS = ["marian file", "ensemble", "nllb", "mbart50", "marian", "t5"]


@pytest.fixture(scope="module", params=KINDS)
def pair(request: pytest.FixtureRequest, tiny_marian: Path, checkpoints: dict[str, Path], device: str) -> list[Any]:
    """The same teacher on the processor and on the GPU."""
    if request.param in checkpoints:
        return [load(checkpoints[request.param], device=place) for place in ("cpu", device)]
    models = [tiny_marian / "model.bin"] * (2 if request.param == "ensemble" else 1)
    return [marian(models, tiny_marian / "vocab.spm", place) for place in ("cpu", device)]


def marian(models: list[Path], vocabulary: Path, device: str) -> MarianTeacher:
    direction = Direction(source="en", target="pt")
    return MarianTeacher(models, vocabulary, direction=direction, origin="", licence="", device=device)


def dense(teacher: WhiteBoxTeacher, sources: list[list[int]], targets: list[list[int]]) -> Any:
    """All log-probabilities (rows, V); those of what is all but ruled out count as -60."""
    output = teacher.teacher_output(sources, targets, num_kept=teacher.vocab_size)
    probs = np.zeros_like(output.probs)
    np.put_along_axis(probs, output.token_ids, output.probs, axis=1)
    return np.log(np.maximum(probs, np.exp(-60)))


def test_translations_are_those_of_the_processor(pair: list[WhiteBoxTeacher], toy_sentences: list[str]) -> None:
    sentences = toy_sentences[:12]
    ours, theirs = (teacher.translate(sentences) for teacher in pair)
    for one, other in zip(ours, theirs, strict=True):
        assert one[0].token_ids.tolist() == other[0].token_ids.tolist()
        assert one[0].score == pytest.approx(other[0].score, abs=1e-4)
    ours, theirs = (teacher.translate(sentences, num_candidates=2, beam_size=3) for teacher in pair)
    for one, other in zip(ours, theirs, strict=True):
        assert one[0].score == pytest.approx(other[0].score, abs=1e-3)


def test_distributions_are_those_of_the_processor(pair: list[WhiteBoxTeacher], toy_sentences: list[str]) -> None:
    sources = pair[0].encode(toy_sentences[:8])
    targets = [found[0].token_ids.tolist() for found in pair[0].translate(toy_sentences[:8])]
    ours, theirs = (dense(teacher, sources, targets) for teacher in pair)
    assert np.abs(ours - theirs).max() < 1e-4
    drawn = [teacher.teacher_output(sources, targets, num_kept=20, kept="drawn") for teacher in pair]
    assert (drawn[0].token_ids != drawn[1].token_ids).mean() < 0.01, "but for what rounding turns"
    states = [teacher.teacher_output(sources, targets, num_kept=1, keep_states=True).states for teacher in pair]
    assert states[0] is not None
    assert states[1] is not None
    np.testing.assert_allclose(states[1].astype(np.float32), states[0].astype(np.float32), rtol=2e-3, atol=2e-3)
    references = toy_sentences[8:16]
    ours, theirs = (teacher.score(toy_sentences[:8], references) for teacher in pair)
    assert ours == pytest.approx(theirs, abs=1e-4)


def test_draws_are_the_same_each_time(pair: list[WhiteBoxTeacher], toy_sentences: list[str]) -> None:
    """On one device: a processor has other random numbers."""
    sampling = Sampling(top_k=20, top_p=0.9)
    first, second = (
        [
            [each.token_ids.tolist() for each in found]
            for found in pair[1].translate(toy_sentences[:6], num_candidates=3, sampling=sampling)
        ]
        for _ in range(2)
    )
    assert first == second
    assert len({tuple(ids) for found in first for ids in found}) > 6


def test_forced_passes_are_those_of_the_processor(pair: list[Any], toy_sentences: list[str], device: str) -> None:
    sources = pair[0].encode(toy_sentences[:8])
    targets = [found[0].token_ids.tolist() for found in pair[0].translate(toy_sentences[:8])]
    ours, theirs = (teacher.forced_pass(sources, targets) for teacher in pair)
    num_rows = sum(map(len, targets))
    for one, other in zip(
        (*ours.encoder, *ours.decoder, ours.logits(slice(1, num_rows))),
        (*theirs.encoder, *theirs.decoder, theirs.logits(slice(1, num_rows))),
        strict=True,
    ):
        assert other.device.type == device
        finite = one.isfinite()
        assert (other.cpu().isfinite() == finite).all()
        assert (other.cpu()[finite] - one[finite]).abs().max() <= 1e-4 * max(1, float(one[finite].abs().max()))


def test_sentence_vectors_are_those_of_the_processor(
    device: str, toy_student: Path, tiny_marian: Path, toy_sentences: list[str]
) -> None:
    sentences = toy_sentences[:20]
    for pooling in ("mean", "first_token", "last_token"):
        encoders = [TransformersEncoder(str(toy_student), pooling=pooling, device=place) for place in ("cpu", device)]
        np.testing.assert_allclose(encoders[1].embed(sentences), encoders[0].embed(sentences), atol=1e-4)
    teachers = [marian([tiny_marian / "model.bin"], tiny_marian / "vocab.spm", place) for place in ("cpu", device)]
    ours, theirs = (TranslationEncoder(teacher).embed(sentences) for teacher in teachers)
    np.testing.assert_allclose(theirs, ours, atol=1e-4)
