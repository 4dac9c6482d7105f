"""A contestant: a system that can be asked to translate, as the tables and the contest know it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.report import System
from nmt_distill.evaluation.test_texts import TestText
from nmt_distill.languages import Direction

Translate = Callable[[list[str], Direction], list[str]]
"""translates lines in a direction, line for line"""


@dataclass(frozen=True)
class Contestant:
    """A system that can be asked to translate."""

    system: System
    translate: Translate | None
    """None where all that is known of it are its outputs"""
    batch_rule: str
    decoding: str
    directions: Collection[Direction] | None = None
    """those that it can be asked for; None for all"""
    timed: Collection[Direction] | None = None
    """those whose time means something, as none does where a second answer comes out of a memory; None for all"""
    what: str | None = None
    """how the command line names it, so that a process of its own can load it; None where it cannot"""
    beam_size: int | None = None
    """of its search, where it lets itself be told"""
    outputs: Callable[[TestText], list[str]] | None = None
    """reads its outputs on a test set, where they exist already"""

    def answer(self, text: TestText) -> list[str]:
        """Return its translations of a test set."""
        if self.outputs is not None:
            return self.outputs(text)
        return self.into(text.direction)(text.sources)

    def serves(self, direction: Direction) -> bool:
        """Whether it can be asked for a direction."""
        return self.directions is None or direction in self.directions

    def can_be_timed(self, direction: Direction) -> bool:
        """Whether its time in a direction means something."""
        return self.timed is None or direction in self.timed

    def into(self, direction: Direction) -> Callable[[list[str]], list[str]]:
        """Return the translation of one direction.

        :raises NmtDistillError: if it is known by its outputs alone
        """
        translate = self.translate
        if translate is None:
            raise NmtDistillError(f"{self.system.name} is a file of outputs, which translates nothing else.")
        return lambda lines: translate(lines, direction)


def beam(beam_size: int) -> str:
    """Say how wide a search is."""
    return "greedy" if beam_size == 1 else f"beam {beam_size}"
