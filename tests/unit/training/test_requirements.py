from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nmt_distill.errors import NmtDistillError
from nmt_distill.training.config import PhaseConfig, TrainingConfig
from nmt_distill.training.requirements import require_machine

CONFIG = TrainingConfig(phases=(PhaseConfig(num_steps=1, learning_rate=1e-3),), device="cpu")


def test_what_every_machine_has() -> None:
    require_machine(CONFIG)


def test_processor_without_bfloat16_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    with pytest.raises(
        NmtDistillError,
        match=r"^training\.precision is bfloat16, which the processor of this machine does not have; set "
        r"training\.precision=float32\.$",
    ):
        require_machine(replace(CONFIG, precision="bfloat16"))
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    require_machine(replace(CONFIG, precision="bfloat16"))


def test_gpu_that_only_emulates_bfloat16_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_supported(*, including_emulation: bool = True) -> bool:
        return including_emulation

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)
    with pytest.raises(NmtDistillError, match=r"which the GPU of this machine does not have"):
        require_machine(replace(CONFIG, precision="bfloat16", device="cuda"))


def test_tensorboard_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(
        NmtDistillError,
        match=r"^training\.tensorboard needs the package tensorboard: pip install 'nmt-distill\[tensorboard\]', or set "
        r"training\.tensorboard=false; metrics\.jsonl is written either way\.$",
    ):
        require_machine(replace(CONFIG, tensorboard=True))


def test_compiler_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(
        NmtDistillError,
        match=r"^training\.compile needs a C\+\+ compiler, but there is no g\+\+ or clang\+\+; install one, or set "
        r"training\.compile=false\.$",
    ):
        require_machine(replace(CONFIG, compile=True))
    monkeypatch.setenv("CXX", "icpx")
    with pytest.raises(NmtDistillError, match=r"there is no icpx;"):
        require_machine(replace(CONFIG, compile=True))
