"""A new SentencePiece model, where student and teacher share no ids."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import sentencepiece

from nmt_distill.counting import counted
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import atomic_file

MAX_SENTENCES = 2_000_000
"""lines that a model is trained on, about, where there are more: these change the pieces little and cost memory"""


def drawn(lines: Iterable[str], num_lines: int) -> Iterator[str]:
    """Yield about :data:`MAX_SENTENCES` of so many lines, drawn from all of them alike, always the same; or all."""
    generator, share = random.Random(0), MAX_SENTENCES / max(num_lines, 1)
    return (line for line in lines if share >= 1 or generator.random() < share)


def train_sentencepiece(
    lines: Iterable[str], path: Path, *, size: int, tags: Sequence[str] = (), has_padding: bool = False
) -> int:
    """Train one unigram model for all languages, with byte fallback and single digits, and write it atomically.

    ``</s>`` has id 0 and ``<unk>`` the next; with ``has_padding`` ``<pad>`` stands between them, where the nllb graph
    needs it. Tags are control symbols, so no text can make them. Spaces and characters are left as they are, since
    placeholders and markup must come back: only the width and composition of characters are normalised (NFKC).

    :param lines: text of all languages
    :param size: pieces, bytes and specials included; a multiple of 8
    :returns: the number of lines that were read
    :raises NmtDistillError: if the text does not yield so many pieces
    """
    counter = _Counter(lines)
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(counter),
            model_writer=model,
            vocab_size=size,
            model_type="unigram",
            byte_fallback=True,
            split_digits=True,
            character_coverage=0.9999,
            normalization_rule_name="nmt_nfkc",
            remove_extra_whitespaces=True,
            control_symbols=list(tags),
            eos_id=0,
            pad_id=1 if has_padding else -1,
            unk_id=2 if has_padding else 1,
            bos_id=-1,
            max_sentence_length=1 << 16,
            num_threads=1,
            minloglevel=2,
        )
    except (RuntimeError, OSError) as error:
        raise _reason(error, size, counter.num_lines) from None
    with atomic_file(path, "wb") as stream:
        stream.write(model.getvalue())
    return counter.num_lines


class _Counter:
    """Lines that are counted as they are read."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.num_lines = 0
        self._lines = lines

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.num_lines += 1
            yield line.replace("\0", " ")


def _reason(error: Exception, size: int, num_lines: int) -> NmtDistillError:
    """Say in our words why there is no model."""
    text = " ".join(str(error).split())
    if num_lines == 0:
        return NmtDistillError("there is no text to train a SentencePiece model on.")
    if found := re.search(r"too high .*value <= (\d+)", text):
        most = int(found[1]) // 8 * 8
        lines = counted(num_lines, "line")
        return NmtDistillError(f"vocabulary.size is {size}, but with {lines} of text can be at most {most}; lower it.")
    if found := re.search(r"required_chars. \d+ vs (\d+)", text):
        least = -(-int(found[1]) // 8) * 8
        return NmtDistillError(
            f"vocabulary.size is {size}, but bytes, specials and the characters of the text take {least}; raise it."
        )
    return NmtDistillError(f"SentencePiece cannot be trained on this text: {text}")
