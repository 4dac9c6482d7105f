"""Records: what a training reads, one sentence pair after another in token ids, with what a teacher says of each token.

S source tokens, T target tokens, K kept candidates, D numbers of a decoder state.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class StoreHeader:
    """What the rows of a store mean; every field must fit before a store is read."""

    teacher: str
    """fingerprint of the teacher; empty where targets are human"""
    vocabulary: str
    """fingerprint of the SentencePiece model that the ids belong to"""
    direction: str
    """such as ``en-pt-BR``"""
    temperature: float
    """at which the probabilities were taken"""
    num_kept: int
    """K, or the number of draws; 0 without soft targets"""
    state_dim: int
    """D; 0 without decoder states"""
    vocab_size: int
    """how many ids the SentencePiece model has"""
    kept: str = "top"
    """``top``: the K most probable next tokens and the tail; ``drawn``: tokens drawn from the distribution"""
    probs_precision: str = "float16"
    """in which kept probabilities, or their logarithms, are written"""


@dataclass(frozen=True)
class Record:
    """One sentence pair of a store."""

    source_ids: Array
    """(S,), end of sentence included"""
    target_ids: Array
    """(T,), end of sentence included"""
    kept_ids: Array | None
    """(T, K)"""
    kept_probs: Array | None
    """(T, K)"""
    tail: Array | None
    """(T,); None where tokens were drawn"""
    states: Array | None
    """(T, D); not a number where there are none, see :class:`~nmt_distill.distillation.trimmed_store.TrimmedStore`"""
    kept_weights: Array | None = None
    """(T, K), where tokens were drawn: the share of a row's draws; 0 where the row has fewer than K different ones"""
    vector: Array | None = None
    """(D,), another teacher's sentence vector of the source"""


class Records(Protocol):
    """What a training reads: a store, or a store seen through a smaller vocabulary."""

    folder: Path
    header: StoreHeader

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Record: ...

    @property
    def group_sizes(self) -> tuple[int, ...]:
        """How many records each direction has, which stand one direction after the other."""
        ...

    def lengths(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Return the source and target tokens of every record."""
        ...
