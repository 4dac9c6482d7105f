"""What needs fairseq2 itself: a small NLLB model, trained for seconds, that all engines load."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nmt_distill.languages import Direction
from tests.trained_nllb import ToyLanguage, write_trained_nllb

if TYPE_CHECKING:
    from nmt_distill.teacher.fairseq2.teacher import Fairseq2Teacher
    from nmt_distill.teacher.transformers.teacher import TransformersTeacher

FACTS: dict[str, Any] = {
    "direction": Direction(source="en", target="de"),
    "origin": "trained by a test",
    "licence": "none",
}


@dataclass(frozen=True)
class Toy:
    """One checkpoint in two layouts, and sentences for it."""

    transformers: Path
    fairseq2: Path
    sentences: list[str]
    language: ToyLanguage


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    from nmt_distill.teacher.fairseq2.folder import read_transformers
    from tests.conftest import WORDS

    folder, generator = tmp_path_factory.mktemp("toy"), random.Random()
    language = ToyLanguage(sorted(set(WORDS.split())), generator)
    write_trained_nllb(folder / "transformers", language, [language.source() for _ in range(400)], generator)
    read_transformers(str(folder / "transformers")).save_fairseq2(folder / "fairseq2", name="toy")
    sentences = [language.source() for _ in range(200)]
    return Toy(folder / "transformers", folder / "fairseq2", sentences, language)


def load(toy: Toy, **settings: Any) -> Fairseq2Teacher:
    """Load the toy in fairseq2."""
    from nmt_distill.teacher.fairseq2.teacher import Fairseq2Teacher

    return Fairseq2Teacher(str(toy.fairseq2), **FACTS | settings)


def load_twin(toy: Toy, **settings: Any) -> TransformersTeacher:
    """Load the toy in transformers."""
    from nmt_distill.teacher.transformers.teacher import TransformersTeacher

    return TransformersTeacher(str(toy.transformers), **FACTS | settings)


@pytest.fixture(scope="session")
def teacher(toy: Toy) -> Fairseq2Teacher:
    """The toy in fairseq2."""
    return load(toy)
