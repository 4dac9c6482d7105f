from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from nmt_distill.errors import NmtDistillError, RecipeError
from nmt_distill.languages import Direction
from nmt_distill.recipe import EvaluationConfig, ExportConfig, Recipe, find_recipe, load_recipe

CONTENT: dict[str, Any] = {
    "source": "en",
    "target": "pt-BR",
    "corpus": {"sources": [{"kind": "text", "path": "mono.en", "licence": "CC0-1.0"}]},
    "teacher": {"model": "model.bin", "vocabulary": "vocab.spm", "origin": "a test", "licence": "none"},
    "training": {"phases": [{"num_steps": 10, "learning_rate": 0.001}]},
}


def write(path: Path, content: Any = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def changed(**parts: Any) -> dict[str, Any]:
    """Return the recipe with some keys, written with dots as ``__``, set to other values."""
    content = copy.deepcopy(CONTENT)
    for key, value in parts.items():
        *parents, last = key.split("__")
        place: Any = content
        for parent in parents:
            place = place.setdefault(parent, {}) if isinstance(place, dict) else place[int(parent)]
        place[last] = value
    return content


def faults_of(path: Path, content: Any, *overrides: str) -> tuple[str, ...]:
    with pytest.raises(RecipeError) as told:
        load_recipe(write(path, content), overrides)
    assert str(path) in str(told.value)
    return told.value.faults


def test_recipe_says_only_what_differs(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path / "toy.yaml"))
    assert recipe.direction == Direction(source="en", target="pt-BR")
    assert (recipe.student.model_dim, recipe.distillation.num_kept, recipe.reuse) == (256, 16, None)
    assert (recipe.export, recipe.evaluation) == (ExportConfig(), EvaluationConfig())
    assert list(recipe.faults()) == []


@pytest.mark.parametrize(("path", "name"), [("quick/recipe.yaml", "quick"), ("mine.yaml", "mine")])
def test_name_is_that_of_the_folder_or_the_file(tmp_path: Path, path: str, name: str) -> None:
    assert load_recipe(write(tmp_path / path)).name == name
    assert load_recipe(write(tmp_path / path, changed(name="chosen"))).name == "chosen"


def test_overrides_win(tmp_path: Path) -> None:
    path = write(tmp_path / "toy.yaml")
    recipe = load_recipe(path, ["student.model_dim=128", "training.phases[0].num_steps=3", "reuse=other"])
    assert (recipe.student.model_dim, recipe.training.phases[0].num_steps, recipe.reuse) == (128, 3, "other")


def test_faults_are_told_together(tmp_path: Path) -> None:
    content = changed(student={"model_dimm": 128, "num_heads": 0}, teacher__batch_tokens="many", target="en")
    del content["training"]
    faults = faults_of(tmp_path / "toy.yaml", content)
    told = "\n".join(faults)
    assert len(faults) >= 3
    assert "student.model_dimm" in told
    assert "model_dim" in told
    assert "teacher.batch_tokens" in told
    assert "training" in told


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"target": "en"}, "target must be another language than source, but both are en"),
        ({"target": "pt_br"}, "target must be written pt-BR, but is pt_br instead"),
        ({"source": "English!"}, "source `English!` is not a language tag"),
        ({"export__precisions": []}, "export.precisions must name at least one precision"),
        ({"export__beam_size": 0}, "export.beam_size must be at least 1, but is 0 instead"),
        ({"export__num_parity_sentences": 0}, "export.num_parity_sentences must be at least 1, but is 0 instead"),
        ({"export__min_parity": 1.5}, "export.min_parity must be in [0, 1], but is 1.5 instead"),
        ({"vocabulary__size": 7}, "vocabulary.size must be a positive multiple of 8, but is 7 instead"),
        (
            {"distillation__num_kept": 0},
            "training.phases[0].kd_weight must be 0 where there are no soft targets",
        ),
        (
            {"distillation__targets": "human"},
            "training.phases[0].kd_weight must be 0 where there are no soft targets",
        ),
        (
            {"distillation__keep_states": False, "training__phases__0__state_weight": 0.5},
            "training.phases[0].state_weight must be 0 where no states are kept",
        ),
        (
            {"student__graph": "nllb"},
            "student.initialization must be random where student.graph is nllb",
        ),
    ],
)
def test_values_that_cannot_go_together(tmp_path: Path, parts: dict[str, Any], expected: str) -> None:
    (fault,) = faults_of(tmp_path / "toy.yaml", changed(**parts))
    assert fault.replace(": ", " ", 1).startswith(expected) or fault.startswith(expected), fault


@pytest.mark.parametrize(
    "parts",
    [
        {"distillation__targets": "human", "training__phases__0__kd_weight": 0.0},
        {
            "distillation__num_kept": 0,
            "training__phases__0__vocabulary_weight": 0.0,
            "training__phases__0__state_weight": 1.0,
        },
        {"student": {"graph": "nllb", "initialization": "random"}},
    ],
)
def test_values_that_go_together(tmp_path: Path, parts: dict[str, Any]) -> None:
    assert isinstance(load_recipe(write(tmp_path / "toy.yaml", changed(**parts))), Recipe)


def test_missing_recipe(tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"toy\.yaml"):
        load_recipe(tmp_path / "toy.yaml")


def test_recipe_is_found_by_path_then_here_then_in_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = find_recipe("quickstart")
    assert shipped.is_absolute()
    assert shipped.parts[-3:] == ("recipes", "quickstart", "recipe.yaml")
    here = write(tmp_path / "recipes" / "quickstart" / "recipe.yaml")
    assert find_recipe("quickstart").resolve() == here
    file = write(tmp_path / "quickstart")
    assert find_recipe("quickstart").resolve() == file
    assert find_recipe(str(here)) == here


def test_unknown_recipe_tells_those_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "recipes" / "mine" / "recipe.yaml")
    with pytest.raises(
        NmtDistillError, match=r"`quickstrat` is neither a file nor a recipe; there are: .*mine.*quickstart.*\."
    ):
        find_recipe("quickstrat")
