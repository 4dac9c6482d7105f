from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt_distill.distillation.config import DivergenceName
from nmt_distill.distillation.records import Record
from nmt_distill.distillation.store import Store
from nmt_distill.student.graph import StudentModel
from nmt_distill.training.batches import Batch, collate
from nmt_distill.training.config import PhaseConfig
from nmt_distill.training.objective import LOGGED, Objective

Make = Callable[..., StudentModel]
GRAPHS = ["marian", "nllb"]
PHASE = PhaseConfig(num_steps=1, learning_rate=1e-3, kd_weight=0.4, state_weight=0.5, label_smoothing=0.1)


def batch_of(student: StudentModel, records: Sequence[Record]) -> Batch:
    ids = student.config
    return collate(records, pad_id=ids.pad_token_id, start_id=ids.decoder_start_token_id)


def costs(
    student: StudentModel, batches: Sequence[Batch], phase: PhaseConfig = PHASE
) -> tuple[float, Tensor, dict[str, Tensor]]:
    """Return the loss, the logged sums and the gradients of some batches together."""
    student.zero_grad()
    objective = Objective(student, temperature=1.0)
    total, sums = 0.0, torch.zeros(len(LOGGED))
    for batch in batches:
        loss, logged = objective(batch, phase)
        loss.backward()
        total, sums = total + loss.item(), sums + logged
    gradients = {name: value.grad.clone() for name, value in student.named_parameters() if value.grad is not None}
    return total, sums, gradients


def assert_same(one: tuple[float, Tensor, dict[str, Tensor]], other: tuple[float, Tensor, dict[str, Tensor]]) -> None:
    assert one[0] == pytest.approx(other[0], rel=1e-5)
    torch.testing.assert_close(one[1], other[1], rtol=1e-5, atol=1e-4)
    assert one[2].keys() == other[2].keys()
    for name, gradient in one[2].items():
        torch.testing.assert_close(gradient, other[2][name], rtol=1e-3, atol=1e-3, msg=name)


@pytest.mark.parametrize("graph", GRAPHS)
def test_batch_split_and_order_change_nothing(new_student: Make, toy_store: Store, graph: str) -> None:
    student = new_student(graph)
    records = [toy_store[index] for index in range(12)]
    whole = costs(student, [batch_of(student, records)])
    assert_same(costs(student, [batch_of(student, [record]) for record in records]), whole)
    assert_same(costs(student, [batch_of(student, part) for part in (records[7:], records[:7])]), whole)
    assert_same(costs(student, [batch_of(student, records[::-1])]), whole)


@pytest.mark.parametrize("graph", GRAPHS)
def test_more_padding_changes_nothing(new_student: Make, toy_store: Store, graph: str) -> None:
    student = new_student(graph)
    batch = batch_of(student, [toy_store[index] for index in range(5)])
    pad = student.config.pad_token_id

    def wider(tensor: Tensor, value: float) -> Tensor:
        return torch.nn.functional.pad(tensor, (0, 4), value=value)

    padded = replace(
        batch,
        source_ids=wider(batch.source_ids, pad),
        source_mask=wider(batch.source_mask, False),
        target_input=wider(batch.target_input, pad),
        target_mask=wider(batch.target_mask, False),
    )
    assert_same(costs(student, [padded]), costs(student, [batch]))


@pytest.mark.parametrize("graph", GRAPHS)
def test_likelihood_is_that_of_transformers_own_logits(new_student: Make, toy_store: Store, graph: str) -> None:
    student = new_student(graph)
    record = toy_store[3]
    batch = batch_of(student, [record])
    logits = student(
        input_ids=batch.source_ids,
        attention_mask=batch.source_mask.long(),
        decoder_input_ids=batch.target_input,
    ).logits[0]
    expected = torch.nn.functional.cross_entropy(logits, batch.target, reduction="sum")
    plain = replace(PHASE, kd_weight=0.0, state_weight=0.0, label_smoothing=0.0)
    total, sums, _ = costs(student, [batch], plain)
    assert total == pytest.approx(expected.item(), rel=1e-5)
    named = dict(zip(LOGGED, sums.tolist(), strict=True))
    assert named["nll"] == pytest.approx(expected.item(), rel=1e-5)
    assert named["states"] == 0
    assert named["kl"] > 0


def test_label_smoothing_and_temperature_reach_the_loss(new_student: Make, toy_store: Store) -> None:
    student = new_student()
    batch = batch_of(student, [toy_store[index] for index in range(4)])
    totals = {costs(student, [batch], replace(PHASE, label_smoothing=smoothing))[0] for smoothing in (0.0, 0.1, 0.3)}
    totals |= {Objective(student, temperature=temperature)(batch, PHASE)[0].item() for temperature in (2.0, 4.0)}
    assert len(totals) == 5


def test_every_setting_of_the_divergence_reaches_the_loss(new_student: Make, toy_store: Store) -> None:
    student = new_student()
    batch = batch_of(student, [toy_store[index] for index in range(4)])

    def total(*, temperature: float = 2.0, **values: Any) -> float:
        loss: Tensor = Objective(student, temperature=temperature)(batch, replace(PHASE, **values))[0]
        return loss.item()

    settings: list[dict[str, Any]] = [
        *({"divergence": name} for name in get_args(DivergenceName)),
        {"divergence": "js", "beta": 0.2},
        {"divergence": "skew_kl", "skew": 0.5},
        {"kd_share": 0.5},
        {"scale_by_temperature": False},
    ]
    for num_sampled in (0, 1000):
        totals = [total(num_sampled=num_sampled, **values) for values in settings]
        assert len({round(value, 4) for value in totals}) == len(settings)
    assert total(temperature=1.0, scale_by_temperature=False) == total(temperature=1.0)


@pytest.mark.parametrize("name", get_args(DivergenceName))
def test_divergence_that_is_trained_is_logged_beside_kl(
    new_student: Make, toy_store: Store, name: DivergenceName
) -> None:
    student = new_student()
    records = [toy_store[index] for index in range(12)]
    phase = replace(PHASE, divergence=name)
    whole = costs(student, [batch_of(student, records)], phase)
    assert_same(costs(student, [batch_of(student, part) for part in (records[7:], records[:7])], phase), whole)
    plain = dict(zip(LOGGED, costs(student, [batch_of(student, records)])[1].tolist(), strict=True))
    logged = dict(zip(LOGGED, whole[1].tolist(), strict=True))
    others = {key for key in LOGGED if logged[key] != pytest.approx(plain[key])}
    assert others == (set() if name == "kl" else {"divergence"})
    assert plain["divergence"] == plain["kl"]
    assert logged["kept"] == pytest.approx(0.95 * sum(len(record.target_ids) for record in records), rel=1e-3)


def test_drawn_tokens_are_learned_from(new_student: Make, toy_store: Store) -> None:
    """The toy's teacher, as often as it would be drawn: the same likelihood, no tail, another divergence."""
    student = new_student()
    top = [toy_store[index] for index in range(4)]
    drawn = [
        replace(record, tail=None, kept_weights=np.array([[0.9, 0.1]] * len(record.target_ids), dtype=np.float32))
        for record in top
    ]
    by_top, by_draws = (costs(student, [batch_of(student, records)]) for records in (top, drawn))
    named = [dict(zip(LOGGED, found[1].tolist(), strict=True)) for found in (by_top, by_draws)]
    for key in ("nll", "states", "agreed", "kept"):
        assert named[0][key] == pytest.approx(named[1][key], rel=1e-3)
    assert named[1]["student_entropy"] == 0 < named[0]["student_entropy"]
    assert by_top[0] != pytest.approx(by_draws[0], rel=1e-3)
    sampled = costs(student, [batch_of(student, drawn)], replace(PHASE, num_sampled=1000))
    assert_same(sampled, by_draws)
    with pytest.raises(ValueError, match=r"js cannot be estimated from drawn tokens"):
        costs(student, [batch_of(student, drawn)], replace(PHASE, divergence="js"))


def test_weights_of_the_parts(new_student: Make, toy_store: Store) -> None:
    student = new_student()
    batch = batch_of(student, [toy_store[index] for index in range(4)])
    words = costs(student, [batch], replace(PHASE, state_weight=0.0))
    states = costs(student, [batch], replace(PHASE, vocabulary_weight=0.0, state_weight=1.0))
    both = costs(student, [batch], replace(PHASE, vocabulary_weight=2.0, state_weight=3.0))
    assert both[0] == pytest.approx(2 * words[0] + 3 * states[0], rel=1e-5)
    name = "model.decoder.layers.0.fc1.weight"
    torch.testing.assert_close(both[2][name], 2 * words[2][name] + 3 * states[2][name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("graph", GRAPHS)
def test_the_anchor_counts_once_a_target_token(new_student: Make, toy_store: Store, graph: str) -> None:
    """Two rows have moved by (3, 4) and (1,): half of 25 + 1, for each token, pulls back by the way they went."""
    student = new_student(graph)
    objective = Objective(student, temperature=1.0, has_anchor=True)
    table = student.get_input_embeddings().weight
    with torch.no_grad():
        table[5, :2] += torch.tensor([3.0, 4.0])
        table[7, 9] -= 1.0
    records = [toy_store[index] for index in range(4)]
    num_tokens = sum(len(record.target_ids) for record in records)
    phase = replace(PHASE, vocabulary_weight=0.0, state_weight=1e-30, embedding_anchor=0.5)
    total, sums = objective(batch_of(student, records), phase)
    total.backward()
    assert total.item() == pytest.approx(0.5 * 13 * num_tokens, rel=1e-5)
    assert sums[LOGGED.index("anchor")].item() == pytest.approx(13 * num_tokens, rel=1e-5)
    pull = torch.zeros_like(table)
    pull[5, :2], pull[7, 9] = torch.tensor([3.0, 4.0]), -1.0
    torch.testing.assert_close(table.grad, 0.5 * num_tokens * pull, rtol=1e-5, atol=1e-4)


def test_states_without_their_loss_cost_no_projection(new_student: Make, toy_store: Store) -> None:
    student = new_student()
    student.get_input_embeddings().weight.requires_grad_(False)
    batch = batch_of(student, [toy_store[0]])
    _, sums, gradients = costs(student, [batch], replace(PHASE, vocabulary_weight=0.0))
    assert sums.tolist()[:2] == [0, 0]
    assert "model.shared.weight" not in gradients


def test_padding_row_gets_no_gradient_in_the_marian_graph(new_student: Make, toy_store: Store) -> None:
    student = new_student()
    batch = batch_of(student, [toy_store[index] for index in range(10)])
    gradient = costs(student, [batch])[2]["model.shared.weight"]
    assert gradient.any()
    assert not gradient[student.config.pad_token_id].any()


def test_every_token_sampled_is_the_full_loss(new_student: Make, toy_store: Store) -> None:
    student = new_student()
    batch = batch_of(student, [toy_store[index] for index in range(10)])
    sampled = costs(student, [batch], replace(PHASE, num_sampled=1000))
    full = costs(student, [batch])
    assert_same(sampled, full)


def test_store_without_states_is_told(new_student: Make, toy_store: Store, tmp_path: Path) -> None:
    student = new_student()
    records = [replace(toy_store[0], states=None)]
    with pytest.raises(ValueError, match=r"state_weight is positive, but the store has no decoder states\."):
        Objective(student, temperature=1.0)(batch_of(student, records), PHASE)
