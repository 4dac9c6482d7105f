"""Sentences of like length side by side, so that little is computed for padding."""

from __future__ import annotations

from collections.abc import Sequence


def batches_by_length(sequences: Sequence[Sequence[int]], batch_tokens: int) -> list[list[int]]:
    """Group the indices of sequences of like length, longest first, so that each batch holds at most ``batch_tokens``.

    A sequence longer than that is a batch of its own.
    """
    batches: list[list[int]] = []
    width = 0
    for index in sorted(range(len(sequences)), key=lambda index: (-len(sequences[index]), index)):
        if not batches or (len(batches[-1]) + 1) * width > batch_tokens:
            batches.append([])
            width = len(sequences[index])
        batches[-1].append(index)
    return batches
