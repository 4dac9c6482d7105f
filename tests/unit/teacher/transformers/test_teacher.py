"""Models of transformers as teachers: what they read, the soft targets that they show, and what identifies them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
import torch
from transformers import AutoTokenizer, M2M100Tokenizer

from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.teacher.base import OpenTeacher, Sampling, Teacher, WhiteBoxTeacher
from nmt_distill.teacher.transformers.teacher import TransformersTeacher
from tests.draws import check_draws
from tests.transformers_models import POSITIONS
from tests.transformers_teachers import SENTENCES, load, seen_inputs
from tests.unit.teacher.transformers.conftest import FAMILIES


def dense_probs(teacher: TransformersTeacher, source: list[int], target_input: list[int]) -> torch.Tensor:
    """Return the probabilities (T, V) after each input of the decoder, straight from transformers."""
    model = teacher.graph.model
    given = {"input_ids": torch.tensor([source]), "decoder_input_ids": torch.tensor([target_input])}
    with torch.no_grad():
        logits: torch.Tensor = model(**given).logits[0].float()
    if teacher.graph.pad_id != teacher.end_id:
        logits[:, teacher.graph.pad_id] = -torch.inf
    return logits.softmax(dim=-1)


def test_it_is_a_teacher_that_can_be_looked_into(teachers: dict[str, TransformersTeacher]) -> None:
    typed: Teacher = teachers["t5"]
    assert isinstance(typed, WhiteBoxTeacher)
    assert isinstance(typed, OpenTeacher)
    assert (typed.origin, typed.licence) == ("drawn by a test", "none")


def expected_inputs(name: str, folder: Path, sentence: str) -> tuple[list[int], list[int]]:
    """Return what source and forced start are by transformers' own tokenizers, as model cards use them."""
    if name == "small100":  # the target's code stands where M2M-100 has the source's
        tokenizer = M2M100Tokenizer.from_pretrained(folder, src_lang="de")
        return tokenizer(sentence)["input_ids"], [2]
    if name == "madlad400":
        pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spiece.model"))
        return [*pieces.encode(f"<2de> {sentence}"), 2], [0]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    before = {"marian_tagged": ">>deu<<", "t5": "translate English to German: ", "mt5": "Turn the "}.get(name, "")
    codes = {"nllb": ("eng_Latn", "deu_Latn"), "m2m100": ("en", "de"), "mbart50": ("en_XX", "de_DE")}
    if name not in codes:
        start = tokenizer.pad_token_id
        return tokenizer(before + sentence)["input_ids"], [start]
    tokenizer.src_lang, target = codes[name]
    tag = tokenizer.get_lang_id(target) if name == "m2m100" else tokenizer.convert_tokens_to_ids(target)
    return tokenizer(sentence)["input_ids"], [2, tag]


@pytest.mark.parametrize("name", FAMILIES)
def test_the_model_reads_what_it_was_trained_to_read(
    teachers: dict[str, TransformersTeacher], checkpoints: dict[str, Path], name: str
) -> None:
    teacher, sentence = teachers[name], "Turn on the light"
    source, forced = expected_inputs(name, checkpoints[name], sentence)
    (encoded,) = teacher.encode([sentence])
    assert source[-len(encoded) :] == encoded
    for beam_size in (1, 3):
        with seen_inputs(teacher) as (sources, targets):
            teacher.translate([sentence], beam_size=beam_size)
        assert sources == [source]
        assert targets[0] == forced
    with seen_inputs(teacher) as (sources, targets):
        teacher.teacher_output([encoded], [[*encoded]], num_kept=1)
    assert (sources, targets) == ([source], [[*forced, *encoded[:-1]]])


@pytest.mark.parametrize("name", FAMILIES)
def test_all_that_is_kept_is_the_dense_distribution(checkpoints: dict[str, Path], name: str) -> None:
    teacher = load(checkpoints[name])
    teacher.graph.model.double()  # where rounding is less than what is compared
    sources = teacher.encode(SENTENCES)
    targets = [[*ids[:-1][::-1], teacher.end_id] for ids in sources]
    output = teacher.teacher_output(sources, targets, num_kept=teacher.vocab_size, keep_states=True)
    with seen_inputs(teacher) as (read, _):
        teacher.translate(SENTENCES[:1])
    prefix = read[0][: -len(sources[0])]
    row = 0
    for source, target in zip(sources, targets, strict=True):
        forced = teacher.graph.forced_ids
        dense = dense_probs(teacher, [*prefix, *source], [*forced, *target[:-1]])[len(forced) - 1 :]
        rows = slice(row, row + len(target))
        assert np.array_equal(np.sort(output.token_ids[rows]), np.tile(np.arange(teacher.vocab_size), (len(target), 1)))
        found = np.zeros_like(output.probs[rows])
        np.put_along_axis(found, output.token_ids[rows], output.probs[rows], axis=1)
        assert found == pytest.approx(dense.numpy(), abs=1e-6)
        row += len(target)
    assert row == len(output.probs)
    assert output.tail == pytest.approx(0, abs=1e-5)
    assert (np.diff(output.probs, axis=1) <= 0).all()


def test_kept_tokens_are_the_best_and_the_tail_is_the_rest(teacher: TransformersTeacher) -> None:
    sources = teacher.encode(SENTENCES)
    everything = teacher.teacher_output(sources, sources, num_kept=teacher.vocab_size, temperature=2.0)
    best = teacher.teacher_output(sources, sources, num_kept=5, temperature=2.0)
    assert best.probs == pytest.approx(everything.probs[:, :5], abs=1e-6)
    assert best.tail == pytest.approx(everything.probs[:, 5:].sum(axis=1), abs=1e-5)
    assert best.states is None


def test_tokens_are_drawn_from_what_is_shown(teacher: TransformersTeacher) -> None:
    sources = teacher.encode(SENTENCES)
    check_draws(teacher, sources, sources[::-1])


def test_a_temperature_flattens(teachers: dict[str, TransformersTeacher]) -> None:
    teacher = teachers["m2m100"]
    sources = teacher.encode(SENTENCES)
    cold, warm = (teacher.teacher_output(sources, sources, num_kept=9, temperature=t) for t in (1.0, 3.0))
    expected = cold.probs ** (1 / 3)
    assert warm.probs / warm.probs[:, :1] == pytest.approx(expected / expected[:, :1], abs=1e-4)


def test_states_times_the_table_are_the_logits(teacher: TransformersTeacher) -> None:
    sources = teacher.encode(SENTENCES)
    output = teacher.teacher_output(sources, sources, num_kept=1, keep_states=True)
    assert output.states is not None
    assert output.states.shape == (len(output.probs), teacher.state_dim)
    table = teacher.graph.model.get_output_embeddings().weight.detach().numpy()
    logits = output.states.astype(np.float32) @ table.T
    bias = getattr(teacher.graph.model, "final_logits_bias", None)
    if bias is not None:
        logits += bias.numpy()
    logits[:, teacher.graph.pad_id] = -np.inf
    probs = torch.from_numpy(logits).softmax(dim=-1).numpy()
    assert probs.max(axis=1) == pytest.approx(output.probs[:, 0], abs=0.02)  # states are kept in half precision


def test_few_logits_exist_at_once(teachers: dict[str, TransformersTeacher], monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = teachers["nllb"]
    sources = teacher.encode(SENTENCES)
    whole = teacher.teacher_output(sources, sources, num_kept=3)
    monkeypatch.setattr("nmt_distill.teacher.readout.PROJECTED_LOGITS", 2 * teacher.vocab_size)
    sizes: list[int] = []
    head = teacher.graph.model.get_output_embeddings()
    hook = head.register_forward_hook(lambda _module, _inputs, logits: sizes.append(logits.shape[:-1].numel()))
    try:
        split = teacher.teacher_output(sources, sources, num_kept=3)
    finally:
        hook.remove()
    assert max(sizes) == 2
    assert split.probs == pytest.approx(whole.probs, abs=1e-6)


def test_sources_beyond_the_positions_are_refused(teachers: dict[str, TransformersTeacher]) -> None:
    for name, num_tags in (("nllb", 1), ("marian", 0), ("mbart50", 1), ("small100", 1)):
        teacher = teachers[name]
        longest = teacher.max_source_tokens
        assert longest == POSITIONS - num_tags
        (piece, *_), *_ = teacher.encode(["the"])
        fitting = [*[piece] * (longest - 1), teacher.end_id]
        assert teacher.teacher_output([fitting], [fitting], num_kept=1).probs.shape == (longest, 1)
        message = (
            rf"sentence 2 of 2 has {longest + 1} source tokens, but .* takes {longest} at most; set distillation\."
        )
        with pytest.raises(NmtDistillError, match=message):
            teacher.teacher_output([fitting, [piece, *fitting]], [fitting, fitting], num_kept=1)
        with pytest.raises(NmtDistillError, match=r"a target has \d+ tokens with its tag, but .* has 40 positions"):
            teacher.teacher_output([fitting], [[piece] * 3 + fitting], num_kept=1)
        with pytest.raises(NmtDistillError, match="sentence 1 of 1 has 81 source tokens, but "):
            teacher.translate([" the" * 80])
        (hypothesis,) = teacher.translate([" the" * (longest - 1)])[0]
        assert len(hypothesis.token_ids) <= POSITIONS
    assert teachers["t5"].max_source_tokens is None
    assert len(teachers["t5"].encode([" the" * 80])[0]) == 81
    assert len(teachers["t5"].translate([" the" * 80])[0][0].token_ids) > 0


def test_requests_that_cannot_be(teachers: dict[str, TransformersTeacher]) -> None:
    teacher = teachers["t5"]
    with pytest.raises(NmtDistillError, match=r"num_candidates must be at most beam_size \(2\), but is 3"):
        teacher.translate(SENTENCES, num_candidates=3, beam_size=2)
    with pytest.raises(NmtDistillError, match="beam_size must be 1 where candidates are drawn by sampling, but is 2"):
        teacher.translate(SENTENCES, beam_size=2, sampling=Sampling())
    with pytest.raises(NmtDistillError, match="num_kept must be at most the teacher's 280 ids, but is 281 instead"):
        teacher.teacher_output([[1]], [[1]], num_kept=281)


def test_fingerprints_name_weights_tags_and_decoding(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    folder = checkpoints["m2m100"]
    same = {load(folder).fingerprint, load(folder, batch_tokens=4096).fingerprint}
    assert len(same) == 1
    shutil.copytree(folder, tmp_path / "m2m100")
    assert load(tmp_path / "m2m100").fingerprint in same
    others = [
        load(folder, direction=Direction(source="en", target="fr")),
        load(folder, max_length_factor=2.0),
        load(folder, length_penalty=0.6),
        load(folder, dtype="bfloat16"),
        load(folder, family="small100"),
        load(checkpoints["small100"]),
    ]
    assert len({*same, *(teacher.fingerprint for teacher in others)}) == 7


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_nearly_the_same(checkpoints: dict[str, Path], dtype: Any) -> None:
    exact, half = load(checkpoints["t5"]), load(checkpoints["t5"], dtype=dtype)
    assert half.graph.model.dtype == getattr(torch, dtype)
    assert dtype in half.engine
    sources = exact.encode(SENTENCES)
    outputs = [teacher.teacher_output(sources, sources, num_kept=280, keep_states=True) for teacher in (exact, half)]
    probs = [np.take_along_axis(output.probs, output.token_ids.argsort(axis=1), axis=1) for output in outputs]
    assert np.abs(probs[0] - probs[1]).sum(axis=1).mean() < 0.3
    assert half.translate(SENTENCES[:1])[0][0].score < 0


def test_parameters_are_those_that_are_learned(teachers: dict[str, TransformersTeacher]) -> None:
    for name, teacher in teachers.items():
        model, width = teacher.graph.model, 16
        everything = {parameter.data_ptr(): parameter.numel() for parameter in model.parameters()}
        sinusoids = 2 * POSITIONS * width if name.startswith("marian") else 0
        assert teacher.num_parameters == sum(everything.values()) - sinusoids


def test_the_vocabulary_is_what_the_teacher_encodes_with(teachers: dict[str, TransformersTeacher]) -> None:
    for name, teacher in teachers.items():
        shared = teacher.vocabulary
        if shared is None:
            assert name == "marian" or name.endswith("_saved")
            continue
        pieces = sentencepiece.SentencePieceProcessor(model_proto=shared.model).encode("Turn on the light")
        assert [[*shared.teacher_ids[pieces].tolist(), teacher.end_id]] == teacher.encode(["Turn on the light"])
