from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.training.schedule import WeightAverage, learning_rate


def test_curve_by_hand() -> None:
    rates = [learning_rate(step, peak=1.0, warmup_steps=3, num_steps=8) for step in range(9)]
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1.0, 0.8, 0.6, 0.4, 0.2, 0.0])


@given(st.integers(0, 20), st.integers(1, 40), st.floats(1e-5, 1.0))
def test_curve_rises_then_falls_and_never_reaches_0_before_the_end(warmup: int, num_steps: int, peak: float) -> None:
    rates = [learning_rate(step, peak=peak, warmup_steps=warmup, num_steps=num_steps) for step in range(num_steps)]
    assert all(0 < rate <= peak * (1 + 1e-12) for rate in rates)
    top = min(warmup, num_steps - 1)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def parameters() -> list[torch.Tensor]:
    return [torch.nn.Parameter(torch.randn(3, 2)), torch.nn.Parameter(torch.randn(4))]


def test_average_of_what_stands_still_is_that() -> None:
    own = parameters()
    average = WeightAverage(own, 0.99)
    for _ in range(20):
        average.update()
    for value, parameter in zip(average.values, own, strict=True):
        torch.testing.assert_close(value, parameter.detach())


def test_average_by_hand() -> None:
    weight = torch.zeros(1)
    average = WeightAverage([weight], 0.15)
    for step, (value, expected) in enumerate([(1.0, 0.9), (1.0, 0.985), (2.0, 0.15 * 0.985 + 0.85 * 2.0)]):
        weight.fill_(value)
        average.update()  # decay 1/10, then the 0.15 that was asked for (2/11 and 3/12 are more)
        assert average.values[0].item() == pytest.approx(expected), step


def test_no_decay_keeps_the_last_weights() -> None:
    own = parameters()
    average = WeightAverage(own, 0.0)
    with torch.no_grad():
        own[0].add_(1)
    average.update()
    assert torch.equal(average.values[0], own[0].detach())


def test_average_is_lent_and_given_back() -> None:
    own = parameters()
    average = WeightAverage(own, 0.9)
    with torch.no_grad():
        for parameter in own:
            parameter.add_(1)
    before = [parameter.detach().clone() for parameter in own]
    with pytest.raises(KeyboardInterrupt), average.applied():
        for parameter, value in zip(own, average.values, strict=True):
            assert torch.equal(parameter, value)
        raise KeyboardInterrupt
    for parameter, value in zip(own, before, strict=True):
        assert torch.equal(parameter, value)
    average.keep()
    for parameter, value in zip(own, average.values, strict=True):
        assert torch.equal(parameter, value)


def test_average_that_was_kept_goes_on_where_its_own_tensors_lie() -> None:
    own = parameters()
    average = WeightAverage(own, 0.9)
    places = [value.data_ptr() for value in average.values]
    kept = [torch.full_like(value, 7.0) for value in average.values]
    average.load(kept, 5)
    assert [value.data_ptr() for value in average.values] == places
    assert (average.values[0] == 7.0).all()
    assert average.num_updates == 5
