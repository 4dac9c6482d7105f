from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher import reading
from nmt_distill.teacher.base import TeacherOutput
from nmt_distill.teacher.reading import draw, most_probable, read_distributions

VOCAB_SIZE, CHUNK = 40, 3
SOURCES = [[5, 6, 0], [7, 0], [0], [5, 6, 0]]
TARGETS = [[9, 8, 7, 0], [0], [11, 12, 0], [9, 8, 8, 0]]


def logits_of(source: Sequence[int], target: Sequence[int]) -> Tensor:
    """Make up logits (T, V) that depend on the pair and the position."""
    rows = []
    for place in range(len(target)):
        generator = torch.Generator().manual_seed(hash((*source, *target[:place])) % (1 << 30))
        rows.append(2 * torch.randn(VOCAB_SIZE, generator=generator))
    return torch.stack(rows)


def read(places: Sequence[Sequence[int]] = ((0, 1), (2, 3)), **options: Any) -> TeacherOutput:
    def distributions(batch: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        logits = torch.cat([logits_of(SOURCES[place], TARGETS[place]) for place in batch])
        states = logits[:, :2].clone()
        yield from zip(torch.split(logits, CHUNK), torch.split(states, CHUNK), strict=True)

    settings: dict[str, Any] = {"num_kept": 4, "kept": "top", "temperature": 1.0, "keep_states": False} | options
    return read_distributions(SOURCES, TARGETS, distributions, batches=places, vocab_size=VOCAB_SIZE, **settings)


def dense(temperature: float = 1.0) -> Tensor:
    logits = torch.cat([logits_of(*pair) for pair in zip(SOURCES, TARGETS, strict=True)])
    return (logits / temperature).softmax(dim=-1)


def shares(token_ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the share (R, V) that each token has in the draws."""
    counts = np.zeros((len(token_ids), VOCAB_SIZE))
    np.add.at(counts, (np.arange(len(token_ids))[:, None], token_ids), 1)
    found: np.ndarray[Any, Any] = counts / token_ids.shape[1]
    return found


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_most_probable_tokens_and_the_rest(temperature: float) -> None:
    output = read(temperature=temperature, keep_states=True)
    probs, token_ids = dense(temperature).topk(4)
    assert output.token_ids.tolist() == token_ids.tolist()
    assert output.probs == pytest.approx(probs.numpy(), abs=1e-6)
    assert output.tail == pytest.approx(1 - probs.sum(dim=-1).numpy(), abs=1e-6)
    assert output.tail is not None
    assert output.states is not None
    assert output.states.shape == (12, 2)
    arrays = (output.token_ids, output.probs, output.tail, output.states)
    assert [array.dtype.name for array in arrays] == ["int64", "float32", "float32", "float16"]


def test_everything_kept_is_the_dense_distribution() -> None:
    output = read(num_kept=VOCAB_SIZE)
    found = np.zeros_like(output.probs)
    np.put_along_axis(found, output.token_ids, output.probs, axis=1)
    assert found == pytest.approx(dense().numpy(), abs=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("num_draws", [1, 7, 50, 300])
def test_draws_follow_the_distribution(num_draws: int, temperature: float) -> None:
    output = read(num_kept=num_draws, kept="drawn", temperature=temperature)
    assert output.tail is None
    assert output.states is None
    assert output.token_ids.shape == output.probs.shape == (12, num_draws)
    probs = dense(temperature).numpy()
    assert output.probs == pytest.approx(np.take_along_axis(probs, output.token_ids, axis=1), rel=1e-5)
    assert (np.abs(shares(output.token_ids) - probs) < (1 + 1e-4) / num_draws).all(), "never more than one draw off"


def test_draws_belong_to_the_pair_whatever_its_company() -> None:
    together = read(num_kept=300, kept="drawn")
    for places in ([[0], [1], [2], [3]], [[3, 1, 0, 2]]):
        other = read(places, num_kept=300, kept="drawn")
        assert other.token_ids.tolist() == together.token_ids.tolist()
        assert other.probs == pytest.approx(together.probs)
    first, last = together.token_ids[0].tolist(), together.token_ids[8].tolist()
    assert first != last, "two targets of one source: the same distribution before the first token, other draws"


@given(
    logits=st.lists(st.floats(-30, 30), min_size=1, max_size=9),
    shift=st.floats(0, 1, exclude_max=True, width=32),
    num_draws=st.integers(1, 200),
)
def test_a_token_is_drawn_as_often_as_it_should_be_or_once_off(
    logits: list[float], shift: float, num_draws: int
) -> None:
    given_logits = torch.tensor([logits], dtype=torch.float32)
    expected = num_draws * given_logits.double().softmax(dim=-1)[0]
    token_ids, probs = draw(given_logits.clone(), num_draws, torch.tensor([shift], dtype=torch.float32))
    counts = Counter(token_ids[0].tolist())
    assert sum(counts.values()) == num_draws
    for token, often in enumerate(expected.tolist()):
        assert abs(counts[token] - often) < 1 + 1e-4
    assert (probs > 0).all()
    torch.testing.assert_close(probs[0].double(), expected[token_ids[0]] / num_draws, rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize("num_draws", [1, 3, 10])
def test_mean_share_of_the_draws_is_the_probability(num_draws: int) -> None:
    logits = torch.tensor([0.0, -4.0, 1.0, -torch.inf, 0.3, -9.0, 0.3])
    num_shifts = 20_000
    shifts = (torch.arange(num_shifts) + 0.5) / num_shifts  # evenly spread in place of random: no test by chance
    token_ids, _ = draw(logits.repeat(num_shifts, 1), num_draws, shifts)
    mean = torch.bincount(token_ids.flatten(), minlength=7) / token_ids.numel()
    torch.testing.assert_close(mean, logits.softmax(dim=-1), rtol=0, atol=2 / num_shifts)


def test_token_without_probability_is_never_drawn() -> None:
    logits = torch.full((1, 6), -torch.inf).index_fill_(1, torch.tensor([2, 4]), 0.0)
    for shift in (0.0, 0.5, 1 - 2**-24):
        token_ids, probs = draw(logits.clone(), 4, torch.tensor([shift]))
        assert token_ids.tolist() == [[2, 2, 4, 4]]
        assert probs.tolist() == [[0.5] * 4]


def test_draws_do_not_depend_on_how_many_rows_are_added_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read(num_kept=9, kept="drawn")
    monkeypatch.setattr(reading, "CUMULATED", 2 * VOCAB_SIZE)
    assert read(num_kept=9, kept="drawn").token_ids.tolist() == whole.token_ids.tolist()


def test_what_is_not_finite_is_no_label() -> None:
    def answers(logit: float, state: float) -> Callable[[Sequence[int]], Iterator[tuple[Tensor, Tensor]]]:
        return lambda batch: iter([(torch.full((2, 4), logit), torch.full((2, 3), state))])

    for logit, state, told in (
        (np.nan, 1.0, "probabilities are not finite; with"),
        (0.0, 7e4, "states are larger than"),
    ):
        with pytest.raises(NmtDistillError, match=told):
            read_distributions(
                [[1]],
                [[2, 0]],
                answers(logit, state),
                batches=[[0]],
                vocab_size=4,
                num_kept=2,
                kept="top",
                temperature=1.0,
                keep_states=True,
            )


def test_more_kept_than_there_are() -> None:
    with pytest.raises(NmtDistillError, match=r"num_kept must be at most the teacher's 40 ids, but is 41 instead; low"):
        read(num_kept=41)
    assert read(num_kept=41, kept="drawn").token_ids.shape == (12, 41)


def test_most_probable_of_a_tie_in_everything() -> None:
    token_ids, probs = most_probable(torch.zeros(2, 4), 2)
    assert token_ids.shape == (2, 2)
    assert probs.tolist() == [[0.25, 0.25]] * 2
