"""What a translator counts: the segments that did not go as they should."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What was not as it should be, in one translation or in many."""

    num_untranslated: int = 0
    """segments for which the model had no answer, or none with all that is protected: they stand as they were"""
    num_unfinished: int = 0
    """segments whose translation reached the longest length that is allowed, and may lack its end"""
    num_repeating: int = 0
    """segments whose translation runs in circles, whatever was tried"""
    num_in_pieces: int = 0
    """segments that were translated around what is protected in them, because the model lost it"""

    def __add__(self, other: Tally) -> Tally:
        """Return the sums of all counts."""
        return Tally(
            num_untranslated=self.num_untranslated + other.num_untranslated,
            num_unfinished=self.num_unfinished + other.num_unfinished,
            num_repeating=self.num_repeating + other.num_repeating,
            num_in_pieces=self.num_in_pieces + other.num_in_pieces,
        )


ALL_WELL = Tally()
"""of a translation that is as it should be"""
UNTRANSLATED = Tally(num_untranslated=1)
IN_PIECES = Tally(num_in_pieces=1)


def total(tallies: Iterable[Tally]) -> Tally:
    """Return the sum of tallies; of those that are :data:`ALL_WELL`, as nearly all are, it costs next to nothing."""
    whole = ALL_WELL
    for tally in tallies:
        if tally is not ALL_WELL:
            whole = tally if whole is ALL_WELL else whole + tally
    return whole
