"""Translations found by the ``generate`` of transformers, with limits and scores that do not depend on the batch.

Shapes: R rows (sentences times candidates, those of a sentence together), T tokens so far, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import GenerationConfig

from nmt_distill.files import fingerprint
from nmt_distill.teacher.base import Candidate, Sampling
from nmt_distill.teacher.transformers.graph import EncodedSource, TransformersGraph


def search_beam(
    graph: TransformersGraph,
    source: EncodedSource,
    *,
    limits: Sequence[int],
    num_candidates: int,
    beam_size: int,
    length_penalty: float,
) -> list[list[Candidate]]:
    """Search with a beam; per sentence at most ``num_candidates``, best first.

    ``generate`` tells scores only together with the logits of all steps, so the candidates are read once more.

    :param limits: per sentence, the most target tokens it may have, end of sentence included
    """
    settings = {
        "num_beams": beam_size,
        "num_return_sequences": num_candidates,
        "length_penalty": length_penalty,
        "early_stopping": False,
        "do_sample": False,
    }
    sequences = _generate(graph, source, limits, settings).tolist()
    found = [
        _until_end(tokens, graph.end_id, limits[place // num_candidates]) for place, tokens in enumerate(sequences)
    ]
    scores = graph.mean_log_probs(source.repeat(num_candidates), found)
    candidates: list[list[Candidate]] = [[] for _ in limits]
    for place, (tokens, score) in enumerate(zip(found, scores, strict=True)):
        better = candidates[place // num_candidates]
        if score > -np.inf and all(tokens != other for other, _ in better):  # else nothing took this place in the beam
            better.append((tokens, score))
    return candidates


def follow_tokens(
    graph: TransformersGraph,
    source: EncodedSource,
    *,
    limits: Sequence[int],
    num_candidates: int = 1,
    sampling: Sampling | None = None,
) -> list[list[Candidate]]:
    """Follow the most probable token, or draw tokens; per sentence ``num_candidates``, best first.

    :param limits: per sentence, the most target tokens it may have, end of sentence included
    """
    settings: dict[str, Any] = {"num_beams": 1, "do_sample": sampling is not None}
    if sampling is not None:
        settings |= {"top_k": sampling.top_k, "top_p": sampling.top_p, "temperature": sampling.temperature}
        settings["num_return_sequences"] = num_candidates
    chosen = _ChosenLogProbs()
    with torch.random.fork_rng(devices=[graph.device] if graph.device.type == "cuda" else []):
        if sampling is not None:  # a batch draws alike whatever was drawn before
            torch.manual_seed(int(fingerprint([sampling.seed, source.token_ids]), 16) >> 1)
        sequences = _generate(graph, source, limits, settings, logits_processor=[chosen])
    totals = chosen.finish(sequences).cumsum(dim=1).tolist()
    candidates: list[list[Candidate]] = [[] for _ in limits]
    for place, (sequence, sums) in enumerate(zip(sequences.tolist(), totals, strict=True)):
        tokens = _until_end(sequence, graph.end_id, limits[place // num_candidates])
        candidates[place // num_candidates].append((tokens, sums[len(tokens) - 1] / len(tokens)))
    return [sorted(drawn, key=lambda candidate: -candidate[1]) for drawn in candidates]


def _generate(
    graph: TransformersGraph, source: EncodedSource, limits: Sequence[int], settings: dict[str, Any], **more: Any
) -> Tensor:
    """Return the tokens (R, T) after the forced ones, which are given, so that they take no part in scores."""
    forced = torch.tensor([graph.forced_ids], device=graph.device).expand(len(limits), -1)
    sequences: Tensor = graph.model.generate(
        **source.inputs(),
        decoder_input_ids=forced,
        generation_config=GenerationConfig(**graph.specials(), max_new_tokens=max(limits), **settings),
        stopping_criteria=[_LengthLimits(limits, forced.shape[1], graph.device)],
        **more,
    )
    return sequences[:, forced.shape[1] :]


def _until_end(token_ids: Sequence[int], end_id: int, limit: int) -> list[int]:
    """Return the tokens up to the end of sentence, included, or to the limit."""
    kept = list(token_ids[:limit])
    return kept[: kept.index(end_id) + 1] if end_id in kept else kept


class _LengthLimits:
    """A stopping criterion: each sentence has a limit of its own, so that its company in a batch changes nothing."""

    def __init__(self, limits: Sequence[int], num_forced: int, device: torch.device) -> None:
        self._lengths = torch.tensor(limits, device=device) + num_forced

    def __call__(self, token_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        """Tell which rows (R,) of tokens (R, T) are at their limit."""
        lengths = self._lengths.repeat_interleave(token_ids.shape[0] // len(self._lengths))
        return lengths <= token_ids.shape[1]


class _ChosenLogProbs:
    """A logits processor that changes nothing and notes the log-probability of each token that is then chosen.

    For searches that follow one hypothesis a row.
    """

    def __init__(self) -> None:
        self._last: Tensor | None = None
        self._chosen: list[Tensor] = []

    def __call__(self, token_ids: Tensor, scores: Tensor) -> Tensor:
        """Take the tokens (R, T) chosen so far, and the logits (R, V) of the next."""
        self._note(token_ids)
        self._last = scores.log_softmax(dim=-1)
        return scores

    def _note(self, token_ids: Tensor) -> None:
        if self._last is not None:
            self._chosen.append(self._last.gather(1, token_ids[:, -1:]))

    def finish(self, token_ids: Tensor) -> Tensor:
        """Return the log-probabilities (R, T) of the tokens (R, T) that the search returned, in nats."""
        self._note(token_ids)
        self._last = None
        return torch.cat(self._chosen, dim=1)
