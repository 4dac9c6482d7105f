from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.marian.options import read_options
from nmt_distill.teacher.marian.parameters import checked_parameters, parameter_shapes
from tests.marian_models import (
    PRE_NORM,
    SELF_ATTENTION,
    SEPARATE_TABLES,
    UNTIED,
    FloatArray,
    architecture,
    random_parameters,
)


def draw(options: dict[str, Any]) -> dict[str, FloatArray]:
    return random_parameters(options, vocab_size=20, source_vocab_size=30, generator=np.random.default_rng(1))


def check(parameters: dict[str, FloatArray], options: dict[str, Any]) -> dict[str, FloatArray]:
    return checked_parameters(parameters, read_options(options, "model.bin"), "model.bin")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        SELF_ATTENTION,
        PRE_NORM,
        SELF_ATTENTION | PRE_NORM | UNTIED,
        SEPARATE_TABLES,
        {"transformer-postprocess-emb": "nd", "transformer-postprocess-top": "dan"},
    ],
)
def test_all_parameters_are_named(settings: dict[str, Any]) -> None:
    options = architecture(settings)
    parameters = draw(options)
    assert parameter_shapes(read_options(options, "model.bin")).keys() == parameters.keys()
    assert check(parameters, options).keys() == parameters.keys()


@pytest.mark.parametrize("name", ["Wemb", "encoder_l2_ffn_W2", "decoder_l1_rnn_Wf", "decoder_l2_context_Wo_ln_bias"])
def test_missing_parameter_is_named(name: str) -> None:
    parameters = draw(architecture())
    del parameters[name]
    with pytest.raises(NmtDistillError, match=rf"model\.bin lacks 1 parameter, the first is {name}\."):
        check(parameters, architecture())


@pytest.mark.parametrize("name", ["Wpos", "encoder_l3_self_Wq", "decoder_l1_ffn_W3"])
def test_parameter_that_nothing_uses_is_named(name: str) -> None:
    parameters = draw(architecture()) | {name: np.zeros((4, 4), dtype=np.float32)}
    with pytest.raises(NmtDistillError, match=rf"has 1 parameter that the graph .* does not use, the first is {name};"):
        check(parameters, architecture())


@pytest.mark.parametrize(
    ("name", "shape", "told"),
    [
        ("encoder_l2_ffn_W1", (32, 50), r"\(32, 48\)"),
        ("encoder_l1_self_Wq", (32, 16), r"\(32, 32\)"),
        ("decoder_l1_ffn_W1", (33, 48), r"\(32, any\)"),
        ("decoder_ff_logit_out_b", (1, 21), r"\(1, 20\)"),
        ("decoder_l1_context_bq", (32, 1), r"\(1, 32\)"),
    ],
)
def test_shape_that_does_not_fit_is_told(name: str, shape: tuple[int, int], told: str) -> None:
    parameters = draw(architecture()) | {name: np.zeros(shape, dtype=np.float32)}
    with pytest.raises(NmtDistillError, match=rf"model\.bin: {name} has shape \({shape[0]}, {shape[1]}\), not {told}"):
        check(parameters, architecture())


def test_vectors_without_their_row_are_read() -> None:
    parameters = draw(architecture())
    bias = parameters["encoder_l1_self_bq"]
    found = check(parameters | {"encoder_l1_self_bq": bias[0]}, architecture())
    assert np.array_equal(found["encoder_l1_self_bq"], bias)


def test_heads_that_do_not_share_the_width_evenly() -> None:
    with pytest.raises(NmtDistillError, match=r"even and a multiple of transformer-heads, 5, but is 32"):
        check(draw(architecture()), architecture({"transformer-heads": 5}))
