"""Counts in sentences for people: `1 line`, `2,000 lines`."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return a number and what it counts, in the plural unless it is one.

    :param noun: in the singular; its plural ends in ``s``, or ``es`` behind an s
    """
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def were(number: int, noun: str) -> str:
    """Return the beginning of a sentence about so many: `1 line was`, `2,000 lines were`."""
    return f"{counted(number, noun)} {'was' if number == 1 else 'were'}"
