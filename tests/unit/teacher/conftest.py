from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nmt_distill.languages import Direction

if TYPE_CHECKING:
    from nmt_distill.teacher.marian.teacher import MarianTeacher


@pytest.fixture(scope="session")
def teacher(tiny_marian: Path) -> MarianTeacher:
    """The tiny Marian model as a teacher that says at most as many tokens as it is given (16 at least)."""
    from nmt_distill.teacher.marian.teacher import MarianTeacher

    return MarianTeacher(
        tiny_marian / "model.bin",
        tiny_marian / "vocab.spm",
        direction=Direction(source="en", target="pt"),
        origin="drawn by a test",
        licence="none needed",
        max_length_factor=1.0,
        batch_tokens=64,
    )


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory, toy_sentences: list[str]) -> dict[str, Path]:
    """Tiny transformers models of random weights, one for each family in the layout of its public checkpoints."""
    from tests import transformers_models as models

    folder = tmp_path_factory.mktemp("transformers")
    mirrored = [sentence[::-1] for sentence in toy_sentences]
    tags = [">>eng<<", ">>deu<<", ">>nld<<"]
    written = {
        "nllb": models.write_nllb(folder / "nllb", toy_sentences),
        "m2m100": models.write_m2m100(folder / "m2m100", toy_sentences),
        "small100": models.write_m2m100(folder / "small100", toy_sentences, "SMALL100Tokenizer"),
        "mbart50": models.write_mbart50(folder / "mbart50", toy_sentences),
        "marian": models.write_marian(folder / "marian", toy_sentences, mirrored),
        "marian_tagged": models.write_marian(
            folder / "marian_tagged", toy_sentences, toy_sentences, tags=tags, languages=("gem", "gem")
        ),
        "t5": models.write_t5(folder / "t5", toy_sentences),
        "mt5": models.write_mt5(folder / "mt5", toy_sentences),
        "madlad400": models.write_mt5(folder / "madlad400", toy_sentences, ["<2de>", "<2pt>", "<2zh_Hant>"]),
    }
    for name in ("nllb", "mbart50", "t5", "madlad400"):
        written[f"{name}_saved"] = models.without_pieces(written[name], folder / f"{name}_saved")
    return written
