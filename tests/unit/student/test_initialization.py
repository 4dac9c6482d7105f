from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt_distill.errors import NmtDistillError
from nmt_distill.student.checkpoint import special_ids
from nmt_distill.student.config import StudentConfig
from nmt_distill.student.graph import PAD_BIAS, SpecialIds, StudentModel, build_student
from nmt_distill.student.initialization import initialize_from, spaced_layers
from nmt_distill.teacher.marian.file import MarianFile, read_marian_file
from nmt_distill.teacher.marian.graph import MarianGraph, pad
from tests.marian_models import architecture, random_parameters


@pytest.mark.parametrize(
    ("num_layers", "num_available", "chosen"),
    [
        (1, 1, [0]),
        (1, 6, [5]),
        (2, 32, [0, 31]),
        (2, 2, [0, 1]),
        (3, 6, [0, 2, 5]),
        (4, 12, [0, 4, 7, 11]),
        (6, 6, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_layers_are_spaced_evenly(num_layers: int, num_available: int, chosen: list[int]) -> None:
    assert spaced_layers(num_layers, num_available) == chosen


@pytest.mark.parametrize("num_available", range(1, 13))
def test_layers_are_distinct_and_in_order(num_available: int) -> None:
    for num_layers in range(1, num_available + 1):
        layers = spaced_layers(num_layers, num_available)
        assert layers == sorted(set(layers))
        assert len(layers) == num_layers
        assert layers[-1] == num_available - 1


def test_more_layers_than_there_are() -> None:
    with pytest.raises(NmtDistillError, match=r"the student has 7 layers, but its teacher only 6; lower student\.num_"):
        spaced_layers(7, 6)


@pytest.fixture(scope="module")
def teacher(tiny_marian: Path) -> MarianGraph:
    return MarianGraph(read_marian_file(tiny_marian / "model.bin"), "model.bin").eval()


def build(special: SpecialIds, **values: int) -> StudentModel:
    shape = {
        "model_dim": 32, "ffn_inner_dim": 48, "num_heads": 4, "num_encoder_layers": 2, "num_decoder_layers": 2
    } | values  # fmt: skip
    return build_student(StudentConfig(dropout=0.0, max_positions=64, **shape), special).eval()  # type: ignore[arg-type]


@pytest.fixture
def special(toy_sentencepiece: Path) -> SpecialIds:
    return special_ids(toy_sentencepiece)


def parameters_of(student: StudentModel) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in student.state_dict().items()}


def test_everything_that_fits_is_copied_and_nothing_else_moves(teacher: MarianGraph, special: SpecialIds) -> None:
    student = build(special)
    before, given = parameters_of(student), teacher.student_parameters()
    copied = initialize_from(student, given)
    after = parameters_of(student)
    assert copied == given.keys()
    for name, value in given.items():
        if name == "model.shared.weight":
            assert torch.equal(after[name][:-1], value)
        elif name == "final_logits_bias":
            assert torch.equal(after[name][0, :-1], value)
        else:
            assert torch.equal(after[name], value), name
    tied = {"lm_head.weight", "model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"}
    for name in after.keys() - copied - tied:
        assert torch.equal(after[name], before[name]), name
    fresh = {name.rsplit(".", 2)[-2] for name in dict(student.named_parameters()).keys() - copied}
    assert fresh == {"q_proj", "k_proj", "out_proj", "embed_positions"}


def test_padding_stays_ruled_out(teacher: MarianGraph, special: SpecialIds) -> None:
    student = build(special)
    initialize_from(student, teacher.student_parameters())
    assert not student.get_input_embeddings().weight[special.pad].any()
    assert student.final_logits_bias[0, special.pad] == PAD_BIAS


def test_rows_of_the_kept_ids_are_copied(teacher: MarianGraph) -> None:
    kept = np.array([0, 1, 9, 5, 300], dtype=np.int64)
    student = build(SpecialIds(end=0, unknown=1, pad=5, vocab_size=6))
    initialize_from(student, teacher.student_parameters(), kept_ids=kept)
    table, bias = teacher.get_buffer("Wemb"), teacher.get_buffer("decoder_ff_logit_out_b")
    assert torch.equal(student.get_input_embeddings().weight[:5], table[[0, 1, 9, 5, 300]])
    assert torch.equal(student.final_logits_bias[0, :5], bias[[0, 1, 9, 5, 300]])
    assert not student.get_input_embeddings().weight[5].any()


def test_fewer_layers_are_spaced_over_the_teachers(special: SpecialIds) -> None:
    options = architecture(model_dim=32, num_encoder_layers=5, num_decoder_layers=4)
    generator = np.random.default_rng(0)
    parameters = random_parameters(options, vocab_size=special.pad, generator=generator)
    teacher = MarianGraph(MarianFile(parameters, options), "model.bin")
    student = build(special, num_encoder_layers=3, num_decoder_layers=1)
    initialize_from(student, teacher.student_parameters())
    for own, theirs in enumerate([1, 3, 5]):
        weight = student.model.encoder.layers[own].fc1.weight
        assert torch.equal(weight, teacher.get_buffer(f"encoder_l{theirs}_ffn_W1"))
    weight = student.model.decoder.layers[0].encoder_attn.q_proj.weight
    assert torch.equal(weight, teacher.get_buffer("decoder_l4_context_Wq"))


def test_more_layers_than_the_teacher_has(teacher: MarianGraph, special: SpecialIds) -> None:
    with pytest.raises(NmtDistillError, match=r"the student has 3 layers, but its teacher only 2"):
        initialize_from(build(special, num_encoder_layers=3), teacher.student_parameters())


@pytest.mark.parametrize("values", [{"model_dim": 64}, {"ffn_inner_dim": 64}])
def test_other_widths_are_told(teacher: MarianGraph, special: SpecialIds, values: dict[str, int]) -> None:
    with pytest.raises(
        NmtDistillError, match=r"the teacher's \S+ has shape \(.*\), but the student's \(.*64.*\); give"
    ):
        initialize_from(build(special, **values), teacher.student_parameters())


def test_vocabulary_of_another_size_is_told(teacher: MarianGraph) -> None:
    student = build(SpecialIds(end=0, unknown=1, pad=100, vocab_size=101))
    with pytest.raises(
        NmtDistillError, match=r"the teacher's model\.shared\.weight has shape .*, but the student's \(100, 32\)"
    ):
        initialize_from(student, teacher.student_parameters())


def test_encoder_is_the_teachers_but_for_positions_and_epsilon(teacher: MarianGraph, special: SpecialIds) -> None:
    student = build(special)
    initialize_from(student, teacher.student_parameters())
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
    student = build(
        SpecialIds(end=0, unknown=1, pad=50, vocab_size=51), model_dim=256, num_encoder_layers=1, num_decoder_layers=1
    )
    initialize_from(student, teacher.student_parameters())
    ids, mask = pad([[5, 30, 17, 9, 0]], torch.device("cpu"))
    found = student.model.encoder(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    keys, _ = teacher.encode(ids, mask).source[0]
    difference = student.model.decoder.layers[0].encoder_attn.k_proj(found) - keys.transpose(1, 2).flatten(2)
    assert difference.abs().mean() < 0.05 * keys.abs().mean()
