from __future__ import annotations

from typing import Any

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.marian.options import read_options
from tests.marian_models import PRE_NORM, SELF_ATTENTION, SEPARATE_TABLES, UNTIED, architecture


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("type", "s2s", "type is 's2s', not 'transformer'"),
        ("type", None, "type is None, not 'transformer'"),
        ("dec-cell", "gru", "dec-cell is 'gru', not 'ssru'"),
        ("dec-cell", None, "dec-cell is None, not 'ssru'"),
        ("layer-normalization", True, "layer-normalization is True, not False"),
        (
            "transformer-decoder-autoreg",
            "average-attention",
            "transformer-decoder-autoreg is 'average-attention', not ",
        ),
        ("transformer-ffn-activation", "gelu", "transformer-ffn-activation is 'gelu', not 'relu' or 'swish'"),
        ("transformer-ffn-depth", 3, "transformer-ffn-depth is 3, not 2"),
        ("transformer-decoder-ffn-depth", 1, "transformer-decoder-ffn-depth is 1, not 0 or 2"),
        ("transformer-train-position-embeddings", True, "transformer-train-position-embeddings is True, not False"),
        ("transformer-train-positions", True, "transformer-train-positions is True, not False"),
        ("transformer-tied-layers", [1, 1], r"transformer-tied-layers is \[1, 1\], not \[\]"),
        ("transformer-no-projection", True, "transformer-no-projection is True, not False"),
        ("transformer-rnn-projection", True, "transformer-rnn-projection is True, not False"),
        ("transformer-pool", True, "transformer-pool is True, not False"),
        ("transformer-preprocess", "a", "transformer-preprocess is 'a', not made of d and n"),
        ("transformer-postprocess", "dar", "transformer-postprocess is 'dar', not made of d and a and n"),
        ("transformer-postprocess", "dhn", "transformer-postprocess is 'dhn', not made of d and a and n"),
        ("transformer-postprocess-emb", 3, "transformer-postprocess-emb is 3, not made of d and n"),
        ("transformer-heads", None, "transformer-heads is None, not a positive number"),
        ("enc-depth", 0, "enc-depth is 0, not a positive number"),
        ("output-omit-bias", True, "output-omit-bias is True, not False"),
        ("right-left", True, "right-left is True, not False"),
        ("input-types", ["sequence", "class"], r"input-types is \['sequence', 'class'\], not \[\]"),
        ("lemma-dim-emb", -1, "lemma-dim-emb is -1, not 0"),
        ("factors-combine", "concat", "factors-combine is 'concat', not 'sum' or ''"),
        ("ulr", True, "ulr is True, not False"),
    ],
)
def test_option_of_another_function_is_refused(option: str, value: Any, told: str) -> None:
    with pytest.raises(NmtDistillError, match=rf"model\.bin: this graph cannot be read as a teacher yet: {told}"):
        read_options(architecture({option: value}), "model.bin")


def test_all_that_differs_is_told_at_once() -> None:
    options = architecture({"dec-cell": "gru", "ulr": True})
    with pytest.raises(NmtDistillError, match=r"yet: ulr is True, not False; dec-cell is 'gru', not 'ssru'\."):
        read_options(options, "model.bin")


def test_cells_options_mean_nothing_without_cells() -> None:
    options = architecture(SELF_ATTENTION | {"layer-normalization": True})
    assert not read_options(options, "model.bin").has_cells


@pytest.mark.parametrize("missing", ["transformer-postprocess-top", "transformer-tied-layers", "transformer-ffn-depth"])
def test_options_of_later_versions_may_be_missing(missing: str) -> None:
    options = architecture()
    del options[missing]
    assert read_options(options, "model.bin") == read_options(architecture(), "model.bin")


def test_pre_norm_of_the_first_versions_is_another_graph() -> None:
    options = architecture(PRE_NORM)
    assert read_options(options, "model.bin").postprocess_top == "n"
    del options["transformer-postprocess-top"]
    with pytest.raises(NmtDistillError, match=r"before Marian 1\.10, which left keys and values unnormalised"):
        read_options(options, "model.bin")


@pytest.mark.parametrize(
    ("settings", "tables"),
    [
        ({}, ("Wemb", "Wemb", True)),
        (SEPARATE_TABLES, ("encoder_Wemb", "decoder_Wemb", True)),
        (UNTIED, ("encoder_Wemb", "decoder_Wemb", False)),
        (UNTIED | {"tied-embeddings-src": True}, ("Wemb", "Wemb", False)),
        (SEPARATE_TABLES | {"tied-embeddings-src": True}, ("Wemb", "Wemb", True)),
    ],
)
def test_tables_are_tied_as_the_options_say(settings: dict[str, Any], tables: tuple[str, str, bool]) -> None:
    options = read_options(architecture(settings), "model.bin")
    assert (options.source_table, options.target_table, options.is_output_tied) == tables


@pytest.mark.parametrize(
    ("settings", "is_post_norm"),
    [
        ({}, True),
        (PRE_NORM, False),
        ({"transformer-postprocess-emb": "nd"}, False),
        ({"transformer-preprocess": "d"}, True),
    ],
)
def test_post_norm_is_known(settings: dict[str, Any], is_post_norm: bool) -> None:
    assert read_options(architecture(settings), "model.bin").is_post_norm == is_post_norm
