"""The training loop: one student, some phases, a checkpoint from which it goes on as if it had never stopped."""

from __future__ import annotations

import contextlib
import math
import time
import warnings
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from accelerate.utils import GradientAccumulationPlugin, broadcast
from torch import Tensor

from nmt_distill.devices import choose_device
from nmt_distill.distillation.records import Records
from nmt_distill.embedding.term import SentenceTerm
from nmt_distill.errors import NmtDistillError
from nmt_distill.memory import give_back_freed_memory
from nmt_distill.progress import Job, job, say
from nmt_distill.ranks import Ranks
from nmt_distill.student.graph import StudentModel
from nmt_distill.training.batches import Balance, Indices, batch_indices
from nmt_distill.training.checkpoint import TrainingFolder
from nmt_distill.training.config import PhaseConfig, TrainingConfig
from nmt_distill.training.objective import LOGGED, Objective
from nmt_distill.training.parameters import trainable_parameters
from nmt_distill.training.progress import Progress
from nmt_distill.training.random_state import random_state, set_random_state
from nmt_distill.training.requirements import require_machine
from nmt_distill.training.schedule import WeightAverage, learning_rate, tell_of_long_warmup
from nmt_distill.training.step_batches import StepBatches
from nmt_distill.training.supervision import Supervision
from nmt_distill.training.tensorboard import TensorBoardLog
from nmt_distill.training.trouble import DoneBatch, Place, save_batches, told_of_memory

Validate = Callable[[StudentModel], float]

MEMORY_EVERY = 50
"""updates after which memory that a CPU's tensors have freed is given back"""


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
        supervision: Supervision | None = None,
        ranks: Ranks | None = None,
        events: Path | None = None,
        sentence_term: SentenceTerm | None = None,
    ) -> None:
        """Prepare a training; nothing is computed yet.

        :param folder: for checkpoints and the log, which outlive this process
        :param supervision: the teacher in the training step, where a phase wants it
        :param validate: gives the student a score, higher is better; without it the last weights are kept; what it says
            of its attribute ``measures`` is logged
        :param ranks: processes that train together, joined already; only the main one validates, writes and is listened
            to, and the student of the others gets its weights
        :param events: where TensorBoard's files go, if the configuration wants them
        :param sentence_term: compares sentence vectors, where a phase wants it
        """
        require_machine(config)
        self.config, self.store, self.validate, self.ranks = config, store, validate, ranks or Ranks()
        on_cpu = choose_device(config.device) == "cpu"
        if AcceleratorState._shared_state and (AcceleratorState().device.type == "cpu") != on_cpu:
            AcceleratorState._reset_state(reset_partial_state=True)  # else a process keeps the device it had first
        self.accelerator = Accelerator(
            cpu=on_cpu,
            mixed_precision="no",  # autocast is our own, since accelerate allows one precision a process
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),  # else the environment scales losses
            kwargs_handlers=[
                DistributedDataParallelKwargs(
                    broadcast_buffers=False,  # they are constants
                    find_unused_parameters=any(phase.leaves_layers_out for phase in config.phases),
                )
            ],
        )
        self.student = student.to(self.accelerator.device)
        if config.precision == "bfloat16" and self.accelerator.device.type == "cpu":
            # torch's fused attention (2.13) goes backwards more slowly in bfloat16 on a CPU: benchmarks/precision.py
            self.student.set_attn_implementation("eager")
        if config.compile:
            self.student.model.compile(dynamic=True)
        is_anchored = any(phase.embedding_anchor for phase in config.phases)
        self.objective = Objective(
            self.student,
            temperature=temperature,
            has_anchor=is_anchored,
            supervision=supervision,
            phases=config.phases,
            seed=config.seed,
            sentence_term=sentence_term,
        )
        self.folder = TrainingFolder(folder, writes=self.ranks.is_main)
        self.events = events or folder / "tensorboard"
        self.board: TensorBoardLog | None = None
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
            say(f"{too_long:,} of {len(store):,} records passed over: longer than student.max_positions")
        self.batches = StepBatches(self.student, store, supervision, num_parts=config.batch_parts)
        self.progress = Progress()
        self.score_name = "score" if hasattr(validate, "measures") else "chrF"

    def run(self) -> Progress:
        """Train from the last checkpoint (or the beginning) to the end; the student then has the best weights."""
        torch.manual_seed(self.config.seed + (self.ranks.rank << 32))  # another dropout in every process
        self._share_weights()
        saved = self.folder.load_checkpoint()
        if saved:
            self.progress = Progress(**saved["progress"])
            self.student.load_state_dict(saved["student"])
            self.objective.projections.load_state_dict(saved["projections"])
        if self.config.tensorboard and self.ranks.is_main:
            self.board = TensorBoardLog(self.events, self.config.phases, self.folder.lines)
        if not self.progress.finished:
            total = sum(phase.num_steps for phase in self.config.phases)
            done = sum(phase.num_steps for phase in self.config.phases[: self.progress.phase]) + self.progress.step
            with job("training", total=total, unit="steps", start=done) as running, self.ranks.watched():
                while self.progress.phase < len(self.config.phases) and not self.progress.finished:
                    self._run_phase(self.config.phases[self.progress.phase], saved, running)
                    saved = None
        if self.board is not None:
            self.board.close()
        if self.validate is not None and self.ranks.is_main:
            self.student.load_state_dict(self.folder.load_best())
        return self.progress

    def _share_weights(self) -> None:
        """Give every process what the main one's student begins with."""
        if self.ranks.num_ranks > 1:
            with torch.no_grad(), self.ranks.watched():
                for tensor in (*self.objective.parameters(), *self.objective.buffers()):
                    broadcast(tensor)

    def _run_phase(self, phase: PhaseConfig, saved: dict[str, Any] | None, running: Job) -> None:
        parameters = trainable_parameters(self.student, phase)
        parameters += self.objective.projection_parameters(phase)
        config, progress = self.config, self.progress
        tell_of_long_warmup(progress.phase + 1, phase)
        optimizer = torch.optim.AdamW(
            parameters, betas=config.adam_betas, weight_decay=config.weight_decay, eps=1e-9, fused=True
        )
        average = WeightAverage(parameters, config.average_decay)
        if saved:
            self._go_on_drawing(saved)
            if "optimizer" in saved:
                optimizer.load_state_dict(saved["optimizer"])
                average.load(saved["average"], saved["average_updates"])
        self.accelerator.free_memory()  # of the optimiser before
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)  # what follows is new
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
        began, num_before, ended = time.monotonic(), progress.num_tokens, False
        objective.train()
        while not (ended or progress.finished):
            rate = learning_rate(
                progress.step, peak=phase.learning_rate, warmup_steps=phase.warmup_steps, num_steps=phase.num_steps
            )
            for group in optimizer.param_groups:
                group["lr"] = rate
            taken = list(islice(batches, phase.num_accumulated * self.accelerator.num_processes))
            place = Place(progress.phase + 1, progress.step + 1)
            with told_of_memory(place, config):
                self._step(phase, objective, optimizer, parameters, [indices for _, indices in taken])
            average.update()
            progress.step += 1
            progress.position = taken[-1][0]
            running.advance(1, f"phase {progress.phase + 1}, {progress.describe(self.score_name)}")
            if self.accelerator.device.type == "cpu" and progress.step % MEMORY_EVERY == 0:
                give_back_freed_memory()
            ended, is_best = progress.step == phase.num_steps, False
            if ended or progress.step % config.validate_every == 0:
                speed = (progress.num_tokens - num_before) / (time.monotonic() - began)
                with average.applied():
                    score = self._validate()
                is_best = score is not None and not progress.num_worse
                self._log(rate, speed, score)
                progress.sums, progress.num_tokens = [0.0] * len(LOGGED), 0
                began, num_before = time.monotonic(), 0
            if ended:
                average.keep()
                progress.end_phase(config.phases)
            if ended or is_best or self.progress.finished or progress.step % config.checkpoint_every == 0:
                self._checkpoint(optimizer, average, between_phases=ended)

    def _step(
        self, phase: PhaseConfig, objective: Any, optimizer: Any, parameters: list[Tensor], taken: list[Indices]
    ) -> None:
        """Update the parameters once, by the mean loss over all target tokens of all batches on all ranks."""
        num_ranks, device, progress = self.ranks.num_ranks, self.accelerator.device, self.progress
        phase = phase.at(progress.step)
        draw = (self.config.seed, progress.phase, progress.step)
        batches, num_tokens = self.batches.of_step(phase, taken, draw=draw, accelerator=self.accelerator)
        done: list[DoneBatch] = []
        sums = torch.zeros(1 + len(LOGGED), dtype=torch.float64, device=device)
        for indices, batch in batches:
            is_last = len(done) + 1 == len(batches)
            with contextlib.nullcontext() if is_last else self.accelerator.no_sync(objective):
                with torch.autocast(device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"):
                    loss, logged = objective(batch, phase)
                self.accelerator.backward(loss * (num_ranks / num_tokens))  # ranks average their gradients
            done.append(DoneBatch(indices, batch, loss.detach()))
            sums += torch.cat([loss.detach()[None], logged])
        total, *logged_sums = self.accelerator.reduce(sums).tolist()
        norm = float(self.accelerator.clip_grad_norm_(parameters, self.config.gradient_clip))
        if not (math.isfinite(norm) and math.isfinite(total)):
            self._refuse(done, total, norm, parameters)
        optimizer.step()
        optimizer.zero_grad()
        self.progress.sums = [old + new for old, new in zip(self.progress.sums, logged_sums, strict=True)]
        self.progress.num_tokens += num_tokens

    def _refuse(self, done: list[DoneBatch], total: float, norm: float, parameters: list[Tensor]) -> None:
        """End a training whose loss or gradient is not finite, in every process, with what is wrong in one line."""
        place = Place(self.progress.phase + 1, self.progress.step + 1)
        told = save_batches(
            self.folder.path,
            done,
            place=place,
            total=total,
            norm=norm,
            parameters=parameters,
            rank=self.ranks.rank,
        )
        raise NmtDistillError(next(message for message in self.ranks.gather(told) if message))

    def _validate(self) -> float | None:
        """Score the averaged weights; keep them if they are the best so far."""
        if self.validate is None:
            return None
        score = None
        if self.ranks.is_main:
            self.student.eval()
            with torch.no_grad():
                score = self.validate(self.student)
            self.student.train()
        score = float(self.ranks.from_main(score))
        progress = self.progress
        if progress.best_score is None or score > progress.best_score:
            progress.best_score, progress.num_worse = score, 0
            self.folder.save_best(self.student)
        else:
            progress.num_worse += 1
            progress.finished = 0 < self.config.patience <= progress.num_worse
        return score

    def _log(self, rate: float, tokens_per_second: float, score: float | None) -> None:
        progress = self.progress
        line = {
            "phase": progress.phase + 1,
            "step": progress.step,
            "learning_rate": rate,
            "target_tokens": progress.num_tokens,
            **progress.means(),
            "chrf": score,
            **getattr(self.validate, "measures", {}),
            "timing": {"tokens_per_second": round(tokens_per_second, 1)},
        }
        self.folder.log(line)
        if self.board is not None:
            self.board.add(line)

    def _checkpoint(self, optimizer: Any, average: WeightAverage, *, between_phases: bool) -> None:
        main_state, *others = self.ranks.gather(random_state())
        content: dict[str, Any] = {
            "progress": vars(self.progress),
            "student": self.student.state_dict(),
            "projections": self.objective.projections.state_dict(),
            "random_state": main_state,
            "other_random_states": others,
        }
        if not between_phases:
            content |= {
                "optimizer": optimizer.state_dict(),
                "average": average.values,
                "average_updates": average.num_updates,
            }
        self.folder.save_checkpoint(content)

    def _go_on_drawing(self, saved: dict[str, Any]) -> None:
        """Take the random state of this process over from a checkpoint, which as many processes must have written."""
        states = [saved["random_state"], *saved.get("other_random_states", [])]
        if len(states) != self.ranks.num_ranks:
            raise NmtDistillError(
                f"this training must go on in as many processes as began it, {len(states)}, but has "
                f"{self.ranks.num_ranks}; start {len(states)}, or delete {self.folder.path} to train anew."
            )
        set_random_state(states[self.ranks.rank])
