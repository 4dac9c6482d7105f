from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from nmt_distill.teacher.transformers.teacher import TransformersTeacher

FAMILIES = ["nllb", "m2m100", "small100", "mbart50", "marian", "marian_tagged", "t5", "mt5", "madlad400"]


@pytest.fixture(scope="session")
def teachers(checkpoints: dict[str, Path]) -> dict[str, TransformersTeacher]:
    """All small models as teachers; who changes one loads it anew."""
    from tests.transformers_teachers import load

    return {name: load(folder) for name, folder in checkpoints.items()}


@pytest.fixture(params=FAMILIES)
def teacher(request: pytest.FixtureRequest, teachers: dict[str, TransformersTeacher]) -> TransformersTeacher:
    """A small model of each family in turn."""
    found: TransformersTeacher = teachers[request.param]
    return found
