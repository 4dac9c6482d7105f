"""Which target pieces may translate which source pieces, as CTranslate2's ``vmap.txt``.

The student reads pairs of the distilled corpus, and every piece of a word alone. At each place of a target its
attention says which source pieces it reads, and the label's next piece and its own most probable ones may translate
these. What is always tried: pieces that are frequent in the distilled targets, what has no letter, all bytes and all
single characters, out of which anything can be spelt. A piece of the source may always be copied, with a space before
it or without.

N sentences, T target and S source tokens, V pieces.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from sentencepiece import SentencePieceProcessor

from nmt_distill.errors import NmtDistillError
from nmt_distill.export.config import VocabularyMapConfig
from nmt_distill.files import atomic_file, read_lines
from nmt_distill.progress import job
from nmt_distill.student.checkpoint import load_student
from nmt_distill.student.graph import StudentModel
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece

Ids = npt.NDArray[np.int64]
Pair = tuple[list[int], list[int]]
"""ids of a source and of a target, both without specials"""

BATCH_SENTENCES, BATCH_PIECES = 32, 256
NUM_READ = 2
"""source pieces that are taken to be read at a place of the target"""
NUM_LIKELY = 8
"""most probable next pieces that are taken to translate them"""
CHUNK_LINES = 4096
SPACE = "\u2581"


class PieceLinks:
    """How often each target piece was read from each source piece."""

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size
        self.frequencies = np.zeros(vocab_size, dtype=np.int64)
        """(V,) how often each piece stands in the targets"""
        self._counts: Counter[int] = Counter()

    def add(self, sources: Ids, targets: Ids) -> None:
        """Count pairs of pieces, both (any number,): a target piece and a source piece that it may translate."""
        links, counts = np.unique(sources * self.vocab_size + targets, return_counts=True)
        for link, count in zip(links.tolist(), counts.tolist(), strict=True):
            self._counts[link] += count

    def best(self, num_candidates: int, *, left_out: Collection[int] = ()) -> dict[int, list[int]]:
        """Return for each source piece the target pieces that it was linked with most often, the most frequent first.

        :param left_out: target pieces that are passed over
        """
        found: dict[int, list[int]] = {}
        for link, _ in sorted(self._counts.items(), key=lambda entry: (-entry[1], entry[0])):
            source, target = divmod(link, self.vocab_size)
            candidates = found.setdefault(source, [])
            if target not in left_out and len(candidates) < num_candidates:
                candidates.append(target)
        return found


def learn_links(student_folder: Path, texts: Sequence[tuple[str | None, Path, Path]], *, num_pairs: int) -> PieceLinks:
    """Let a student read the distilled corpus, and note what it looks at while it writes.

    :param texts: for each direction the tag before the source, or None, and files of sources and of their labels
    :param num_pairs: pairs to read of each direction, evenly spaced
    :raises NmtDistillError: if a text is missing or empty
    """
    student = load_student(student_folder)
    student.set_attn_implementation("eager")  # the others do not tell their weights
    processor = load_sentencepiece(student_folder / "source.spm")
    links = PieceLinks(processor.vocab_size())
    for tag, sources, targets in texts:
        prefix = [] if tag is None else [processor.piece_to_id(tag)]
        longest = student.config.max_position_embeddings - 1 - len(prefix)
        batches = [*_pair_batches(processor, _evenly(sources, targets, num_pairs), longest), *_piece_batches(processor)]
        with job("vocabulary map", total=sum(map(len, batches))) as running, torch.inference_mode():
            for batch in batches:
                for source_pieces, target_pieces in _links_of(student, batch, prefix, links.vocab_size):
                    links.add(source_pieces, target_pieces)
                running.advance(len(batch))
        _count_pieces(targets, processor, links)
    return links


def _pair_batches(
    processor: SentencePieceProcessor, pairs: Sequence[tuple[str, str]], longest: int
) -> Iterator[list[Pair]]:
    for start in range(0, len(pairs), BATCH_SENTENCES):
        part = pairs[start : start + BATCH_SENTENCES]
        encoded = [(processor.encode(source), processor.encode(target)) for source, target in part]
        if fitting := [pair for pair in encoded if all(0 < len(side) <= longest for side in pair)]:
            yield fitting


def _piece_batches(processor: SentencePieceProcessor) -> Iterator[list[Pair]]:
    """Yield every piece of a word as a sentence of its own, so that one that no pair has is translated too."""
    names = processor.id_to_piece(list(range(processor.vocab_size())))
    words = [index for index, name in enumerate(names) if not _spells(processor, index, name)]
    for start in range(0, len(words), BATCH_PIECES):
        yield [([index], [index]) for index in words[start : start + BATCH_PIECES]]


def _count_pieces(targets: Path, processor: SentencePieceProcessor, links: PieceLinks) -> None:
    lines = read_lines(targets)
    while chunk := list(islice(lines, CHUNK_LINES)):
        pieces = [piece for row in processor.encode(chunk) for piece in row]
        links.frequencies += np.bincount(np.array(pieces, dtype=np.int64), minlength=links.vocab_size)


def _evenly(sources: Path, targets: Path, count: int) -> list[tuple[str, str]]:
    total = sum(1 for _ in read_lines(sources))
    if total == 0:
        raise NmtDistillError(
            f"{sources} is empty, so no vocabulary map can be learned; leave export.vocabulary_map out."
        )
    taken = min(count, total)
    chosen = {total * place // taken for place in range(taken)}
    pairs = zip(read_lines(sources), read_lines(targets), strict=True)
    return [pair for place, pair in enumerate(pairs) if place in chosen]


def _links_of(
    student: StudentModel, pairs: Sequence[Pair], prefix: list[int], vocab_size: int
) -> Iterator[tuple[Ids, Ids]]:
    """Yield source pieces and the target pieces that may translate them, end to end."""
    config = student.config
    rows = [[*prefix, *source, config.eos_token_id] for source, _ in pairs]
    source_ids, source_mask = _padded(rows, config.pad_token_id)
    target_ids, target_mask = _padded([target for _, target in pairs], config.pad_token_id)
    start = torch.full((len(pairs), 1), config.decoder_start_token_id)
    read = student(
        input_ids=source_ids,
        attention_mask=source_mask.long(),
        decoder_input_ids=torch.cat([start, target_ids[:, :-1]], dim=1),
        output_attentions=True,
        use_cache=False,
    )
    attention = torch.stack(read.cross_attentions).mean(dim=(0, 2))  # (N, T, S), over layers and heads
    is_piece = source_mask.clone()
    is_piece[:, : len(prefix)] = False
    is_piece[torch.arange(len(rows)), torch.tensor([len(row) - 1 for row in rows])] = False  # `</s>`
    attention = attention.masked_fill(~is_piece[:, None, :], -1.0)
    found = attention.topk(min(NUM_READ, attention.shape[2]), dim=2)
    sources = source_ids[:, None, :].expand_as(attention).gather(2, found.indices)[target_mask]
    is_read = found.values[target_mask] >= 0  # a source of one piece has no second
    likely = read.logits[target_mask][:, :vocab_size].topk(NUM_LIKELY, dim=1).indices
    for targets in torch.cat([target_ids[target_mask][:, None], likely], dim=1).unbind(dim=1):
        for column, is_there in zip(sources.unbind(dim=1), is_read.unbind(dim=1), strict=True):
            yield column[is_there].numpy(), targets[is_there].numpy()


def _padded(rows: Sequence[list[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, rows))
    lengths = torch.tensor([len(row) for row in rows])
    return torch.tensor([row + [pad] * (width - len(row)) for row in rows]), torch.arange(width) < lengths[:, None]


def write_vocabulary_map(
    path: Path, links: PieceLinks, processor: SentencePieceProcessor, config: VocabularyMapConfig
) -> None:
    """Write the map: the pieces that are always tried, then a line for each piece of a source."""
    with atomic_file(path) as stream:
        for source, candidates in map_lines(links, processor, config):
            stream.write(f"{source}\t{' '.join(candidates)}\n")


def map_lines(
    links: PieceLinks, processor: SentencePieceProcessor, config: VocabularyMapConfig
) -> Iterator[tuple[str, list[str]]]:
    """Yield the lines of the map; the source of the first, which always holds, is empty."""
    names: list[str] = processor.id_to_piece(list(range(processor.vocab_size())))
    ids = {name: index for index, name in enumerate(names)}
    frequent = np.argsort(-links.frequencies, kind="stable")[: config.num_frequent].tolist()
    always = {index for index, name in enumerate(names) if _spells(processor, index, name)}
    always |= {index for index in frequent if links.frequencies[index]}
    yield "", [names[index] for index in sorted(always)]
    best = links.best(config.num_candidates, left_out=always)
    for index, name in enumerate(names):
        twin = ids.get(name.removeprefix(SPACE) if name.startswith(SPACE) else SPACE + name)
        copies = [copy for copy in (index, twin) if copy is not None and copy not in always]
        if wanted := dict.fromkeys([*copies, *best.get(index, [])]):
            yield name, [names[candidate] for candidate in wanted]


def _spells(processor: SentencePieceProcessor, index: int, name: str) -> bool:
    """Whether a piece is a special, a byte, a single character, or without any letter."""
    is_special = processor.is_control(index) or processor.is_unknown(index) or processor.is_byte(index)
    text = name.removeprefix(SPACE)
    return is_special or len(text) <= 1 or not any(map(str.isalpha, text))
