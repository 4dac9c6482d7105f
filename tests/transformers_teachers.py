"""The small models of :mod:`tests.transformers_models` as teachers, and what is seen of them at work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nmt_distill.languages import Direction
from nmt_distill.teacher.transformers.teacher import TransformersTeacher

SENTENCES = ["Turn on the light in the kitchen", "Stop", "", "open the door and the window please"]


def load(folder: Path, **settings: Any) -> TransformersTeacher:
    """Load one of the small models, English to German unless told otherwise."""
    direction = settings.pop("direction", Direction(source="en", target="de"))
    if folder.name == "mt5":
        settings.setdefault("prefix", "Turn the ")
    settings = {"max_length_factor": 1.0, "batch_tokens": 64} | settings
    return TransformersTeacher(str(folder), direction=direction, origin="drawn by a test", licence="none", **settings)


@contextmanager
def seen_inputs(teacher: TransformersTeacher) -> Iterator[tuple[list[list[int]], list[list[int]]]]:
    """Note what the encoder and the decoder read first."""
    model = teacher.graph.model
    seen: tuple[list[list[int]], list[list[int]]] = ([], [])

    def note(place: int) -> Callable[..., None]:
        return lambda _module, _args, given: seen[place].extend(given["input_ids"].tolist())

    parts = (model.get_encoder(), model.get_decoder())
    hooks = [part.register_forward_pre_hook(note(place), with_kwargs=True) for place, part in enumerate(parts)]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
