"""The scores stage: what teacher and exports make of held-out text and outside test sets, how fast, and the report."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from nmt_distill.evaluation.embeddings import neighbour_note
from nmt_distill.evaluation.page import write_report
from nmt_distill.evaluation.report import Report, System, TestSetScores, read_report
from nmt_distill.evaluation.scoring import score_test_set
from nmt_distill.evaluation.speed import Speed, machine, measure_speed
from nmt_distill.evaluation.tables import score_table
from nmt_distill.evaluation.test_sets import load_suite, read_test_set
from nmt_distill.files import size_of
from nmt_distill.languages import Direction
from nmt_distill.progress import say
from nmt_distill.recipe import SuiteConfig
from nmt_distill.run import Run
from nmt_distill.teacher.config import CandidatesTeacherConfig, HttpTeacherConfig, TeacherConfig
from nmt_distill.teacher.place import settings_at
from nmt_distill.translator import BATCH_TOKENS, Translator, available_cores
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece

TEACHER = "teacher"
SHIPPED = ("model.bin", "config.json", "shared_vocabulary.json", "languages.json", "*.spm")

Translate = Callable[[list[str], Direction], list[str]]
"""translates lines in a direction, line for line"""


@dataclass(frozen=True)
class Contestant:
    """A system that can be asked to translate."""

    system: System
    translate: Translate
    batch_rule: str
    decoding: str
    directions: Collection[Direction] | None = None
    """those that it can be asked for; None for all"""
    untimed: Collection[Direction] = ()
    """those in which a second answer comes out of a memory"""

    def into(self, direction: Direction) -> Callable[[list[str]], list[str]]:
        """Return the translation of one direction."""
        return lambda lines: self.translate(lines, direction)


@dataclass(frozen=True)
class TestText:
    """Sentences with their human translations."""

    name: str
    direction: Direction
    origin: str
    licence: str
    text_may_be_published: bool
    sources: list[str]
    references: list[str]


def score_run(run: Run) -> dict[str, Any]:
    """Translate every test set with every system, score, time, and write ``scores.json`` and the report."""
    recipe = run.recipe
    teachers, exports = teacher_contestants(run), export_contestants(run)
    focus, teacher = exports[-1].system.name, TEACHER if teachers else None
    comparisons = [(focus, TEACHER)] if teachers else []
    contestants = [*teachers, *exports]
    sets = [score_text(run, text, contestants, focus=focus, comparisons=comparisons) for text in test_texts(run)]
    directions = ", ".join(f"{direction.source} to {direction.target}" for direction in run.directions)
    report = Report(
        title=f"{recipe.name}: {directions}",
        systems=tuple(contestant.system for contestant in contestants),
        test_sets=tuple(sets),
        machine=machine(),
        command=shlex.join(["nmt-distill", "run", recipe.name]),
        teacher=teacher,
        speed_reference=teacher if recipe.evaluation.speed_repetitions else None,
        notes=_notes(run),
        created=date.today().isoformat(),
    )
    write_report(report, run.run_folder)
    return {
        test_set.name: {
            row.system: {"bleu": row.scores.bleu.value, "chrf": row.scores.chrf.value} for row in test_set.systems
        }
        for test_set in sets
    }


def _notes(run: Run) -> tuple[str, ...]:
    note = neighbour_note((run.student.stamp() or {}).get("result") or {})
    return () if note is None else (note,)


def test_texts(run: Run) -> list[TestText]:
    """Read the held-out text of the corpus and the recipe's outside test sets, for every direction.

    :raises NmtDistillError: if an outside test set has none of the directions
    """
    config = run.recipe.evaluation
    sets = []
    for direction in run.directions:
        sources, references = run.held_out(direction, "test", config.max_sentences)
        sets.append(
            TestText(
                name=_test_name(run, "held-out", direction),
                direction=direction,
                origin="held-out pairs of the corpus, drawn by normalised source; see corpus.json",
                licence="those of the corpus",
                text_may_be_published=True,
                sources=sources,
                references=references,
            )
        )
    return sets + [text for suite in config.suites for text in _suite_texts(run, suite)]


def _suite_texts(run: Run, config: SuiteConfig) -> list[TestText]:
    suite = load_suite(Path(config.suite))
    served = [direction for direction in run.directions if suite.find(direction) is not None]
    return [
        TestText(
            name=_test_name(run, suite.name, direction),
            direction=direction,
            origin=suite.origin,
            licence=suite.licence,
            text_may_be_published=suite.text_may_be_published,
            sources=sources[: config.max_sentences],
            references=references[: config.max_sentences],
        )
        for direction in served or run.directions[:1]  # none: the error says what there is
        for sources, references in [read_test_set(suite, Path(config.folder), direction)]
    ]


def _test_name(run: Run, name: str, direction: Direction) -> str:
    return name if len(run.directions) == 1 else f"{name} {direction}"


def score_text(
    run: Run,
    test_set: TestText,
    contestants: Sequence[Contestant],
    *,
    focus: str,
    comparisons: Sequence[tuple[str, str]],
) -> TestSetScores:
    """Let every system that serves its direction translate a text, score and time them.

    :param focus: the system whose examples and worst sentences are shown
    :param comparisons: (system, baseline) pairs to test for significance
    """
    outputs: dict[str, list[str]] = {}
    speeds: dict[str, Speed] = {}
    repetitions = run.recipe.evaluation.speed_repetitions
    counter = load_sentencepiece(run.sentencepiece_path)
    for contestant in contestants:
        if contestant.directions is not None and test_set.direction not in contestant.directions:
            continue
        name = contestant.system.name
        say(f"{test_set.name}: {name} translates {len(test_set.sources):,} sentences")
        outputs[name] = contestant.translate(test_set.sources, test_set.direction)
        if repetitions and test_set.direction not in contestant.untimed:
            speeds[name] = measure_speed(
                contestant.into(test_set.direction),
                test_set.sources,
                num_threads=available_cores(),
                batch_rule=contestant.batch_rule,
                decoding=contestant.decoding,
                repetitions=repetitions,
                count_tokens=lambda lines: sum(map(len, counter.encode(list(lines)))),
                token_unit="SentencePiece pieces of the student",
            )
    return score_test_set(
        name=test_set.name,
        direction=test_set.direction,
        sources=test_set.sources,
        references=test_set.references,
        outputs=outputs,
        speeds=speeds,
        teacher=TEACHER if TEACHER in outputs else None,
        focus=focus,
        comparisons=[pair for pair in comparisons if outputs.keys() >= {*pair}],
        origin=test_set.origin,
        licence=test_set.licence,
        text_may_be_published=test_set.text_may_be_published,
    )


def teacher_contestants(run: Run) -> list[Contestant]:
    """The recipe's teachers as one system, as they label, in all directions but those of a file of translations."""
    teachers = run.recipe.teachers.items()
    configs = {each: config for each, config in teachers if not isinstance(config, CandidatesTeacherConfig)}
    if not configs:
        return []
    beam_size = run.recipe.distillation.beam_size

    def translate(lines: list[str], direction: Direction) -> list[str]:
        with settings_at(run.recipe.teacher_places[direction]):
            found = run.teacher(direction).translate(lines, beam_size=beam_size)
        return [hypotheses[0].text if hypotheses else "" for hypotheses in found]

    facts = [_facts(run, direction, _search(config, beam_size)) for config, direction in _distinct(configs)]
    origins, engines, rules, counts, searches = zip(*facts, strict=True)
    parameters = [count for count in counts if count is not None]
    files = {path for direction in configs for path in run.teacher_files[direction]}
    search = _joined(searches)
    return [
        Contestant(
            system=System(
                name=TEACHER,
                role="teacher",
                description=f"{_joined(origins)}; {_joined(engines)}, {search}",
                num_parameters=sum(parameters) if len(parameters) == len(counts) else None,
                num_bytes=sum(map(size_of, files)) or None,
            ),
            translate=translate,
            batch_rule=_joined(rules),
            decoding=search,
            directions=tuple(configs),
            untimed=[direction for direction, config in configs.items() if isinstance(config, HttpTeacherConfig)],
        )
    ]


def _facts(run: Run, direction: Direction, search: str) -> tuple[str, str, str, int | None, str]:
    teacher = run.teacher(direction)
    return teacher.origin, teacher.engine, teacher.batch_rule, teacher.num_parameters, search


def _distinct(configs: Mapping[Direction, TeacherConfig]) -> list[tuple[TeacherConfig, Direction]]:
    """Name each teacher once, with the first of its directions."""
    found: list[tuple[TeacherConfig, Direction]] = []
    for direction, config in configs.items():
        if config not in [known for known, _ in found]:
            found.append((config, direction))
    return found


def _joined(texts: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(texts))


def _search(config: TeacherConfig, beam_size: int) -> str:
    return _beam(beam_size) if config.searches else "its own search"


def _beam(beam_size: int) -> str:
    return "greedy" if beam_size == 1 else f"beam {beam_size}"


def export_contestants(run: Run) -> list[Contestant]:
    """The exports of a run, one a precision."""
    contestants = []
    for precision in sorted(run.recipe.export.precisions):
        folder = run.export.path / precision
        translator = Translator(folder)
        stamp = run.export.stamp() or {}
        contestants.append(
            Contestant(
                system=System(
                    name=f"student {precision}",
                    role="export",
                    description=f"CTranslate2 {precision} export, as `nmt-distill translate` runs it",
                    num_parameters=(stamp.get("result") or {}).get("num_parameters"),
                    num_bytes=sum(size_of(file) for pattern in SHIPPED for file in folder.glob(pattern)),
                ),
                translate=partial(_translate, translator),
                batch_rule=f"{BATCH_TOKENS} padded source tokens, sorted by length",
                decoding=_beam(translator.beam_size),
            )
        )
    return contestants


def _translate(translator: Translator, lines: list[str], direction: Direction) -> list[str]:
    return translator.translate(lines, source=direction.source, target=direction.target)


def closing_words(run: Run) -> str:
    """What a run ends with: the score table, where things lie, and the recipe's example sentences."""
    report = read_report(run.scores.run_folder / "scores.json")
    folder = run.export.path / sorted(run.recipe.export.precisions)[-1]
    lines = [score_table(report), "", f"report: {run.scores.run_folder / 'report.html'}", f"model:  {folder}"]
    examples = list(run.recipe.evaluation.examples)
    if examples:
        source = run.directions[0].source
        targets = [direction.target for direction in run.directions if direction.source == source]
        translator = Translator(folder)
        answers = {target: translator.translate(examples, source=source, target=target) for target in targets}
        lines.append("")
        for place, example in enumerate(examples):
            lines.append(f"{source}: {example}")
            lines += [f"{target}: {translations[place]}" for target, translations in answers.items()]
    return "\n".join(lines)
