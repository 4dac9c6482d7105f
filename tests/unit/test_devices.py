from __future__ import annotations

import pytest

from nmt_distill.devices import choose_device
from nmt_distill.errors import NmtDistillError


@pytest.mark.parametrize(
    ("wanted", "has_gpu", "chosen"),
    [("auto", True, "cuda"), ("auto", False, "cpu"), ("cpu", True, "cpu"), ("cuda", True, "cuda")],
)
def test_a_gpu_is_taken_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, wanted: str, has_gpu: bool, chosen: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: has_gpu)
    assert choose_device(wanted) == chosen  # type: ignore[arg-type]


def test_a_gpu_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(
        NmtDistillError, match=r"device is cuda, but torch finds no GPU; set training\.device=auto or cpu"
    ):
        choose_device("cuda")
