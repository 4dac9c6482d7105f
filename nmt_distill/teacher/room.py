"""How long a source and its translation may be: by what is asked for, and by the positions that a model has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nmt_distill.errors import NmtDistillError

MIN_TARGET_TOKENS = 16
"""tokens that every translation may have, however short its source is"""


def target_limits(source_ids: Sequence[Sequence[int]], factor: float) -> list[int]:
    """Return the most tokens of each translation.

    :param source_ids: end of sentence included, without tags
    :param factor: most target tokens per source token
    """
    return [max(MIN_TARGET_TOKENS, round(factor * len(ids))) for ids in source_ids]


@dataclass(frozen=True)
class Room:
    """The positions of a model, of which its tags take some."""

    name: str
    """of the model, for messages"""
    positions: int | None
    """of source and target each; None where there is no limit"""
    source_prefix: Sequence[int]
    """ids before every source: a language tag or a prompt"""
    num_forced: int
    """inputs that the decoder is forced to begin with: its start and any language tag"""

    @property
    def longest_source(self) -> int | None:
        """Most tokens of a source, end of sentence included, without tags; None where there is no limit."""
        return None if self.positions is None else self.positions - len(self.source_prefix)

    @property
    def longest_target(self) -> int | None:
        """Most tokens of a target, end of sentence included, without tags; None where there is no limit."""
        return None if self.positions is None else self.positions - self.num_forced + 1

    def with_prefix(self, source_ids: Sequence[Sequence[int]]) -> list[list[int]]:
        """Put the tags before sources.

        :raises NmtDistillError: if one is too long then
        """
        longest = self.longest_source
        for place, ids in enumerate(source_ids, start=1):
            if longest is not None and len(ids) > longest:
                raise NmtDistillError(
                    f"sentence {place} of {len(source_ids)} has {len(ids):,} source tokens, but {self.name} takes "
                    f"{longest:,} at most; set distillation.max_source_tokens to that or less."
                )
        return [[*self.source_prefix, *ids] for ids in source_ids]

    def check_targets(self, target_ids: Sequence[Sequence[int]]) -> None:
        """Refuse targets that have no room.

        :param target_ids: end of sentence included, without tags
        :raises NmtDistillError: if one has not
        """
        longest = max(map(len, target_ids))
        if self.longest_target is not None and longest > self.longest_target:
            raise NmtDistillError(
                f"a target has {longest + self.num_forced - 1:,} tokens with its tag, but {self.name} has "
                f"{self.positions:,} positions."
            )

    def target_limits(self, source_ids: Sequence[Sequence[int]], factor: float, *, reserved: int = 0) -> list[int]:
        """Return the most tokens of each translation, see :func:`target_limits`, as far as there is room.

        :param reserved: positions that the engine itself takes
        """
        limits = target_limits(source_ids, factor)
        if self.positions is None:
            return limits
        return [min(limit, self.positions - self.num_forced - reserved) for limit in limits]
