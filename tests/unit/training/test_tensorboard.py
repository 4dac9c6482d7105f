from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nmt_distill.distillation.store import Store
from nmt_distill.student.graph import StudentModel
from nmt_distill.training.config import PhaseConfig, TrainingConfig
from nmt_distill.training.trainer import Trainer

pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")

PHASE = PhaseConfig(num_steps=4, learning_rate=2e-3, warmup_steps=2, batch_tokens=100)
CONFIG = TrainingConfig(
    phases=(PHASE, PHASE), validate_every=2, checkpoint_every=1, device="cpu", average_decay=0.9, tensorboard=True
)


class StoppedError(Exception):
    """Stands for whatever ends a process."""


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Read all curves as TensorBoard does."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]}


def test_curves_are_those_of_the_log_also_after_a_break(
    new_student: Callable[..., StudentModel], toy_store: Store, tmp_path: Path
) -> None:
    """The second validation of the second phase is done twice; what was written before the break is gone."""
    scores = iter([3.0, 2.0, 1.0, 0.5, None, 4.0, 5.0])

    def validate(_: StudentModel) -> float:
        score = next(scores)
        if score is None:
            raise StoppedError
        return score

    def train(config: TrainingConfig) -> Trainer:
        options: dict[str, Any] = {"validate": validate, "events": tmp_path / "events"}
        trainer = Trainer(new_student(seed=3), toy_store, config, folder=tmp_path / "training", **options)
        trainer.run()
        return trainer

    config = replace(CONFIG, phases=(PHASE, PHASE, PHASE), validate_every=3, checkpoint_every=2)
    with pytest.raises(StoppedError):
        train(config)
    trainer = train(config)
    lines = trainer.folder.lines
    found = curves(tmp_path / "events")
    places = [4 * (line["phase"] - 1) + line["step"] for line in lines]
    assert places == [3, 4, 7, 8, 11, 12]
    for name in ("nll", "kl", "agreed", "learning_rate", "target_tokens", "chrf", "teacher_entropy"):
        assert [place for place, _ in found[name]] == places, name
        assert [value for _, value in found[name]] == pytest.approx([line[name] for line in lines], rel=1e-6), name
    assert "tokens_per_second" in found
    assert {"phase", "step"} & found.keys() == set()
    assert len(list((tmp_path / "events").iterdir())) == 1


def test_without_the_option_nothing_is_written(
    new_student: Callable[..., StudentModel], toy_store: Store, tmp_path: Path
) -> None:
    config = replace(CONFIG, tensorboard=False)
    Trainer(new_student(), toy_store, config, folder=tmp_path / "training", events=tmp_path / "events").run()
    assert not (tmp_path / "events").exists()
    assert (tmp_path / "training" / "metrics.jsonl").exists()
