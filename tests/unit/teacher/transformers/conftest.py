from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from nmt_distill.teacher.transformers.teacher import TransformersTeacher


@pytest.fixture(scope="session")
def teachers(checkpoints: dict[str, Path]) -> dict[str, TransformersTeacher]:
    """All small models as teachers; who changes one loads it anew."""
    from tests.transformers_teachers import load

    return {name: load(folder) for name, folder in checkpoints.items()}
