"""Rows of runs: what is told of those that do not belong in one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from nmt_distill.ablation import _mixed, _score
from nmt_distill.evaluation.test_texts import TestText
from nmt_distill.languages import Direction
from nmt_distill.recipe import find_recipe, load_recipe


def run(*overrides: str) -> Any:
    return SimpleNamespace(recipe=load_recipe(find_recipe("quickstart_small"), overrides))


def test_rows_that_differ_in_more_than_their_seed_are_told() -> None:
    seeds = [run(f"training.seed={seed}", f"name=run_{seed}", "evaluation.speed_repetitions=0") for seed in (1, 2)]
    wider = run("training.seed=3", "training.average_decay=0.5", "distillation.beam_size=2")
    assert list(_mixed({"pure": seeds, "alone": [wider]})) == []
    assert list(_mixed({"pure": seeds, "mixed": [*seeds, wider]})) == [
        "The runs of mixed differ in more than their seed: distillation.beam_size, training.average_decay."
    ]


def test_direction_is_no_part_of_a_test_sets_name() -> None:
    """A report of several directions puts it behind the name itself."""
    for name in ("held-out en-de", "held-out"):
        text = TestText(name, Direction(source="en", target="de"), "invented", "CC0-1.0", True, ["one"], ["eins"])
        assert _score({}, text, [], "auto").name == "held-out"
