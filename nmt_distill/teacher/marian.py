"""A Marian model as a teacher for both levels of distillation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nmt_distill.errors import NmtDistillError
from nmt_distill.files import fingerprint, sha256_of
from nmt_distill.languages import Direction
from nmt_distill.teacher.base import Hypothesis, Sampling, TeacherOutput
from nmt_distill.teacher.marian_file import read_marian_file
from nmt_distill.teacher.marian_graph import MarianGraph, pad
from nmt_distill.teacher.search import beam_search, greedy_search
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece

PROJECTED_ROWS = 512
"""decoder states that are projected to the vocabulary at once"""


class MarianTeacher:
    """A Marian model and its SentencePiece vocabulary as a teacher for both levels of distillation."""

    def __init__(
        self,
        model: Path,
        vocabulary: Path,
        *,
        direction: Direction,
        origin: str,
        licence: str,
        device: str = "cpu",
        max_length_factor: float = 2.5,
        batch_tokens: int = 4096,
    ) -> None:
        """Load the model.

        :param batch_tokens: source tokens (padding included) that one batch may have, divided by the beam size
        :param max_length_factor: most target tokens per source token (at least 16 in all)
        """
        self.direction, self.origin, self.licence = direction, origin, licence
        self.graph = MarianGraph(read_marian_file(model), str(model)).to(device).eval()
        self.vocabulary = load_sentencepiece(vocabulary)
        if self.vocabulary.vocab_size() != self.graph.vocab_size:
            raise NmtDistillError(
                f"{vocabulary} has {self.vocabulary.vocab_size()} pieces, but {model} has "
                f"{self.graph.vocab_size}; they do not belong together."
            )
        self.vocab_size = self.graph.vocab_size
        self.end_id = self.vocabulary.eos_id()
        self.fingerprint = fingerprint([sha256_of(model), sha256_of(vocabulary), max_length_factor])
        self.state_dim = self.graph.model_dim
        self.engine = "read by torch in float32"
        self.batch_rule = f"{batch_tokens:,} padded source tokens, sorted by length"
        self._device = torch.device(device)
        self._max_length_factor, self._batch_tokens = max_length_factor, batch_tokens

    @property
    def num_parameters(self) -> int:
        """Parameters of the model, the one table counted once."""
        return self.graph.num_parameters

    def close(self) -> None:
        """Do nothing: no process or connection is open."""

    def encode(self, sentences: Sequence[str]) -> list[list[int]]:
        """Return the source ids of each sentence, end of sentence included."""
        return [[*ids, self.end_id] for ids in self.vocabulary.encode(list(sentences))]

    def translate(
        self, sentences: Sequence[str], *, num_candidates: int = 1, beam_size: int = 1, sampling: Sampling | None = None
    ) -> list[list[Hypothesis]]:
        """Translate; see :class:`nmt_distill.teacher.base.Teacher`."""
        if num_candidates > beam_size:
            raise NmtDistillError(f"num_candidates must be at most beam_size ({beam_size}), but is {num_candidates}.")
        source_ids = self.encode(sentences)
        found: list[list[Hypothesis]] = [[] for _ in source_ids]
        with torch.inference_mode():
            for rows in batches_by_length(source_ids, self._batch_tokens // beam_size):
                ids, mask = pad([source_ids[row] for row in rows], self._device)
                state = self.graph.encode(ids, mask)
                limits = [max(16, round(self._max_length_factor * len(source_ids[row]))) for row in rows]
                if beam_size == 1:
                    best = greedy_search(self.graph, state, max_lengths=limits, end_id=self.end_id)
                    results = [[pair] for pair in best]
                else:
                    results = beam_search(
                        self.graph,
                        state,
                        max_lengths=limits,
                        end_id=self.end_id,
                        beam_size=beam_size,
                        num_candidates=num_candidates,
                    )
                for row, pairs in zip(rows, results, strict=True):
                    found[row] = [self._hypothesis(tokens, score) for tokens, score in pairs]
        return found

    def _most_probable(self, states: Tensor, num_kept: int, temperature: float) -> tuple[Tensor, Tensor]:
        logits = self.graph.logits(states)
        if temperature != 1:
            logits /= temperature
        log_probs, token_ids = logits.log_softmax(dim=-1).topk(num_kept, dim=-1)
        return token_ids, log_probs.exp()

    def _hypothesis(self, tokens: list[int], score: float) -> Hypothesis:
        finished = tokens[-1] == self.end_id
        return Hypothesis(
            text=self.vocabulary.decode(tokens),
            score=score,
            token_ids=np.array(tokens, dtype=np.int64),
            finished=finished,
        )

    def teacher_output(
        self,
        source_ids: Sequence[Sequence[int]],
        target_ids: Sequence[Sequence[int]],
        *,
        num_kept: int,
        temperature: float = 1.0,
        keep_states: bool = False,
    ) -> TeacherOutput:
        """Read distributions over given targets; see :class:`nmt_distill.teacher.base.WhiteBoxTeacher`.

        :raises NmtDistillError: if more are to be kept than there are
        """
        if num_kept > self.vocab_size:
            raise NmtDistillError(
                f"num_kept must be at most the teacher's {self.vocab_size} pieces, but is {num_kept} instead; "
                "lower distillation.num_kept."
            )
        parts: list[tuple[Tensor, ...]] = [()] * len(source_ids)
        with torch.inference_mode():
            for rows in batches_by_length(source_ids, self._batch_tokens):
                source, source_mask = pad([source_ids[row] for row in rows], self._device)
                target, target_mask = pad([target_ids[row] for row in rows], self._device)
                state = self.graph.encode(source, source_mask)
                target_input = target.roll(1, dims=1)  # the first column is not read
                states = self.graph.decode(target_input, state, length=target.shape[1])[target_mask]
                kept = [
                    self._most_probable(chunk, num_kept, temperature) for chunk in torch.split(states, PROJECTED_ROWS)
                ]
                token_ids, probs = (torch.cat(tensors) for tensors in zip(*kept, strict=True))
                tail = (1 - probs.sum(dim=-1)).clamp(min=0)
                lengths = target_mask.sum(dim=1).tolist()
                pieces = [torch.split(tensor.cpu(), lengths) for tensor in (token_ids, probs, tail, states.half())]
                for row, part in zip(rows, zip(*pieces, strict=True), strict=True):
                    parts[row] = part
        arrays = [torch.cat(tensors).numpy() for tensors in zip(*parts, strict=True)]
        return TeacherOutput(
            token_ids=arrays[0], probs=arrays[1], tail=arrays[2], states=arrays[3] if keep_states else None
        )


def batches_by_length(sequences: Sequence[Sequence[int]], batch_tokens: int) -> list[list[int]]:
    """Group the indices of sequences of like length, longest first, so that each batch holds at most ``batch_tokens``.

    A sequence longer than that is a batch of its own.
    """
    batches: list[list[int]] = []
    width = 0
    for index in sorted(range(len(sequences)), key=lambda index: (-len(sequences[index]), index)):
        if not batches or (len(batches[-1]) + 1) * width > batch_tokens:
            batches.append([])
            width = len(sequences[index])
        batches[-1].append(index)
    return batches
