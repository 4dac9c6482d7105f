"""Sets and quotas of 64-bit hashes in little memory."""

from __future__ import annotations

from array import array
from itertools import repeat

_PARTS = 256
_MAX_LOAD = 0.7
_GROWTH = 1.3


class HashSet:
    """A set of 64-bit hashes in 11-15 bytes each, where Python's own takes 60 or more.

    Open addressing in 256 tables that grow one by one, so growing takes no memory to speak of either.
    """

    def __init__(self) -> None:
        self._tables = [array("Q", repeat(0, 8)) for _ in range(_PARTS)]
        self._counts = [0] * _PARTS

    def __len__(self) -> int:
        return sum(self._counts)

    def __contains__(self, value: int) -> bool:
        value = value or 1
        table = self._tables[value & 255]
        return table[_slot(table, value)] != 0

    def add(self, value: int) -> bool:
        """Add a hash; return whether it is new. Two values of 2^64 share a place: 0 counts as 1."""
        value = value or 1
        part = value & 255
        table = self._tables[part]
        slot = _slot(table, value)
        if table[slot]:
            return False
        table[slot] = value
        self._counts[part] += 1
        if self._counts[part] > _MAX_LOAD * len(table):
            grown = array("Q", repeat(0, int(len(table) * _GROWTH) + 1))
            for old in table:
                if old:
                    grown[_slot(grown, old)] = old
            self._tables[part] = grown
        return True

    @property
    def num_bytes(self) -> int:
        """Bytes of all tables."""
        return sum(len(table) for table in self._tables) * 8


def _slot(table: array[int], value: int) -> int:
    """Return where ``value`` stands in the table, or the free place where it belongs."""
    size = len(table)
    slot = (value >> 8) % size
    while (found := table[slot]) and found != value:
        slot = slot + 1 if slot + 1 < size else 0
    return slot


class Quota:
    """Which of many hashes are the lowest ``limit``, known after one pass, in constant memory.

    The first pass counts hashes by their top 16 bits; the second admits all below the decisive count, and of those
    with its 16 bits the first ones.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._counts = array("Q", repeat(0, 1 << 16))

    def count(self, value: int, amount: int = 1) -> None:
        """Take note of a hash in the first pass."""
        self._counts[value >> 48] += amount

    def close(self) -> None:
        """End the first pass: keep no more per 16 bits than may be admitted."""
        left = sum(self._counts) if self._limit is None else self._limit
        for bits, count in enumerate(self._counts):
            self._counts[bits] = min(count, left)
            left -= self._counts[bits]

    def admit(self, value: int) -> bool:
        """Say in the second pass whether this hash is one of the lowest; each may be asked for once."""
        if not self._counts[value >> 48]:
            return False
        self._counts[value >> 48] -= 1
        return True

    def add_to(self, other: Quota) -> None:
        """Count in ``other`` what this one will admit."""
        for bits, count in enumerate(self._counts):
            if count:
                other._counts[bits] += count
