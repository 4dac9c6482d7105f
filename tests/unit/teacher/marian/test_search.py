from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nmt_distill.teacher.base import Sampling
from nmt_distill.teacher.marian.search import beam_search, draw_tokens, greedy_search, random_search

END = 0


@dataclass
class Rows:
    """Which sentence each row decodes, and its prefix: a stub has no other state."""

    sentences: list[int]
    prefixes: list[tuple[int, ...]]

    def select(self, rows: Tensor) -> Rows:
        return Rows([self.sentences[row] for row in rows], [self.prefixes[row] for row in rows])


class Table:
    """A decoder whose next-token logits are drawn for every sentence and prefix; it notes how many rows it saw."""

    def __init__(self, vocab_size: int, seed: int) -> None:
        self.vocab_size, self.seed = vocab_size, seed
        self.rows_seen: list[int] = []
        self._logits: dict[tuple[int, tuple[int, ...]], Tensor] = {}

    def logits(self, sentence: int, prefix: tuple[int, ...]) -> Tensor:
        key = (sentence, prefix)
        if key not in self._logits:
            generator = torch.Generator().manual_seed(hash((self.seed, *key)) % (1 << 60))
            self._logits[key] = 2 * torch.randn(self.vocab_size, generator=generator)
        return self._logits[key]

    def next_logits(self, previous: Tensor | None, state: Rows, position: int) -> Tensor:
        if previous is None:
            assert position == 0
        else:
            state.prefixes = [(*prefix, token) for prefix, token in zip(state.prefixes, previous.tolist(), strict=True)]
        assert {len(prefix) for prefix in state.prefixes} == {position}
        self.rows_seen.append(len(state.sentences))
        return torch.stack([self.logits(*key) for key in zip(state.sentences, state.prefixes, strict=True)])

    def start(self, num_sentences: int) -> Rows:
        return Rows(list(range(num_sentences)), [()] * num_sentences)

    def score(self, sentence: int, tokens: list[int]) -> float:
        """Return the log-probability per token, found by walking along the hypothesis."""
        steps = [
            self.logits(sentence, tuple(tokens[:place])).double().log_softmax(-1)[token].item()
            for place, token in enumerate(tokens)
        ]
        return sum(steps) / len(steps)

    def enumerate(self, sentence: int, max_length: int) -> list[tuple[list[int], float]]:
        """Score everything that can be said: what ends in END, and what is cut at the greatest length."""
        others = range(1, self.vocab_size)
        said = [[*body, END] for length in range(max_length) for body in product(others, repeat=length)]
        said += [list(body) for body in product(others, repeat=max_length)]
        return sorted(((tokens, self.score(sentence, tokens)) for tokens in said), key=lambda pair: -pair[1])


def assert_same_hypotheses(found: list[tuple[list[int], float]], expected: list[tuple[list[int], float]]) -> None:
    assert [tokens for tokens, _ in found] == [tokens for tokens, _ in expected]
    assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-5)


@given(st.sampled_from([(2, 5), (3, 4), (4, 3), (6, 2)]), st.integers(0, 1 << 20))
def test_wide_beam_is_full_enumeration(shape: tuple[int, int], seed: int) -> None:
    vocab_size, length = shape
    decoder = Table(vocab_size, seed)
    beam_size = vocab_size**length
    found = beam_search(
        decoder, decoder.start(1), max_lengths=[length], end_id=END, beam_size=beam_size, num_candidates=5
    )
    assert_same_hypotheses(found[0], decoder.enumerate(0, length)[:5])


@given(
    st.integers(2, 6), st.lists(st.integers(1, 6), min_size=1, max_size=6), st.integers(0, 1 << 20), st.integers(1, 4)
)
def test_what_a_beam_finds_is_what_it_says(vocab_size: int, max_lengths: list[int], seed: int, beam_size: int) -> None:
    decoder = Table(vocab_size, seed)
    found = beam_search(
        decoder,
        decoder.start(len(max_lengths)),
        max_lengths=max_lengths,
        end_id=END,
        beam_size=beam_size,
        num_candidates=beam_size,
    )
    assert len(found) == len(max_lengths)
    for sentence, (hypotheses, max_length) in enumerate(zip(found, max_lengths, strict=True)):
        assert 1 <= len(hypotheses) <= beam_size
        assert len({tuple(tokens) for tokens, _ in hypotheses}) == len(hypotheses)
        scores = [score for _, score in hypotheses]
        assert scores == sorted(scores, reverse=True)
        for tokens, score in hypotheses:
            assert END not in tokens[:-1]
            assert len(tokens) <= max_length
            assert tokens[-1] == END or len(tokens) == max_length
            assert score == pytest.approx(decoder.score(sentence, tokens), abs=1e-5)


@given(st.integers(2, 6), st.lists(st.integers(1, 8), min_size=1, max_size=9), st.integers(0, 1 << 20))
def test_greedy_takes_the_best_token_each_time(vocab_size: int, max_lengths: list[int], seed: int) -> None:
    decoder = Table(vocab_size, seed)
    found = greedy_search(decoder, decoder.start(len(max_lengths)), max_lengths=max_lengths, end_id=END)
    for sentence, max_length in enumerate(max_lengths):
        tokens: list[int] = []
        while len(tokens) < max_length and END not in tokens:
            tokens.append(int(decoder.logits(sentence, tuple(tokens)).argmax()))
        assert found[sentence][0] == tokens
        assert found[sentence][1] == pytest.approx(decoder.score(sentence, tokens), abs=1e-5)


@given(st.integers(2, 6), st.integers(1, 6), st.integers(0, 1 << 20))
def test_sentences_do_not_touch_each_other(vocab_size: int, max_length: int, seed: int) -> None:
    decoder = Table(vocab_size, seed)
    together = beam_search(
        decoder, decoder.start(4), max_lengths=[max_length] * 4, end_id=END, beam_size=3, num_candidates=3
    )
    for sentence in range(4):
        alone = beam_search(
            decoder, Rows([sentence], [()]), max_lengths=[max_length], end_id=END, beam_size=3, num_candidates=3
        )
        assert_same_hypotheses(together[sentence], alone[0])


class Fixed(Table):
    """Every sentence ends after as many tokens as its index, with all but certainty."""

    def logits(self, sentence: int, prefix: tuple[int, ...]) -> Tensor:
        token = END if len(prefix) == sentence else 1 + sentence % (self.vocab_size - 1)
        return torch.where(torch.arange(self.vocab_size) == token, 10.0, 0.0)


def test_finished_sentences_leave_the_greedy_batch() -> None:
    decoder = Fixed(4, 0)
    found = greedy_search(decoder, decoder.start(8), max_lengths=[20] * 8, end_id=END)
    assert [len(tokens) for tokens, _ in found] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert len(decoder.rows_seen) == 8
    assert decoder.rows_seen[0] == 8
    assert decoder.rows_seen[-1] <= 2
    assert all(score == pytest.approx(10 - math.log(math.exp(10) + 3), abs=1e-6) for _, score in found)


def test_finished_sentences_leave_the_beam() -> None:
    decoder = Fixed(4, 0)
    found = beam_search(decoder, decoder.start(4), max_lengths=[20] * 4, end_id=END, beam_size=1, num_candidates=1)
    assert [len(hypotheses[0][0]) for hypotheses in found] == [1, 2, 3, 4]
    assert decoder.rows_seen == [4, 3, 2, 1]


def test_beam_of_one_is_greedy_where_the_end_is_clear() -> None:
    decoder = Fixed(5, 0)
    greedy = greedy_search(decoder, decoder.start(5), max_lengths=[3, 9, 9, 2, 9], end_id=END)
    beam = beam_search(
        decoder, decoder.start(5), max_lengths=[3, 9, 9, 2, 9], end_id=END, beam_size=1, num_candidates=1
    )
    assert_same_hypotheses([pairs[0] for pairs in beam], greedy)


def test_wider_beam_finds_what_greedy_misses() -> None:
    class Garden(Table):
        def logits(self, sentence: int, prefix: tuple[int, ...]) -> Tensor:
            probs = {(): (0.0, 0.6, 0.4), (1,): (0.34, 0.33, 0.33), (2,): (1.0, 0.0, 0.0)}
            return torch.tensor(probs.get(prefix, (1.0, 0.0, 0.0))).log()

    decoder = Garden(3, 0)
    greedy = greedy_search(decoder, decoder.start(1), max_lengths=[4], end_id=END)
    beam = beam_search(decoder, decoder.start(1), max_lengths=[4], end_id=END, beam_size=2, num_candidates=1)
    assert greedy[0][0] == [1, 0]
    assert_same_hypotheses(beam[0], [([2, 0], math.log(0.4) / 2)])


def test_hypothesis_that_ends_leaves_its_place_to_the_next_best() -> None:
    class Ending(Table):
        def logits(self, sentence: int, prefix: tuple[int, ...]) -> Tensor:
            probs = {(): (0.4, 0.35, 0.25), (1,): (0.34, 0.33, 0.33), (2,): (0.98, 0.01, 0.01)}
            return torch.tensor(probs.get(prefix, (0.34, 0.33, 0.33))).log()

    decoder = Ending(3, 0)
    ((best,),) = beam_search(decoder, decoder.start(1), max_lengths=[4], end_id=END, beam_size=2, num_candidates=1)
    assert_same_hypotheses([best], [([2, 0], math.log(0.25 * 0.98) / 2)])


def test_no_sentences() -> None:
    decoder = Table(3, 0)
    assert (
        random_search(
            decoder, decoder.start(0), max_lengths=[], end_id=END, sampling=Sampling(), num_candidates=2, keys=[]
        )
        == []
    )
    assert greedy_search(decoder, decoder.start(0), max_lengths=[], end_id=END) == []
    assert beam_search(decoder, decoder.start(0), max_lengths=[], end_id=END, beam_size=2, num_candidates=1) == []


def random(decoder: Table, state: Rows, max_lengths: list[int], **values: float) -> list[list[tuple[list[int], float]]]:
    return random_search(
        decoder,
        state,
        max_lengths=max_lengths,
        end_id=END,
        sampling=Sampling(**values),  # type: ignore[arg-type]
        num_candidates=3,
        keys=[[7, sentence] for sentence in state.sentences],
    )


@given(st.integers(2, 6), st.lists(st.integers(1, 8), min_size=1, max_size=5), st.integers(0, 1 << 20))
def test_what_is_drawn_is_what_it_says(vocab_size: int, max_lengths: list[int], seed: int) -> None:
    decoder = Table(vocab_size, seed)
    found = random(decoder, decoder.start(len(max_lengths)), max_lengths, temperature=1.7, top_p=0.9, seed=seed)
    assert [len(hypotheses) for hypotheses in found] == [3] * len(max_lengths)
    for sentence, (hypotheses, max_length) in enumerate(zip(found, max_lengths, strict=True)):
        scores = [score for _, score in hypotheses]
        assert scores == sorted(scores, reverse=True)
        for tokens, score in hypotheses:
            assert END not in tokens[:-1]
            assert tokens[-1] == END or len(tokens) == max_length
            assert score == pytest.approx(decoder.score(sentence, tokens), abs=1e-5)


@given(st.integers(2, 6), st.integers(1, 6), st.integers(0, 1 << 20))
def test_draws_do_not_depend_on_their_company(vocab_size: int, max_length: int, seed: int) -> None:
    decoder = Table(vocab_size, seed)
    together = random(decoder, decoder.start(4), [max_length] * 4, seed=seed)
    for sentence in range(4):
        (alone,) = random(decoder, Rows([sentence], [()]), [max_length], seed=seed)
        assert_same_hypotheses(together[sentence], alone)


def test_another_seed_draws_other_candidates() -> None:
    decoder = Table(6, 1)
    first, again, other = (random(decoder, decoder.start(4), [20] * 4, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_one_token_kept_is_greedy() -> None:
    decoder = Table(5, 3)
    greedy = greedy_search(decoder, decoder.start(3), max_lengths=[6] * 3, end_id=END)
    for values in ({"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-3}):
        drawn = random(decoder, decoder.start(3), [6] * 3, **values)
        for hypotheses, expected in zip(drawn, greedy, strict=True):
            assert_same_hypotheses(hypotheses, [expected] * 3)


PROBS = [0.05, 0.4, 0.1, 0.3, 0.15]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, PROBS),
        ({"top_k": 3}, [0, 0.4 / 0.85, 0, 0.3 / 0.85, 0.15 / 0.85]),
        ({"top_k": 9}, PROBS),
        ({"top_p": 0.69}, [0, 4 / 7, 0, 3 / 7, 0]),
        ({"top_p": 0.71}, [0, 0.4 / 0.85, 0, 0.3 / 0.85, 0.15 / 0.85]),
        ({"top_k": 2, "top_p": 0.57}, [0, 1, 0, 0, 0]),
        ({"temperature": 0.5}, [prob**2 / sum(other**2 for other in PROBS) for prob in PROBS]),
        ({"top_p": 0.3, "temperature": 100.0}, [0, 1 / 2, 0, 1 / 2, 0]),
    ],
)
def test_tokens_are_drawn_as_often_as_they_are_probable(values: dict[str, float], expected: list[float]) -> None:
    """Evenly spaced numbers make the shares exact but for the spacing."""
    number = 1000
    uniform = (torch.arange(number) / number).float()
    tokens = draw_tokens(torch.tensor([PROBS]).log().expand(number, -1), uniform, Sampling(**values))  # type: ignore[arg-type]
    counts = Counter(tokens.tolist())
    for token, share in enumerate(expected):
        assert counts[token] / number == pytest.approx(share, abs=0.005)
        assert (counts[token] > 0) == (share > 0)


def test_largest_number_draws_a_token_that_may_be_drawn() -> None:
    logits = torch.tensor([[3.0, 2.0, 1.0, -float("inf")]])
    largest = torch.tensor([1 - 2**-24])
    for values, expected in (({}, 2), ({"top_k": 2}, 1), ({"top_p": 0.5}, 0)):
        assert draw_tokens(logits, largest, Sampling(**values)).tolist() == [expected]
    assert draw_tokens(-logits.flip(1).nan_to_num(neginf=9.0), torch.zeros(1), Sampling()).tolist() == [0]
