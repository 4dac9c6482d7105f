"""From the outputs of all systems on one test set to its scores; and from files of lines to scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from nmt_distill.counting import counted
from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.metrics import AUTO, check_parallel, corpus_chrf, score, sentence_chrf
from nmt_distill.evaluation.outside_metrics import OutsideMetricConfig, SentenceScores, sentence_scores
from nmt_distill.evaluation.report import (
    NoisyScores,
    Sentence,
    SystemScores,
    TestSetScores,
    Translation,
)
from nmt_distill.evaluation.resampling import NUM_RESAMPLES, NUM_TRIALS
from nmt_distill.evaluation.risks import measure_risks
from nmt_distill.evaluation.significance import Comparison, Draws, compare, compare_means
from nmt_distill.evaluation.speed import Speed
from nmt_distill.files import read_sentences
from nmt_distill.languages import Direction
from nmt_distill.repetition import words

EXAMPLE_WORDS = 4
"""an example sentence has at least that many words"""


def score_test_set(
    *,
    name: str,
    direction: Direction,
    sources: Sequence[str],
    references: Sequence[str],
    outputs: Mapping[str, Sequence[str]],
    speeds: Mapping[str, Speed] | None = None,
    teacher: str | None = None,
    focus: str | None = None,
    comparisons: Sequence[tuple[str, str]] = (),
    origin: str = "",
    licence: str = "",
    text_may_be_published: bool = True,
    references_by: Literal["human", "teacher"] = "human",
    num_examples: int = 3,
    num_worst: int = 10,
    num_changed: int = 5,
    tokenizer: str = AUTO,
    num_resamples: int = NUM_RESAMPLES,
    num_trials: int = NUM_TRIALS,
    outside: Mapping[str, Sequence[SentenceScores]] | None = None,
    robustness: Sequence[NoisyScores] = (),
) -> TestSetScores:
    """Score every system on one test set.

    :param name: of the test set
    :param direction: languages of the sources and of the translations
    :param sources: N source sentences
    :param references: N translations to judge by
    :param outputs: N translations by each system, in the order of the tables
    :param speeds: speeds of systems, measured on the same sources
    :param teacher: the system in ``outputs`` that agreement, share and worst sentences refer to
    :param focus: the system in ``outputs`` whose worst sentences and examples are shown
    :param comparisons: (system, baseline) pairs to test for significance, which one sentence alone has none of
    :param origin: where the text is from and how the sample is drawn
    :param licence: of the text
    :param text_may_be_published: whether its sentences may stand in a report that is kept in a repository
    :param references_by: who has made the references
    :param num_examples: sentences shown, evenly spaced over those of four words or more
    :param num_worst: sentences shown where the focus loses most against the teacher
    :param num_changed: sentences shown where the focus says something else than the teacher
    :param tokenizer: of BLEU, by sacreBLEU's name; ``auto`` is that of the language
    :param num_resamples: draws for intervals and the paired bootstrap
    :param num_trials: of approximate randomisation; 0 leaves it out
    :param outside: what outside programs give the sentences of systems, the same programs for each system
    :param robustness: the same test set after noise, scored
    :raises NmtDistillError: if numbers of lines differ, or a name is not in ``outputs``
    """
    check_parallel(sources=sources, references=references)
    for system, translations in outputs.items():
        if len(translations) != len(sources):
            raise NmtDistillError(
                f"`{system}` gave {counted(len(translations), 'translation')} for the "
                f"{counted(len(sources), 'sentence')} of `{name}`; line N of its output must translate line N."
            )
    for wanted in {teacher, focus, *(speeds or {}), *(system for pair in comparisons for system in pair)} - {None}:
        if wanted not in outputs:
            raise NmtDistillError(f"`{wanted}` has no output on `{name}`; there is {', '.join(outputs) or 'none'}.")
    target = direction.target
    scores = {
        system: score(translations, references, target=target, tokenizer=tokenizer, num_resamples=num_resamples)
        for system, translations in outputs.items()
    }
    rows = []
    for system, translations in outputs.items():
        agreement = share = None
        if teacher is not None:
            agreement = corpus_chrf(translations, outputs[teacher])
            share = teacher_share(scores[system].chrf.value, scores[teacher].chrf.value)
        rows.append(
            SystemScores(
                system=system,
                scores=scores[system],
                agreement=agreement,
                teacher_share=share,
                risks=measure_risks(sources, translations, references, target=target),
                speed=(speeds or {}).get(system),
                outside=tuple(found.mean(num_resamples or NUM_RESAMPLES) for found in (outside or {}).get(system, ())),
            )
        )
    tested: list[Comparison] = []
    draws = Draws(num_resamples=num_resamples or NUM_RESAMPLES, num_trials=num_trials)
    for names in comparisons if len(sources) > 1 else ():
        ours, theirs = (outputs[name] for name in names)
        tested += compare(ours, theirs, references, target=target, names=names, draws=draws, tokenizer=tokenizer)
        measured = [(outside or {}).get(name, ()) for name in names]
        tested += [
            compare_means(one.values, other.values, metric=one.metric.name, names=names, draws=draws)
            for one, other in zip(*measured, strict=True)
        ]
    shown = {system: outputs[system] for system in outputs if focus is not None and system in (teacher, focus)}
    return TestSetScores(
        name=name,
        source=direction.source,
        target=target,
        num_sentences=len(sources),
        origin=origin,
        licence=licence,
        text_may_be_published=text_may_be_published,
        references_by=references_by,
        systems=tuple(rows),
        reference_risks=measure_risks(sources, references, references, target=target),
        comparisons=tuple(tested),
        examples=_examples(sources, references, shown, num_examples) if shown else (),
        focus=focus,
        worst=_worst(sources, references, shown, focus, teacher, num_worst) if focus is not None else (),
        changed=_changed(sources, references, shown, focus, teacher, num_changed),
        robustness=tuple(robustness),
    )


def teacher_share(system_chrf: float, teacher_chrf: float) -> float | None:
    """Return how much of the teacher's chrF2++ a system keeps, in percent; None where the teacher has none."""
    return 100 * system_chrf / teacher_chrf if teacher_chrf > 0 else None


def evaluate_files(
    hypotheses_path: Path,
    references_path: Path,
    source_path: Path | None = None,
    teacher_path: Path | None = None,
    *,
    target: str,
    tokenizer: str = AUTO,
    outside_metrics: Sequence[OutsideMetricConfig] = (),
) -> dict[str, Any]:
    """Score a file of translations, a sentence a line.

    :param hypotheses_path: the translations
    :param references_path: human translations of the same lines
    :param source_path: the source, for the risk measures
    :param teacher_path: the teacher's translations, for agreement and share
    :param target: language of the translations, BCP 47
    :param tokenizer: of BLEU, by sacreBLEU's name; ``auto`` is that of the language
    :param outside_metrics: of outside programs, which need a source
    :returns: JSON-like: ``target``, ``scores``; ``outside`` where asked for; ``risks`` with a source; ``agreement``,
        ``teacher_scores`` and ``teacher_share`` (percent of chrF2++) with a teacher
    :raises NmtDistillError: names the file where one is missing, empty, not UTF-8 or of another length
    """
    hypotheses, references = _read_side(hypotheses_path), _read_side(references_path)
    _check_lengths(hypotheses_path, hypotheses, references_path, references)
    scores = score(hypotheses, references, target=target, tokenizer=tokenizer, num_resamples=NUM_RESAMPLES)
    result: dict[str, Any] = {"target": target, "scores": dataclasses.asdict(scores)}
    if source_path is not None:
        sources = _read_side(source_path)
        _check_lengths(hypotheses_path, hypotheses, source_path, sources)
        if outside_metrics:
            found = [sentence_scores(metric, sources, hypotheses, references).mean() for metric in outside_metrics]
            result["outside"] = [dataclasses.asdict(score) for score in found]
        result["risks"] = dataclasses.asdict(measure_risks(sources, hypotheses, references, target=target))
    if teacher_path is not None:
        teacher = _read_side(teacher_path)
        _check_lengths(hypotheses_path, hypotheses, teacher_path, teacher)
        teacher_scores = score(teacher, references, target=target, tokenizer=tokenizer, num_resamples=NUM_RESAMPLES)
        result["teacher_scores"] = dataclasses.asdict(teacher_scores)
        result["agreement"] = dataclasses.asdict(corpus_chrf(hypotheses, teacher))
        result["teacher_share"] = teacher_share(scores.chrf.value, teacher_scores.chrf.value)
    return result


def _read_side(path: Path) -> list[str]:
    lines = read_sentences(path)
    if not lines:
        raise NmtDistillError(f"{path} is empty; it must hold a sentence a line.")
    return lines


def _check_lengths(first: Path, first_lines: list[str], second: Path, second_lines: list[str]) -> None:
    if len(first_lines) != len(second_lines):
        shorter, longer = sorted(((len(first_lines), first), (len(second_lines), second)))
        raise NmtDistillError(
            f"{first} has {counted(len(first_lines), 'line')} but {second} has {len(second_lines)}; line "
            f"{shorter[0] + 1} of {longer[1]} has no partner in {shorter[1]}, and line N of one must belong to line N "
            "of the other."
        )


def _sentence(
    index: int, sources: Sequence[str], references: Sequence[str], shown: Mapping[str, Sequence[str]]
) -> Sentence:
    return Sentence(
        line=index + 1,
        source=sources[index],
        reference=references[index],
        translations=tuple(
            Translation(system=system, text=lines[index], chrf=sentence_chrf(lines[index], references[index]))
            for system, lines in shown.items()
        ),
    )


def _examples(
    sources: Sequence[str], references: Sequence[str], shown: Mapping[str, Sequence[str]], count: int
) -> tuple[Sentence, ...]:
    """Take sentences evenly spaced over those long enough to show something."""
    long_enough = [index for index, source in enumerate(sources) if len(words(source)) >= EXAMPLE_WORDS]
    candidates = long_enough if len(long_enough) >= count else list(range(len(sources)))
    chosen = [candidates[len(candidates) * place // count] for place in range(min(count, len(candidates)))]
    return tuple(_sentence(index, sources, references, shown) for index in chosen)


def _worst(
    sources: Sequence[str],
    references: Sequence[str],
    shown: Mapping[str, Sequence[str]],
    focus: str,
    teacher: str | None,
    count: int,
) -> tuple[Sentence, ...]:
    """Take the sentences where the focus loses most chrF2++ against the teacher, or has least without a teacher."""
    losses = []
    for index, reference in enumerate(references):
        kept = sentence_chrf(shown[focus][index], reference)
        best = 100.0 if teacher is None else sentence_chrf(shown[teacher][index], reference)
        if best > kept:
            losses.append((kept - best, index))
    return tuple(_sentence(index, sources, references, shown) for _, index in sorted(losses)[:count])


def _changed(
    sources: Sequence[str],
    references: Sequence[str],
    shown: Mapping[str, Sequence[str]],
    focus: str | None,
    teacher: str | None,
    count: int,
) -> tuple[Sentence, ...]:
    """Take the sentences where the focus is least like the teacher, of each source the first."""
    if focus is None or teacher is None or focus == teacher:
        return ()
    likeness = []
    met: set[str] = set()
    for index, pair in enumerate(zip(shown[focus], shown[teacher], strict=True)):
        if pair[0] != pair[1] and sources[index] not in met and len(words(sources[index])) >= EXAMPLE_WORDS:
            met.add(sources[index])
            likeness.append((sentence_chrf(*pair), index))
    return tuple(_sentence(index, sources, references, shown) for _, index in sorted(likeness)[:count])
