"""Greedy search, beam search and random sampling over a decoder that is asked one position at a time.

Shapes: N sentences, B hypotheses a sentence under way, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from nmt_distill.teacher.base import Candidate, Sampling

COMPACT_BELOW = 0.75
"""finished rows are dropped once the others are at most this share: dropping copies the state"""

State = TypeVar("State", bound="SearchState")
StateIn = TypeVar("StateIn", bound="SearchState", contravariant=True)


class SearchState(Protocol):
    """What a decoder carries from one position to the next."""

    def select(self: State, rows: Tensor) -> State:
        """Keep (or repeat) the given rows."""
        ...


class Decoder(Protocol[StateIn]):
    """One position of a decoder."""

    def next_logits(self, previous: Tensor | None, state: StateIn, position: int) -> Tensor:
        """Return next-token logits (rows, V) after the tokens ``previous`` (rows,); None before the first."""
        ...


Choice = Callable[[Tensor, Sequence[int], int], tuple[Tensor, Tensor]]
"""chooses a token for each row: logits (rows, V), the hypothesis of each row and the position to log-probabilities and
tokens, both (rows,)"""


def greedy_search(decoder: Decoder[State], state: State, *, max_lengths: Sequence[int], end_id: int) -> list[Candidate]:
    """Take the most probable token at each position.

    :param max_lengths: per sentence, the most target tokens it may have, end of sentence included
    :returns: per sentence the token ids and their log-probability (nats) divided by their number
    """

    def most_probable(logits: Tensor, hypotheses: Sequence[int], position: int) -> tuple[Tensor, Tensor]:
        # log_softmax, which torch fuses, is several times as fast on CPU as logsumexp
        log_probs, tokens = logits.log_softmax(dim=-1).max(dim=-1)
        return log_probs, tokens

    return _follow(decoder, state, most_probable, max_lengths=max_lengths, end_id=end_id)


def random_search(
    decoder: Decoder[State],
    state: State,
    *,
    max_lengths: Sequence[int],
    end_id: int,
    sampling: Sampling,
    num_candidates: int,
    keys: Sequence[Sequence[int]],
) -> list[list[Candidate]]:
    """Draw each token from the decoder's distribution; every candidate is a draw of its own, and two may be the same.

    :param keys: natural numbers that name each sentence: what is drawn for it depends on them and the seed, not on
        its company
    :returns: per sentence ``num_candidates`` pairs of token ids and score, best first; the score is that of the other
        searches, of the distribution before temperature and cuts
    """
    limits = [limit for limit in max_lengths for _ in range(num_candidates)]
    numbers = np.zeros((len(limits), max(limits, default=0)), dtype=np.float32)
    for sentence, key in enumerate(keys):
        rows = slice(sentence * num_candidates, (sentence + 1) * num_candidates)
        generator = np.random.default_rng([sampling.seed, *key])
        numbers[rows, : max_lengths[sentence]] = generator.random((num_candidates, max_lengths[sentence]), np.float32)

    def draw(logits: Tensor, hypotheses: Sequence[int], position: int) -> tuple[Tensor, Tensor]:
        uniform = torch.from_numpy(numbers[hypotheses, position]).to(logits.device)
        tokens = draw_tokens(logits, uniform, sampling)
        return logits.log_softmax(dim=-1).gather(1, tokens[:, None])[:, 0], tokens

    repeated = state.select(torch.arange(len(max_lengths)).repeat_interleave(num_candidates))
    drawn = _follow(decoder, repeated, draw, max_lengths=limits, end_id=end_id)
    groups = [drawn[start : start + num_candidates] for start in range(0, len(drawn), num_candidates)]
    return [sorted(group, key=lambda pair: -pair[1]) for group in groups]


def draw_tokens(logits: Tensor, uniform: Tensor, sampling: Sampling) -> Tensor:
    """Draw a token (rows,) for each row by inverting the distribution function.

    :param logits: (rows, V)
    :param uniform: (rows,) float32 from 0 to below 1
    """
    kept, tokens = logits / sampling.temperature, None
    if sampling.top_k or sampling.top_p < 1:
        kept, tokens = kept.topk(min(sampling.top_k or kept.shape[-1], kept.shape[-1]), dim=-1)
    probs = kept.double().softmax(dim=-1)
    if sampling.top_p < 1:  # a token is cut where those before it suffice
        probs = probs.where(probs.cumsum(dim=-1) - probs < sampling.top_p, 0)
    cumulative = probs.cumsum(dim=-1)
    places = torch.searchsorted(cumulative, uniform.double()[:, None] * cumulative[:, -1:], right=True)
    return (places if tokens is None else tokens.gather(1, places))[:, 0]


def _follow(
    decoder: Decoder[State], state: State, choose: Choice, *, max_lengths: Sequence[int], end_id: int
) -> list[Candidate]:
    """Follow one hypothesis a row, token by token; see :func:`greedy_search`."""
    token_ids: list[list[int]] = [[] for _ in max_lengths]
    totals = [0.0] * len(max_lengths)
    active = list(range(len(max_lengths)))  # the hypothesis of each row
    open_rows = list(active)
    previous = None
    for position in range(max(max_lengths, default=0)):
        chosen, previous = choose(decoder.next_logits(previous, state, position), active, position)
        log_probs, tokens = chosen.tolist(), previous.tolist()
        for row in open_rows:
            token_ids[active[row]].append(tokens[row])
            totals[active[row]] += log_probs[row]
        open_rows = [row for row in open_rows if tokens[row] != end_id and position + 1 < max_lengths[active[row]]]
        if not open_rows:
            break
        if len(open_rows) <= COMPACT_BELOW * len(active):
            rows = torch.tensor(open_rows, device=previous.device)
            previous, state = previous[rows], state.select(rows)
            active = [active[row] for row in open_rows]
            open_rows = list(range(len(active)))
    return [(tokens, total / len(tokens)) for tokens, total in zip(token_ids, totals, strict=True)]


def beam_search(
    decoder: Decoder[State],
    state: State,
    *,
    max_lengths: Sequence[int],
    end_id: int,
    beam_size: int,
    num_candidates: int,
) -> list[list[Candidate]]:
    """Keep the ``beam_size`` best hypotheses under way; score finished ones by log-probability per token.

    A sentence is done when it has ``beam_size`` finished hypotheses that all score at least as well as the best one
    under way does so far, or at its maximal length; hypotheses that reach it unfinished count as they are.

    :returns: per sentence at most ``num_candidates`` pairs of token ids and score, best first
    """
    finished: list[list[Candidate]] = [[] for _ in max_lengths]
    active = list(range(len(max_lengths)))
    prefixes: list[list[list[int]]] = [[[]] for _ in active]
    totals = torch.zeros(len(active), 1)
    previous = None
    for position in range(max(max_lengths, default=0)):
        logits = decoder.next_logits(previous, state, position)
        scores, tokens, origins = _extend(logits, totals.to(logits.device), 2 * beam_size)
        next_active, next_prefixes, next_totals, next_rows = [], [], [], []
        num_live = totals.shape[1]
        for place, index in enumerate(active):
            live: list[tuple[float, int, int]] = []
            for score, token, origin in zip(scores[place], tokens[place], origins[place], strict=True):
                if score == -float("inf"):
                    break
                prefix = prefixes[place][origin]
                if token == end_id or position + 1 == max_lengths[index]:
                    finished[index].append(([*prefix, token], score / (position + 1)))
                elif len(live) < beam_size:
                    live.append((score, token, origin))
            finished[index].sort(key=lambda pair: -pair[1])
            del finished[index][beam_size:]
            full = len(finished[index]) == beam_size
            if not live or (full and finished[index][-1][1] >= live[0][0] / (position + 1)):
                continue
            next_active.append(index)
            next_prefixes.append([[*prefixes[place][origin], token] for _, token, origin in live])
            padding = beam_size - len(live)
            next_totals.append([score for score, _, _ in live] + [-float("inf")] * padding)
            next_rows += [place * num_live + origin for _, _, origin in live] + [place * num_live] * padding
            next_prefixes[-1] += [next_prefixes[-1][0]] * padding
        if not next_active:
            break
        active, prefixes, totals = next_active, next_prefixes, torch.tensor(next_totals)
        state = state.select(torch.tensor(next_rows, device=logits.device))
        previous = torch.tensor([prefix[-1] for group in prefixes for prefix in group], device=logits.device)
    return [hypotheses[:num_candidates] for hypotheses in finished]


def _extend(
    logits: Tensor, totals: Tensor, num_best: int
) -> tuple[list[list[float]], list[list[int]], list[list[int]]]:
    """Find the best continuations of each sentence's hypotheses.

    :param logits: (N * B, V)
    :param totals: (N, B) log-probability of each hypothesis so far
    :returns: per sentence the scores, the tokens and the hypothesis each extends, best first
    """
    num_kept = min(num_best, logits.shape[-1])
    log_probs, tokens = logits.log_softmax(dim=-1).topk(num_kept, dim=-1)
    scores = (totals[:, :, None] + log_probs.view(*totals.shape, -1)).flatten(1)
    chosen_scores, chosen = scores.topk(min(num_best, scores.shape[1]), dim=-1)
    chosen_tokens = tokens.view(len(totals), -1).gather(1, chosen)
    return chosen_scores.tolist(), chosen_tokens.tolist(), (chosen // num_kept).tolist()
