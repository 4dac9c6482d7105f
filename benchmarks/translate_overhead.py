"""How much the translator's care for order, long lines and hostile text costs.

    python benchmarks/translate_overhead.py runs/quickstart/export/int8 text.en
    python benchmarks/translate_overhead.py software_student text.en --to de --lines 100000 --repeats 2

The same file is translated by turns with :class:`nmt_distill.Translator`, with one that takes lines as they stand,
which tells what sentences and the protection of placeholders cost, and with a bare loop: SentencePiece, CTranslate2's
``translate_batch`` of the whole file with the same batches, beam and threads, SentencePiece again.

`without search` is the first two with an engine that answers each sentence with itself at once: what is left is what
sentences, protection and tokenisation compute, which other work on the machine hardly disturbs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import ctranslate2
import sentencepiece
from turns import Figures, Ratio, count_option, fail, load_average, parser_for, report, run, take_turns

from nmt_distill.files import read_lines
from nmt_distill.translation.engine import BATCH_TOKENS, END, Hypothesis, available_cores
from nmt_distill.translation.translator import Translator

WARM_UP = 1000
"""lines that are translated before time is taken"""


class BareLoop:
    """What somebody writes who wants no more than speed."""

    def __init__(self, translator: Translator, threads: int, target: str | None = None) -> None:
        folder = translator.folder
        tag = folder.tags[folder.choose(None, target)]
        self.tag = [] if tag is None else [tag]
        self.pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder.sentencepiece))
        self.engine = ctranslate2.Translator(str(folder.path), inter_threads=threads, intra_threads=1)
        self.beam_size = translator.beam_size
        self.longest = folder.max_target_tokens

    def translate(self, lines: list[str]) -> list[str]:
        """Translate all lines at once."""
        results = self.engine.translate_batch(
            [[*self.tag, *tokens, END] for tokens in self.pieces.encode(lines, out_type=str)],
            max_batch_size=BATCH_TOKENS,
            batch_type="tokens",
            beam_size=self.beam_size,
            max_decoding_length=self.longest,
        )
        answers: list[str] = self.pieces.decode([result.hypotheses[0] for result in results])
        return answers


def without_search(translator: Translator) -> Translator:
    """Have each sentence answered with itself, with every placeholder in its place."""
    tags = set(translator.folder.tags.values())

    def echo(rows: Sequence[Sequence[str]], **_: object) -> list[list[Hypothesis]]:
        return [[Hypothesis(tokens=[token for token in row if token not in tags and token != END])] for row in rows]

    translator.engine.search = echo  # type: ignore[method-assign]
    return translator


def timed(translate: Callable[[list[str]], list[str]], lines: list[str]) -> Figures:
    """Translate all lines; return lines a second, seconds of all cores together, and the answers."""
    began, computed = time.perf_counter(), time.process_time()
    answers = translate(lines)
    seconds, computed = time.perf_counter() - began, time.process_time() - computed
    return {
        "lines_per_second": len(lines) / seconds,
        "seconds": seconds,
        "processor_seconds": computed,
        "answers": answers,
    }


def main() -> None:
    """Measure both by turns."""
    parser = parser_for(__doc__, repeats=5)
    parser.add_argument("model", help="an export folder, or a name that `nmt-distill models` lists")
    parser.add_argument("text", type=Path, help="a file of sentences")
    parser.add_argument("--to", metavar="LANGUAGE", help="language to translate into, where the model has several")
    count_option(parser, "--lines", 2000, "use so many lines")
    count_option(parser, "--threads", available_cores(), "threads of both")
    arguments = parser.parse_args()
    lines = list(islice(read_lines(arguments.text), arguments.lines))
    if not lines:
        fail(f"{arguments.text} is empty.")
    load_before = load_average()
    ours = Translator(arguments.model, threads=arguments.threads)
    bare = BareLoop(ours, arguments.threads, arguments.to)
    plain = Translator(arguments.model, threads=arguments.threads, plain=True)
    ours_alone = without_search(Translator(arguments.model, threads=1))
    plain_alone = without_search(Translator(arguments.model, threads=1, plain=True))
    contestants: dict[str, Callable[[list[str]], list[str]]] = {
        "ours": partial(ours.translate, target=arguments.to),
        "ours, plain": partial(plain.translate, target=arguments.to),
        "bare loop": bare.translate,
        "ours, without search": partial(ours_alone.translate, target=arguments.to),
        "ours, plain, without search": partial(plain_alone.translate, target=arguments.to),
    }
    for translate in contestants.values():
        translate(lines[:WARM_UP])
    results = take_turns(
        {name: partial(timed, translate, lines) for name, translate in contestants.items()}, arguments.repeats
    )
    pairs = zip(*(results[name][-1]["answers"] for name in ("ours", "bare loop")), strict=True)
    same = sum(one == other for one, other in pairs)
    report(
        "translate_overhead",
        arguments,
        results,
        [
            Ratio(figure="lines_per_second", of="ours", to="bare loop", aim="at least 0.95"),
            Ratio(figure="lines_per_second", of="ours", to="ours, plain", aim="at least 0.95"),
            # what other work on the machine disturbs less
            Ratio(figure="processor_seconds", of="ours", to="bare loop"),
            Ratio(figure="processor_seconds", of="ours", to="ours, plain"),
            Ratio(figure="processor_seconds", of="ours, without search", to="bare loop"),
            Ratio(figure="processor_seconds", of="ours, plain, without search", to="bare loop"),
        ],
        load_before=load_before,
        facts={"identical_translations": f"{same} of {len(lines)}"},
    )


if __name__ == "__main__":
    run(main)
