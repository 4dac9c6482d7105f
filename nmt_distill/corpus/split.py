"""The held-out text: what is development and test text, and what training text must not share with it."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nmt_distill.configuration.constraints import NaturalInt, PositiveInt
from nmt_distill.corpus.text import hash_of, split_key
from nmt_distill.counting import counted
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import read_lines
from nmt_distill.languages import Direction

NEAR_DUPLICATE_MIN_WORDS = 4
"""shorter lines have too many neighbours to call them near-duplicates"""


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """How much is held out, and what may be."""

    num_dev: NaturalInt = 500
    """sentences of development text"""
    num_test: NaturalInt = 1000
    """sentences of test text"""
    min_words: PositiveInt = 3
    """fewest words on the source side of held-out pairs, so that scores do not depend on strings of one word"""
    near_duplicates: Literal["count", "drop"] = "count"
    """whether training text that differs from test text in one word is counted or dropped"""
    references: Literal["human", "teacher"] = "human"
    """who translates held-out text, for others to be compared with: `human` holds pairs out; `teacher` holds
    sentences out, which the teacher translates: no pairs are needed, and scores tell how well it is imitated"""

    def languages(self, direction: Direction) -> tuple[str, ...]:
        """Return the languages of a direction in which the corpus has held-out text."""
        return (direction.source, direction.target) if self.references == "human" else (direction.source,)


class Candidates:
    """The texts with the lowest hashes of their keys: all that held-out text can be drawn from, in bounded memory.

    A text is a pair, or a source alone.

    :param seed: another one draws other text
    """

    def __init__(self, config: SplitConfig, seed: int) -> None:
        self._config = config
        self._seed = seed
        self._limit = (config.num_dev + config.num_test) * 5 // 4 + 50
        self._heap: list[int] = []
        self._texts: dict[int, tuple[str, ...]] = {}

    def offer(self, key: str, *text: str) -> None:
        """Take note of a text; of several with one key the first counts.

        :param key: the split key of the side that is split by
        """
        value = hash_of(key, self._seed)
        if value in self._texts or (len(self._heap) == self._limit and value > -self._heap[0]):
            return
        self._texts[value] = text
        heapq.heappush(self._heap, -value)
        if len(self._heap) > self._limit:
            del self._texts[-heapq.heappop(self._heap)]

    def draw(self) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
        """Return development and test text, in the order of their hashes; no two texts share a key on either side.

        Test text is drawn first, so that it stays the same when the size of the development text changes.
        """
        used: set[str] = set()
        drawn: list[tuple[str, ...]] = []
        num_test, num_dev = self._config.num_test, self._config.num_dev
        for _, text in sorted(self._texts.items()):
            keys = set(map(split_key, text))
            if len(drawn) < num_test + num_dev and not keys & used:
                used |= keys
                drawn.append(text)
        if len(drawn) < num_test + num_dev:
            are_pairs = self._config.references == "human"
            raise NmtDistillError(
                f"The sources hold {counted(len(drawn), 'pair' if are_pairs else 'sentence')} of "
                f"{self._config.min_words} or more source words and with different keys, but `corpus.split` wants "
                f"{num_dev} for dev and {num_test} for test; ask for less, lower min_words (text without spaces "
                "between words counts as one word), "
                + ("add a source of pairs, or set references: teacher there." if are_pairs else "or add a source.")
            )
        return drawn[num_test:], drawn[:num_test]


class HeldOut:
    """Keys that training text must not have, and the neighbourhood of the test text."""

    def __init__(self) -> None:
        self._keys: set[int] = set()
        self._neighbours: dict[int, str] = {}

    def __bool__(self) -> bool:
        return bool(self._keys)

    def __contains__(self, key: str) -> bool:
        return hash_of(key) in self._keys

    def add(self, texts: Iterable[str]) -> None:
        """Hold out all lines with the key of one of these; keys without a letter or digit hold out nothing."""
        self._keys.update(hash_of(key) for text in texts if (key := split_key(text)))

    def add_file(self, path: Path) -> None:
        """Hold out the lines of a file."""
        self.add(read_lines(path))

    def watch(self, texts: Iterable[str]) -> None:
        """Take note of test text, so that :meth:`neighbour` finds what comes near."""
        for text in texts:
            for signature in one_word_signatures(split_key(text)):
                self._neighbours.setdefault(signature, text)

    def neighbour(self, key: str) -> str | None:
        """Return a watched line that equals ``key`` once each leaves out one word at most, else None.

        So one word replaced, added, removed or moved is found; lines below four words are never near-duplicates.
        """
        for signature in one_word_signatures(key):
            if (text := self._neighbours.get(signature)) is not None:
                return text
        return None


def one_word_signatures(key: str) -> Iterator[int]:
    """Yield a hash of the key itself and of the key without each of its words; none for keys below four words."""
    words = key.split()
    if len(words) < NEAR_DUPLICATE_MIN_WORDS:
        return
    yield hash(key)
    for idx in range(len(words)):
        yield hash(" ".join(words[:idx] + words[idx + 1 :]))


def check_decontamination(folder: Path, directions: Sequence[Direction], config: SplitConfig) -> None:
    """Make sure that no training text of any direction shares a key with held-out text of any, in written files.

    :param folder: a folder that :func:`prepare_corpus` wrote
    :raises NmtDistillError: at the first line that does
    """
    held_out = HeldOut()
    for direction in directions:
        for language in config.languages(direction):
            for part in ("dev", "test"):
                held_out.add_file(folder / str(direction) / f"{part}.{language}")
    for direction in directions:
        names = [f"train.{direction.source}", f"train.{direction.target}", f"mono.{direction.source}"]
        for path in (folder / str(direction) / name for name in names):
            for number, line in enumerate(read_lines(path), start=1):
                if split_key(line) in held_out:
                    raise NmtDistillError(
                        f"{path}, line {number}: is held-out text: {line[:80]!r}; delete {folder} and prepare it again."
                    )
