"""Every YAML file that a user can name loads, and what the documents say of its keys is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from nmt_distill.configuration import configuration_reference, field_documentation, load_dataclass, to_content
from nmt_distill.errors import NmtDistillError
from nmt_distill.export.config import PRECISIONS

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*/recipe.yaml"))
EVALUATED = sorted((ROOT / "eval" / "recipes").glob("*.yaml"))
"""recipes that only reports are made of"""
SUITES = sorted((ROOT / "eval" / "suites").glob("*.yaml"))

PROFILES = sorted((ROOT / "export" / "profiles").glob("*.yaml"))


def test_there_are_recipes_and_suites() -> None:
    assert PROFILES
    assert {"quickstart", "quickstart_small", "bergamot_en-pt"} <= {path.parent.name for path in RECIPES}
    assert SUITES


def test_every_yaml_is_looked_at(project_files: list[Path]) -> None:
    found = {path for path in project_files if path.suffix in (".yaml", ".yml")}
    known = {*RECIPES, *EVALUATED, *SUITES}
    elsewhere = {path for path in found if {"recipes", "eval"} & {*path.relative_to(ROOT).parts[:1]}} - known
    assert elsewhere == set()


@pytest.mark.parametrize("path", [*RECIPES, *EVALUATED], ids=lambda path: "-".join(path.parts[-2:]))
def test_recipe_loads_and_its_resolved_form_means_the_same(path: Path) -> None:
    from nmt_distill.recipe import Recipe, load_recipe

    recipe = load_recipe(path)
    assert load_dataclass(Recipe, to_content(recipe), where="resolved") == recipe


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.parent.name)
def test_recipe_comes_with_its_claim_and_its_command(path: Path) -> None:
    readme = (path.parent / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("# ")
    script = path.parent / "run.sh"
    assert script.stat().st_mode & 0o111, f"{script} must be executable"
    assert f"nmt-distill run {path.parent.name}" in script.read_text(encoding="utf-8")


@pytest.mark.parametrize("parts", [1, 2, 3], ids=["NLLB", "OPUS-MT", "source text alone"])
def test_recipe_of_the_guide_loads(parts: int, tmp_path: Path) -> None:
    """The second and the third change some sections of those before, as the guide says."""
    from nmt_distill.recipe import load_recipe

    section = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8").partition("\n## Distil your own model\n")[2]
    blocks = re.findall(r"```yaml\n(.*?)```", section.partition("\n## ")[0], flags=re.DOTALL)
    assert len(blocks) == 3
    content = {key: value for block in blocks[:parts] for key, value in yaml.safe_load(block).items()}
    (tmp_path / "my_pair.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    assert load_recipe(tmp_path / "my_pair.yaml").name == "my_pair"


def test_recipes_share_corpus_and_labels_with_the_run_they_reuse() -> None:
    from nmt_distill.recipe import load_recipe

    recipes = {path.parent.name: load_recipe(path) for path in RECIPES}
    pairs = [(recipe, recipes[recipe.reuse]) for recipe in recipes.values() if recipe.reuse is not None]
    for recipe, other in pairs:
        blocks = ["directions", "corpus"]
        if recipe.teacher == other.teacher:
            blocks.append("distillation")  # labels of the same teacher
        for block in blocks:
            same = getattr(recipe, block) == getattr(other, block)
            assert same, f"{block} of {recipe.name} must be that of {other.name}, else nothing is reused"
    assert any(recipe.teacher == other.teacher for recipe, other in pairs)


def test_students_of_the_software_teacher_see_none_of_what_is_held_out() -> None:
    """The same sources and split as the teacher's own recipe, so that held-out text is the same text."""
    from nmt_distill.recipe import load_recipe

    teacher, student, compared = (
        load_recipe(ROOT / path)
        for path in (
            "recipes/software_teacher/recipe.yaml",
            "recipes/software_student/recipe.yaml",
            "eval/recipes/kd_pays_multilingual.yaml",
        )
    )
    for recipe in (student, compared):
        assert recipe.directions == teacher.directions
        assert recipe.corpus.sources == teacher.corpus.sources
        assert recipe.corpus.split == teacher.corpus.split
    assert (compared.corpus, compared.teacher) == (student.corpus, student.teacher)


def test_small_recipe_is_smaller_out_of_the_same_labels() -> None:
    from nmt_distill.recipe import load_recipe

    small = load_recipe(ROOT / "recipes" / "quickstart_small" / "recipe.yaml")
    first = load_recipe(ROOT / "recipes" / "quickstart" / "recipe.yaml")
    assert small.reuse == "quickstart"
    assert small.vocabulary.size is not None
    assert small.student.num_encoder_layers < first.student.num_encoder_layers


def test_mistyped_key_of_a_recipe_is_told_with_the_nearest(tmp_path: Path) -> None:
    from nmt_distill.recipe import load_recipe

    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPES[0].read_text(encoding="utf-8") + "\nstuddent: {}\n", encoding="utf-8")
    with pytest.raises(NmtDistillError, match=r"studdent is not a known key; did you mean `student`\?"):
        load_recipe(path)


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_profile_of_a_device_loads(path: Path) -> None:
    from nmt_distill.recipe import load_recipe

    recipe = load_recipe(ROOT / "recipes" / "quickstart" / "recipe.yaml", export_profile=path)
    assert set(recipe.export.precisions) <= set(PRECISIONS)


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_suite_loads(path: Path) -> None:
    from nmt_distill.evaluation.test_sets import load_suite

    assert load_suite(path).pairs


def test_configuration_document_is_what_the_code_says() -> None:
    from nmt_distill.recipe import Recipe

    document = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert document == configuration_reference(Recipe), "run `make docs`"


def test_every_key_of_a_recipe_has_a_help_text() -> None:
    from nmt_distill.recipe import Recipe

    assert [path for path, row in field_documentation(Recipe).items() if not row.help] == []
