from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.training.config import PhaseConfig, TrainingConfig
from tests.faults import faults_of, faulty_keys

PHASE = {"num_steps": 10, "learning_rate": 1e-3}
TRAINING = {"phases": [PHASE]}

POSITIVE = st.integers(max_value=0) | st.text()
NATURAL = st.integers(max_value=-1) | st.floats()
WEIGHT = st.floats(max_value=0, exclude_max=True) | st.none()
INTERIOR = st.floats(max_value=0) | st.floats(min_value=1)
SHARE = WEIGHT | st.floats(min_value=1, exclude_min=True)
FAULTY: dict[str, st.SearchStrategy[Any]] = {
    "num_steps": POSITIVE,
    "learning_rate": st.floats(max_value=0) | st.booleans(),
    "warmup_steps": NATURAL,
    "batch_tokens": POSITIVE,
    "num_accumulated": POSITIVE,
    "trainable": st.sampled_from(["encoder", None, True]),
    "kd_weight": SHARE,
    "kd_weight_end": st.floats(max_value=0, exclude_max=True) | st.floats(min_value=1, exclude_min=True),
    "on_policy_share": SHARE,
    "sampling_temperature": st.floats(max_value=0) | st.text(),
    "kd_share": st.floats(max_value=0) | st.floats(min_value=1, exclude_min=True),
    "divergence": st.sampled_from(["KL", "jsd", None, 1]),
    "beta": INTERIOR,
    "skew": INTERIOR,
    "scale_by_temperature": st.integers() | st.text(),
    "vocabulary_weight": WEIGHT,
    "num_sampled": NATURAL,
    "state_weight": WEIGHT,
    "embedding_anchor": WEIGHT,
    "label_smoothing": SHARE,
    "colour": st.integers(),
}


def test_defaults_can_be() -> None:
    assert faults_of(TrainingConfig, TRAINING) == ()


@pytest.mark.parametrize("setting", [{"kd_share": 0.5}, {"embedding_weight": 100.0}])
def test_batches_whose_records_are_compared_are_not_divided(setting: dict[str, Any]) -> None:
    content = TRAINING | {"phases": [PHASE, PHASE | setting]}
    assert faulty_keys(TrainingConfig, content | {"batch_parts": 2}) == ["batch_parts"]
    assert faulty_keys(TrainingConfig, content | {"batch_parts": 1}) == []
    assert faulty_keys(TrainingConfig, TRAINING | {"batch_parts": 2}) == []


@given(content=st.fixed_dictionaries({}, optional=FAULTY))
def test_exactly_the_faulty_keys_of_a_phase_are_told(content: dict[str, Any]) -> None:
    assert sorted(faulty_keys(PhaseConfig, PHASE | content)) == sorted(content)


@given(contents=st.lists(st.fixed_dictionaries({}, optional=FAULTY), min_size=1, max_size=3))
def test_faulty_keys_are_told_of_each_phase(contents: list[dict[str, Any]]) -> None:
    told = faulty_keys(TrainingConfig, {"phases": [PHASE | content for content in contents]})
    assert sorted(told) == sorted(
        f"phases[{number}].{key}" for number, content in enumerate(contents) for key in content
    )


def test_phase_without_loss() -> None:
    assert faults_of(PhaseConfig, PHASE | {"vocabulary_weight": 0}) == (
        "vocabulary_weight must be above 0 where state_weight is 0, else there is no loss",
    )
    assert faults_of(PhaseConfig, PHASE | {"vocabulary_weight": 0, "state_weight": 1}) == ()


def test_weight_of_the_divergence_moves_in_a_straight_line() -> None:
    """Over 5 steps from 0.8 to 0: 0.8, 0.6, 0.4, 0.2, 0."""
    phase = PhaseConfig(num_steps=5, learning_rate=1.0, kd_weight=0.8, kd_weight_end=0.0)
    assert [phase.at(step).kd_weight for step in range(5)] == pytest.approx([0.8, 0.6, 0.4, 0.2, 0.0])
    assert (phase.compares, phase.at(4).kd_weight) == (True, 0.0)
    rising = PhaseConfig(num_steps=3, learning_rate=1.0, kd_weight=0.0, kd_weight_end=1.0)
    assert [rising.at(step).kd_weight for step in range(3)] == [0.0, 0.5, 1.0]
    assert rising.needs_soft_targets
    constant = PhaseConfig(num_steps=3, learning_rate=1.0)
    assert constant.at(2) is constant
    assert PhaseConfig(num_steps=1, learning_rate=1.0, kd_weight=0.3, kd_weight_end=0.0).at(0).kd_weight == 0.3


HIDDEN = {"teacher_layer": 1, "student_layer": 1}


def test_hidden_layers_are_a_loss_too() -> None:
    assert faults_of(PhaseConfig, PHASE | {"vocabulary_weight": 0, "hidden": [HIDDEN]}) == ()
    frozen = PHASE | {"trainable": "decoder", "hidden": [HIDDEN | {"side": "decoder"}, HIDDEN]}
    assert faults_of(PhaseConfig, frozen) == (
        "hidden[1].side must be decoder where trainable is decoder, which freezes the encoder",
    )
    assert sorted(faulty_keys(PhaseConfig, PHASE | {"hidden": [{"teacher_layer": -1, "weight": 0}]})) == [
        "hidden[0].student_layer",
        "hidden[0].teacher_layer",
        "hidden[0].weight",
    ]


def test_on_policy_targets_need_the_divergence() -> None:
    told = (
        "on_policy_share must be 0 where kd_weight or vocabulary_weight is 0: on targets that the student samples "
        "there is nothing but the divergence to learn from",
    )
    assert faults_of(PhaseConfig, PHASE | {"on_policy_share": 0.5, "kd_weight": 0}) == told
    assert faults_of(PhaseConfig, PHASE | {"on_policy_share": 0.5, "vocabulary_weight": 0, "state_weight": 1}) == told
    assert faults_of(PhaseConfig, PHASE | {"on_policy_share": 0.5, "kd_weight": 0, "kd_weight_end": 0.5}) == ()


@pytest.mark.parametrize("trainable", ["layers", "decoder"])
def test_frozen_embeddings_have_no_states_to_learn(trainable: str) -> None:
    pair = {"side": "decoder", "teacher_layer": 0, "student_layer": 0}
    assert faults_of(PhaseConfig, PHASE | {"trainable": trainable, "hidden": [pair]}) == (
        f"hidden[0].student_layer must be 1 or more where trainable is {trainable}, which freezes the embeddings",
    )
    assert faults_of(PhaseConfig, PHASE | {"hidden": [pair]}) == ()


@pytest.mark.parametrize("trainable", ["layers", "decoder"])
def test_frozen_embeddings_need_no_anchor(trainable: str) -> None:
    anchored = PHASE | {"embedding_anchor": 0.1}
    assert faults_of(PhaseConfig, anchored | {"trainable": trainable}) == (
        f"embedding_anchor must be 0 where trainable is {trainable}, which freezes the embeddings",
    )
    assert faults_of(PhaseConfig, anchored | {"trainable": "decoder_and_embeddings"}) == ()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"phases": []}, "phases must be non-empty, but is a list of 0 items instead"),
        ({"seed": -1}, "seed must be from 0 to 4294967295, but is -1 instead"),
        ({"adam_betas": [0.9, 1]}, "adam_betas[1] must be from 0 to below 1, but is 1.0 instead"),
        ({"weight_decay": -1}, "weight_decay must be 0 or more, but is -1.0 instead"),
        ({"validate_every": 0}, "validate_every must be 1 or more, but is 0 instead"),
        ({"max_dev_sentences": 0}, "max_dev_sentences must be 1 or more, but is 0 instead"),
        ({"checkpoint_every": 0}, "checkpoint_every must be 1 or more, but is 0 instead"),
        ({"average_decay": 1.0}, "average_decay must be from 0 to below 1, but is 1.0 instead"),
        ({"gradient_clip": 0.0}, "gradient_clip must be above 0, but is 0.0 instead"),
        ({"patience": -1}, "patience must be 0 or more, but is -1 instead"),
        ({"compile": 1}, "compile must be true or false, but is 1 instead"),
        ({"tensorboard": "yes"}, "tensorboard must be true or false, but is the text 'yes' instead"),
        (
            {"precision": "float16"},
            "precision must be one of float32, bfloat16, but is the text 'float16' instead; did you mean `bfloat16`?",
        ),
    ],
)
def test_training_that_cannot_be(content: dict[str, Any], told: str) -> None:
    assert faults_of(TrainingConfig, TRAINING | content) == (told,)
