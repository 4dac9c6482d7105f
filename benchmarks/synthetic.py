"""Students and data made of nothing: what the benchmarks of training train, and on what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from nmt_distill.distillation.records import Array, StoreHeader
from nmt_distill.distillation.shards import shard_path, write_shard
from nmt_distill.distillation.store import write_header
from nmt_distill.student.config import StudentConfig
from nmt_distill.student.graph import SpecialIds, StudentModel, build_student

END, UNKNOWN = 0, 1
SHARD_RECORDS = 4096
SOURCE_MEDIAN, SPREAD, RATIO_SPREAD = 20.0, 0.6, 0.15
"""of lengths in tokens: log-normal, as those of sentences are; targets are about as long as their sources"""
SHORTEST, LONGEST = 3, 128


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A student over a vocabulary, with the batches that suit it."""

    student: StudentConfig
    vocab_size: int
    """ids of the student, padding included"""
    batch_tokens: int
    """target positions of one batch"""


SHAPES = {
    # 2.3 million parameters, 170 sentences of 24 tokens
    "small": Shape(
        student=StudentConfig(
            initialization="random", model_dim=128, ffn_inner_dim=512, num_encoder_layers=4, num_decoder_layers=2
        ),
        vocab_size=8000,
        batch_tokens=170 * 24,
    ),
    # the student of `eval/kd_pays.sh`, with 16,000 pieces
    "kd_pays": Shape(
        student=StudentConfig(
            initialization="random",
            graph="nllb",
            model_dim=128,
            ffn_inner_dim=512,
            num_heads=4,
            num_encoder_layers=3,
            num_decoder_layers=1,
        ),
        vocab_size=16_000,
        batch_tokens=8000,
    ),
    # the student of the recipe `quickstart`
    "quickstart": Shape(student=StudentConfig(initialization="random"), vocab_size=32_001, batch_tokens=3000),
    # as large as the model of the recipe `software_teacher`
    "software": Shape(
        student=StudentConfig(initialization="random", ffn_inner_dim=1024, num_heads=4),
        vocab_size=8000,
        batch_tokens=2000,
    ),
    # what shows that a benchmark runs
    "tiny": Shape(
        student=StudentConfig(
            initialization="random",
            model_dim=32,
            ffn_inner_dim=64,
            num_heads=4,
            num_encoder_layers=1,
            num_decoder_layers=1,
        ),
        vocab_size=96,
        batch_tokens=512,
    ),
}


def new_student(shape: Shape) -> StudentModel:
    """Make a student with random weights, the same ones every time."""
    torch.manual_seed(1)
    special = SpecialIds(end=END, unknown=UNKNOWN, pad=shape.vocab_size - 1, vocab_size=shape.vocab_size)
    return build_student(shape.student, special)


def draw_lengths(generator: np.random.Generator, count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Draw source and target lengths (count,), end of sentence included."""
    source = SOURCE_MEDIAN * np.exp(SPREAD * generator.standard_normal(count))
    target = source * np.exp(RATIO_SPREAD * generator.standard_normal(count))
    return source.round().clip(SHORTEST, LONGEST).astype(int), target.round().clip(SHORTEST, LONGEST).astype(int)


def write_store(folder: Path, num_records: int, *, vocab_size: int, num_kept: int = 0, seed: int = 1) -> None:
    """Write a store of random ids, shard by shard.

    :param vocab_size: ids of the student, whose last one is padding
    :param num_kept: K of the soft targets; 0 for none
    """
    header = StoreHeader(
        teacher="random",
        vocabulary="random",
        direction="en-pt",
        temperature=1.0,
        num_kept=num_kept,
        state_dim=0,
        vocab_size=vocab_size - 1,
    )
    generator = np.random.default_rng(seed)
    counts = [min(SHARD_RECORDS, num_records - start) for start in range(0, num_records, SHARD_RECORDS)]
    for index, count in enumerate(counts):
        source_lengths, target_lengths = draw_lengths(generator, count)
        source, target = (_sentences(generator, lengths, vocab_size) for lengths in (source_lengths, target_lengths))
        rows = _soft_targets(generator, int(target_lengths.sum()), num_kept, vocab_size) if num_kept else None
        write_shard(shard_path(folder, index), header, source, target, rows)
    write_header(folder, header, counts)


def _sentences(generator: np.random.Generator, lengths: npt.NDArray[np.int64], vocab_size: int) -> list[Array]:
    sentences = [generator.integers(UNKNOWN + 1, vocab_size - 1, size=length) for length in lengths.tolist()]
    for sentence in sentences:
        sentence[-1] = END
    return sentences


def _soft_targets(generator: np.random.Generator, count: int, num_kept: int, vocab_size: int) -> dict[str, Array]:
    """Give every row K different ids, evenly spaced from a random one, and falling probabilities."""
    stride = (vocab_size - 1) // num_kept
    first = generator.integers(0, vocab_size - 1, size=(count, 1))
    probs = np.broadcast_to(0.5 ** np.arange(1, num_kept + 1), (count, num_kept))
    return {
        "kept_ids": (first + stride * np.arange(num_kept)) % (vocab_size - 1),
        "kept_probs": probs,
        "tail": np.full(count, 0.5**num_kept),
    }
