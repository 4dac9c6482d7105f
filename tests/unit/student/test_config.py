from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.student.config import StudentConfig
from tests.faults import faults_of, faulty_keys

COUNT = st.integers(max_value=0) | st.floats() | st.none() | st.text()
FAULTY: dict[str, st.SearchStrategy[Any]] = {
    "graph": st.sampled_from(["", "mariam", None, 1]),
    "preset": st.sampled_from(["", "huge", 1, True]),
    "initialization": st.booleans(),
    "initialize_from": st.integers(),
    "width_projection": st.sampled_from(["", None, "pca"]),
    "activation": st.sampled_from(["", None, "tanh"]),
    "model_dim": COUNT,
    "ffn_inner_dim": COUNT,
    "num_heads": COUNT,
    "num_encoder_layers": COUNT,
    "num_decoder_layers": COUNT,
    "max_positions": st.integers(max_value=15) | st.text(),
    "dropout": st.floats(max_value=0, exclude_max=True) | st.floats(min_value=1) | st.none(),
    "colour": st.integers(),
}


@given(content=st.fixed_dictionaries({}, optional=FAULTY))
def test_exactly_the_faulty_keys_are_told(content: dict[str, Any]) -> None:
    assert sorted(faulty_keys(StudentConfig, content)) == sorted(content)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"num_heads": 0}, "num_heads must be 1 or more, but is 0 instead"),
        ({"num_encoder_layers": -1}, "num_encoder_layers must be 1 or more, but is -1 instead"),
        ({"model_dim": 250}, "model_dim must be a multiple of 2 * num_heads (16), but is 250 instead"),
        ({"max_positions": 15}, "max_positions must be 16 or more, but is 15 instead"),
        (
            {"initialize_from": "a/folder", "initialization": "random"},
            "initialize_from must be left out where initialization is random",
        ),
        ({"dropout": 1.0}, "dropout must be from 0 to below 1, but is 1.0 instead"),
    ],
)
def test_values_that_cannot_be(content: dict[str, Any], told: str) -> None:
    assert faults_of(StudentConfig, content) == (told,)
