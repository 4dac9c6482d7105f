"""What a vocabulary map is worth to `translate`: sentences a second with it and without, and what it changes.

python benchmarks/vocabulary_map.py runs/mapped/export/int8 text.en --references text.pt
"""

from __future__ import annotations

import time
from functools import partial
from itertools import islice
from pathlib import Path

from turns import Figures, Ratio, count_option, fail, load_average, parser_for, report, run, take_turns

from nmt_distill.evaluation.metrics import corpus_chrf
from nmt_distill.files import read_lines
from nmt_distill.translation.engine import available_cores
from nmt_distill.translation.model_folder import VOCABULARY_MAP_FILE
from nmt_distill.translation.translator import Translator

WARM_UP = 50
"""lines that are translated before time is taken"""


def timed(translator: Translator, lines: list[str], target: str | None) -> Figures:
    """Translate all lines; return sentences a second, seconds of all cores together, and the answers."""
    began, computed = time.perf_counter(), time.process_time()
    answers = translator.translate(lines, target=target)
    seconds, computed = time.perf_counter() - began, time.process_time() - computed
    return {"sentences_per_second": len(lines) / seconds, "processor_seconds": computed, "answers": answers}


def main() -> None:
    """Measure both by turns, and compare their translations."""
    parser = parser_for(__doc__, repeats=5)
    parser.add_argument("model", help="an export folder with a vocabulary map")
    parser.add_argument("text", type=Path, help="a file of sentences")
    parser.add_argument("--references", type=Path, help="their translations, line by line, to be scored")
    parser.add_argument("--to", metavar="LANGUAGE", help="language to translate into, where the model has several")
    count_option(parser, "--lines", 1000, "use so many lines")
    count_option(parser, "--threads", available_cores(), "threads of both")
    arguments = parser.parse_args()
    lines = list(islice(read_lines(arguments.text), arguments.lines))
    if not lines:
        fail(f"{arguments.text} is empty.")
    load_before = load_average()
    contestants = {
        name: Translator(arguments.model, threads=arguments.threads, vocabulary_map=uses)
        for name, uses in (("with the map", True), ("without", False))
    }
    folder = contestants["without"].folder.path
    if not (folder / VOCABULARY_MAP_FILE).is_file():
        fail(f"{folder} has no {VOCABULARY_MAP_FILE}; export the student with export.vocabulary_map.")
    for translator in contestants.values():
        translator.translate(lines[:WARM_UP], target=arguments.to)
    turns = {name: partial(timed, translator, lines, arguments.to) for name, translator in contestants.items()}
    results = take_turns(turns, arguments.repeats)
    mapped, plain = (results[name][-1]["answers"] for name in contestants)
    same = sum(one == other for one, other in zip(mapped, plain, strict=True))
    facts = {"identical_translations": f"{same} of {len(lines)}"}
    if arguments.references:
        references = list(islice(read_lines(arguments.references), len(lines)))
        for name, answers in zip(contestants, (mapped, plain), strict=True):
            facts[f"chrF2++ {name}"] = f"{corpus_chrf(answers, references).value:.2f}"
    ratios = [
        Ratio(figure="sentences_per_second", of="with the map", to="without", aim="above 1"),
        Ratio(figure="processor_seconds", of="without", to="with the map"),
    ]
    report("vocabulary_map", arguments, results, ratios, load_before=load_before, facts=facts)


if __name__ == "__main__":
    run(main)
