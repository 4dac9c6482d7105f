"""Drawn next tokens as they are stored: each different token once, with how often it was drawn.

Shapes: R target tokens (rows), n draws a row, U different tokens of the row that has most, M different tokens of all
rows together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

NAMES = ("kept_ids", "kept_counts", "kept_log_probs", "num_distinct")
"""what :func:`pack_draws` makes"""


def count_type(num_draws: int) -> type:
    """Return the smallest type that counts so many draws."""
    return next((kind for kind in (np.uint8, np.uint16) if num_draws <= np.iinfo(kind).max), np.uint32)


def pack_draws(token_ids: Array, probs: Array) -> dict[str, Array]:
    """Take equal draws of a row together.

    :param token_ids: (R, n), in any order
    :param probs: (R, n) their probabilities
    :returns: ``kept_ids`` (M,), ``kept_counts`` (M,) and ``kept_log_probs`` (M,), row after row, in each the token that
        was drawn most often first (of two, the more probable), and ``num_distinct`` (R,)
    """
    num_rows, num_draws = token_ids.shape
    order = np.argsort(token_ids, axis=1, kind="stable")
    token_ids, probs = np.take_along_axis(token_ids, order, axis=1), np.take_along_axis(probs, order, axis=1)
    is_first = np.ones((num_rows, num_draws), dtype=bool)
    is_first[:, 1:] = token_ids[:, 1:] != token_ids[:, :-1]
    rows, columns = np.nonzero(is_first)
    counts = np.diff(np.append(rows * num_draws + columns, num_rows * num_draws))
    ids, chances = token_ids[is_first], probs[is_first]
    order = np.lexsort((-chances, -counts, rows))
    return {
        "kept_ids": ids[order],
        "kept_counts": counts[order],
        "kept_log_probs": np.log(chances[order]),
        "num_distinct": is_first.sum(axis=1),
    }


def unpack_draws(packed: Mapping[str, Array], num_draws: int) -> dict[str, Array]:
    """Return ``kept_ids``, ``kept_probs`` and ``kept_weights``, all (R, U); a weight is the share of the draws.

    Where a row has fewer different tokens, its first one fills up, with probability 1 and weight 0.

    :param packed: as :func:`pack_draws` returns it
    """
    lengths = packed["num_distinct"].astype(np.int64)
    real = np.arange(lengths.max(initial=0)) < lengths[:, None]
    ids, probs, weights = packed["kept_ids"], np.ones(real.shape, np.float32), np.zeros(real.shape, np.float32)
    kept_ids = np.empty(real.shape, ids.dtype)
    kept_ids[:] = ids[lengths.cumsum() - lengths][:, None]
    kept_ids[real] = ids
    probs[real] = np.exp(packed["kept_log_probs"].astype(np.float32))
    weights[real] = packed["kept_counts"] / np.float32(num_draws)
    return {"kept_ids": kept_ids, "kept_probs": probs, "kept_weights": weights}
