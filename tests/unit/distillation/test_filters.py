from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from nmt_distill.configuration import load_dataclass
from nmt_distill.distillation.filters import Label, LabelFilterConfig, LabelFilters
from nmt_distill.evaluation.metrics import sentence_chrf, sentence_ter

OFF = {"max_ratio": 1000, "drop_oscillating": False}


def reason(source: str, text: str, reference: str | None = None, **settings: Any) -> str | None:
    config = load_dataclass(LabelFilterConfig, settings, where="recipe")
    filters = LabelFilters(config, target="pt-BR", chrf=sentence_chrf, ter=partial(sentence_ter, target="pt-BR"))
    return filters.reason_to_drop(Label(source, text, reference))


LOOP = "não sei " * 10


@pytest.mark.parametrize(
    ("source", "text", "reference", "settings", "expected"),
    [
        ("Turn on the light", "Ligue a luz", None, {}, None),
        ("I do not know", LOOP, None, {"max_ratio": 1000}, "oscillating"),
        ("I do not know " * 10, LOOP, None, {}, None),
        ("I do not know", LOOP, None, OFF, None),
        ("Stop", "x" * 41, None, {}, "length_ratio"),
        ("Stop", "x" * 40, None, {}, None),
        ("x" * 41, "Stop", None, {}, "length_ratio"),
        ("Hello {name}", "Olá name", None, {}, None),
        ("Hello {name}", "Olá name", None, {"drop_lost_placeholders": True}, "placeholders"),
        ("Hello {name}, {day}", "{day}: olá {name}", None, {"drop_lost_placeholders": True}, None),
        ("Home Assistant", " Home Assistant ", None, {}, None),
        ("Home Assistant", " Home Assistant ", None, {"drop_copies": True}, "copy"),
        (
            "The door is open",
            "The door of the house is open now",
            None,
            {"drop_wrong_language": True},
            "wrong_language",
        ),
        ("The door is open", "A porta da casa está aberta agora", None, {"drop_wrong_language": True}, None),
        ("Wi-Fi", "Wi-Fi", None, {"drop_wrong_language": True}, None),
        ("Stop", "Pare", "Pare", {"min_reference_chrf": 100, "max_reference_ter": 0}, None),
        ("Stop", "Pare", "Interromper", {"min_reference_chrf": 10}, "far_from_reference"),
        ("Stop", "Pare", "Interromper", {"max_reference_ter": 80}, "far_from_reference"),
        ("Stop", "Pare", "Interromper", {"max_reference_ter": 100}, None),
        ("Stop", "Pare", None, {"min_reference_chrf": 100, "max_reference_ter": 0}, None),
    ],
)
def test_each_filter_drops_what_it_is_for_and_can_be_turned_off(
    source: str, text: str, reference: str | None, settings: dict[str, Any], expected: str | None
) -> None:
    assert reason(source, text, reference, **settings) == expected
