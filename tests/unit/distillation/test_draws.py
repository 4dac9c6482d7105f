from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.distillation.draws import count_type, pack_draws, unpack_draws

IDS = np.array([[3, 3, 9, 3], [5, 5, 5, 5], [8, 1, 4, 2]])
PROBS = np.array([[0.7, 0.7, 0.2, 0.7], [1.0] * 4, [0.1, 0.2, 0.3, 0.25]])


def test_equal_draws_are_taken_together_the_most_frequent_first() -> None:
    packed = pack_draws(IDS, PROBS)
    assert packed["num_distinct"].tolist() == [2, 1, 4]
    assert packed["kept_ids"].tolist() == [3, 9, 5, 4, 2, 1, 8]
    assert packed["kept_counts"].tolist() == [3, 1, 4, 1, 1, 1, 1]
    assert np.exp(packed["kept_log_probs"]) == pytest.approx([0.7, 0.2, 1.0, 0.3, 0.25, 0.2, 0.1])


def test_rows_are_filled_up_with_their_first_token_and_no_weight() -> None:
    rows = unpack_draws(pack_draws(IDS, PROBS), 4)
    assert rows["kept_ids"].tolist() == [[3, 9, 3, 3], [5, 5, 5, 5], [4, 2, 1, 8]]
    assert rows["kept_weights"].tolist() == [[0.75, 0.25, 0, 0], [1, 0, 0, 0], [0.25] * 4]
    assert rows["kept_probs"][0] == pytest.approx([0.7, 0.2, 1, 1])
    assert {name: array.dtype.name for name, array in rows.items() if name != "kept_ids"} == {
        "kept_probs": "float32", "kept_weights": "float32"
    }  # fmt: skip


@pytest.mark.parametrize("num_rows", [0, 1])
def test_few_rows(num_rows: int) -> None:
    packed = pack_draws(IDS[:num_rows], PROBS[:num_rows])
    assert len(packed["num_distinct"]) == num_rows
    assert unpack_draws(packed, 4)["kept_weights"].sum() == num_rows


@given(st.lists(st.lists(st.integers(0, 5), min_size=7, max_size=7), min_size=1, max_size=5))
def test_every_draw_counts_once(draws: list[list[int]]) -> None:
    token_ids = np.array(draws)
    rows = unpack_draws(pack_draws(token_ids, 0.1 * token_ids + 0.1), 7)
    for row, drawn in enumerate(draws):
        weights = np.zeros(6)
        np.add.at(weights, rows["kept_ids"][row], rows["kept_weights"][row])
        assert weights == pytest.approx(np.bincount(drawn, minlength=6) / 7)
        assert sorted(rows["kept_weights"][row], reverse=True) == rows["kept_weights"][row].tolist()
        real = rows["kept_weights"][row] > 0
        assert rows["kept_probs"][row, real] == pytest.approx(0.1 * rows["kept_ids"][row, real] + 0.1, rel=1e-6)


@pytest.mark.parametrize(
    ("num_draws", "kind"), [(1, np.uint8), (255, np.uint8), (256, np.uint16), (65_535, np.uint16), (65_536, np.uint32)]
)
def test_counts_take_as_many_bytes_as_they_need(num_draws: int, kind: type) -> None:
    assert count_type(num_draws) is kind
