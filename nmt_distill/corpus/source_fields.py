"""Fields that several kinds of sources have, and what all of them yield."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from nmt_distill.configuration.constraints import Bounds, Matches

Texts = Iterator[tuple[str, str | None]]
"""(source, its translation or None)"""
SentenceLimit = Annotated[int, Bounds(least=1, hint="leave the source out to drop it")]
CatalogPath = Annotated[
    str,
    Matches(
        r".*\{lang\}.*\.(json|po|mo|html)",
        "a path with `{lang}` where the language stands, ending in .json, .po, .mo or .html",
    ),
]
