"""Training speed, in target tokens a second, against Seq2SeqTrainer of transformers.

    python benchmarks/training_speed.py
    python benchmarks/training_speed.py --shape quickstart --steps 10

Both train the same student from the same random weights on the same random sentences, with plain likelihood, fused
AdamW and gradient clipping, as many steps of as many tokens on average, in the same precision; every turn is a process
of its own. Padding and warm-up steps do not count. The contestants:

    ours                                  nmt_distill.training, freed memory kept
    ours, word level                      the same, with KL from stored soft targets (top 16) in the place of likelihood
    transformers                          Seq2SeqTrainer as it comes: group_by_length, DataCollatorForSeq2Seq
    transformers, kept memory             the same with our setting of the allocator
    transformers, kept memory, our plan   the same, and with our batches: what is left is the step itself
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import synthetic
from torch.utils.data import DataLoader
from turns import (
    Figures,
    Ratio,
    Turn,
    answer,
    count_option,
    in_own_process,
    load_average,
    parser_for,
    report,
    run,
    take_turns,
)

from nmt_distill.distillation.store import Store
from nmt_distill.files import read_lines
from nmt_distill.memory import keep_freed_memory
from nmt_distill.student.graph import StudentModel, count_parameters
from nmt_distill.training.batches import plan_batches
from nmt_distill.training.config import PhaseConfig, TrainingConfig
from nmt_distill.training.trainer import Trainer

OURS, OURS_BY_WORD, THEIRS = "ours", "ours, word level", "transformers"
THEIRS_KEPT, THEIRS_PLANNED = "transformers, kept memory", "transformers, kept memory, our plan"
NUM_KEPT = 16
LEARNING_RATE = 3e-4


def main() -> None:
    """Measure all contestants by turns."""
    parser = parser_for(__doc__, repeats=3)
    parser.add_argument("--shape", choices=list(synthetic.SHAPES), default="small", help="which student")
    count_option(parser, "--steps", 50, "steps that are measured; group_by_length repeats its lengths every 50")
    count_option(parser, "--warm-up", 5, "steps before them")
    count_option(parser, "--records", 20_000, "sentence pairs to draw batches from")
    count_option(parser, "--batch-tokens", None, "target positions of a batch (default: what suits the shape)")
    count_option(parser, "--threads", None, "threads of torch (default: its own choice)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    arguments = parser.parse_args()
    arguments.batch_tokens = arguments.batch_tokens or synthetic.SHAPES[arguments.shape].batch_tokens
    if arguments.child:
        answer(measure(arguments, arguments.child["contestant"], Path(arguments.child["store"])))
        return
    load_before = load_average()
    with tempfile.TemporaryDirectory(prefix="nmt-distill-") as folder:
        stores = {num_kept: Path(folder) / str(num_kept) for num_kept in (0, NUM_KEPT)}
        for num_kept, store in stores.items():
            vocab_size = synthetic.SHAPES[arguments.shape].vocab_size
            synthetic.write_store(store, arguments.records, vocab_size=vocab_size, num_kept=num_kept)
        turns: dict[str, Turn] = {
            name: partial(
                in_own_process,
                {"contestant": name, "store": str(stores[NUM_KEPT if name == OURS_BY_WORD else 0])},
                kept_memory=name != THEIRS,
                threads=arguments.threads,
            )
            for name in (OURS, OURS_BY_WORD, THEIRS, THEIRS_KEPT, THEIRS_PLANNED)
        }
        results = take_turns(turns, arguments.repeats)
    figure = "tokens_per_second"
    ratios = [
        Ratio(figure=figure, of=OURS, to=THEIRS, aim="at least 1.5"),
        Ratio(figure="seconds_per_step", of=OURS_BY_WORD, to=OURS, aim="at most 1.15"),
        Ratio(figure=figure, of=THEIRS_KEPT, to=THEIRS),
        Ratio(figure=figure, of=THEIRS_PLANNED, to=THEIRS_KEPT),
        Ratio(figure=figure, of=OURS, to=THEIRS_PLANNED),
    ]
    report("training_speed", arguments, results, ratios, load_before=load_before)


def measure(arguments: argparse.Namespace, contestant: str, folder: Path) -> Figures:
    """Be one contestant for one turn."""
    if contestant != THEIRS:
        keep_freed_memory()
    student = synthetic.new_student(synthetic.SHAPES[arguments.shape])
    store = Store(folder)
    if contestant in (OURS, OURS_BY_WORD):
        num_tokens, seconds = train_ours(student, store, arguments)
    else:
        num_tokens, seconds = train_theirs(student, store, arguments, planned=contestant == THEIRS_PLANNED)
    return {
        "tokens_per_second": num_tokens / seconds,
        "seconds_per_step": seconds / arguments.steps,
        "tokens_per_step": num_tokens / arguments.steps,
        "parameters": count_parameters(student),
    }


def train_ours(student: StudentModel, store: Store, arguments: argparse.Namespace) -> tuple[float, float]:
    """Train with our trainer; return target tokens and seconds of the measured steps, from its own log."""
    warm_up, measured = (
        PhaseConfig(
            num_steps=num_steps,
            learning_rate=LEARNING_RATE,
            warmup_steps=0,
            batch_tokens=arguments.batch_tokens,
            kd_weight=1.0 if store.header.num_kept else 0.0,
        )
        for num_steps in (arguments.warm_up, arguments.steps)
    )
    config = TrainingConfig(
        phases=(warm_up, measured),
        validate_every=arguments.warm_up + arguments.steps,  # one line of the log for each phase
        checkpoint_every=arguments.warm_up + arguments.steps,
        device=arguments.device,
        precision=arguments.precision,
    )
    with tempfile.TemporaryDirectory(prefix="nmt-distill-") as folder:
        trainer = Trainer(student, store, config, folder=Path(folder))
        trainer.run()
        last = json.loads(list(read_lines(trainer.folder.metrics))[-1])
    return last["target_tokens"], last["target_tokens"] / last["timing"]["tokens_per_second"]


def train_theirs(
    student: StudentModel, store: Store, arguments: argparse.Namespace, *, planned: bool
) -> tuple[float, float]:
    """Train with Seq2SeqTrainer; return target tokens and seconds of the measured steps.

    :param planned: whether it gets our batches
    """
    import transformers
    from transformers import DataCollatorForSeq2Seq, Seq2SeqTrainer, Seq2SeqTrainingArguments, TrainerCallback

    num_steps = arguments.warm_up + arguments.steps
    records = (store[index] for index in range(len(store)))
    data = [{"input_ids": record.source_ids.tolist(), "labels": record.target_ids.tolist()} for record in records]
    plan = plan_batches(*store.lengths(), batch_tokens=arguments.batch_tokens, seed=1, epoch=0)

    class Clock(TrainerCallback):  # type: ignore[misc]
        """Reads the time at the ends of the warm-up and of the training."""

        began = ended = 0.0

        def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            if state.global_step == arguments.warm_up:
                self.began = time.perf_counter()
            elif state.global_step == num_steps:
                self.ended = time.perf_counter()

    class Counting(Seq2SeqTrainer):  # type: ignore[misc]
        """Counts target tokens of the measured steps, and may be given a plan of batches."""

        num_tokens = 0

        def training_step(self, model: Any, inputs: Any, *others: Any, **named: Any) -> Any:
            if self.state.global_step >= arguments.warm_up:
                self.num_tokens += int((inputs["labels"] != -100).sum())
            return super().training_step(model, inputs, *others, **named)

        def get_train_dataloader(self) -> Any:
            if not planned:
                return super().get_train_dataloader()
            batches = [plan[step % len(plan)].tolist() for step in range(num_steps)]
            loader: Any = DataLoader(data, batch_sampler=batches, collate_fn=self.data_collator)  # type: ignore[arg-type]
            return self.accelerator.prepare(loader)

    by_length = (
        {"group_by_length": True}
        if transformers.__version__.startswith("4.")
        else {"train_sampling_strategy": "group_by_length"}
    )
    clock = Clock()
    tokenizer = padding_tokenizer(student)
    with tempfile.TemporaryDirectory(prefix="nmt-distill-") as folder:
        trainer = Counting(
            model=student,
            args=Seq2SeqTrainingArguments(
                output_dir=folder,
                max_steps=num_steps,
                per_device_train_batch_size=max(1, round(len(data) / len(plan))),
                learning_rate=LEARNING_RATE,
                adam_beta2=0.98,
                optim="adamw_torch_fused",
                use_cpu=arguments.device == "cpu",
                bf16=arguments.precision == "bfloat16",
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                logging_steps=num_steps,
                **by_length,
            ),
            train_dataset=data,
            data_collator=DataCollatorForSeq2Seq(tokenizer, model=student),
            callbacks=[clock],
        )
        trainer.train()
    return trainer.num_tokens, clock.ended - clock.began


def padding_tokenizer(student: StudentModel) -> Any:
    """Make a tokenizer that knows nothing but how to pad, which is all that the collator asks of it."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    pad = student.config.pad_token_id
    words = {f"w{index}": index for index in range(pad)} | {"<pad>": pad}
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel(words, unk_token="w1")), pad_token="<pad>")


if __name__ == "__main__":
    run(main)
