"""Students that start from a Marian model: what is copied, by row and by layer, and what stays as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nmt_distill.errors import NmtDistillError
from nmt_distill.inheritance import BIAS, EMBEDDINGS, Inheritance
from nmt_distill.student.checkpoint import special_ids
from nmt_distill.student.graph import PAD_BIAS, SpecialIds, StudentModel, build_student
from nmt_distill.student.initialization import Start, initialize_from
from nmt_distill.teacher.marian.file import MarianFile, read_marian_file
from nmt_distill.teacher.marian.graph import MarianGraph, pad
from tests.marian_models import architecture, random_parameters
from tests.students import config_of, parameters_of


@pytest.fixture(scope="module")
def teacher(tiny_marian: Path) -> MarianGraph:
    return MarianGraph(read_marian_file(tiny_marian / "model.bin"), "model.bin").eval()


@pytest.fixture
def special(toy_sentencepiece: Path) -> SpecialIds:
    return special_ids(toy_sentencepiece)


def build(special: SpecialIds, **values: Any) -> StudentModel:
    return build_student(config_of(**values), special).eval()


def start(student: StudentModel, inheritance: Inheritance, kept_ids: Any = None, **values: Any) -> Start:
    return initialize_from(student, config_of(**values), inheritance, kept_ids=kept_ids)


def test_everything_that_fits_is_copied_and_nothing_else_moves(teacher: MarianGraph, special: SpecialIds) -> None:
    student = build(special)
    before, given = parameters_of(student), teacher.hand_down()
    found = start(student, given)
    after = parameters_of(student)
    assert (found.copied, found.kept) == (frozenset(given.parameters), 1.0)
    for name, value in given.parameters.items():
        if name == EMBEDDINGS:
            assert torch.equal(after[name][:-1], value)
        elif name == BIAS:
            assert torch.equal(after[name][0, :-1], value.flatten())
        else:
            assert torch.equal(after[name], value), name
    tied = {"lm_head.weight", "model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"}
    for name in after.keys() - found.copied - tied:
        assert torch.equal(after[name], before[name]), name
    fresh = {name.rsplit(".", 2)[-2] for name in dict(student.named_parameters()).keys() - found.copied}
    assert fresh == {"q_proj", "k_proj", "out_proj", "embed_positions"}


def test_padding_stays_ruled_out(teacher: MarianGraph, special: SpecialIds) -> None:
    student = build(special)
    start(student, teacher.hand_down())
    assert not student.get_input_embeddings().weight[special.pad].any()
    assert student.final_logits_bias[0, special.pad] == PAD_BIAS


def test_rows_of_the_kept_ids_are_copied(teacher: MarianGraph) -> None:
    kept = np.array([0, 1, 9, 5, 300], dtype=np.int64)
    student = build(SpecialIds(end=0, unknown=1, pad=5, vocab_size=6))
    found = start(student, teacher.hand_down(), kept)
    table, bias = teacher.get_buffer("Wemb"), teacher.get_buffer("decoder_ff_logit_out_b").flatten()
    assert torch.equal(student.get_input_embeddings().weight[:5], table[[0, 1, 9, 5, 300]])
    assert torch.equal(student.final_logits_bias[0, :5], bias[[0, 1, 9, 5, 300]])
    assert not student.get_input_embeddings().weight[5].any()
    assert found.describe() == "layers and embeddings come from model.bin, 5 of 6 rows"


def test_fewer_layers_are_spaced_over_the_teachers(special: SpecialIds) -> None:
    options = architecture(model_dim=32, num_encoder_layers=5, num_decoder_layers=4)
    generator = np.random.default_rng(0)
    parameters = random_parameters(options, vocab_size=special.pad, generator=generator)
    teacher = MarianGraph(MarianFile(parameters, options), "model.bin")
    shape = {"num_encoder_layers": 3, "num_decoder_layers": 1}
    student = build(special, **shape)
    start(student, teacher.hand_down(), **shape)
    for own, theirs in enumerate([1, 3, 5]):
        weight = student.model.encoder.layers[own].fc1.weight
        assert torch.equal(weight, teacher.get_buffer(f"encoder_l{theirs}_ffn_W1"))
    weight = student.model.decoder.layers[0].encoder_attn.q_proj.weight
    assert torch.equal(weight, teacher.get_buffer("decoder_l4_context_Wq"))


def test_vocabulary_of_another_size_is_told(teacher: MarianGraph) -> None:
    student = build(SpecialIds(end=0, unknown=1, pad=100, vocab_size=101))
    with pytest.raises(NmtDistillError, match=r"the student has 100 pieces, of which ids .* for 3\d\d, up to .* has 3"):
        start(student, teacher.hand_down())
    with pytest.raises(NmtDistillError, match=r"model\.bin has none of the student's pieces; set student\.init"):
        start(student, teacher.hand_down(), [-1] * 100)
    kept = [0] * 99 + [100_000]
    with pytest.raises(NmtDistillError, match=r"given for 100, up to 100000; model\.bin has \d+ ids"):
        start(student, teacher.hand_down(), kept)


def test_encoder_is_the_teachers_but_for_positions_and_epsilon(teacher: MarianGraph, special: SpecialIds) -> None:
    student = build(special)
    start(student, teacher.hand_down())
    with (
        torch.no_grad()
    ):  # transformers' table of positions has other angles: take the teacher's for a sharp comparison
        student.model.encoder.embed_positions.weight.copy_(teacher.positions(0, 64))
    ids, mask = pad([[5, 300, 17, 9, 0], [8, 0]], torch.device("cpu"))
    found = student.model.encoder(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    for layer in range(2):
        attention = student.model.decoder.layers[layer].encoder_attn
        keys, values = teacher.encode(ids, mask).source[layer]
        for projection, expected in ((attention.k_proj, keys), (attention.v_proj, values)):
            expected = expected.transpose(1, 2).flatten(2)
            torch.testing.assert_close(projection(found)[mask], expected[mask], atol=1e-3, rtol=1e-3)


def test_transformers_positions_differ_little_where_the_model_is_wide() -> None:
    options = architecture(model_dim=256, num_encoder_layers=1, num_decoder_layers=1)
    parameters = random_parameters(options, vocab_size=50, generator=np.random.default_rng())
    teacher = MarianGraph(MarianFile(parameters, options), "model.bin")
    shape = {"model_dim": 256, "num_encoder_layers": 1, "num_decoder_layers": 1}
    student = build(SpecialIds(end=0, unknown=1, pad=50, vocab_size=51), **shape)
    start(student, teacher.hand_down(), **shape)
    ids, mask = pad([[5, 30, 17, 9, 0]], torch.device("cpu"))
    found = student.model.encoder(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    keys, _ = teacher.encode(ids, mask).source[0]
    difference = student.model.decoder.layers[0].encoder_attn.k_proj(found) - keys.transpose(1, 2).flatten(2)
    assert difference.abs().mean() < 0.05 * keys.abs().mean()
