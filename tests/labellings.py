"""Labellings of a few sentences by a teacher that the caller makes up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt_distill.distillation.config import DistillationConfig
from nmt_distill.distillation.filters import LabelFilters
from nmt_distill.distillation.labelling import Labelling
from nmt_distill.distillation.records import StoreHeader
from nmt_distill.distillation.selection import rank_hypotheses
from nmt_distill.distillation.source_text import SourceText
from nmt_distill.languages import Direction

if TYPE_CHECKING:
    from tests.unit.distillation.conftest import LetterTeacher

DIRECTION = Direction(source="en", target="pt")
HEADER = StoreHeader(
    teacher="letters", vocabulary="v", direction="en-pt", temperature=1.0, num_kept=2, state_dim=2, vocab_size=27
)
CONFIG = DistillationConfig(num_kept=2, shard_sentences=2, max_source_tokens=6)
Encode = Callable[[Sequence[str]], list[list[int]]]
SOURCES = ["ab", "", "zoo", "abcdefgh", "c d", "xy"]
"""the second is translated into nothing, the third never ends, the fourth is too long"""


def label(
    teacher: LetterTeacher | None, letters: Encode | None, texts: list[SourceText], folder: Path, **values: Any
) -> dict[str, Any]:
    reverse = values.pop("reverse", None)
    config = replace(CONFIG, **values)
    header = replace(HEADER, num_kept=config.num_kept, kept=config.kept, probs_precision=config.probs_precision)
    likeness = shared if config.choose_by == "chrf" else None
    labels = Labelling(
        config,
        teacher=teacher,
        rank=partial(rank_hypotheses, similarity=likeness),
        filters=LabelFilters(config.filters, target="pt", chrf=shared, ter=shared),
        reverse=reverse,
        encode=letters,
        header=header if letters else None,
    )
    return labels.run(texts, folder, direction=DIRECTION)


def shared(one: str, other: str) -> float:
    return sum(a == b for a, b in zip(one, other, strict=False))


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
