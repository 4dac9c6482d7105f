"""The teacher in the training step: layers that imitate its layers, and targets that the student sampled."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nmt_distill.distillation.config import DivergenceName
from nmt_distill.distillation.divergences import Divergence
from nmt_distill.distillation.losses import vocabulary_loss
from nmt_distill.distillation.records import Record
from nmt_distill.distillation.store import Store
from nmt_distill.errors import NmtDistillError
from nmt_distill.student.graph import StudentModel
from nmt_distill.teacher.base import ForcedDecoding, ForcedPass
from nmt_distill.training.batches import Batch, collate, collate_samples
from nmt_distill.training.config import HiddenConfig, PhaseConfig
from nmt_distill.training.objective import LOGGED, Objective
from nmt_distill.training.supervision import OnlineTargets, Supervision
from tests.unit.training.conftest import END, NUM_IDS, UNKNOWN, OneByOneTeacher

Make = Callable[..., StudentModel]
GRAPHS = ["marian", "nllb"]
PAIRS = (
    HiddenConfig(side="encoder", teacher_layer=0, student_layer=0, distance="mse", weight=0.5),
    HiddenConfig(side="encoder", teacher_layer=1, student_layer=1, distance="cosine", weight=2.0),
    HiddenConfig(side="decoder", teacher_layer=0, student_layer=0, distance="cosine"),
    HiddenConfig(side="decoder", teacher_layer=1, student_layer=1, distance="mse", weight=3.0),
)
HIDDEN = PhaseConfig(num_steps=1, learning_rate=1e-3, vocabulary_weight=0.0, hidden=PAIRS)
ON_POLICY = PhaseConfig(num_steps=1, learning_rate=1e-3, kd_weight=0.4, on_policy_share=1.0)


def supervision_of(student: StudentModel, *teachers: Any, **options: Any) -> Supervision:
    """Share all ids but the padding."""
    ids = [-1 if token == student.config.pad_token_id else token for token in range(student.config.vocab_size)]
    return Supervision(teachers, options.pop("ids", ids), end_id=END, unknown_id=options.pop("unknown", 2), **options)


def batch_of(student: StudentModel, records: Sequence[Record], *, is_sampled: bool = False) -> Batch:
    ids = {"pad_id": student.config.pad_token_id, "start_id": student.config.decoder_start_token_id}
    if not is_sampled:
        return collate(records, **ids)
    generator = np.random.default_rng(len(records))
    samples = [generator.integers(2, NUM_IDS, generator.integers(1, 9)) for _ in records]
    return collate_samples(records, samples, **ids)


Costs = tuple[float, Tensor, dict[str, Tensor]]


def costs(objective: Objective, batches: Sequence[Batch], phase: PhaseConfig) -> Costs:
    """Return the loss, the logged sums and the gradients of some batches together."""
    objective.zero_grad()
    total, sums = 0.0, torch.zeros(len(LOGGED))
    for batch in batches:
        loss, logged = objective(batch, phase)
        loss.backward()
        total, sums = total + loss.item(), sums + logged
    gradients = {name: value.grad.clone() for name, value in objective.named_parameters() if value.grad is not None}
    return total, sums, gradients


def assert_same(one: Costs, other: Costs) -> None:
    assert one[0] == pytest.approx(other[0], rel=1e-4)
    torch.testing.assert_close(one[1], other[1], rtol=1e-4, atol=1e-3)
    assert one[2].keys() == other[2].keys()
    for name, gradient in one[2].items():
        torch.testing.assert_close(gradient, other[2][name], rtol=1e-3, atol=1e-3, msg=name)


def named(sums: Tensor) -> dict[str, float]:
    return dict(zip(LOGGED, sums.tolist(), strict=True))


@pytest.mark.parametrize("graph", GRAPHS)
def test_a_student_that_is_its_teacher_pays_nothing(new_student: Make, toy_store: Store, graph: str) -> None:
    student = new_student(graph)
    supervision = supervision_of(student, OneByOneTeacher(copy.deepcopy(student)))
    objective = Objective(student, temperature=2.0, supervision=supervision, phases=[HIDDEN])
    records = [toy_store[index] for index in range(6)]
    total, _, gradients = costs(objective, [batch_of(student, records)], HIDDEN)
    assert total == pytest.approx(0, abs=1e-4)
    assert max(float(gradient.abs().max()) for gradient in gradients.values()) < 1e-3
    assert not objective.projections, "of one width there is nothing to project"
    batch = batch_of(student, records, is_sampled=True)
    every = [*range(student.config.vocab_size)]  # padding too, of which a student without training says something
    supervision = supervision_of(student, OneByOneTeacher(copy.deepcopy(student)), ids=every)
    objective = Objective(student, temperature=2.0, supervision=supervision, phases=[ON_POLICY])
    for name in get_args(DivergenceName):
        _, sums, gradients = costs(objective, [batch], replace(ON_POLICY, divergence=name))
        assert named(sums)["divergence"] == pytest.approx(0, abs=1e-3)
        assert named(sums)["agreed"] == len(batch.target)
        assert max(float(gradient.abs().max()) for gradient in gradients.values()) < 1e-3, name


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("is_sampled", [False, True])
def test_split_and_padding_change_nothing_and_the_teacher_stays_as_it_is(
    new_student: Make, toy_store: Store, graph: str, is_sampled: bool
) -> None:
    student, wide = new_student(graph), new_student(graph, model_dim=48)
    teacher = OneByOneTeacher(wide)
    phase = replace(HIDDEN, vocabulary_weight=1.0, kd_weight=0.4, on_policy_share=1.0)
    objective = Objective(student, temperature=1.0, supervision=supervision_of(student, teacher), phases=[phase])
    assert set(objective.projections) == {pair.name for pair in PAIRS}
    records = [toy_store[index] for index in range(9)]
    batch = batch_of(student, records, is_sampled=is_sampled)
    whole = costs(objective, [batch], phase)
    assert whole[0] > 0
    assert whole[2]["projections.decoder_1_1.weight"].any()
    lengths = batch.target_mask.sum(dim=1).tolist()
    parts = []
    for rows in (slice(0, 4), slice(4, 9)):
        part = batch_of(student, records[rows])
        if is_sampled:
            targets = [ids.numpy() for ids in torch.split(batch.target, lengths)[rows]]
            ids = {"pad_id": student.config.pad_token_id, "start_id": student.config.decoder_start_token_id}
            part = collate_samples(records[rows], targets, **ids)
        parts.append(part)
    assert_same(costs(objective, parts, phase), whole)
    pad = student.config.pad_token_id
    padded = replace(
        batch,
        source_ids=F.pad(batch.source_ids, (0, 3), value=pad),
        source_mask=F.pad(batch.source_mask, (0, 3), value=False),
        target_input=F.pad(batch.target_input, (0, 3), value=pad),
        target_mask=F.pad(batch.target_mask, (0, 3), value=False),
    )
    assert_same(costs(objective, [padded], phase), whole)
    assert all(parameter.grad is None for parameter in wide.parameters())
    assert not wide.training
    objective.train()
    assert not wide.training, "the teacher is no part of what is trained"
    assert not any("teacher" in name or "supervision" in name for name in objective.state_dict())


@pytest.mark.parametrize("graph", GRAPHS)
def test_layers_are_what_they_say(new_student: Make, toy_store: Store, graph: str) -> None:
    """Layer 0 goes into the first layer, the last leaves encoder or decoder; a projection leads to another width."""
    student, wide = new_student(graph), new_student(graph, model_dim=48)
    teacher = OneByOneTeacher(wide)
    batch = batch_of(student, [toy_store[3]])
    seen: dict[tuple[str, int], Tensor] = {}

    def note(place: tuple[str, int], states: Tensor) -> None:
        seen.setdefault(place, states.detach())

    for side in ("encoder", "decoder"):
        part = getattr(student.model, side)
        part.layers[0].register_forward_pre_hook(lambda _module, given, side=side: note((side, 0), given[0]))
        part.register_forward_hook(lambda _module, _given, output, side=side: note((side, 1), output.last_hidden_state))
    forced = teacher.forced_pass([toy_store[3].source_ids.tolist()], [toy_store[3].target_ids.tolist()])
    for pair in PAIRS:
        phase = replace(HIDDEN, hidden=(pair,))
        objective = Objective(student, temperature=1.0, supervision=supervision_of(student, teacher), phases=[phase])
        found, sums, _ = costs(objective, [batch], phase)
        states = seen[pair.side, pair.student_layer][0] @ objective.get_parameter(f"projections.{pair.name}.weight").T
        wanted = getattr(forced, pair.side)[pair.teacher_layer]
        if pair.distance == "mse":
            expected = (states - wanted).square().mean(dim=-1).sum() / 2
        else:
            expected = (1 - (F.normalize(states) * F.normalize(wanted)).sum(dim=-1)).sum()
        assert named(sums)["hidden"] == pytest.approx(expected.item(), rel=1e-3)
        assert found == pytest.approx(pair.weight * expected.item(), rel=1e-3)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("name", ["kl", "reverse_kl"])
def test_divergence_on_sampled_targets_is_that_of_torch(
    new_student: Make, toy_store: Store, name: DivergenceName, temperature: float
) -> None:
    """Over the whole vocabulary, times T^2 and the weight, and no likelihood of targets that nobody vouches for."""
    student, other = new_student(), new_student()
    objective = Objective(student, temperature=temperature, supervision=supervision_of(student, OneByOneTeacher(other)))
    batch = batch_of(student, [toy_store[index] for index in range(5)], is_sampled=True)
    given = {
        "input_ids": batch.source_ids,
        "attention_mask": batch.source_mask.long(),
        "decoder_input_ids": batch.target_input,
    }
    logits = [model(**given).logits[batch.target_mask] for model in (student, other)]
    log_q, log_p = ((own / temperature).log_softmax(dim=-1)[:, :NUM_IDS] for own in logits)
    one, two = (log_q, log_p) if name == "kl" else (log_p, log_q)
    expected = F.kl_div(one, two, log_target=True, reduction="sum")
    total, sums, gradients = costs(objective, [batch], replace(ON_POLICY, divergence=name))
    assert named(sums)["divergence"] == pytest.approx(expected.item(), rel=1e-3)
    assert total == pytest.approx(0.4 * temperature**2 * expected.item(), rel=1e-3)
    assert (named(sums)["nll"], named(sums)["sampled"]) == (0, len(batch.target))
    student.zero_grad()
    (0.4 * temperature**2 * expected).backward()  # type: ignore[no-untyped-call]
    expected_gradients = {name: value.grad for name, value in student.named_parameters() if value.grad is not None}
    assert expected_gradients.keys() == {name.removeprefix("student.") for name in gradients}
    for parameter, gradient in expected_gradients.items():
        torch.testing.assert_close(gradients[f"student.{parameter}"], gradient, rtol=1e-2, atol=2e-3, msg=parameter)


def test_sampled_targets_know_nothing_of_states_and_likelihood(new_student: Make, toy_store: Store) -> None:
    student = new_student()
    objective = Objective(student, temperature=1.0, supervision=supervision_of(student, OneByOneTeacher(new_student())))
    batch = batch_of(student, [toy_store[0], toy_store[1]], is_sampled=True)
    plain = costs(objective, [batch], ON_POLICY)
    for values in ({"state_weight": 2.0}, {"label_smoothing": 0.2}, {"num_sampled": 4}):
        assert_same(costs(objective, [batch], replace(ON_POLICY, **values)), plain)
    assert costs(objective, [batch], replace(ON_POLICY, kd_share=0.3))[0] < plain[0]


def test_ids_of_a_trimmed_vocabulary_are_translated(new_student: Make, toy_store: Store) -> None:
    """The teacher has 20 ids, the student some of them in another order, which share the probability."""
    student, large = new_student(), new_student(num_ids=20)
    generator = np.random.default_rng()
    ids = generator.permutation(20)[:NUM_IDS].tolist()
    ids[7] = -1  # a piece of the student's own, such as a tag
    teacher = OneByOneTeacher(large)
    supervision = supervision_of(student, teacher, ids=[*ids, -1], unknown=UNKNOWN)
    assert supervision.unknown_to_teacher == [7, NUM_IDS]
    batch = batch_of(student, [toy_store[index] for index in range(3)])
    reading = supervision.read(batch, temperature=2.0)
    sources, targets = teacher.calls[-1]
    known = [token if token >= 0 else ids[UNKNOWN] for token in ids]
    assert sources == [[known[token] for token in toy_store[index].source_ids] for index in range(3)]
    assert targets == [[known[token] for token in toy_store[index].target_ids] for index in range(3)]
    logits = teacher.forced_pass(sources, targets).logits(slice(None)) / 2
    soft = reading.targets.rows(slice(2, 5))
    shared = [token for token in range(NUM_IDS) if token != 7]
    assert soft.token_ids.tolist() == [shared] * 3
    torch.testing.assert_close(soft.probs, logits[2:5, [ids[token] for token in shared]].softmax(dim=-1))
    assert soft.tail is not None
    assert not soft.tail.any()
    assert soft.top.tolist() == [shared[int(place)] for place in soft.probs.argmax(dim=-1)]


def test_each_direction_has_its_teacher_which_sees_no_tag(new_student: Make, toy_store: Store) -> None:
    student = new_student()
    teachers = [OneByOneTeacher(new_student()), OneByOneTeacher(new_student())]
    supervision = supervision_of(student, *teachers, has_tags=True)
    tagged = [replace(toy_store[index], source_ids=np.append(9, toy_store[index].source_ids)) for index in range(4)]
    batch = replace(batch_of(student, tagged), directions=(0, 1, 1, 0))
    reading = supervision.read(batch, temperature=1.0)
    pairs = [(toy_store[index].source_ids.tolist(), toy_store[index].target_ids.tolist()) for index in range(4)]
    chosen = [teachers[place] for place in batch.directions]
    alone = [own.forced_pass([source], [target]) for own, (source, target) in zip(chosen, pairs, strict=True)]
    for pair in PAIRS:
        expected = torch.cat([getattr(forced, pair.side)[pair.teacher_layer] for forced in alone])
        torch.testing.assert_close(reading.hidden(pair), expected)
    assert reading.source_mask.sum() == sum(len(source) for source, _ in pairs)
    assert not reading.source_mask[:, 0].any()
    logits = torch.cat([forced.logits(slice(None)) for forced in alone])
    num_rows = len(logits)
    for rows in (slice(0, num_rows), slice(1, num_rows - 1), slice(num_rows - 1, num_rows + 5)):
        expected = logits[rows].softmax(dim=-1)[:, :NUM_IDS]
        torch.testing.assert_close(reading.targets.rows(rows).probs, expected, rtol=1e-4, atol=1e-5)


class EncoderAlone(OneByOneTeacher):
    """Cannot be asked what its decoder makes of a target."""

    def forced_pass(self, source_ids: list[list[int]], target_ids: list[list[int]]) -> ForcedPass:
        def decode() -> ForcedDecoding:
            raise RuntimeError("the decoder was run")

        return ForcedPass(super().forced_pass(source_ids, target_ids).encoder, decode)


def test_the_decoder_is_not_run_for_layers_of_the_encoder(new_student: Make, toy_store: Store) -> None:
    student = new_student()
    batch = batch_of(student, [toy_store[number] for number in range(3)])
    phase = replace(HIDDEN, vocabulary_weight=1.0, kd_weight=0.5, hidden=PAIRS[:2])
    supervision = supervision_of(student, EncoderAlone(new_student()))
    loss, _ = Objective(student, temperature=1.0, supervision=supervision, phases=[phase])(batch, phase)
    assert loss > 0
    with pytest.raises(RuntimeError, match="the decoder was run"):
        Objective(student, temperature=1.0, supervision=supervision, phases=[HIDDEN])(batch, HIDDEN)


def test_layers_that_no_teacher_has(new_student: Make) -> None:
    student = new_student()
    pairs = tuple(HiddenConfig(teacher_layer=layer, student_layer=1) for layer in (1, 2))
    phase = replace(HIDDEN, hidden=pairs)
    supervision = supervision_of(student, OneByOneTeacher(new_student()))
    where = r"training\.phases\[1\]\.hidden\[1\]"
    told = rf"{where}\.teacher_layer must be at most 1, the teacher's encoder layers, but is 2"
    with pytest.raises(NmtDistillError, match=told):
        Objective(student, temperature=1.0, supervision=supervision, phases=[ON_POLICY, phase])
    both = supervision_of(student, OneByOneTeacher(new_student()), OneByOneTeacher(new_student(model_dim=48)))
    with pytest.raises(NmtDistillError, match="have states of different widths, 32 to 48, so no layer can imitate"):
        Objective(student, temperature=1.0, supervision=both, phases=[HIDDEN])
    with pytest.raises(ValueError, match="wants the teacher in the training step, but none was given"):
        Objective(student, temperature=1.0, phases=[HIDDEN])


def test_the_teacher_computes_in_its_own_precision_where_the_student_does_in_bfloat16() -> None:
    states, table = torch.randn(6, 8), torch.randn(NUM_IDS, 8)
    forced = ForcedPass((), lambda: ForcedDecoding((states,), lambda rows: F.linear(states[rows], table)))
    shared = torch.arange(NUM_IDS - 2)
    targets = OnlineTargets([forced], [6], shared, shared, temperature=2.0)
    expected = targets.rows(slice(1, 5))
    with torch.autocast("cpu", torch.bfloat16):
        found = targets.rows(slice(1, 5))
    assert found.tail is not None
    assert expected.tail is not None
    assert torch.equal(found.probs, expected.probs)
    assert torch.equal(found.tail, expected.tail)
    torch.testing.assert_close(found.probs.sum(dim=-1), torch.ones(4))


@pytest.mark.parametrize("divergence", get_args(DivergenceName))
def test_what_the_student_lacks_is_not_answered_with_padding_and_tags(divergence: DivergenceName) -> None:
    """The teacher gives half to four tokens that both have; each has ids of its own from 4 on."""
    probs = torch.tensor([[0.2, 0.15, 0.1, 0.05, 0.2, 0.1, 0.1, 0.1]])
    forced = ForcedPass((), lambda: ForcedDecoding((probs,), lambda rows: probs[rows].log()))
    shared = torch.arange(4)
    targets = OnlineTargets([forced], [1], shared, shared, temperature=1.0)
    states = torch.zeros(1, 6, requires_grad=True)
    optimizer = torch.optim.Adam([states], lr=0.1)
    for _ in range(600):
        loss = vocabulary_loss(
            states,
            torch.eye(6),
            torch.zeros(6),
            torch.tensor([0]),
            targets,
            kd_weight=1.0,
            has_likelihood=False,
            divergence=Divergence(divergence),
        )
        (states.grad,) = torch.autograd.grad(loss.total.sum(), states)
        assert abs(float(states.grad.sum())) < 1e-5
        optimizer.step()
    found = states.detach().softmax(dim=-1)[0]
    assert float(found[4:].sum()) < 0.01
    torch.testing.assert_close(found[:4] / found[:4].sum(), probs[0, :4] / 0.5, rtol=0.02, atol=0.005)
