"""Sentences a second of `translate` against `generate` of transformers: one student, one text, the same searches.

    python benchmarks/export_speed.py runs/quickstart/student runs/quickstart/export/int8 text.en

By turns, in one process, loading left out, both greedily and with a beam:

    generate           batches in the order of the text, padded
    generate, sorted   the same, sorted by length
    translate          :class:`nmt_distill.Translator`, which sorts
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from turns import Figures, Ratio, Turn, count_option, fail, load_average, parser_for, report, run, take_turns

from nmt_distill.evaluation.metrics import corpus_chrf
from nmt_distill.export.parity import MAX_TOKENS, generate
from nmt_distill.files import read_lines
from nmt_distill.memory import keep_freed_memory
from nmt_distill.student.checkpoint import load_student
from nmt_distill.translation.engine import available_cores
from nmt_distill.translation.translator import Translator
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece

WARM_UP_SENTENCES = 8


class Generate:
    """The student in transformers, text to text."""

    def __init__(self, student_folder: Path, tag: str | None, batch_sentences: int) -> None:
        self.student = load_student(student_folder)
        self.processor = load_sentencepiece(student_folder / "source.spm")
        self.prefix = [] if tag is None else [self.processor.piece_to_id(tag)]
        self.batch_sentences = batch_sentences
        self.max_tokens = min(MAX_TOKENS, self.student.config.max_position_embeddings)

    def translate(self, lines: Sequence[str], *, beam_size: int, in_order: bool) -> list[str]:
        """Translate all lines; longer ones than the student's positions are cut."""
        end, pad = self.student.config.eos_token_id, self.student.config.pad_token_id
        longest = self.student.config.max_position_embeddings - 1 - len(self.prefix)
        rows = [[*self.prefix, *tokens[:longest], end] for tokens in self.processor.encode(list(lines))]
        order = sorted(range(len(rows)), key=lambda place: 0 if in_order else -len(rows[place]))
        search = {"num_beams": beam_size, "early_stopping": beam_size > 1, "length_penalty": 1.0}
        answers = [""] * len(rows)
        with torch.inference_mode():
            for start in range(0, len(order), self.batch_sentences):
                part = order[start : start + self.batch_sentences]
                found = generate(self.student, [rows[place] for place in part], self.max_tokens, search)
                for place, tokens in zip(part, found, strict=True):
                    answers[place] = self.processor.decode([token for token in tokens if token not in (end, pad)])
        return answers


def timed(translate: Callable[[list[str]], list[str]], lines: list[str]) -> Figures:
    """Translate all lines; return sentences a second, and the answers."""
    began = time.perf_counter()
    answers = translate(lines)
    seconds = time.perf_counter() - began
    return {"sentences_per_second": len(lines) / seconds, "seconds": seconds, "answers": answers}


def main() -> None:
    """Measure all by turns, and compare their translations."""
    parser = parser_for(__doc__, repeats=3)
    parser.add_argument("student", type=Path, help="a student's folder")
    parser.add_argument("model", help="an export of it")
    parser.add_argument("text", type=Path, help="a file of sentences")
    parser.add_argument("--references", type=Path, help="their translations, line by line, to be scored")
    parser.add_argument("--from", dest="source", help="language of the text, where the student has several")
    parser.add_argument("--to", help="language to translate into, where it has several")
    count_option(parser, "--lines", 200, "sentences")
    count_option(parser, "--beam", 4, "width of the beam")
    count_option(parser, "--batch-sentences", 32, "sentences of a batch of generate")
    count_option(parser, "--threads", available_cores(), "threads of all")
    arguments = parser.parse_args()
    lines = list(islice(read_lines(arguments.text), arguments.lines))
    if not lines:
        fail(f"{arguments.text} is empty.")
    load_before = load_average()
    keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    folder = Translator(arguments.model, threads=1).folder
    tag = folder.tags[folder.choose(arguments.source, arguments.to)]
    student = Generate(arguments.student, tag, arguments.batch_sentences)
    turns: dict[str, Turn] = {}
    for beam_size in (1, arguments.beam):
        translator = Translator(arguments.model, threads=arguments.threads, beam_size=beam_size)
        search = "greedy" if beam_size == 1 else f"beam {beam_size}"
        contestants = {
            f"generate, {search}": partial(student.translate, beam_size=beam_size, in_order=True),
            f"generate, sorted, {search}": partial(student.translate, beam_size=beam_size, in_order=False),
            f"translate, {search}": partial(translator.translate, source=arguments.source, target=arguments.to),
        }
        for name, translate in contestants.items():
            translate(lines[:WARM_UP_SENTENCES])
            turns[name] = partial(timed, translate, lines)
    results = take_turns(turns, arguments.repeats)
    greedy, beam = list(turns)[:3], list(turns)[3:]
    ratios = [
        Ratio(figure="sentences_per_second", of=names[2], to=other, aim=aim)
        for names, aims in ((greedy, ("at least 2.5", "")), (beam, ("at least 4", "")))
        for other, aim in zip(names[:2], aims, strict=True)
    ]
    outputs = {name: found[-1]["answers"] for name, found in results.items()}
    facts: dict[str, str] = {}
    for names in (greedy, beam):
        same = sum(one == other for one, other in zip(outputs[names[0]], outputs[names[2]], strict=True))
        facts[f"same as {names[0]}"] = f"{same} of {len(lines)}"
    if arguments.references:
        references = list(islice(read_lines(arguments.references), len(lines)))
        facts |= {f"chrF2++ {name}": f"{corpus_chrf(found, references).value:.2f}" for name, found in outputs.items()}
    report("export_speed", arguments, results, ratios, load_before=load_before, facts=facts)


if __name__ == "__main__":
    run(main)
