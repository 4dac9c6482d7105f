"""What holds for the files of the project as such."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nmt_distill

MAX_LINES = 320
MAX_BYTES = 2 * 1024 * 1024
MAX_MODEL_BYTES = 15_000_000
"""of all packaged models together"""
TEACHER = Path("recipes/software_teacher/model")
MAX_TEACHER_BYTES = 30_000_000


def test_no_module_outgrows_its_noun(project_files: list[Path], root: Path) -> None:
    package = root / "nmt_distill"
    modules = [path for path in project_files if path.suffix == ".py" and package in path.parents]
    lines = {str(path.relative_to(root)): len(path.read_bytes().splitlines()) for path in modules}
    assert {name: count for name, count in lines.items() if count > MAX_LINES} == {}
    assert len(lines) > 20


def test_no_file_is_large(project_files: list[Path], root: Path) -> None:
    models = {root / "nmt_distill" / "models", root / TEACHER}
    sizes = {path.relative_to(root): path.stat().st_size for path in project_files if models.isdisjoint(path.parents)}
    assert {name: size for name, size in sizes.items() if size > MAX_BYTES} == {}


def test_packaged_models_are_small(project_files: list[Path], root: Path) -> None:
    sizes = [path.stat().st_size for path in project_files if root / "nmt_distill" / "models" in path.parents]
    assert 0 < sum(sizes) <= MAX_MODEL_BYTES


def test_embedded_teacher_is_small(project_files: list[Path], root: Path) -> None:
    sizes = [path.stat().st_size for path in project_files if root / TEACHER in path.parents]
    assert 0 < sum(sizes) <= MAX_TEACHER_BYTES


def test_no_module_is_named_for_nothing(project_files: list[Path], root: Path) -> None:
    parts = {part for path in project_files for part in path.relative_to(root).with_suffix("").parts}
    assert parts & {"utils", "util", "helpers", "helper", "common", "misc"} == set()


def test_folders_that_people_read_are_no_packages(root: Path) -> None:
    for folder in ("recipes", "eval", "export", "benchmarks"):
        assert (root / folder).is_dir()
        assert list((root / folder).rglob("__init__.py")) == []
    assert list((root / "tests").rglob("__init__.py")) == []


def test_everything_public_says_what_it_is(project_files: list[Path], root: Path) -> None:
    silent = []
    for path in project_files:
        if path.suffix != ".py" or root / "nmt_distill" not in path.parents:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        nodes: list[tuple[str, ast.AST]] = [("module", tree)]
        for statement in tree.body:
            if isinstance(statement, ast.FunctionDef | ast.ClassDef) and not statement.name.startswith("_"):
                nodes.append((statement.name, statement))
        for name, node in nodes:
            if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and not ast.get_docstring(node):
                silent.append(f"{path.relative_to(root)}: {name}")
    assert silent == []


def test_changelog_tells_of_this_version(root: Path) -> None:
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", changelog, flags=re.MULTILINE)
    assert versions[0] == nmt_distill.__version__
    assert versions == sorted(versions, key=lambda text: [int(part) for part in text.split(".")], reverse=True)


def test_licence_is_the_one_that_is_declared(root: Path) -> None:
    assert 'license = "Apache-2.0"' in (root / "pyproject.toml").read_text(encoding="utf-8")
    text = (root / "LICENSE").read_text(encoding="utf-8")
    assert text.split()[:4] == ["Apache", "License", "Version", "2.0,"]
    assert "END OF TERMS AND CONDITIONS" in text
