"""Translations found by fairseq2's generators, with limits and scores that do not depend on the batch.

fairseq2 gives all searches of a batch the limit of its longest source, and then forces the end. So a batch holds
sources of one length and goes on for one token more than their limit: what is longer than the limit had no end.
fairseq2's scores count the forced first tokens; ours do not, and hypotheses are ranked without them.

By itself fairseq2's beam search ends with ``beam_size`` finished hypotheses, which is the patience of 1 that
CTranslate2 has by default. Here it goes on until :data:`PATIENCE` times as many are, as CTranslate2 does for us. Best
hypotheses that were those of CTranslate2 with patience 3, and in brackets those of transformers
(``early_stopping=False``), in percent, for two models of one layer on an ambiguous toy language, trained for 600 steps
(400 sentences) and for 250 (200 sentences); float32:

==========  =============  =============  =============
patience 1  beam 4         beam 5         beam 8
==========  =============  =============  =============
600 steps   97.5 (97.5)    95.8 (95.8)    97.0 (97.0)
250 steps   68.0 (80.0)    71.5 (81.0)    73.0 (78.0)
==========  =============  =============  =============

==========  =============  =============  =============
patience 3  beam 4         beam 5         beam 8
==========  =============  =============  =============
600 steps   100.0 (100.0)  100.0 (100.0)  100.0 (100.0)
250 steps   100.0 (87.0)   100.0 (89.0)   100.0 (94.5)
==========  =============  =============  =============

Whatever differed with patience 3 scored better than what transformers had found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from fairseq2.generation import SequenceGenerationError
from fairseq2.generation.beam_search import (
    BeamSearchAlgorithm,
    BeamSearchSeq2SeqGenerator,
    BeamStep,
    StandardBeamSearchAlgorithm,
)
from fairseq2.generation.sampling import Sampler, SamplingSeq2SeqGenerator
from fairseq2.nn import BatchLayout
from torch import Tensor

from nmt_distill.errors import NmtDistillError
from nmt_distill.files import fingerprint
from nmt_distill.teacher.base import Candidate, Sampling
from nmt_distill.teacher.fairseq2.graph import Fairseq2Graph
from nmt_distill.teacher.marian.search import draw_tokens

PATIENCE = 3.0
"""finished hypotheses that end a search, for each place in its beam"""


class Fairseq2Search:
    """fairseq2's beam search and random sampling on a model."""

    def __init__(self, graph: Fairseq2Graph, vocabulary: Any, *, length_penalty: float, batch_tokens: int) -> None:
        """Take note of the settings.

        :param vocabulary: fairseq2's ``VocabularyInfo``
        :param length_penalty: hypotheses of a beam are compared by log-probability divided by their length to this
            power
        :param batch_tokens: source tokens of one batch, divided by the hypotheses of a sentence
        """
        self._graph, self._vocabulary = graph, vocabulary
        self._length_penalty, self._batch_tokens = length_penalty, batch_tokens

    def search(
        self,
        source_ids: Sequence[Sequence[int]],
        *,
        limits: Sequence[int],
        num_candidates: int,
        beam_size: int,
        sampling: Sampling | None,
    ) -> list[list[Candidate]]:
        """Find translations; per sentence at most ``num_candidates``, best first, what has no end last.

        :param source_ids: tags and end of sentence included
        :param limits: per sentence, the most target tokens it may have, end of sentence included
        :raises NmtDistillError: if probabilities are no numbers, as they may be in half precision
        """
        found: list[list[Candidate]] = [[] for _ in source_ids]
        keys = list(zip(map(len, source_ids), limits, strict=True))
        for rows in _batches(keys, self._batch_tokens // max(beam_size, num_candidates)):
            batch, limit = [list(source_ids[row]) for row in rows], limits[rows[0]]
            settings = {"max_gen_len": (0, limit + 1), "echo_prompt": True}
            if sampling is None:
                generator = self._beam_generator(beam_size, settings)
            else:
                generator = self._random_generator(num_candidates, sampling, batch, settings)
            for row, hypotheses in zip(rows, self._generate(generator, batch), strict=True):
                candidates = [self._read(each, limit, is_drawn=sampling is not None) for each in hypotheses]
                found[row] = self._ranked(candidates, is_drawn=sampling is not None)[:num_candidates]
        return found

    def _beam_generator(self, beam_size: int, settings: dict[str, Any]) -> Any:
        algorithm = PatientBeamSearch(beam_size, self._vocabulary.eos_idx)
        num_finished = round(PATIENCE * beam_size) if beam_size > 1 else 1
        return BeamSearchSeq2SeqGenerator(
            self._graph.model, self._vocabulary, algorithm, beam_size=num_finished, **settings
        )

    def _random_generator(
        self, num_candidates: int, sampling: Sampling, source_ids: list[list[int]], settings: dict[str, Any]
    ) -> Any:
        seed = int(fingerprint([sampling.seed, source_ids]), 16)  # a batch draws alike whatever was drawn before
        return SamplingSeq2SeqGenerator(
            self._graph.model,
            self._vocabulary,
            _Draw(sampling, np.random.default_rng(seed)),
            num_gens=num_candidates,
            compute_scores=True,
            temperature=1.0,  # the sampler has its own; scores are those of the untouched distribution
            **settings,
        )

    def _generate(self, generator: Any, source_ids: list[list[int]]) -> list[list[Any]]:
        source = torch.tensor(source_ids, device=self._graph.device)
        prompt = torch.tensor([self._graph.forced_ids] * len(source_ids), device=self._graph.device)
        try:
            output = generator(source, BatchLayout.of(source), prompt, BatchLayout.of(prompt))
        except SequenceGenerationError:
            raise NmtDistillError(
                "fairseq2 has come to probabilities that are no numbers; set teacher.precision=float32, or bfloat16."
            ) from None
        hypotheses: list[list[Any]] = output.hypotheses
        return hypotheses

    def _read(self, hypothesis: Any, limit: int, *, is_drawn: bool) -> Candidate:
        """Return a candidate without the forced tokens, and without the end that was forced after the limit."""
        num_forced = len(self._graph.forced_ids)
        own = slice(num_forced, num_forced + limit)
        scores = hypothesis.step_scores[own].double()
        return hypothesis.seq[own].tolist(), float((scores.log() if is_drawn else scores).mean())

    def _ranked(self, candidates: list[Candidate], *, is_drawn: bool) -> list[Candidate]:
        power = 0.0 if is_drawn else 1 - self._length_penalty

        def key(candidate: Candidate) -> tuple[bool, float]:
            ids, score = candidate
            return ids[-1] != self._vocabulary.eos_idx, -score * len(ids) ** power

        # a place in the beam that nothing took has no probability
        return sorted((each for each in candidates if each[1] > -np.inf), key=key)


def _batches(keys: Sequence[tuple[int, int]], batch_tokens: int) -> Iterator[list[int]]:
    """Yield places of equal keys together, the longest first.

    :param keys: source tokens and limit of each sentence
    """
    batch: list[int] = []
    for row in sorted(range(len(keys)), key=lambda row: (-keys[row][0], -keys[row][1], row)):
        length, _ = keys[row]
        if batch and (keys[batch[0]] != keys[row] or (len(batch) + 1) * length > batch_tokens):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


class PatientBeamSearch(BeamSearchAlgorithm):  # type: ignore[misc]
    """The step of a beam for a generator that waits for more finished hypotheses than the beam has places."""

    def __init__(self, beam_size: int, end_id: int) -> None:
        """Take note of the beam's own size."""
        self._beam_size, self._end_id, self._standard = beam_size, end_id, StandardBeamSearchAlgorithm()

    def step(self, beam_size: int, lprobs: Tensor, step_scores: Tensor) -> BeamStep:
        """Take a step, see ``BeamSearchAlgorithm``.

        :param beam_size: how many finished hypotheses the generator waits for
        :param lprobs: (hypotheses under way, V)
        :param step_scores: (hypotheses under way, tokens), summed up
        :returns: of the best continuations those that fill the beam, and those that end among the best of its size
        """
        found: Any = self._standard.step(self._beam_size, lprobs, step_scores)
        ends = found.vocab_indices == self._end_id
        is_near = torch.arange(len(ends), device=ends.device) < self._beam_size
        has_place = (~ends).cumsum(dim=0) <= self._beam_size
        return found.masked_select(torch.where(ends, is_near, has_place))


class _Draw(Sampler):  # type: ignore[misc]
    """Draws by temperature, then ``top_k``, then ``top_p``."""

    def __init__(self, sampling: Sampling, generator: np.random.Generator) -> None:
        self._sampling, self._generator = sampling, generator

    def sample(self, probs: Tensor) -> Tensor:
        """Draw a token (rows,) for each row of probabilities (rows, V)."""
        uniform = torch.from_numpy(self._generator.random(len(probs), np.float32)).to(probs.device)
        return draw_tokens(probs.log(), uniform, self._sampling)
