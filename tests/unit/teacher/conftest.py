from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nmt_distill.languages import Direction

if TYPE_CHECKING:
    from nmt_distill.teacher.marian import MarianTeacher


@pytest.fixture(scope="session")
def teacher(tiny_marian: Path) -> MarianTeacher:
    """The tiny Marian model as a teacher that says at most as many tokens as it is given (16 at least)."""
    from nmt_distill.teacher.marian import MarianTeacher

    return MarianTeacher(
        tiny_marian / "model.bin",
        tiny_marian / "vocab.spm",
        direction=Direction(source="en", target="pt"),
        origin="drawn by a test",
        licence="none needed",
        max_length_factor=1.0,
        batch_tokens=64,
    )
