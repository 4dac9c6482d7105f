from __future__ import annotations

import copy
import multiprocessing.forkserver
import os
import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from nmt_distill.cli import main
from nmt_distill.configuration import apply_overrides
from tests.integration.toy import Pair, ToyLanguage, train_marian, train_vocabulary, write_marian

NUM_TEACHER_STEPS = 220

RAY_SECRET = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
"""what lets a process into a Ray cluster of these tests, and nobody else"""
Fails = Callable[..., str]
"""runs a command that must fail; see the fixture"""


@pytest.fixture(scope="session", autouse=True)
def quiet_processes(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Start the server of processes with one thread each, so that bytes can be compared, without the network, with a
    cache of its own, and with what lets them into a Ray cluster of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("OMP_NUM_THREADS", "1"), ("HF_HUB_OFFLINE", "1"), ("COLUMNS", "120"), *RAY_SECRET.items()):
            patch.setenv(name, value)
        patch.setenv("NMT_DISTILL_CACHE", str(tmp_path_factory.mktemp("cache")))
        multiprocessing.forkserver.ensure_running()


@dataclass(frozen=True)
class Toy:
    """A toy language on disk: what recipes name, and pairs that nobody has trained on."""

    seed: int
    folder: Path
    content: dict[str, Any]
    """a recipe in which everything is small"""
    unseen: list[Pair]

    def write_recipe(self, folder: Path, *overrides: str, name: str = "toy") -> Path:
        """Write a recipe with overrides as ``--set`` takes them."""
        path = folder / f"{name}.yaml"
        content = apply_overrides(copy.deepcopy(self.content), overrides)
        path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
        return path


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """A language that was invented just now: 900 pairs, 300 sentences without translation, 2,000 pairs for learning
    without a teacher, and a teacher that has learned from them."""
    import torch

    seed = int(os.environ.get("NMT_DISTILL_TEST_SEED") or random.randrange(1 << 30))
    print(f"\nthe toy language has seed {seed}; NMT_DISTILL_TEST_SEED={seed} makes it again")
    folder = tmp_path_factory.mktemp("toy")
    language = ToyLanguage.invent(seed)
    pairs = language.sentences(2600, seed)
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    vocabulary = train_vocabulary(pairs, folder / "teacher.spm")
    write_marian(folder / "teacher.npz", train_marian(pairs[:2400], vocabulary, seed=seed, num_steps=NUM_TEACHER_STEPS))
    torch.set_num_threads(num_threads)
    for side, language_tag in enumerate(("en", "pt-BR")):
        lines = [pair[side] + "\n" for pair in pairs[:900]]
        (folder / f"pairs.{language_tag}").write_text("".join(lines), encoding="utf-8")
        lines = [pair[side] + "\n" for pair in pairs[:2000]]
        (folder / f"more_pairs.{language_tag}").write_text("".join(lines), encoding="utf-8")
    (folder / "mono.en").write_text("".join(source + "\n" for source, _ in pairs[900:1200]), encoding="utf-8")
    return Toy(seed=seed, folder=folder, content=_recipe(folder), unseen=pairs[2400:])


def _recipe(folder: Path) -> dict[str, Any]:
    shared = {"warmup_steps": 10, "batch_tokens": 500}
    return {
        "name": "toy",
        "directions": [{"source": "en", "target": "pt-BR"}],
        "corpus": {
            "sources": [
                {
                    "kind": "lines",
                    "source": str(folder / "pairs.en"),
                    "target": str(folder / "pairs.pt-BR"),
                    "licence": "CC0-1.0",
                },
                {"kind": "text", "path": str(folder / "mono.en"), "licence": "CC0-1.0"},
            ],
            "split": {"num_dev": 40, "num_test": 60},
        },
        "teacher": {
            "kind": "marian",
            "model": str(folder / "teacher.npz"),
            "vocabulary": str(folder / "teacher.spm"),
            "origin": "a toy teacher",
            "licence": "CC0-1.0",
        },
        "distillation": {"num_kept": 8, "shard_sentences": 200},
        "student": {
            "model_dim": 64,
            "ffn_inner_dim": 128,
            "num_heads": 4,
            "num_encoder_layers": 2,
            "num_decoder_layers": 1,
            "max_positions": 64,
            "dropout": 0.0,
        },
        "training": {
            "phases": [
                {
                    "num_steps": 60,
                    "learning_rate": 0.004,
                    "trainable": "decoder",
                    "vocabulary_weight": 0.0,
                    "state_weight": 1.0,
                    **shared,
                },
                {"num_steps": 40, "learning_rate": 0.002, "kd_weight": 1.0, "state_weight": 0.1, **shared},
            ],
            "average_decay": 0.9,
            "validate_every": 30,
            "checkpoint_every": 10,
            "max_dev_sentences": 20,
            "device": "cpu",
        },
        "export": {"num_parity_sentences": 40, "max_drop": 100},  # in so few one word is much
        "evaluation": {"speed_repetitions": 1, "examples": ["what a day"]},
    }


@pytest.fixture(scope="session")
def finished_run(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing disturbed; look, don't touch."""
    from tests.integration.commands import run_command

    folder = tmp_path_factory.mktemp("finished")
    recipe = toy.write_recipe(folder)
    finished = run_command("run", recipe, "--out", folder / "first", cwd=folder)
    assert finished.status == 0, finished.stderr
    return folder / "first"


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Fails:
    """Run a command that must fail; return its one-line error without the program's name."""

    def run(*arguments: object, status: int = 2) -> str:
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) == status
        captured = capsys.readouterr()
        assert captured.out == ""
        talk = captured.err.splitlines()
        errors = [line for line in talk if line.startswith("nmt-distill: ")]
        assert errors == talk[-1:], captured.err
        assert "Traceback" not in captured.err
        return errors[0].removeprefix("nmt-distill: ")

    return run


def half_written(folder: Path) -> list[str]:
    """Name what an interrupted writer leaves."""
    names = [str(path.relative_to(folder)) for path in folder.rglob("*")]
    return [name for name in names if name.endswith((".partial", ".spool"))]
