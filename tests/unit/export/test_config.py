from __future__ import annotations

from typing import Any

import pytest

from nmt_distill.configuration import load_dataclass
from nmt_distill.errors import NmtDistillError
from nmt_distill.export.config import ExportConfig


def facts(*, num_equal: int = 200, **drops: float) -> dict[str, Any]:
    precisions = {precision: {"max_drop": drop} for precision, drop in drops.items()}
    return {"parity": {"num_equal": num_equal, "num_sentences": 200}, "precisions": precisions}


def test_precisions_come_in_an_order_of_their_own() -> None:
    config = ExportConfig(precisions=("int8", "float32", "float16"))
    assert config.ordered_precisions == ("float32", "float16", "int8")


def test_what_is_within_the_bounds_is_not_told() -> None:
    config = ExportConfig(max_drop=0.5, min_parity=0.99)
    assert config.missed_bounds(facts(num_equal=198, float32=-0.2, int8=0.5)) == []
    assert config.missed_bounds({"parity": None, "precisions": {}}) == []


def test_every_missed_bound_is_a_sentence() -> None:
    missed = ExportConfig(max_drop=0.5, min_parity=0.99).missed_bounds(facts(num_equal=197, float32=0.1, int8=0.51))
    assert missed == [
        "only 197 of 200 sentences have the same greedy ids in transformers and CTranslate2; "
        "export.min_parity wants 99%",
        "int8 loses 0.51 points against the student on held-out text; export.max_drop allows 0.5",
    ]
    formats = {"onnx": {"parity": {"num_equal": 3, "num_sentences": 200}}, "fairseq2": {}}
    (onnx,) = ExportConfig(min_parity=0.99).missed_bounds(facts() | {"formats": formats})
    assert onnx.startswith("only 3 of 200 sentences have the same greedy ids in transformers and ONNX; export.min_par")
    formats = {"transformers": {"parity": {"num_equal": 3, "num_sentences": 200}}}
    (half,) = ExportConfig(min_parity=0.99).missed_bounds(facts() | {"formats": formats})
    assert half.startswith("only 3 of 200 sentences have the same greedy ids in transformers and its copy in float16; ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"precisions": ["int4"]}, r"precisions\[0\] must be one of"),
        ({"precisions": ["int8", "int8"]}, r"precisions must name each once, but are int8, int8"),
        ({"formats": ["onnx", "onnx"]}, r"formats must name each once, but are onnx, onnx"),
        ({"max_drop": -1}, r"max_drop must be 0 or more, but is -1.0 instead"),
        ({"vocabulary_map": {"num_candidates": 0}}, r"vocabulary_map\.num_candidates must be 1 or more"),
    ],
)
def test_what_cannot_be_is_told(content: dict[str, Any], message: str) -> None:
    with pytest.raises(NmtDistillError, match=message):
        load_dataclass(ExportConfig, content, where="test")
