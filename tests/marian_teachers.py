"""Marian models as teachers, and what their graphs make of a sentence."""

from __future__ import annotations

from pathlib import Path

import torch

from nmt_distill.languages import Direction
from nmt_distill.teacher.marian.graph import pad
from nmt_distill.teacher.marian.teacher import MarianTeacher
from nmt_distill.teacher.marian.vocabulary import VocabularyFiles

SENTENCES = ["Turn on the light in the kitchen.", "Stop", "", "open the door and the window please", "🙂 €"]


def load(
    models: Path | list[Path],
    vocabulary: Path | VocabularyFiles,
    target_vocabulary: Path | VocabularyFiles | None = None,
    *,
    max_length_factor: float = 2.5,
    source_tag: str | None = None,
) -> MarianTeacher:
    return MarianTeacher(
        models,
        vocabulary,
        target_vocabulary,
        direction=Direction(source="en", target="pt"),
        origin="",
        licence="",
        max_length_factor=max_length_factor,
        source_tag=source_tag,
    )


def all_logits(teacher: MarianTeacher, source: list[int], target: list[int], model: int = 0) -> torch.Tensor:
    """Return the logits (T, V) of one sentence by one model."""
    graph = teacher.graphs[model]
    state = graph.encode(*pad([source], torch.device("cpu")))
    fed = torch.tensor([target]).roll(1, dims=1)
    return graph.logits(graph.decode(fed, state, length=len(target))[0])
