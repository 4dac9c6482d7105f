"""What is wrong with a recipe or its text is told in one line, with status 2, before anything is made of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.integration.conftest import Fails, Toy, half_written


def test_all_faults_of_a_recipe_are_told_at_once(toy: Toy, fails: Fails, tmp_path: Path) -> None:
    content = dict(toy.content)
    content["studdent"] = {}
    content["directions"] = [{"source": "english!", "target": "pt-BR"}]
    content["student"] = {**toy.content["student"], "num_heads": "four", "model_dimm": 64}
    content["distillation"] = {"temperature": 0}
    content["training"] = {"phases": [{"num_steps": 0, "learning_rate": 0.001}]}
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    error = fails("run", path, "--out", tmp_path / "run")
    assert error.startswith(f"{path} has 6 faults: ")
    assert "studdent is not a known key; did you mean `student`?" in error
    assert "student.model_dimm is not a known key; did you mean `model_dim`?" in error
    assert "student.num_heads must be a whole number, but is" in error
    assert "distillation.temperature must be above 0, but is 0.0 instead" in error
    assert "training.phases[0].num_steps must be 1 or more, but is 0 instead" in error
    assert not (tmp_path / "run").exists()


def test_overrides_are_checked_as_the_recipe_is(toy: Toy, fails: Fails, tmp_path: Path) -> None:
    recipe = toy.write_recipe(tmp_path)
    error = fails("run", recipe, "--set", "student.model_dmi=8", "--set", "training.seed=x", "--out", tmp_path / "run")
    assert "student.model_dmi is not a known key; did you mean `model_dim`?" in error
    assert "training.seed must be a whole number" in error
    assert "must look like section.key=value" in fails("run", recipe, "--set", "nonsense")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["distillation.targets=human"],
            "training.phases[0].state_weight must be 0 where no states are kept",
        ),
        (["distillation.num_kept=0"], "training.phases[1].kd_weight must be 0 where there are no soft targets"),
        (["student.graph=nllb"], "student.graph must be marian, the graph of this teacher's weights, but is nllb"),
        (["directions[0].target=en"], "directions[0].target must be another language than source"),
        (
            ["directions[0].target=pt-br"],
            "directions[0].target must be a language tag such as de, pt-BR or zh-Hans, but is the text 'pt-br' instead",
        ),
        (["vocabulary.size=100"], "vocabulary.size must be a positive multiple of 8, but is 100"),
    ],
)
def test_settings_that_contradict_each_other(
    toy: Toy, fails: Fails, tmp_path: Path, overrides: list[str], message: str
) -> None:
    recipe = toy.write_recipe(tmp_path, *overrides)
    assert message in fails("run", recipe, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_recipe_that_is_not_there(fails: Fails) -> None:
    error = fails("run", "quickstrat")
    assert error.startswith("`quickstrat` is neither a file nor a recipe; there are: ")
    assert "quickstart" in error


def break_text(toy: Toy, tmp_path: Path, content: bytes | None) -> tuple[Path, Path]:
    """Write a recipe whose translations are ``content``, or missing."""
    target = tmp_path / "pairs.pt-BR"
    if content is not None:
        target.write_bytes(content)
    return toy.write_recipe(tmp_path, f"corpus.sources[0].target={target}"), target


def test_text_that_is_missing(toy: Toy, fails: Fails, tmp_path: Path) -> None:
    recipe, target = break_text(toy, tmp_path, None)
    assert fails("prepare-data", recipe, "--out", tmp_path / "run") == (
        f"The recipe toy has 1 fault: corpus.sources[0].target names {target}, which does not exist"
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("num_lines", "first"), [(899, "target"), (901, "source")])
def test_unequal_numbers_of_lines(toy: Toy, fails: Fails, tmp_path: Path, num_lines: int, first: str) -> None:
    recipe, target = break_text(toy, tmp_path, b"uma frase\n" * num_lines)
    shorter, longer = (target, toy.folder / "pairs.en") if first == "target" else (toy.folder / "pairs.en", target)
    assert fails("prepare-data", recipe, "--out", tmp_path / "run").startswith(
        f"{shorter} has {min(900, num_lines)} lines, but {longer} has more"
    )
    assert [path.name for path in (tmp_path / "run").iterdir() if path.name == "corpus"] == []


def test_text_that_is_not_utf8(toy: Toy, fails: Fails, tmp_path: Path) -> None:
    content = (toy.folder / "pairs.pt-BR").read_bytes().splitlines(keepends=True)
    content[41] = "é".encode("latin-1") + content[41]
    recipe, target = break_text(toy, tmp_path, b"".join(content))
    error = fails("prepare-data", recipe, "--out", tmp_path / "run")
    assert error.startswith(f"{target}, line 42: not valid UTF-8 (byte 1 of the line is 0xe9)")
    assert half_written(tmp_path) == []


def test_text_that_is_empty(toy: Toy, fails: Fails, tmp_path: Path) -> None:
    empty = tmp_path / "empty.en"
    empty.touch()
    recipe = toy.write_recipe(tmp_path, f"corpus.sources[1].path={empty}")
    assert fails("prepare-data", recipe, "--out", tmp_path / "run") == f"{empty} is empty."
    assert half_written(tmp_path) == []


def test_too_little_text_to_hold_any_out(toy: Toy, fails: Fails, tmp_path: Path) -> None:
    recipe = toy.write_recipe(tmp_path, "corpus.split.num_test=5000")
    error = fails("prepare-data", recipe, "--out", tmp_path / "run")
    assert re.match(r"The sources hold \d+ pairs .*; ask for less, .*, add a source of pairs, or set ref", error)
