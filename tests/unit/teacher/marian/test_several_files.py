"""Marian teachers of several files: ensembles, folders as OPUS-MT publishes them, a vocabulary for each side."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
import torch

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.marian.folder import find_marian_files
from nmt_distill.teacher.marian.teacher import MarianTeacher
from tests.draws import check_draws
from tests.marian_models import (
    PRE_NORM,
    SELF_ATTENTION,
    SEPARATE_TABLES,
    architecture,
    random_parameters,
    write_marian_model,
    write_piece_ids,
)
from tests.marian_teachers import SENTENCES, all_logits, load


def draw_model(
    path: Path, settings: dict[str, Any], *, vocab_size: int, source_vocab_size: int | None = None, model_dim: int = 32
) -> Path:
    """Write a model of random weights, whose end of sentence is likely enough to come."""
    options = architecture(settings, model_dim=model_dim)
    parameters = random_parameters(
        options, vocab_size=vocab_size, source_vocab_size=source_vocab_size, generator=np.random.default_rng()
    )
    write_marian_model(path, parameters, options)
    return path


@pytest.fixture(scope="module")
def ensemble(tiny_marian: Path, tmp_path_factory: pytest.TempPathFactory) -> MarianTeacher:
    """The tiny Marian model and one of another graph and width over the same vocabulary."""
    size = sentencepiece.SentencePieceProcessor(model_file=str(tiny_marian / "vocab.spm")).vocab_size()
    other = tmp_path_factory.mktemp("other") / "model.npz"
    draw_model(other, SELF_ATTENTION | PRE_NORM, vocab_size=size, model_dim=24)
    return load([tiny_marian / "model.bin", other], tiny_marian / "vocab.spm", max_length_factor=1.0)


TAGS = [">>deu<<", ">>nld<<"]


@pytest.fixture(scope="module")
def opus(
    tmp_path_factory: pytest.TempPathFactory, toy_sentencepiece: Path, padded_sentencepiece: Path, toy_pieces: list[str]
) -> Path:
    """A folder as OPUS-MT publishes it: other SentencePiece models for source and target, one list of ids with tags."""
    folder = tmp_path_factory.mktemp("opus")
    shutil.copy(toy_sentencepiece, folder / "source.spm")
    shutil.copy(padded_sentencepiece, folder / "target.spm")
    others = sorted(set(toy_pieces) - {"</s>", "<unk>"})
    pieces = ["</s>", "<unk>", *others, *TAGS]
    write_piece_ids(folder / "opus.spm32k-spm32k.vocab.yml", pieces)
    model = "opus.spm32k-spm32k.transformer-align.model1.npz.best-perplexity.npz"
    settings = SELF_ATTENTION | {"transformer-ffn-activation": "swish"}
    draw_model(folder / model, settings, vocab_size=len(pieces))
    vocabularies = "  - opus.spm32k-spm32k.vocab.yml\n" * 2
    config = f"relative-paths: true\nmodels:\n  - {model}\nvocabs:\n{vocabularies}beam-size: 6\n"
    (folder / "decoder.yml").write_text(config, encoding="utf-8")
    return folder


def load_folder(folder: Path, source_tag: str | None = None) -> MarianTeacher:
    files = find_marian_files(folder)
    return load(list(files.models), files.source_vocabulary, files.target_vocabulary, source_tag=source_tag)


@pytest.fixture(scope="module")
def toy_pieces(toy_sentencepiece: Path) -> list[str]:
    processor = sentencepiece.SentencePieceProcessor(model_file=str(toy_sentencepiece))
    return [processor.id_to_piece(token) for token in range(processor.vocab_size())]


def test_fingerprint_names_all_files_and_the_tag(tiny_marian: Path, opus: Path, ensemble: MarianTeacher) -> None:
    one = load(tiny_marian / "model.bin", tiny_marian / "vocab.spm", max_length_factor=1.0)
    names = {one.fingerprint, ensemble.fingerprint}
    names |= {load_folder(opus, tag).fingerprint for tag in TAGS}
    files = find_marian_files(opus)
    swapped = load(list(files.models), files.target_vocabulary, files.source_vocabulary, source_tag=TAGS[0])
    assert len({*names, swapped.fingerprint}) == 5


def mean_log_probs(teacher: MarianTeacher, source: list[int], target: list[int]) -> torch.Tensor:
    """Return the logarithm (T, V) of the mean of all models' probabilities."""
    probs = [all_logits(teacher, source, target, model).double().softmax(-1) for model in range(len(teacher.graphs))]
    return torch.stack(probs).mean(0).log()


@pytest.mark.parametrize(("beam_size", "num_candidates"), [(1, 1), (3, 2)])
def test_ensemble_scores_by_the_mean_of_probabilities(
    ensemble: MarianTeacher, beam_size: int, num_candidates: int
) -> None:
    found = ensemble.translate(SENTENCES, beam_size=beam_size, num_candidates=num_candidates)
    for source, hypotheses in zip(ensemble.encode(SENTENCES), found, strict=True):
        for hypothesis in hypotheses:
            ids = hypothesis.token_ids.tolist()
            log_probs = mean_log_probs(ensemble, source, ids)
            steps = log_probs[torch.arange(len(ids)), ids]
            assert hypothesis.score == pytest.approx(steps.mean().item(), abs=1e-4)
            if beam_size == 1:
                assert log_probs.argmax(-1).tolist() == ids


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_ensemble_hands_down_the_mean_of_probabilities(ensemble: MarianTeacher, temperature: float) -> None:
    sources, targets = ensemble.encode(SENTENCES[:2]), [[4, 9, 0], [30, 31, 32, 33, 34, 0]]
    output = ensemble.teacher_output(sources, targets, num_kept=5, temperature=temperature, keep_states=True)
    log_probs = torch.cat([mean_log_probs(ensemble, *pair) for pair in zip(sources, targets, strict=True)])
    probs, token_ids = (log_probs / temperature).softmax(-1).topk(5)
    assert output.token_ids.tolist() == token_ids.tolist()
    np.testing.assert_allclose(output.probs, probs.numpy(), rtol=1e-3)
    assert output.states is not None
    assert output.states.shape == (9, ensemble.graph.model_dim) == (9, ensemble.state_dim)


@pytest.mark.parametrize("kind", ["teacher", "ensemble"])
def test_tokens_are_drawn_from_what_is_shown(kind: str, request: pytest.FixtureRequest) -> None:
    teacher: MarianTeacher = request.getfixturevalue(kind)
    check_draws(teacher, teacher.encode(SENTENCES[:2]), [[4, 9, 0], [30, 31, 32, 33, 34, 0]])


def test_any_translation_is_scored(ensemble: MarianTeacher, teacher: MarianTeacher, opus: Path) -> None:
    targets = [*SENTENCES[1:], SENTENCES[0]]
    for one in (ensemble, teacher, load_folder(opus, source_tag=TAGS[0])):
        scores = one.score(SENTENCES, targets)
        sources = one.encode(SENTENCES)
        if one.source_vocabulary is not one.target_vocabulary:
            tag = one.source_vocabulary.tags[TAGS[0]]
            sources = [[tag, *ids] for ids in sources]
        for score, source, ids in zip(scores, sources, one.target_vocabulary.encode(targets), strict=True):
            steps = mean_log_probs(one, source, ids)[torch.arange(len(ids)), ids]
            assert score == pytest.approx(steps.mean().item(), abs=1e-4)
    assert teacher.score([], []) == []


def test_ensemble_counts_all_and_gives_its_first_model(ensemble: MarianTeacher, teacher: MarianTeacher) -> None:
    assert ensemble.graph is ensemble.graphs[0]
    assert ensemble.num_parameters == sum(graph.num_parameters for graph in ensemble.graphs) > teacher.num_parameters
    first = ensemble.graph.hand_down().parameters
    assert all(torch.equal(value, first[name]) for name, value in teacher.graph.hand_down().parameters.items())
    assert (teacher.engine, ensemble.engine) == ("read by torch in float32", "read by torch in float32, 2 models")


def test_models_of_an_ensemble_share_the_vocabulary(tiny_marian: Path, tmp_path: Path) -> None:
    other = draw_model(tmp_path / "other.npz", {}, vocab_size=50)
    with pytest.raises(NmtDistillError, match=r"vocab\.spm has 3\d\d pieces, but .*other\.npz has 50; they do"):
        load([tiny_marian / "model.bin", other], tiny_marian / "vocab.spm")


def test_opus_folder_as_teacher(opus: Path) -> None:
    teacher = load_folder(opus, TAGS[0])
    for source, (hypothesis,) in zip(teacher.encode(SENTENCES), teacher.translate(SENTENCES), strict=True):
        ids, tag = hypothesis.token_ids.tolist(), teacher.vocab_size - 2
        assert not {teacher.vocab_size - 2, teacher.vocab_size - 1} & set(source), "tags are added by the teacher"
        logits = all_logits(teacher, [tag, *source], ids)
        assert logits.argmax(-1).tolist() == ids
        output = teacher.teacher_output([source], [ids], num_kept=1)
        assert output.token_ids[:, 0].tolist() == ids
        np.testing.assert_allclose(output.probs[:, 0], logits.softmax(-1).max(-1).values.numpy(), rtol=1e-3)


def test_tag_changes_the_translation(opus: Path) -> None:
    source, target = [5, 9, 0], [7, 0]
    first, other = (load_folder(opus, tag).teacher_output([source], [target], num_kept=3) for tag in TAGS)
    assert np.abs(first.probs - other.probs).max() > 1e-5


def test_tag_of_a_multilingual_model_must_be_given(opus: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"so give one: >>deu<<, >>nld<<\."):
        load_folder(opus)
    with pytest.raises(NmtDistillError, match=r"has no tag >>fra<<; it has: >>deu<<, >>nld<<\."):
        load_folder(opus, ">>fra<<")


def test_two_vocabularies(
    tmp_path: Path, toy_sentencepiece: Path, padded_sentencepiece: Path, toy_pieces: list[str]
) -> None:
    size = len(toy_pieces)
    model = draw_model(
        tmp_path / "model.npz", SELF_ATTENTION | SEPARATE_TABLES, vocab_size=size + 1, source_vocab_size=size
    )
    teacher = load(model, toy_sentencepiece, padded_sentencepiece)
    assert (teacher.vocab_size, teacher.graph.source_vocab_size) == (size + 1, size)
    for source, hypotheses in zip(
        teacher.encode(SENTENCES), teacher.translate(SENTENCES, beam_size=2, num_candidates=2), strict=True
    ):
        assert teacher.source_vocabulary.decode(source) in SENTENCES
        for hypothesis in hypotheses:
            ids = hypothesis.token_ids.tolist()
            assert hypothesis.text == teacher.target_vocabulary.decode(ids)
            steps = all_logits(teacher, source, ids).log_softmax(-1)[torch.arange(len(ids)), ids]
            assert hypothesis.score == pytest.approx(steps.mean().item(), abs=1e-4)
    with pytest.raises(NmtDistillError, match=rf"joint\.spm has {size} pieces, but .*model\.npz has {size + 1};"):
        load(model, toy_sentencepiece)
