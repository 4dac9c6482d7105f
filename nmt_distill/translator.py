"""Translate lines of text with an exported model: line N of the answer translates line N of the question.

What is copied and how long text is cut is told in :mod:`nmt_distill.segmentation`. Only ctranslate2 and sentencepiece
are needed.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import ctranslate2
import sentencepiece

from nmt_distill.errors import NmtDistillError
from nmt_distill.files import read_json
from nmt_distill.model_folder import MODEL_FILE, VOCABULARY_FILE, read_model_folder
from nmt_distill.segmentation import parts_of, split_to_fit

WINDOW_LINES = 4096
"""lines that are sorted by length and translated together"""
BATCH_TOKENS = 512
"""padded source tokens in one batch; more do not stay in the processor's cache"""
LENGTH_FACTOR, LENGTH_ALLOWANCE = 3, 32
"""a translation may have this many tokens per source token, and this many more"""
END = "</s>"


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

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text becomes."""
        return [len(tokens) for tokens in self._processor.encode(list(texts))]


class Translator:
    """An exported model, ready to translate.

    :param folder: an export folder, like ``runs/quickstart/export/int8``
    :param threads: processor cores to use; all that this process may use by default
    :param beam_size: width of the beam search; by default the one that the export was validated with
    :raises NmtDistillError: if the folder is no export, or a file in it is damaged
    """

    def __init__(self, folder: str | Path, *, threads: int | None = None, beam_size: int | None = None) -> None:
        for name, value in (("threads", threads), ("beam_size", beam_size)):
            if value is not None and value < 1:
                raise NmtDistillError(f"`{name}` must be at least 1, but is {value} instead.")
        self.folder = read_model_folder(Path(folder))
        self.beam_size = beam_size or self.folder.beam_size
        self.num_untranslated = 0
        """segments so far for which the model had no answer: they stand in the translation as they were"""
        self.num_unfinished = 0
        """segments so far whose translation reached the longest length that is allowed, and may lack its end"""
        self._pieces = Pieces(self.folder.sentencepiece)
        self._check_vocabulary()
        self._num_workers = threads or available_cores()
        try:
            self._engine = ctranslate2.Translator(
                str(self.folder.path), inter_threads=self._num_workers, intra_threads=1, max_queued_batches=-1
            )
        except (RuntimeError, ValueError, MemoryError) as error:
            raise NmtDistillError(
                f"{self.folder.path / MODEL_FILE} cannot be loaded ({' '.join(str(error).split())}); "
                "copy or export the model again."
            ) from None

    def _check_vocabulary(self) -> None:
        where = self.folder.path / VOCABULARY_FILE
        known = frozenset(read_json(where))
        strangers = [piece for piece in self._pieces.names if piece not in known]
        if strangers:
            raise NmtDistillError(
                f"{self.folder.sentencepiece} does not belong to this model: {len(strangers)} of its pieces, such as "
                f"`{strangers[0]}`, are not in {where}; export the model again."
            )
        tags = [tag for tag in self.folder.tags.values() if tag is not None]
        for tag in tags:
            if tag not in known:
                raise NmtDistillError(f"{where} lacks the language tag `{tag}`; export the model again.")
        for special in (END, *tags):
            if special in self._pieces.encode([special])[0]:
                raise NmtDistillError(
                    f"{self.folder.sentencepiece} makes the special `{special}` out of text; train the vocabulary with "
                    "it as a control symbol, not as a user-defined one."
                )

    def translate(self, lines: Sequence[str], *, target: str | None = None, source: str | None = None) -> list[str]:
        """Translate lines; the answer has as many, in the same order.

        Empty lines, space around text, characters such as tab and U+2028, and text without any letter come back as
        they are. What exceeds the model's positions is translated in pieces.

        :param target: language to translate into; needed where the model has several
        :param source: language of the lines; needed where the model has several
        :raises NmtDistillError: if the model does not know the language, or several fit
        """
        tag = self.folder.tags[self.folder.choose(source, target)]
        answers: list[str] = []
        for start in range(0, len(lines), WINDOW_LINES):
            window = [_without_surrogates(line) for line in lines[start : start + WINDOW_LINES]]
            answers += self._translate_texts(window, [] if tag is None else [tag])
        return answers

    def translate_lines(
        self, lines: Iterable[str], *, target: str | None = None, source: str | None = None, window: int = WINDOW_LINES
    ) -> Iterator[str]:
        """Translate a stream of lines; memory does not grow with it.

        :param window: lines that are read before the first of them is answered
        """
        stream = iter(lines)
        while chunk := list(islice(stream, window)):
            yield from self.translate(chunk, target=target, source=source)

    def _translate_texts(self, texts: Sequence[str], tag: list[str], *, again: bool = True) -> list[str]:
        """Translate whatever :func:`parts_of` finds in the texts, each distinct segment once.

        :param again: whether a segment whose translation fills all positions may be tried once more, in pieces
        """
        layouts: list[list[str | int]] = []
        numbers: dict[str, int] = {}
        for text in texts:
            parts = parts_of(text)
            layouts.append([numbers.setdefault(part, len(numbers)) if wanted else part for part, wanted in parts])
        answers = self._translate_segments(list(numbers), tag, again)
        return ["".join(answers[part] if isinstance(part, int) else part for part in layout) for layout in layouts]

    def _translate_segments(self, segments: list[str], tag: list[str], again: bool) -> list[str]:
        limit = self.folder.max_source_tokens - len(tag) - 1
        tokens = self._pieces.encode(segments)
        fitting = [number for number, row in enumerate(tokens) if len(row) <= limit]
        answers = list(segments)
        for number, row in enumerate(tokens):
            if len(row) > limit:
                pieces = split_to_fit(segments[number], limit=limit, lengths=self._pieces.lengths)
                if len(pieces) > 1:
                    answers[number] = "".join(self._translate_texts(pieces, tag, again=again))
                else:
                    self.num_untranslated += 1
        found = self._search([[*tag, *tokens[number], END] for number in fitting])
        texts = self._pieces.decode([row for row, _ in found])
        for number, text, (row, finished) in zip(fitting, texts, found, strict=True):
            if again and not finished and len(row) >= self.folder.max_target_tokens:
                half = -(-len(tokens[number]) // 2)
                pieces = split_to_fit(segments[number], limit=half, lengths=self._pieces.lengths, cut_words=False)
                if len(pieces) > 1:
                    answers[number] = "".join(self._translate_texts(pieces, tag, again=False))
                    continue
            self.num_unfinished += not finished
            self.num_untranslated += not text
            answers[number] = text or segments[number]
        return answers

    def _search(self, rows: list[list[str]]) -> list[tuple[list[str], bool]]:
        """Search translations in batches of similar length.

        :param rows: source tokens with tag and ``</s>``
        :return: target tokens without ``</s>``, and whether ``</s>`` was found
        """
        found: list[tuple[list[str], bool]] = [([], True)] * len(rows)
        waiting: deque[tuple[list[int], list[Any]]] = deque()

        def collect() -> None:
            for number, job in zip(*waiting.popleft(), strict=True):
                tokens = job.result().hypotheses[0][: self._longest_answer(rows[number])]
                finished = bool(tokens) and tokens[-1] == END
                found[number] = (tokens[:-1] if finished else tokens, finished)

        for batch in self._batches(rows):
            waiting.append((batch, self._submit([rows[number] for number in batch])))
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

    def _submit(self, rows: list[list[str]]) -> list[Any]:
        jobs: list[Any] = self._engine.translate_batch(
            rows,
            beam_size=self.beam_size,
            max_input_length=0,
            max_decoding_length=max(map(self._longest_answer, rows)),
            min_decoding_length=0,
            return_end_token=True,
            disable_unk=True,
            asynchronous=True,
        )
        return jobs

    def _longest_answer(self, row: list[str]) -> int:
        """Return how many tokens the translation of a row may have, ``</s>`` included, whatever its neighbours are."""
        return min(self.folder.max_target_tokens, LENGTH_FACTOR * len(row) + LENGTH_ALLOWANCE)


def available_cores() -> int:
    """Return how many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _without_surrogates(text: str) -> str:
    """Replace halves of characters, which no encoding can hold, by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
