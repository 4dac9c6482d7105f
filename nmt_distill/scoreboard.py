"""The scores stage: what teacher and exports make of held-out text and outside test sets, how fast, and the report."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from nmt_distill.evaluation.page import write_report
from nmt_distill.evaluation.report import Report, System, TestSetScores, read_report
from nmt_distill.evaluation.scoring import score_test_set
from nmt_distill.evaluation.speed import Speed, machine, measure_speed
from nmt_distill.evaluation.tables import score_table
from nmt_distill.evaluation.test_sets import load_suite, read_test_set
from nmt_distill.files import size_of
from nmt_distill.progress import say
from nmt_distill.run import Run
from nmt_distill.teacher.config import CandidatesTeacherConfig, HttpTeacherConfig
from nmt_distill.translator import BATCH_TOKENS, Translator, available_cores
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece

TEACHER = "teacher"
SHIPPED = ("model.bin", "config.json", "shared_vocabulary.json", "languages.json", "*.spm")


@dataclass(frozen=True)
class Contestant:
    """A system that can be asked to translate."""

    system: System
    translate: Callable[[list[str]], list[str]]
    batch_rule: str
    decoding: str
    can_be_timed: bool = True
    """false where a second answer comes out of a memory"""


@dataclass(frozen=True)
class TestText:
    """Sentences with their human translations."""

    name: str
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
    report = Report(
        title=f"{recipe.name}: {recipe.source} to {recipe.target}",
        source=recipe.source,
        target=recipe.target,
        systems=tuple(contestant.system for contestant in contestants),
        test_sets=tuple(sets),
        machine=machine(),
        command=shlex.join(["nmt-distill", "run", recipe.name]),
        teacher=teacher,
        speed_reference=teacher if recipe.evaluation.speed_repetitions else None,
        created=date.today().isoformat(),
    )
    write_report(report, run.run_folder)
    return {
        test_set.name: {
            row.system: {"bleu": row.scores.bleu.value, "chrf": row.scores.chrf.value} for row in test_set.systems
        }
        for test_set in sets
    }


def test_texts(run: Run) -> list[TestText]:
    """Read the held-out text of the corpus and the recipe's outside test sets."""
    sources, references = run.held_out("test", run.recipe.evaluation.max_sentences)
    sets = [
        TestText(
            name="held-out",
            origin="held-out pairs of the corpus, drawn by normalised source; see corpus.json",
            licence="those of the corpus",
            text_may_be_published=True,
            sources=sources,
            references=references,
        )
    ]
    for config in run.recipe.evaluation.suites:
        suite = load_suite(Path(config.suite))
        sources, references = read_test_set(suite, Path(config.folder), run.direction)
        sets.append(
            TestText(
                name=suite.name,
                origin=suite.origin,
                licence=suite.licence,
                text_may_be_published=suite.text_may_be_published,
                sources=sources[: config.max_sentences],
                references=references[: config.max_sentences],
            )
        )
    return sets


def score_text(
    run: Run,
    test_set: TestText,
    contestants: Sequence[Contestant],
    *,
    focus: str,
    comparisons: Sequence[tuple[str, str]],
) -> TestSetScores:
    """Let every system translate a text, score and time them.

    :param focus: the system whose examples and worst sentences are shown
    :param comparisons: (system, baseline) pairs to test for significance
    """
    outputs: dict[str, list[str]] = {}
    speeds: dict[str, Speed] = {}
    repetitions = run.recipe.evaluation.speed_repetitions
    counter = load_sentencepiece(run.sentencepiece_path)
    for contestant in contestants:
        name = contestant.system.name
        say(f"{test_set.name}: {name} translates {len(test_set.sources):,} sentences")
        outputs[name] = contestant.translate(test_set.sources)
        if repetitions and contestant.can_be_timed:
            speeds[name] = measure_speed(
                contestant.translate,
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
        target=run.recipe.target,
        sources=test_set.sources,
        references=test_set.references,
        outputs=outputs,
        speeds=speeds,
        teacher=TEACHER if TEACHER in outputs else None,
        focus=focus,
        comparisons=comparisons,
        origin=test_set.origin,
        licence=test_set.licence,
        text_may_be_published=test_set.text_may_be_published,
    )


def teacher_contestants(run: Run) -> list[Contestant]:
    """The recipe's teacher, as it labels; none where all that is known of it are translations of other text."""
    if isinstance(run.recipe.teacher, CandidatesTeacherConfig):
        return []
    teacher, beam_size = run.teacher, run.recipe.distillation.beam_size

    def translate(lines: list[str]) -> list[str]:
        found = teacher.translate(lines, beam_size=beam_size)
        return [hypotheses[0].text if hypotheses else "" for hypotheses in found]

    search = _search(beam_size) if run.recipe.teacher.searches else "its own search"
    return [
        Contestant(
            system=System(
                name=TEACHER,
                role="teacher",
                description=f"{teacher.origin}; {teacher.engine}, {search}",
                num_parameters=teacher.num_parameters,
                num_bytes=sum(map(size_of, run.teacher_files)) or None,
            ),
            translate=translate,
            batch_rule=teacher.batch_rule,
            decoding=search,
            can_be_timed=not isinstance(run.recipe.teacher, HttpTeacherConfig),
        )
    ]


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
                translate=translator.translate,
                batch_rule=f"{BATCH_TOKENS} padded source tokens, sorted by length",
                decoding=_search(translator.beam_size),
            )
        )
    return contestants


def _search(beam_size: int) -> str:
    return "greedy" if beam_size == 1 else f"beam {beam_size}"


def closing_words(run: Run) -> str:
    """What a run ends with: the score table, where things lie, and the recipe's example sentences."""
    report = read_report(run.scores.run_folder / "scores.json")
    folder = run.export.path / sorted(run.recipe.export.precisions)[-1]
    lines = [score_table(report), "", f"report: {run.scores.run_folder / 'report.html'}", f"model:  {folder}"]
    examples = list(run.recipe.evaluation.examples)
    if examples:
        translations = Translator(folder).translate(examples)
        lines.append("")
        for source, translation in zip(examples, translations, strict=True):
            lines += [f"{run.recipe.source}: {source}", f"{run.recipe.target}: {translation}"]
    return "\n".join(lines)
