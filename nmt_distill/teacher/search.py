"""Greedy and beam search over a decoder that is asked one position at a time.

Shapes: N sentences, B hypotheses a sentence under way, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor

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


def greedy_search(
    decoder: Decoder[State], state: State, *, max_lengths: Sequence[int], end_id: int
) -> list[tuple[list[int], float]]:
    """Take the most probable token at each position.

    :param max_lengths: per sentence, the most target tokens it may have, end of sentence included
    :returns: per sentence the token ids and their log-probability (nats) divided by their number
    """
    token_ids: list[list[int]] = [[] for _ in max_lengths]
    totals = [0.0] * len(max_lengths)
    active = list(range(len(max_lengths)))  # the sentence of each row
    open_rows = list(active)
    previous = None
    for position in range(max(max_lengths, default=0)):
        # log_softmax, which torch fuses, is several times as fast on CPU as logsumexp
        best, previous = decoder.next_logits(previous, state, position).log_softmax(dim=-1).max(dim=-1)
        log_probs, tokens = best.tolist(), previous.tolist()
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
) -> list[list[tuple[list[int], float]]]:
    """Keep the ``beam_size`` best hypotheses under way; score finished ones by log-probability per token.

    A sentence is done when it has ``beam_size`` finished hypotheses that all score at least as well as the best one
    under way does so far, or at its maximal length; hypotheses that reach it unfinished count as they are.

    :returns: per sentence at most ``num_candidates`` pairs of token ids and score, best first
    """
    finished: list[list[tuple[list[int], float]]] = [[] for _ in max_lengths]
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
