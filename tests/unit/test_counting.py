from __future__ import annotations

import pytest

from nmt_distill.counting import counted, were


@pytest.mark.parametrize(
    ("number", "noun", "told"),
    [
        (0, "line", "0 lines"),
        (1, "line", "1 line"),
        (2, "line", "2 lines"),
        (12_345, "line", "12,345 lines"),
        (1, "class", "1 class"),
        (2, "class", "2 classes"),
    ],
)
def test_only_one_is_singular(number: int, noun: str, told: str) -> None:
    assert counted(number, noun) == told
    assert were(number, noun) == f"{told} {'was' if number == 1 else 'were'}"
