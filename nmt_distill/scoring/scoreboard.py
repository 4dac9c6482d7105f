"""The scores stage: what teacher and exports make of held-out text and outside test sets, how fast, and the report."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from nmt_distill.configuration import to_content, yaml_text
from nmt_distill.evaluation.background import Background, read_corpus, read_curves
from nmt_distill.evaluation.config import SuiteConfig
from nmt_distill.evaluation.embeddings import neighbour_note
from nmt_distill.evaluation.page import write_report
from nmt_distill.evaluation.report import Report, System, read_report
from nmt_distill.evaluation.speed import machine
from nmt_distill.evaluation.terminal import score_table
from nmt_distill.evaluation.test_sets import load_suite, read_test_set
from nmt_distill.evaluation.test_texts import TestText
from nmt_distill.files import size_of
from nmt_distill.languages import Direction
from nmt_distill.recipe import RECIPE_NAME
from nmt_distill.scoring.contest import Contest
from nmt_distill.scoring.contestant import Contestant, beam
from nmt_distill.scoring.contestants import best_of, export_contestant
from nmt_distill.scoring.embedding_scores import score_embeddings
from nmt_distill.stages.run import Run
from nmt_distill.teacher.config import CandidatesTeacherConfig, HttpTeacherConfig, TeacherConfig
from nmt_distill.teacher.place import settings_at
from nmt_distill.translation.translator import Translator
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece

TEACHER = "teacher"


def score_run(run: Run) -> dict[str, Any]:
    """Translate every test set with every system, score, time, and write ``scores.json`` and the report."""
    recipe = run.recipe
    teachers, exports = teacher_contestants(run), export_contestants(run)
    plain = plain_contestants(run, teachers)
    focus, teacher = exports[-1].system.name, TEACHER if teachers else None
    comparisons = [(contestant.system.name, TEACHER) for contestant in (exports[-1], *plain)] if teachers else []
    contestants = [*teachers, *exports, *plain]
    contest = contest_of(run, contestants, focus=focus, comparisons=comparisons)
    texts = test_texts(run)
    sets = [contest.score(text) for text in texts]
    embedded = score_embeddings(run, texts)
    directions = ", ".join(f"{direction.source} to {direction.target}" for direction in run.directions)
    report = Report(
        title=f"{recipe.name}: {directions}",
        systems=tuple(contestant.system for contestant in contestants),
        test_sets=tuple(sets),
        machine=machine(),
        command=shlex.join(["nmt-distill", "run", recipe.name]),
        teacher=teacher,
        imitator=plain[0].system.name if plain else None,
        speed_reference=teacher if recipe.evaluation.speed_repetitions else None,
        embeddings=embedded.scores,
        sentence_maps=embedded.maps,
        languages=embedded.languages,
        notes=_notes(run),
        created=date.today().isoformat(),
        efficiency=contest.efficiency(texts[0]),
        background=Background(
            runs=(recipe.name,),
            curves=read_curves(run.student.run_folder / "metrics.jsonl", recipe.name),
            corpus=read_corpus(run.corpus.path / "corpus.json"),
            recipe=yaml_text(to_content(recipe)),
        ),
    )
    write_report(report, run.run_folder)
    return {
        test_set.name: {
            row.system: {"bleu": row.scores.bleu.value, "chrf": row.scores.chrf.value} for row in test_set.systems
        }
        for test_set in sets
    }


def contest_of(
    run: Run,
    contestants: Sequence[Contestant],
    *,
    focus: str,
    comparisons: Sequence[tuple[str, str]],
) -> Contest:
    """What a recipe wants measured of systems.

    :param focus: the system whose examples and worst sentences are shown
    :param comparisons: (system, baseline) pairs to test for significance
    """
    config = run.recipe.evaluation
    counter = load_sentencepiece(run.sentencepiece_path)
    return Contest(
        contestants=contestants,
        focus=focus,
        teacher=TEACHER if TEACHER in [contestant.system.name for contestant in contestants] else None,
        comparisons=comparisons,
        speed_repetitions=config.speed_repetitions,
        efficiency_sentences=config.efficiency_sentences,
        count_tokens=lambda lines: sum(map(len, counter.encode(list(lines)))),
        token_unit="SentencePiece pieces of the student",
        sentencepiece=str(run.sentencepiece_path.resolve()),
        tokenizer=config.tokenizer,
        noises=config.noises,
        outside_metrics=config.outside_metrics,
    )


def _notes(run: Run) -> tuple[str, ...]:
    note = neighbour_note((run.student.stamp() or {}).get("result") or {})
    return () if note is None else (note,)


def test_texts(run: Run) -> list[TestText]:
    """Read the held-out text of the corpus and the recipe's outside test sets, for every direction.

    :raises NmtDistillError: if an outside test set has none of the directions
    """
    config, references_by = run.recipe.evaluation, run.recipe.corpus.split.references
    held_out = "pairs" if references_by == "human" else "sentences"
    sets = []
    for direction in run.directions:
        sources, references = run.held_out(direction, "test", config.max_sentences)
        sets.append(
            TestText(
                name=_test_name(run, "held-out", direction),
                direction=direction,
                origin=f"held-out {held_out} of the corpus, drawn by normalised source; see corpus.json",
                licence="those of the corpus",
                text_may_be_published=True,
                sources=sources,
                references=references,
                references_by=references_by,
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


def teacher_contestants(run: Run) -> list[Contestant]:
    """The recipe's teachers as one system, as they label, in all directions but those of a file of translations."""
    teachers = run.recipe.teachers.items()
    configs = {each: config for each, config in teachers if not isinstance(config, CandidatesTeacherConfig)}
    if not configs:
        return []
    beam_size = run.recipe.distillation.beam_size

    def translate(lines: list[str], direction: Direction) -> list[str]:
        with settings_at(run.recipe.teacher_places[direction]):
            return best_of(run.teacher(direction), lines, beam_size)

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
            timed=[each for each, config in configs.items() if not isinstance(config, HttpTeacherConfig)],
            what=f"teacher:{(run.run_folder / RECIPE_NAME).resolve()}",
            beam_size=beam_size,
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
    return beam(beam_size) if config.searches else "its own search"


def export_contestants(run: Run, *, last_alone: bool = False) -> list[Contestant]:
    """The exports of a run, one a precision; or the last precision alone, that of users."""
    facts = (run.export.stamp() or {}).get("result") or {}
    return [
        export_contestant(
            f"student {precision}", run.export.path / precision, num_parameters=facts.get("num_parameters")
        )
        for precision in run.recipe.export.ordered_precisions[-1 if last_alone else 0 :]
    ]


def plain_contestants(run: Run, teachers: Sequence[Contestant]) -> list[Contestant]:
    """The last export once more, reading lines as the teachers do: what it says then it has learned from them."""
    if not teachers:
        return []
    precision = run.recipe.export.ordered_precisions[-1]
    facts = (run.export.stamp() or {}).get("result") or {}
    return [
        export_contestant(
            f"student {precision}, plain",
            run.export.path / precision,
            num_parameters=facts.get("num_parameters"),
            directions=teachers[0].directions,
            plain=True,
        )
    ]


def closing_words(run: Run) -> str:
    """What a run ends with: the score table, where things lie, and the recipe's example sentences."""
    report = read_report(run.scores.run_folder / "scores.json")
    folder = run.export.path / run.recipe.export.ordered_precisions[-1]
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
