"""Labelling speed, in sentences a second, of CTranslate2 against `generate` of transformers: one teacher, one text.

    python benchmarks/labelling_engines.py
    python benchmarks/labelling_engines.py --model nllb-200-distilled-600M --text text.en --references text.de

By turns, each in a process of its own, loading and conversion left out, to at most as many target tokens a source token
as --length-factor says:

    generate           batches in the order of the text, padded; early_stopping=False
    generate, sorted   the same, sorted by length
    CTranslate2        our search with the teacher's converted copy, which sorts
    CTranslate2, int8  the same in int8
    soft targets       what reading 16 probabilities a token of the found translations takes on top, in transformers

Without --model the teacher is pre-norm with random weights and the text is random ids. Its translations hardly ever
end, so all are as long as they may be, which is as long as their sources: what a trained model saves or wastes by its
own lengths is not in it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import synthetic
import torch
from transformers import M2M100Config, M2M100ForConditionalGeneration
from turns import (
    Figures,
    Ratio,
    Turn,
    answer,
    count_option,
    fail,
    in_own_process,
    load_average,
    parser_for,
    report,
    run,
    take_turns,
)

from nmt_distill.evaluation.metrics import corpus_chrf
from nmt_distill.files import fingerprint, read_lines
from nmt_distill.languages import Direction
from nmt_distill.memory import keep_freed_memory
from nmt_distill.teacher.ctranslate2.folder import converted
from nmt_distill.teacher.ctranslate2.search import CTranslate2Search
from nmt_distill.teacher.reading import most_probable
from nmt_distill.teacher.transformers.graph import TransformersGraph
from nmt_distill.teacher.transformers.teacher import TransformersTeacher
from nmt_distill.translation.engine import available_cores

PLAIN, SORTED = "generate", "generate, sorted"
FAST, INT8 = "CTranslate2", "CTranslate2, int8"
SOFT = "soft targets"
START = END = 2
PAD, TAG, FIRST_PIECE = 1, 4, 8
NUM_KEPT = 16
WARM_UP_SENTENCES = 4
SHAPES = {
    "6-6": {"layers": (6, 6), "d_model": 512, "ffn_dim": 2048, "heads": 8, "vocab_size": 32_000},
    "6-2": {"layers": (6, 2), "d_model": 256, "ffn_dim": 1536, "heads": 8, "vocab_size": 32_000},
    # what shows that the benchmark runs
    "tiny": {"layers": (1, 1), "d_model": 32, "ffn_dim": 64, "heads": 4, "vocab_size": 96},
}


@dataclass(frozen=True)
class Work:
    """A teacher and what it is to translate."""

    graph: TransformersGraph
    sources: list[list[int]]
    """ids, tags and end included"""
    teacher: TransformersTeacher | None
    """None for random weights"""

    def limits(self, factor: float) -> list[int]:
        """Return the most target tokens of each source."""
        return [max(4, round(factor * len(source))) for source in self.sources]


def main() -> None:
    """Measure all contestants by turns, and compare their translations."""
    parser = parser_for(__doc__, repeats=3)
    parser.add_argument("--model", help="a folder or name on the hub (default: random weights)")
    parser.add_argument("--family", help="how it names languages (default: found out)")
    parser.add_argument("--direction", default="en-de", help="of the model (default: en-de)")
    parser.add_argument("--text", type=Path, help="a file of sentences, with --model")
    parser.add_argument("--references", type=Path, help="their translations, line by line")
    parser.add_argument("--shape", choices=list(SHAPES), default="6-6", help="of random weights (default: 6-6)")
    parser.add_argument("--length-factor", type=float, help="(default: 1 for random weights, 2.5 for --model)")
    count_option(parser, "--lines", 200, "sentences")
    count_option(parser, "--beam", 4, "beam size")
    count_option(parser, "--batch-sentences", 32, "sentences of a batch of generate")
    count_option(parser, "--batch-tokens", 4096, "source tokens of a batch of CTranslate2, divided by the beam size")
    count_option(parser, "--threads", available_cores(), "threads, for all")
    arguments = parser.parse_args()
    if (arguments.model is None) != (arguments.text is None):
        fail("--model and --text must be given together.")
    arguments.length_factor = arguments.length_factor or (2.5 if arguments.model else 1.0)
    if arguments.child:
        keep_freed_memory()
        answer(measure(arguments, arguments.child["contestant"], Path(arguments.child["copy"])))
        return
    load_before = load_average()
    with tempfile.TemporaryDirectory(prefix="nmt-distill-") as folder:
        copy = convert(arguments, Path(folder))
        turns: dict[str, Turn] = {
            name: partial(
                in_own_process, {"contestant": name, "copy": str(copy)}, kept_memory=True, threads=arguments.threads
            )
            for name in (PLAIN, SORTED, FAST, INT8, SOFT)
        }
        results = take_turns(turns, arguments.repeats)
    ratios = [
        Ratio(figure="sentences_per_second", of=FAST, to=PLAIN, aim="at least 4"),
        *(Ratio(figure="sentences_per_second", of=of, to=to) for of, to in ((FAST, SORTED), (INT8, PLAIN))),
        Ratio(figure="seconds", of=SOFT, to=PLAIN, aim="at most 0.25"),
    ]
    outputs = {name: results[name][-1]["translations"] for name in (PLAIN, FAST, INT8)}
    facts = compared(outputs, arguments)
    report("labelling_engines", arguments, results, ratios, load_before=load_before, facts=facts)


def measure(arguments: argparse.Namespace, contestant: str, copy: Path) -> Figures:
    """Be one contestant for one turn."""
    work = prepare(arguments)
    if contestant in (PLAIN, SORTED):
        generate(work, arguments, list(range(min(WARM_UP_SENTENCES, len(work.sources)))))
        order = list(range(len(work.sources)))
        if contestant == SORTED:
            order.sort(key=lambda row: -len(work.sources[row]))
        began = time.perf_counter()
        found = generate(work, arguments, order)
        seconds = time.perf_counter() - began
    else:
        engine = CTranslate2Search(
            copy,
            compute_type="int8" if contestant == INT8 else "float32",
            threads=arguments.threads,
            batch_tokens=arguments.batch_tokens,
        )
        search(work, engine, arguments, WARM_UP_SENTENCES)
        began = time.perf_counter()
        found = search(work, engine, arguments, len(work.sources))
        if contestant == SOFT:
            engine.close()
            began = time.perf_counter()
            read(work, found, arguments)
        seconds = time.perf_counter() - began
    return {
        "sentences_per_second": len(found) / seconds,
        "tokens_per_second": sum(map(len, found)) / seconds,
        "seconds": seconds,
        "translations": [work.teacher._text.decode(ids) if work.teacher else " ".join(map(str, ids)) for ids in found],
    }


def prepare(arguments: argparse.Namespace) -> Work:
    """Load the teacher, or make one, with its sources."""
    if arguments.model is None:
        shape: Any = SHAPES[arguments.shape]
        generator = np.random.default_rng(1)
        lengths, _ = synthetic.draw_lengths(generator, arguments.lines)
        pieces = (generator.integers(FIRST_PIECE, shape["vocab_size"], size=length - 1) for length in lengths.tolist())
        graph = TransformersGraph(random_model(shape), end_id=END, pad_id=PAD, forced_ids=[START, TAG])
        return Work(graph, [[TAG, *row.tolist(), END] for row in pieces], None)
    source, target = arguments.direction.split("-")
    teacher = TransformersTeacher(
        arguments.model,
        direction=Direction(source=source, target=target),
        family=arguments.family,
        origin="not stated",
        licence="not stated",
    )
    lines = list(islice(read_lines(arguments.text), arguments.lines))
    if not lines:
        fail(f"{arguments.text} is empty.")
    return Work(teacher.graph, teacher.room.with_prefix(teacher.encode(lines)), teacher)


def random_model(shape: Any) -> M2M100ForConditionalGeneration:
    """Make a model with random weights, the same ones every time."""
    torch.manual_seed(1)
    encoder_layers, decoder_layers = shape["layers"]
    config = M2M100Config(
        vocab_size=shape["vocab_size"],
        d_model=shape["d_model"],
        encoder_layers=encoder_layers,
        decoder_layers=decoder_layers,
        encoder_attention_heads=shape["heads"],
        decoder_attention_heads=shape["heads"],
        encoder_ffn_dim=shape["ffn_dim"],
        decoder_ffn_dim=shape["ffn_dim"],
        max_position_embeddings=256,
        pad_token_id=PAD,
        eos_token_id=END,
        decoder_start_token_id=START,
    )
    return M2M100ForConditionalGeneration(config).eval()


def convert(arguments: argparse.Namespace, folder: Path) -> Path:
    """Convert the teacher for CTranslate2."""
    work = prepare(arguments)
    work.graph.model.save_pretrained(folder / "model")
    copy = converted(
        folder / "model",
        folder / "cache",
        hashes=[fingerprint(arguments.shape)],
        start_id=work.graph.forced_ids[0],
        end_id=work.graph.end_id,
    )
    if copy is None:
        fail("there is nothing to compare.")
    return copy


def generate(work: Work, arguments: argparse.Namespace, order: list[int]) -> list[list[int]]:
    """Search with transformers, batch by batch; translations in the order of the text."""
    graph, limits = work.graph, work.limits(arguments.length_factor)
    found: dict[int, list[int]] = {}
    with torch.inference_mode():
        for rows in batches(order, arguments.batch_sentences):
            width = max(len(work.sources[row]) for row in rows)
            padded = [work.sources[row] + [graph.pad_id] * (width - len(work.sources[row])) for row in rows]
            mask = torch.arange(width) < torch.tensor([[len(work.sources[row])] for row in rows])
            tokens = graph.model.generate(
                input_ids=torch.tensor(padded),
                attention_mask=mask.long(),
                decoder_input_ids=torch.tensor([graph.forced_ids] * len(rows)),
                num_beams=arguments.beam,
                early_stopping=False,
                max_new_tokens=max(limits[row] for row in rows),
            )
            for row, ids in zip(rows, tokens[:, len(graph.forced_ids) :].tolist(), strict=True):
                kept = ids[: limits[row]]
                found[row] = kept[: kept.index(graph.end_id) + 1] if graph.end_id in kept else kept
    return [found[row] for row in sorted(found)]


def batches(order: list[int], size: int) -> Iterator[list[int]]:
    """Cut places into batches."""
    for start in range(0, len(order), size):
        yield order[start : start + size]


def search(work: Work, engine: CTranslate2Search, arguments: argparse.Namespace, count: int) -> list[list[int]]:
    """Search with CTranslate2."""
    results = engine.search(
        work.sources[:count],
        limits=work.limits(arguments.length_factor)[:count],
        target_prefix=work.graph.forced_ids[1:],
        beam_size=arguments.beam,
    )
    return [candidates[0][0] for candidates in results]


def read(work: Work, targets: list[list[int]], arguments: argparse.Namespace) -> None:
    """Read soft targets over given translations."""
    order = sorted(range(len(targets)), key=lambda row: -len(targets[row]))
    with torch.inference_mode():
        for rows in batches(order, arguments.batch_sentences):
            encoded = work.graph.encode([work.sources[row] for row in rows])
            for chunk in work.graph.chunks(work.graph.decode(encoded, [targets[row] for row in rows])):
                most_probable(work.graph.logits(chunk), NUM_KEPT)


def compared(outputs: dict[str, list[str]], arguments: argparse.Namespace) -> dict[str, Any]:
    """Compare the translations of CTranslate2 with those of ``generate``, and all with references."""
    facts: dict[str, Any] = {}
    for name in (FAST, INT8):
        same = sum(one == other for one, other in zip(outputs[name], outputs[PLAIN], strict=True))
        facts[f"{name}, translations as generate's"] = (
            f"{same} of {len(outputs[name])} ({same / len(outputs[name]):.1%})"
        )
    if arguments.references:
        references = list(islice(read_lines(arguments.references), len(outputs[PLAIN])))
        for name, translations in outputs.items():
            facts[f"chrF2++ of {name}"] = round(corpus_chrf(translations, references).value, 2)
    return facts


if __name__ == "__main__":
    run(main)
