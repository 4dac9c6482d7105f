from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nmt_distill.errors import NmtDistillError
from nmt_distill.student.checkpoint import special_ids
from nmt_distill.student.config import StudentConfig
from nmt_distill.student.graph import (
    PAD_BIAS,
    SpecialIds,
    StudentModel,
    build_student,
    count_parameters,
    learned_parameters,
    output_bias,
)

Build = Callable[..., StudentModel]
GRAPHS = ["marian", "nllb"]
MARIAN_IDS, NLLB_IDS = (
    SpecialIds(end=0, unknown=1, pad=40, vocab_size=41),
    SpecialIds(end=0, unknown=2, pad=1, vocab_size=41),
)


def build(graph: str, dropout: float = 0.0) -> StudentModel:
    """Make a small student with weights that are not the same in any two runs."""
    config = StudentConfig(
        graph=graph,  # type: ignore[arg-type]
        model_dim=16,
        ffn_inner_dim=24,
        num_heads=2,
        num_encoder_layers=3,
        num_decoder_layers=2,
        max_positions=32,
        dropout=dropout,
    )
    return build_student(config, MARIAN_IDS if graph == "marian" else NLLB_IDS)


def logits(student: StudentModel, source: Tensor, target_input: Tensor) -> Tensor:
    mask = (source != student.config.pad_token_id).long()
    found: Tensor = student(input_ids=source, attention_mask=mask, decoder_input_ids=target_input).logits
    return found


SOURCE = torch.tensor([[5, 9, 30, 0], [7, 0, 0, 0]])


@pytest.mark.parametrize("graph", GRAPHS)
def test_one_table_for_source_target_and_output(graph: str) -> None:
    student = build(graph)
    table = student.get_input_embeddings().weight
    places = [student.model.encoder.embed_tokens, student.model.decoder.embed_tokens, student.lm_head]
    with torch.no_grad():
        table[7, 3] = 123.0
    assert [place.weight[7, 3].item() for place in places] == [123.0] * 3
    assert len({place.weight.data_ptr() for place in [*places, student.model.shared]}) == 1


@pytest.mark.parametrize("graph", GRAPHS)
def test_shape_is_what_the_config_says(graph: str) -> None:
    student = build(graph)
    assert (len(student.model.encoder.layers), len(student.model.decoder.layers)) == (3, 2)
    assert student.get_input_embeddings().weight.shape == (41, 16)
    assert student.model.decoder.layers[0].fc1.weight.shape == (24, 16)
    attention, ffn, norm = 4 * 16 * 17, 2 * 16 * 24 + 16 + 24, 2 * 16
    expected = 41 * 16 + 3 * (attention + ffn + 2 * norm) + 2 * (2 * attention + ffn + 3 * norm)
    if graph == "nllb":
        expected += 2 * norm  # pre-norm ends with a norm
    assert count_parameters(student) == expected


@pytest.mark.parametrize("graph", GRAPHS)
def test_positions_are_no_parameters_to_learn(graph: str) -> None:
    names = [name for name, _ in learned_parameters(build(graph))]
    assert not [name for name in names if "position" in name]
    assert "model.shared.weight" in names


@pytest.mark.parametrize("graph", GRAPHS)
def test_row_of_the_padding_is_zero(graph: str) -> None:
    student = build(graph)
    assert not student.get_input_embeddings().weight[student.config.pad_token_id].any()


def test_padding_is_ruled_out_in_the_marian_graph() -> None:
    student = build("marian")
    bias = output_bias(student)
    assert bias.tolist() == [0.0] * 40 + [PAD_BIAS]
    probs = logits(student, SOURCE, torch.tensor([[40, 3], [40, 4]])).softmax(-1)
    assert (probs[..., 40] == 0).all()


def test_the_nllb_graph_has_no_bias() -> None:
    assert not output_bias(build("nllb")).any()


@pytest.mark.parametrize("graph", GRAPHS)
def test_bias_is_added_to_the_projection(graph: str) -> None:
    student = build(graph).eval()
    target_input = torch.tensor([[student.config.decoder_start_token_id, 3, 4]] * 2)
    mask = (student.config.pad_token_id != SOURCE).long()
    states = student.model(
        input_ids=SOURCE, attention_mask=mask, decoder_input_ids=target_input, use_cache=False
    ).last_hidden_state
    projected = states @ student.get_input_embeddings().weight.T + output_bias(student)
    torch.testing.assert_close(projected, logits(student, SOURCE, target_input), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("graph", GRAPHS)
def test_padding_changes_nothing(graph: str) -> None:
    student = build(graph).eval()
    pad, start = student.config.pad_token_id, student.config.decoder_start_token_id
    source = torch.tensor([[5, 9, 0], [7, 0, pad]])
    wider = torch.cat([source, torch.full((2, 4), pad)], dim=1)
    target_input = torch.tensor([[start, 8, 9], [start, 3, 3]])
    expected = logits(student, source, target_input)
    longer = torch.cat([target_input, torch.full((2, 3), pad)], dim=1)
    torch.testing.assert_close(logits(student, wider, longer)[:, :3], expected, atol=1e-5, rtol=1e-5)
    alone = logits(student, torch.tensor([[7, 0]]), target_input[1:])
    torch.testing.assert_close(expected[1:], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("graph", GRAPHS)
def test_generation_takes_what_teacher_forcing_finds_most_probable(graph: str) -> None:
    student = build(graph).eval()
    source = torch.tensor([[5, 9, 30, 0]])
    generated = student.generate(input_ids=source, max_new_tokens=12, min_new_tokens=6, max_length=None)
    pad, start = student.config.pad_token_id, student.config.decoder_start_token_id
    assert generated[0, 0] == start
    predicted = logits(student, source, generated[:, :-1])
    predicted[..., pad] = -torch.inf
    predicted[:, :6, 0] = -torch.inf  # what min_new_tokens does
    assert predicted.argmax(-1).tolist() == generated[:, 1:].tolist()
    assert pad not in generated[0, 1:]


def test_marian_starts_from_the_zero_row_and_nllb_from_the_end_of_sentence() -> None:
    for graph, start in (("marian", 40), ("nllb", 0)):
        student = build(graph)
        assert student.config.decoder_start_token_id == start
        assert student.generation_config.decoder_start_token_id == start


@pytest.mark.parametrize(
    ("graph", "special", "told"),
    [
        ("nllb", MARIAN_IDS, r"the nllb graph needs <pad> at id 1, but the vocabulary has it at 40; give"),
        ("marian", NLLB_IDS, r"the marian graph needs <pad> at id 40, but the vocabulary has it at 1; give"),
    ],
)
def test_padding_at_the_wrong_place(graph: str, special: SpecialIds, told: str) -> None:
    with pytest.raises(NmtDistillError, match=told):
        build_student(StudentConfig(graph=graph, model_dim=16, num_heads=2), special)  # type: ignore[arg-type]


@pytest.mark.parametrize("graph", GRAPHS)
def test_dropout_is_on_in_training_alone(graph: str) -> None:
    student = build(graph, dropout=0.3)
    target_input = torch.tensor([[student.config.decoder_start_token_id, 3, 4]] * 2)
    student.train()
    assert not torch.equal(logits(student, SOURCE, target_input), logits(student, SOURCE, target_input))
    student.eval()
    assert torch.equal(logits(student, SOURCE, target_input), logits(student, SOURCE, target_input))


def test_special_ids_follow_the_sentencepiece_model(toy_sentencepiece: Path, padded_sentencepiece: Path) -> None:
    plain = special_ids(toy_sentencepiece)
    assert (plain.end, plain.unknown, plain.pad) == (0, 1, plain.vocab_size - 1)
    assert special_ids(padded_sentencepiece) == SpecialIds(end=0, unknown=2, pad=1, vocab_size=plain.vocab_size)
