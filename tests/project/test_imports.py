"""Who may import whom: a module imports only from those that stand to its left."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = "nmt_distill"
ORDER = [
    "errors",
    "counting",
    "computed_precision",
    "lock",
    "files",
    "output",
    "languages",
    "language_identification",
    "repetition",
    "progress",
    "memory",
    "devices",
    "ranks",
    "configuration",
    "html_reader",
    "translation",
    "corpus",
    "vocabulary",
    "documents",
    "document_translation",
    "inheritance",
    "teacher",
    "distillation",
    "student",
    "evaluation",
    "embedding",
    "training",
    "export",
    "recipe",
    "stages",
    "cluster",
    "scoring",
    "pipeline",
    "comparison",
    "ablation",
    "commands",
    "cli",
    "__main__",
]

ONLY_IN = {
    "transformers": ("student.", "training.", "teacher.transformers", "embedding.teacher.", "export.sentence_encoder"),
    "sentence_transformers": ("embedding.teacher.", "export.sentence_encoder"),
    "sklearn": ("embedding.",),
    "usearch": ("embedding.index",),
    "accelerate": ("training.",),
    "fairseq2": ("teacher.fairseq2",),
    "polib": ("corpus.", "documents.gettext_catalog"),
    "sentencex": ("translation.sentences",),
    "py3langid": ("language_identification",),
    "langcodes": ("languages", "teacher.language_matching"),
    "matplotlib": ("evaluation.plot",),
    "ray": ("cluster.",),
    "optimum": ("export.onnx",),
    "rich": ("progress", "evaluation.terminal"),
    "sacrebleu": ("evaluation.", "distillation."),
}
"""outside libraries, and the modules (or packages, with a point) that alone may import them"""

NEVER_IN = {
    "evaluation": ("torch", "transformers", "ctranslate2", "nmt_distill.translation.translator", "nmt_distill.teacher"),
    "student": ("nmt_distill.teacher",),
    "teacher": ("nmt_distill.student",),
    "corpus": ("torch", "transformers", "ctranslate2"),
    "documents": ("torch", "ctranslate2", "nmt_distill.translation.translator"),
}
"""what a package may not import, anywhere in its files"""

WITHOUT_TORCH = [
    "translation", "documents", "commands", "cli", "evaluation", "recipe", "embedding.encoder", "embedding.index",
    "embedding.mining", "embedding.head_training",
]  # fmt: skip
"""what is imported without torch and transformers being loaded"""


class Import(NamedTuple):
    importer: str
    line: int
    imported: str


def module_name(path: Path, root: Path) -> str:
    """Name a file inside the package: ``teacher.marian``; a package's ``__init__`` is the package."""
    parts = path.relative_to(root / PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path, root: Path) -> Iterator[Import]:
    """Yield every import in a file, those inside functions and for type checkers too."""
    importer = module_name(path, root)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}, line {node.lineno}: import by the full name"
            # `from nmt_distill.teacher import marian` may name a module
            names = [node.module or ""] + [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield Import(importer, node.lineno, name)


@pytest.fixture(scope="module")
def modules(project_files: list[Path], root: Path) -> list[Path]:
    folder = root / PACKAGE
    return [path for path in project_files if path.suffix == ".py" and folder in path.parents]


@pytest.fixture(scope="module")
def imports(modules: list[Path], root: Path) -> list[Import]:
    return [found for path in modules for found in imports_of(path, root)]


def is_within(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith(f"{prefix}.")


def test_every_module_has_its_place(modules: list[Path], root: Path) -> None:
    names = {module_name(path, root).split(".")[0] for path in modules} - {""}
    assert names <= set(ORDER), f"give {sorted(names - set(ORDER))} a place in ORDER, where the data flow puts them"
    assert len(ORDER) == len(set(ORDER))


def test_imports_go_one_way(imports: list[Import]) -> None:
    place = {name: number for number, name in enumerate(ORDER)}
    wrong = []
    for importer, line, imported in imports:
        first, _, rest = imported.partition(".")
        target = rest.split(".")[0]
        own = importer.split(".")[0]
        if first == PACKAGE and own in place and target in place and place[target] > place[own]:
            wrong.append(f"{importer}, line {line} imports {imported}, which stands to its right")
    assert wrong == []
    assert any(is_within(imported, PACKAGE) for _, _, imported in imports)


@pytest.mark.parametrize("library", ONLY_IN)
def test_library_is_imported_only_where_it_belongs(imports: list[Import], library: str) -> None:
    allowed = ONLY_IN[library]
    wrong = [
        f"{importer}, line {line}"
        for importer, line, imported in imports
        if is_within(imported, library) and not f"{importer}.".startswith(allowed)
    ]
    assert wrong == []


@pytest.mark.parametrize("package", NEVER_IN)
def test_package_knows_nothing_of(imports: list[Import], package: str) -> None:
    wrong = [
        f"{importer}, line {line} imports {imported}"
        for importer, line, imported in imports
        if is_within(importer, package) and any(is_within(imported, name) for name in NEVER_IN[package])
    ]
    assert wrong == []
    assert any(is_within(importer, package) for importer, _, _ in imports), f"nothing in {package} was looked at"


@pytest.mark.parametrize("module", WITHOUT_TORCH)
def test_import_loads_neither_torch_nor_transformers(root: Path, module: str) -> None:
    heavy = "{'torch', 'transformers', 'accelerate', 'fairseq2'} & set(sys.modules)"
    program = f"import sys, pkgutil, importlib\nm = importlib.import_module('{PACKAGE}.{module}')\n"
    program += "for i in pkgutil.iter_modules(getattr(m, '__path__', [])):\n"
    program += "    importlib.import_module(m.__name__ + '.' + i.name)\n"
    program += f"print(sorted({heavy}))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=root, check=False)
    assert (result.stdout.strip(), result.returncode) == ("[]", 0), result.stderr
