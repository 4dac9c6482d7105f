"""Whether an export is the same model as its student: greedy ids of transformers against those of CTranslate2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ctranslate2
import torch

from nmt_distill.progress import job
from nmt_distill.student.checkpoint import load_student
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece

BATCH_SENTENCES = 32


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


def measure_parity(
    student_folder: Path,
    export_folder: Path,
    sentences: Mapping[str | None, Sequence[str]],
    *,
    max_tokens: int,
) -> Parity:
    """Translate greedily with both engines and compare ids; sentences longer than the student's positions are left out.

    :param sentences: by the tag that stands before them, None where the model needs none
    :param max_tokens: most target tokens, for both engines
    """
    processor = load_sentencepiece(student_folder / "source.spm")
    student = load_student(student_folder)
    engine = ctranslate2.Translator(str(export_folder), inter_threads=1, intra_threads=torch.get_num_threads())
    end, pad = student.config.eos_token_id, student.config.pad_token_id
    rows = [
        ([*([] if tag is None else [processor.piece_to_id(tag)]), *tokens, end], text)
        for tag, texts in sentences.items()
        for tokens, text in zip(processor.encode(list(texts)), texts, strict=True)
    ]
    rows = [(row, text) for row, text in rows if len(row) <= student.config.max_position_embeddings]
    ids, lines = [row for row, _ in rows], [text for _, text in rows]
    equal, differences = 0, []
    with job("parity", total=len(ids)) as running, torch.inference_mode():
        for start in range(0, len(ids), BATCH_SENTENCES):
            part = ids[start : start + BATCH_SENTENCES]
            width = max(map(len, part))
            source = torch.tensor([row + [pad] * (width - len(row)) for row in part])
            generated = student.generate(
                input_ids=source,
                attention_mask=(torch.arange(width) < torch.tensor([[len(row)] for row in part])).long(),
                max_new_tokens=max_tokens,
                max_length=None,
            )
            theirs = engine.translate_batch(
                [[processor.id_to_piece(token) for token in row] for row in part],
                beam_size=1,
                max_decoding_length=max_tokens,
                min_decoding_length=0,
                max_input_length=0,
            )
            texts = lines[start : start + BATCH_SENTENCES]
            for text, output, result in zip(texts, generated[:, 1:].tolist(), theirs, strict=True):
                output = output[: output.index(end)] if end in output else output
                ours = [processor.id_to_piece(token) for token in output if token != pad]
                if ours == result.hypotheses[0]:
                    equal += 1
                else:
                    answers = {"transformers": " ".join(ours), "ctranslate2": " ".join(result.hypotheses[0])}
                    differences.append({"source": text} | answers)
            running.advance(len(part))
    return Parity(num_sentences=len(ids), num_equal=equal, differences=tuple(differences[:5]))
