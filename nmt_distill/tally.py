"""What a translator counts: the segments that did not go as they should."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(kw_only=True)
class Tally:
    """What was not as it should be."""

    num_untranslated: int = 0
    """segments for which the model had no answer, or none with all that is protected: they stand as they were"""
    num_unfinished: int = 0
    """segments whose translation reached the longest length that is allowed, and may lack its end"""
    num_repeating: int = 0
    """segments whose translation runs in circles, whatever was tried"""
    num_in_pieces: int = 0
    """segments that were translated around what is protected in them, because the model lost it"""

    def add(self, other: Tally) -> None:
        """Count what another has counted."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))
