"""CTranslate2 at work on an exported model: text to tokens, tokens to translations, in batches of similar length."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import Any

import ctranslate2
import sentencepiece

from nmt_distill.computed_precision import fallbacks_untold
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import read_json
from nmt_distill.translation.model_folder import MODEL_FILE, VOCABULARY_FILE, VOCABULARY_MAP_FILE, ModelFolder

BATCH_TOKENS = 512
"""padded source tokens in one batch; more do not stay in the processor's cache"""
LENGTH_FACTOR, LENGTH_ALLOWANCE = 3, 32
"""a translation may have this many tokens per source token, and this many more"""
CAREFUL_BEAM, CAREFUL_NGRAM = 4, 3
"""least beam, and length of the n-grams that may not come twice, where a first search ran in circles"""
END = "</s>"
SPACE = "\u2581"
"""what SentencePiece writes for a space"""
LARGE_SCRIPT = 500
"""letters of a script in a vocabulary that say that there are more than a vocabulary holds"""


class Pieces:
    """The SentencePiece model of an export: text to source tokens, target tokens to text.

    Tokens are looked up by id, so that no text becomes a special token: an unknown run of characters is ``<unk>``,
    even if it reads ``</s>``.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
        except (RuntimeError, OSError):
            raise NmtDistillError(f"{path} is not a SentencePiece model, or damaged; export the model again.") from None
        self.names: list[str] = self._processor.id_to_piece(list(range(self._processor.vocab_size())))

    def encode(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the tokens of each text, without tag and ``</s>``."""
        names = self.names
        return [[names[token] for token in tokens] for tokens in self._processor.encode(list(texts))]

    def decode(self, tokens: Sequence[Sequence[str]]) -> list[str]:
        """Return the text of each row of tokens, without a line break that a byte token may hold."""
        texts: list[str] = self._processor.decode([list(row) for row in tokens]) if tokens else []
        return [text.replace("\n", " ").replace("\r", " ").strip() for text in texts]

    def reads(self, text: str) -> bool:
        """Tell whether the vocabulary has all of a text.

        What it spells in bytes it has only where it holds many of a script's letters, as of Chinese: rare ones are
        spelled in training as well. Of other scripts a model learned next to nothing byte by byte.
        """
        ids = self._processor.encode(text)
        if self._processor.unk_id() in ids or not (ids or text.isspace()):  # U+FFFD, for one, is read as nothing
            return False
        return self._byte_ids.isdisjoint(ids) or text.isascii() or self._large_scripts.issuperset(map(_script, text))

    def has_any(self, tokens: Sequence[str]) -> bool:
        """Tell whether one of the tokens of a text says anything of it: not all are unknown, or space."""
        return not self._blank.issuperset(tokens)

    @cached_property
    def _blank(self) -> set[str]:
        return {self.names[self._processor.unk_id()], SPACE}

    def is_name(self, word: str) -> bool:
        """Tell whether the vocabulary has a word with its capital and cuts it into pieces without, as names are."""
        return len(self._processor.encode(word)) == 1 < len(self._processor.encode(word.lower()))

    @cached_property
    def _byte_ids(self) -> set[int]:
        return {token for token in range(len(self.names)) if self._processor.is_byte(token)}

    @cached_property
    def _large_scripts(self) -> set[str]:
        """Scripts of which single letters are pieces by the hundred."""
        letters = {letter for name in self.names for letter in name if letter.isalpha()}
        return {script for script, count in Counter(map(_script, letters)).items() if count >= LARGE_SCRIPT}

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text becomes."""
        return [len(tokens) for tokens in self._processor.encode(list(texts))]


def _script(character: str) -> str:
    """Name the script of a letter as its Unicode name begins: ``LATIN``, ``CJK``."""
    return unicodedata.name(character, "").partition(" ")[0]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a search is asked for beside the one best translation."""

    num_candidates: int = 1
    """hypotheses a segment"""
    scores: bool = False
    """their log-probabilities"""
    attention: bool = False
    """which source token each target token looked at"""
    careful: bool = False
    """a wider beam, and no n-gram twice"""


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """One translation in tokens."""

    tokens: list[str]
    """target tokens without ``</s>``"""
    finished: bool = True
    """whether ``</s>`` was found"""
    log_prob: float = 0.0
    """mean over target tokens, in nats; 0 where nobody asked"""
    attention: Sequence[Sequence[float]] = ()
    """(target tokens, source tokens with tag and ``</s>``); empty where nobody asked"""
    repeating: bool = False
    """whether it runs in circles, as whoever looked at its text has found"""


class Engine:
    """An exported model in CTranslate2; any number of threads may search with it at once.

    :param num_workers: batches that are searched at the same time, each on one core
    :param vocabulary_map: whether a map of the vocabulary that the folder may hold narrows the search
    :raises NmtDistillError: if a file of the folder is damaged, or does not belong to the others
    """

    def __init__(self, folder: ModelFolder, *, num_workers: int, vocabulary_map: bool = True) -> None:
        self._folder = folder
        self._num_workers = num_workers
        self.pieces = Pieces(folder.sentencepiece)
        self._uses_map = vocabulary_map and (folder.path / VOCABULARY_MAP_FILE).is_file()
        self._check_vocabulary()
        try:
            with fallbacks_untold():
                self._engine = ctranslate2.Translator(
                    str(folder.path), inter_threads=num_workers, intra_threads=1, max_queued_batches=-1
                )
        except (RuntimeError, ValueError, MemoryError) as error:
            raise NmtDistillError(
                f"{folder.path / MODEL_FILE} cannot be loaded ({' '.join(str(error).split())}); "
                "copy or export the model again."
            ) from None

    @property
    def computed_in(self) -> str:
        """The precision that it computes in here."""
        return str(self._engine.compute_type)

    def _check_vocabulary(self) -> None:
        where = self._folder.path / VOCABULARY_FILE
        known = frozenset(read_json(where))
        strangers = [piece for piece in self.pieces.names if piece not in known]
        if strangers:
            raise NmtDistillError(
                f"{self._folder.sentencepiece} does not belong to this model: {len(strangers)} of its pieces, such as "
                f"`{strangers[0]}`, are not in {where}; export the model again."
            )
        tags = [tag for tag in self._folder.tags.values() if tag is not None]
        for tag in tags:
            if tag not in known:
                raise NmtDistillError(f"{where} lacks the language tag `{tag}`; export the model again.")
        for special in (END, *tags):
            if special in self.pieces.encode([special])[0]:
                raise NmtDistillError(
                    f"{self._folder.sentencepiece} makes the special `{special}` out of text; train the vocabulary "
                    "with it as a control symbol, not as a user-defined one."
                )

    def search(
        self, rows: list[list[str]], *, beam_size: int, wish: Wish, stop: Event | None = None
    ) -> list[list[Hypothesis]]:
        """Search translations in batches of similar length.

        :param rows: source tokens with tag and ``</s>``
        :param stop: ends the search once it is set
        :raises CancelledError: if it was ended
        :return: the hypotheses of each row, the best first
        """
        found: list[list[Hypothesis]] = [[] for _ in rows]
        waiting: deque[tuple[list[int], list[Any]]] = deque()

        def collect() -> None:
            for number, job in zip(*waiting.popleft(), strict=True):
                found[number] = _hypotheses(job.result(), self._longest_answer(rows[number]), wish)

        for batch in self._batches(rows):
            if stop is not None and stop.is_set():
                raise CancelledError
            waiting.append((batch, self._submit([rows[number] for number in batch], beam_size, wish)))
            if len(waiting) > self._num_workers:
                collect()
        while waiting:
            collect()
        return found

    def _batches(self, rows: list[list[str]]) -> Iterator[list[int]]:
        """Yield numbers of rows, long ones first; there are at least as many batches as workers if rows suffice."""
        budget = min(BATCH_TOKENS, -(-sum(map(len, rows)) // self._num_workers))
        batch: list[int] = []
        for number in sorted(range(len(rows)), key=lambda number: -len(rows[number])):
            if batch and len(rows[batch[0]]) * (len(batch) + 1) > budget:
                yield batch
                batch = []
            batch.append(number)
        if batch:
            yield batch

    def _submit(self, rows: list[list[str]], beam_size: int, wish: Wish) -> list[Any]:
        more: dict[str, Any] = {}
        if wish.num_candidates > 1:
            more["num_hypotheses"] = wish.num_candidates
            beam_size = max(beam_size, wish.num_candidates)
        if wish.scores:
            more["return_scores"] = True
        if wish.attention:
            more["return_attention"] = True
        if wish.careful:
            beam_size = max(beam_size, CAREFUL_BEAM)
            more["no_repeat_ngram_size"] = CAREFUL_NGRAM
        jobs: list[Any] = self._engine.translate_batch(
            rows,
            beam_size=beam_size,
            max_input_length=0,
            max_decoding_length=max(map(self._longest_answer, rows)),
            min_decoding_length=0,
            return_end_token=True,
            disable_unk=True,
            use_vmap=self._uses_map,
            asynchronous=True,
            **more,
        )
        return jobs

    def _longest_answer(self, row: list[str]) -> int:
        """Return how many tokens the translation of a row may have, ``</s>`` included, whatever its neighbours are."""
        return min(self._folder.max_target_tokens, LENGTH_FACTOR * len(row) + LENGTH_ALLOWANCE)


def _hypotheses(result: Any, longest: int, wish: Wish) -> list[Hypothesis]:
    hypotheses = []
    for number, answer in enumerate(result.hypotheses):
        tokens = answer[:longest]
        finished = bool(tokens) and tokens[-1] == END
        tokens = tokens[:-1] if finished else tokens
        hypotheses.append(
            Hypothesis(
                tokens=tokens,
                finished=finished,
                log_prob=result.scores[number] if wish.scores else 0.0,
                attention=result.attention[number][: len(tokens)] if wish.attention else (),
            )
        )
    return hypotheses


def available_cores() -> int:
    """Return how many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
