"""Whether an export is the same model as its student: what transformers finds against what CTranslate2 finds.

The student is asked once, all exports are compared with its answers: ids of a greedy and of a beam search, and the
scores of what ``translate`` makes of the same text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ctranslate2
import torch

from nmt_distill.computed_precision import fallbacks_untold
from nmt_distill.evaluation.metrics import Scores, score
from nmt_distill.languages import Direction
from nmt_distill.progress import job
from nmt_distill.student.checkpoint import load_student
from nmt_distill.translation.engine import Wish
from nmt_distill.translation.translator import Translator
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece

BATCH_SENTENCES = 32
MAX_TOKENS = 256
"""most target tokens, where the student has as many positions"""
MAX_DIFFERENCES = 5
"""sentences that are shown"""

Search = Mapping[str, bool | int | float | list[int] | None]


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How many sentences two engines translate to the same ids."""

    num_sentences: int
    """sentences compared"""
    num_equal: int
    """with equal ids throughout"""
    differences: tuple[dict[str, str], ...]
    """the first few that differ: source and both outputs, as pieces"""

    @property
    def share(self) -> float:
        """Equal sentences over all."""
        return self.num_equal / self.num_sentences if self.num_sentences else 1.0

    def content(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self) | {"differences": list(self.differences)}


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Text of one direction on which engines are compared."""

    direction: Direction
    """from which language to which"""
    tag: str | None
    """the piece that stands before a source; None where the model needs none"""
    sources: Sequence[str]
    """N sentences"""
    references: Sequence[str]
    """N human translations"""


@dataclass(frozen=True, kw_only=True)
class QualityDrop:
    """What an export is worth on held-out text beside its student in transformers, with the same beam."""

    direction: Direction
    """of the text"""
    student: Scores
    """of the student"""
    export: Scores
    """of the export, as ``translate`` runs it"""

    @property
    def bleu(self) -> float:
        """BLEU that is lost, in points; below 0 where it is gained."""
        return self.student.bleu.value - self.export.bleu.value

    @property
    def chrf(self) -> float:
        """The same of chrF2++."""
        return self.student.chrf.value - self.export.chrf.value


class StudentAnswers:
    """What a student says in transformers to held-out text; sentences longer than its positions are left out."""

    def __init__(self, student_folder: Path, texts: Sequence[HeldOut], *, max_tokens: int = MAX_TOKENS) -> None:
        """Load the student; it is asked when it is compared for the first time.

        :param max_tokens: most target tokens, for all engines; where the student has fewer positions, so many
        """
        self._student = load_student(student_folder)
        self._processor = load_sentencepiece(student_folder / "source.spm")
        positions = self._student.config.max_position_embeddings
        self.max_tokens = min(max_tokens, positions)
        self.texts = [self._fitting(text, positions) for text in texts]
        self._rows = [row for text in self.texts for row in self._encode(text)]
        self._found: dict[tuple[int, bool], list[list[str]]] = {}

    @property
    def sources(self) -> list[str]:
        """The sentences of all directions, one direction after another."""
        return [source for text in self.texts for source in text.sources]

    def _encode(self, text: HeldOut) -> list[list[int]]:
        tag = [] if text.tag is None else [self._processor.piece_to_id(text.tag)]
        end = self._student.config.eos_token_id
        return [[*tag, *tokens, end] for tokens in self._processor.encode(list(text.sources))]

    def _fitting(self, text: HeldOut, positions: int) -> HeldOut:
        fits = [len(row) <= positions for row in self._encode(text)]
        kept = [[line for line, fit in zip(side, fits, strict=True) if fit] for side in (text.sources, text.references)]
        return HeldOut(direction=text.direction, tag=text.tag, sources=kept[0], references=kept[1])

    def pieces(self, beam_size: int, *, may_be_unknown: bool = True) -> list[list[str]]:
        """Return the translation of each of :attr:`sources`, as pieces without ``</s>``.

        :param may_be_unknown: false rules ``<unk>`` out, as ``translate`` does
        """
        if (key := (beam_size, may_be_unknown)) not in self._found:
            others = self._found.get((beam_size, True), [["<unk>"]])
            needs_search = may_be_unknown or any("<unk>" in pieces for pieces in others)
            self._found[key] = self._search(beam_size, may_be_unknown) if needs_search else others
        return self._found[key]

    def _search(self, beam_size: int, may_be_unknown: bool) -> list[list[str]]:
        # CTranslate2 ends a search when it has found as many translations as the beam is wide
        unknown = None if may_be_unknown else [self._processor.unk_id()]
        search: Search = {
            "num_beams": beam_size,
            "early_stopping": beam_size > 1,
            "length_penalty": 1.0,
            "suppress_tokens": unknown,
        }
        found = []
        with job(f"the student with a beam of {beam_size}", total=len(self._rows)) as running, torch.inference_mode():
            for start in range(0, len(self._rows), BATCH_SENTENCES):
                part = self._rows[start : start + BATCH_SENTENCES]
                found += [self._as_pieces(row) for row in generate(self._student, part, self.max_tokens, search)]
                running.advance(len(part))
        return found

    def _as_pieces(self, row: Sequence[int]) -> list[str]:
        end, pad = self._student.config.eos_token_id, self._student.config.pad_token_id
        row = row[: row.index(end)] if end in row else row
        return [self._processor.id_to_piece(token) for token in row if token != pad]

    def compare(self, export_folder: Path, *, beam_size: int = 1) -> Parity:
        """Search with CTranslate2 as it stands in a folder, and compare ids."""
        with fallbacks_untold():
            engine = ctranslate2.Translator(str(export_folder), inter_threads=1, intra_threads=torch.get_num_threads())
        found: list[list[str]] = []
        for start in range(0, len(self._rows), BATCH_SENTENCES):
            part = self._rows[start : start + BATCH_SENTENCES]
            results = engine.translate_batch(
                [[self._processor.id_to_piece(token) for token in row] for row in part],
                beam_size=beam_size,
                max_decoding_length=self.max_tokens,
                min_decoding_length=0,
                max_input_length=0,
            )
            found += [result.hypotheses[0] for result in results]
        return self._parity(self.pieces(beam_size), found, "ctranslate2")

    def compare_model(self, model: Any) -> Parity:
        """Search greedily with another model that has the ``generate`` of transformers, and compare ids."""
        search: Search = {"num_beams": 1}
        found: list[list[str]] = []
        for start in range(0, len(self._rows), BATCH_SENTENCES):
            part = self._rows[start : start + BATCH_SENTENCES]
            found += [self._as_pieces(row) for row in generate(model, part, self.max_tokens, search)]
        return self._parity(self.pieces(1), found, "other")

    def _parity(self, expected: Sequence[list[str]], found: Sequence[list[str]], engine: str) -> Parity:
        differences = [
            {"source": source, "transformers": " ".join(ours), engine: " ".join(theirs)}
            for source, ours, theirs in zip(self.sources, expected, found, strict=True)
            if ours != theirs
        ]
        return Parity(
            num_sentences=len(expected),
            num_equal=len(expected) - len(differences),
            differences=tuple(differences[:MAX_DIFFERENCES]),
        )

    def drops(self, translator: Translator) -> list[QualityDrop]:
        """Score what the engine of ``translate`` makes of each direction's sentences beside what the student made.

        Both read a sentence as it stands: what ``translate`` does to lines would be done to either.
        """
        expected = iter(self.pieces(translator.beam_size, may_be_unknown=False))
        found = []
        for text in self.texts:
            if not text.sources:
                continue
            ours = self._processor.decode([next(expected) for _ in text.sources])
            rows = [[self._processor.id_to_piece(token) for token in row] for row in self._encode(text)]
            answers = translator.engine.search(rows, beam_size=translator.beam_size, wish=Wish())
            theirs = self._processor.decode([best.tokens for best, *_ in answers])
            student, export = (score(lines, text.references, target=text.direction.target) for lines in (ours, theirs))
            found.append(QualityDrop(direction=text.direction, student=student, export=export))
        return found


def generate(student: Any, rows: Sequence[Sequence[int]], max_tokens: int, search: Search) -> list[list[int]]:
    """Translate ids by ``generate`` of transformers; padded answers, without the token that starts them."""
    width, pad = max(map(len, rows)), student.config.pad_token_id
    generated = student.generate(
        input_ids=torch.tensor([[*row] + [pad] * (width - len(row)) for row in rows]),
        attention_mask=(torch.arange(width) < torch.tensor([[len(row)] for row in rows])).long(),
        max_new_tokens=max_tokens,
        max_length=None,
        **search,
    )
    answers: list[list[int]] = generated[:, 1:].tolist()
    return answers
