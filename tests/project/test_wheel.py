"""What an installation brings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import nmt_distill


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr.splitlines()[-1]
    (path,) = folder.iterdir()
    assert path.name == f"nmt_distill-{nmt_distill.__version__}-py3-none-any.whl"
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def unpacked(wheel: zipfile.ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    wheel.extractall(folder)
    return folder


def metadata_file(wheel: zipfile.ZipFile, name: str) -> str:
    return wheel.read(f"nmt_distill-{nmt_distill.__version__}.dist-info/{name}").decode("utf-8")


def test_wheel_has_one_import_name(wheel: zipfile.ZipFile) -> None:
    names = {name.split("/")[0] for name in wheel.namelist()}
    assert names == {"nmt_distill", f"nmt_distill-{nmt_distill.__version__}.dist-info"}


def test_wheel_has_every_module_and_no_more(wheel: zipfile.ZipFile, project_files: list[Path], root: Path) -> None:
    expected = {str(path.relative_to(root)) for path in project_files if root / "nmt_distill" in path.parents}
    teacher = root / "recipes/software_teacher/model"
    recipes = {path for path in project_files if root / "recipes" in path.parents and teacher not in path.parents}
    expected |= {f"nmt_distill/{path.relative_to(root)}" for path in recipes}
    assert {name for name in wheel.namelist() if name.startswith("nmt_distill/")} == expected
    assert {"nmt_distill/py.typed", "nmt_distill/recipes/quickstart/recipe.yaml"} <= expected


def test_recipes_in_the_wheel_are_those_of_the_tree(wheel: zipfile.ZipFile, root: Path) -> None:
    for path in (root / "recipes").glob("*/recipe.yaml"):
        assert wheel.read(f"nmt_distill/{path.relative_to(root)}") == path.read_bytes()


def test_wheel_names_the_command_the_licence_and_what_it_needs(wheel: zipfile.ZipFile) -> None:
    assert "nmt-distill = nmt_distill.cli:main" in metadata_file(wheel, "entry_points.txt")
    assert "Apache License" in metadata_file(wheel, "licenses/LICENSE")
    metadata = metadata_file(wheel, "METADATA").splitlines()
    required = {line.split(": ")[1] for line in metadata if line.startswith("Requires-Dist: ") and ";" not in line}
    names = {re.split(r"[<>=]", line)[0].lower() for line in required}
    library = {"ctranslate2", "sentencepiece", "sentencex", "sacrebleu", "numpy", "rich"}
    assert names == library | {"pyyaml", "polib", "markdown-it-py", "javaproperties", "langcodes"}
    extras = {line.split(": ")[1] for line in metadata if line.startswith("Provides-Extra: ")}
    assert extras == {
        "train", "fairseq2", "ray", "tensorboard", "onnx", "embed", "sentence-transformers", "report", "dev",
    }  # fmt: skip


def test_unpacked_wheel_answers_away_from_the_checkout(unpacked: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(unpacked)}
    program = "import nmt_distill, nmt_distill.cli; print(nmt_distill.__file__)"
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.stdout.strip() == str(unpacked / "nmt_distill" / "__init__.py"), result.stderr


def test_recipe_inside_the_wheel_is_found_by_its_name(unpacked: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(unpacked)}
    command = [sys.executable, "-m", "nmt_distill", "run", "quickstart", "--plan", "--out", str(tmp_path / "out")]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
