"""The training loop: one student, some phases, a checkpoint from which it goes on as if it had never stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from nmt_distill.devices import choose_device
from nmt_distill.distillation.store import Records
from nmt_distill.errors import NmtDistillError
from nmt_distill.progress import Job, job, say
from nmt_distill.student.graph import StudentModel, learned_parameters
from nmt_distill.training.batches import Balance, Indices, batch_indices, collate
from nmt_distill.training.checkpoint import TrainingFolder
from nmt_distill.training.config import PhaseConfig, TrainingConfig
from nmt_distill.training.objective import LOGGED, SHOWN, Objective
from nmt_distill.training.schedule import WeightAverage, learning_rate

Validate = Callable[[StudentModel], float]
_FROZEN: dict[str, tuple[str, ...]] = {
    "all": (),
    "layers": ("model.shared.",),
    "decoder_and_embeddings": ("model.encoder.",),
    "decoder": ("model.shared.", "model.encoder."),
}
"""by what a phase trains, how the names of parameters begin that do not move"""


@dataclass
class Progress:
    """Where a training stands: everything that its next step depends on besides tensors."""

    phase: int = 0
    step: int = 0
    """updates done in this phase"""
    position: tuple[int, int] = (0, 0)
    """epoch and batch that come next"""
    best_score: float | None = None
    num_worse: int = 0
    """validations since the best one"""
    sums: list[float] = field(default_factory=lambda: [0.0] * len(LOGGED))
    """what is logged, summed over the target tokens since the last validation"""
    num_tokens: int = 0
    """target tokens since the last validation"""
    finished: bool = False


def trainable_parameters(student: StudentModel, phase: PhaseConfig) -> list[Tensor]:
    """Freeze what the phase does not train, and return the parameters that it does."""
    chosen: list[Tensor] = []
    student.requires_grad_(False)
    frozen = _FROZEN[phase.trainable]
    for name, parameter in learned_parameters(student):
        moves = not name.startswith(frozen)
        parameter.requires_grad_(moves)
        if moves:
            chosen.append(parameter)
    return chosen


class Trainer:
    """Trains a student on a store."""

    def __init__(
        self,
        student: StudentModel,
        store: Records,
        config: TrainingConfig,
        *,
        folder: Path,
        temperature: float = 1.0,
        validate: Validate | None = None,
    ) -> None:
        """Prepare a training; nothing is computed yet.

        :param folder: for checkpoints and the log, which outlive this process
        :param validate: gives the student a score, higher is better; without it the last weights are kept
        """
        self.config, self.store, self.validate = config, store, validate
        mixed = "bf16" if config.precision == "bfloat16" else "no"
        self.accelerator = Accelerator(cpu=choose_device(config.device) == "cpu", mixed_precision=mixed)
        self.student = student.to(self.accelerator.device)
        is_anchored = any(phase.embedding_anchor for phase in config.phases)
        self.objective = Objective(self.student, temperature=temperature, has_anchor=is_anchored)
        self.folder = TrainingFolder(folder)
        self.source_lengths, self.target_lengths = store.lengths()
        self.longest: int = student.config.max_position_embeddings
        too_long = int((np.maximum(self.source_lengths, self.target_lengths) > self.longest).sum())
        if not len(store):
            raise NmtDistillError(f"{store.folder} holds no records; look at the counts in distilled.json.")
        if len(store) == too_long:
            raise NmtDistillError(
                f"all records of {store.folder} are longer than {self.longest} tokens; raise student.max_positions."
            )
        if too_long:
            say(f"{too_long:,} of {len(store):,} records are longer than student.max_positions and passed over")
        self.progress = Progress()

    def run(self) -> Progress:
        """Train from the last checkpoint (or the beginning) to the end; the student then has the best weights."""
        torch.manual_seed(self.config.seed)
        saved = self.folder.load_checkpoint()
        if saved:
            self.progress = Progress(**saved["progress"])
            self.student.load_state_dict(saved["student"])
        if not self.progress.finished:
            total = sum(phase.num_steps for phase in self.config.phases)
            done = sum(phase.num_steps for phase in self.config.phases[: self.progress.phase]) + self.progress.step
            with job("training", total=total, unit="steps", start=done) as running:
                while self.progress.phase < len(self.config.phases) and not self.progress.finished:
                    self._run_phase(self.config.phases[self.progress.phase], saved, running)
                    saved = None
        if self.validate is not None:
            self.student.load_state_dict(self.folder.load_best())
        return self.progress

    def _run_phase(self, phase: PhaseConfig, saved: dict[str, Any] | None, running: Job) -> None:
        parameters = trainable_parameters(self.student, phase)
        config, progress = self.config, self.progress
        optimizer = torch.optim.AdamW(
            parameters, betas=config.adam_betas, weight_decay=config.weight_decay, eps=1e-9, fused=True
        )
        average = WeightAverage(parameters, config.average_decay)
        if saved:
            _set_random_state(saved["random_state"])
            if "optimizer" in saved:
                optimizer.load_state_dict(saved["optimizer"])
                average.load(saved["average"], saved["average_updates"])
        self.accelerator.free_memory()  # of the optimiser before
        objective, optimizer = self.accelerator.prepare(self.objective, optimizer)
        batches = batch_indices(
            self.source_lengths,
            self.target_lengths,
            batch_tokens=phase.batch_tokens,
            balance=Balance(self.store.group_sizes, config.balance_exponent),
            longest=self.longest,
            seed=config.seed,
            first=progress.position,
        )
        began, ended = time.monotonic(), False
        objective.train()
        while not (ended or progress.finished):
            rate = learning_rate(
                progress.step, peak=phase.learning_rate, warmup_steps=phase.warmup_steps, num_steps=phase.num_steps
            )
            for group in optimizer.param_groups:
                group["lr"] = rate
            taken = list(islice(batches, phase.num_accumulated * self.accelerator.num_processes))
            self._step(phase, objective, optimizer, parameters, [indices for _, indices in taken])
            average.update()
            progress.step += 1
            progress.position = taken[-1][0]
            running.advance(1, f"phase {progress.phase + 1}, {self._describe()}")

            ended = progress.step == phase.num_steps
            if ended or progress.step % config.validate_every == 0:
                with average.applied():
                    score = self._validate()
                self._log(rate, time.monotonic() - began, score)
                progress.sums, progress.num_tokens, began = [0.0] * len(LOGGED), 0, time.monotonic()
            if ended:
                average.keep()
                progress.phase, progress.step = progress.phase + 1, 0
                progress.finished |= progress.phase == len(config.phases)
            if ended or progress.finished or progress.step % config.checkpoint_every == 0:
                self._checkpoint(optimizer, average, between_phases=ended)

    def _step(
        self, phase: PhaseConfig, objective: Any, optimizer: Any, parameters: list[Tensor], taken: list[Indices]
    ) -> None:
        """Update the parameters once, by the mean loss over all target tokens of all batches on all ranks."""
        ids = self.student.config
        rank, num_ranks = self.accelerator.process_index, self.accelerator.num_processes
        num_tokens = sum(int(self.target_lengths[indices].sum()) for indices in taken)
        for indices in taken[rank::num_ranks]:
            records = [self.store[index] for index in indices.tolist()]
            batch = collate(records, pad_id=ids.pad_token_id, start_id=ids.decoder_start_token_id)
            loss, sums = objective(batch.to(self.accelerator.device), phase)
            self.accelerator.backward(loss * (num_ranks / num_tokens))  # ranks average their gradients
            self.progress.sums = [old + new for old, new in zip(self.progress.sums, sums.tolist(), strict=True)]
        norm = self.accelerator.clip_grad_norm_(parameters, self.config.gradient_clip)
        if not torch.isfinite(norm):
            raise NmtDistillError(
                f"the gradient of phase {self.progress.phase + 1}, step {self.progress.step + 1} is not finite; "
                "lower training.phases[].learning_rate. The last checkpoint is kept."
            )
        optimizer.step()
        optimizer.zero_grad()
        self.progress.num_tokens += num_tokens

    def _validate(self) -> float | None:
        """Score the averaged weights; keep them if they are the best so far."""
        if self.validate is None:
            return None
        self.student.eval()
        with torch.no_grad():
            score = self.validate(self.student)
        self.student.train()
        progress = self.progress
        if progress.best_score is None or score > progress.best_score:
            progress.best_score, progress.num_worse = score, 0
            if self.accelerator.is_main_process:
                self.folder.save_best(self.student)
        else:
            progress.num_worse += 1
            progress.finished = 0 < self.config.patience <= progress.num_worse
        return score

    def _means(self) -> dict[str, float]:
        num_tokens = max(self.progress.num_tokens, 1)
        return {name: value / num_tokens for name, value in zip(LOGGED, self.progress.sums, strict=True)}

    def _describe(self) -> str:
        told = ", ".join(f"{name} {value:.3f}" for name, value in self._means().items() if value and name in SHOWN)
        best = self.progress.best_score
        return told + (f", best chrF {best:.2f}" if best is not None else "")

    def _log(self, rate: float, seconds: float, score: float | None) -> None:
        if not self.accelerator.is_main_process:
            return
        progress = self.progress
        self.folder.log({
            "phase": progress.phase + 1,
            "step": progress.step,
            "learning_rate": rate,
            "target_tokens": progress.num_tokens,
            **self._means(),
            "chrf": score,
            "timing": {"tokens_per_second": round(progress.num_tokens / seconds, 1)},
        })

    def _checkpoint(self, optimizer: Any, average: WeightAverage, *, between_phases: bool) -> None:
        if not self.accelerator.is_main_process:
            return
        content: dict[str, Any] = {"progress": vars(self.progress), "student": self.student.state_dict()}
        if not between_phases:
            content |= {
                "optimizer": optimizer.state_dict(),
                "average": average.values,
                "average_updates": average.num_updates,
            }
        self.folder.save_checkpoint(content | {"random_state": _random_state()})


def _random_state() -> list[Tensor]:
    """State of the CPU's generator, then of every GPU's."""
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [])]


def _set_random_state(states: list[Tensor]) -> None:
    torch.set_rng_state(states[0])
    if torch.cuda.is_available() and len(states) == 1 + torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states[1:])
