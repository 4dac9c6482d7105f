"""How a recipe is found and read: names, presets, overrides and profiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmt_distill.configuration import to_content, write_yaml
from nmt_distill.errors import NmtDistillError, RecipeError
from nmt_distill.evaluation.config import EvaluationConfig
from nmt_distill.export.config import ExportConfig
from nmt_distill.languages import Direction
from nmt_distill.recipe import find_recipe, load_recipe
from tests.recipes import changed, write


def test_profile_takes_the_place_of_keys_of_the_export(tmp_path: Path) -> None:
    path = write(tmp_path / "toy.yaml", changed(export__precisions=["int8"], export__beam_size=3))
    profile = write(tmp_path / "profile.yaml", {"precisions": ["float32", "float16"], "encoder": True})
    export = load_recipe(path, export_profile=profile).export
    assert (export.precisions, export.encoder, export.beam_size) == (("float32", "float16"), True, 3)
    assert load_recipe(path, ["export.encoder=false"], export_profile=profile).export.encoder is False
    wrong = write(tmp_path / "wrong.yaml", {"precision": ["int8"]})
    with pytest.raises(RecipeError, match=r"export\.precision is not a known key; did you mean `precisions`\?"):
        load_recipe(path, export_profile=wrong)


def test_recipe_says_only_what_differs(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path / "toy.yaml"))
    assert recipe.teachers == {Direction(source="en", target="pt-BR"): recipe.teacher}
    assert (recipe.student.model_dim, recipe.distillation.num_kept, recipe.reuse) == (256, 16, None)
    assert (recipe.export, recipe.evaluation) == (ExportConfig(), EvaluationConfig())


@pytest.mark.parametrize(("path", "name"), [("quick/recipe.yaml", "quick"), ("mine.yaml", "mine")])
def test_name_is_that_of_the_folder_or_the_file(tmp_path: Path, path: str, name: str) -> None:
    assert load_recipe(write(tmp_path / path)).name == name
    assert load_recipe(write(tmp_path / path, changed(name="chosen"))).name == "chosen"


def test_overrides_win(tmp_path: Path) -> None:
    path = write(tmp_path / "toy.yaml")
    recipe = load_recipe(path, ["student.model_dim=128", "training.phases[0].num_steps=3", "reuse=other"])
    assert (recipe.student.model_dim, recipe.training.phases[0].num_steps, recipe.reuse) == (128, 3, "other")


def test_preset_is_a_base_that_keys_of_the_recipe_edit(tmp_path: Path) -> None:
    content = changed(student={"preset": "tiny", "num_decoder_layers": 4, "graph": "nllb", "initialization": "random"})
    recipe = load_recipe(write(tmp_path / "toy.yaml", content))
    student = recipe.student
    assert (student.num_encoder_layers, student.num_decoder_layers) == (6, 4)
    assert (student.model_dim, student.ffn_inner_dim, student.graph) == (256, 1536, "nllb")
    write_yaml(tmp_path / "resolved.yaml", to_content(recipe))
    assert load_recipe(tmp_path / "resolved.yaml") == recipe


def test_a_preset_of_the_command_line_replaces_the_shape_of_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "toy.yaml", changed(student={"preset": "micro", "num_decoder_layers": 3}))
    write_yaml(tmp_path / "resolved.yaml", to_content(load_recipe(path)))
    for file in (path, tmp_path / "resolved.yaml"):
        student = load_recipe(file, ["student.preset=base"]).student
        assert (student.preset, student.model_dim, student.num_decoder_layers) == ("base", 512, 2)
        student = load_recipe(file, ["student.num_decoder_layers=1", "student.preset=base"]).student
        assert (student.model_dim, student.num_decoder_layers) == (512, 1)
        assert load_recipe(file, ["student.preset=null"]).student.model_dim == 256


@pytest.mark.parametrize("name", ["", ".", "..", "../other", "a/b", " a", ".hidden"])
def test_name_is_that_of_a_folder_in_runs(tmp_path: Path, name: str) -> None:
    """An empty one would make its stages in `runs` itself, among other runs."""
    with pytest.raises(RecipeError, match="name must be the name of a folder, without / and no dot or space first"):
        load_recipe(write(tmp_path / "mine.yaml", changed(name=name)))


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


def test_recipe_named_without_its_suffix_is_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "my_pair.yaml")
    with pytest.raises(
        NmtDistillError, match=r"`my_pair` is neither a file nor a recipe; did you mean my_pair\.yaml\?"
    ):
        find_recipe("my_pair")
