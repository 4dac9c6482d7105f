"""What a change is worth: rows of runs that differ in one thing, each trained with several seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.metrics import AUTO, Scores, score
from nmt_distill.evaluation.report import decode_record
from nmt_distill.evaluation.significance import PROVEN, Comparison, Draws, SeedSummary, compare, summarize_seeds
from nmt_distill.evaluation.speed import Machine
from nmt_distill.files import read_json
from nmt_distill.languages import Direction

FORMAT_VERSION, KIND = 1, "ablation"
CLAIM_RULE = (
    "A gain or a loss is claimed only where all seeds, and at least two, agree in sign, the 95 % interval of the mean "
    f"over seeds (paired t) leaves 0 out, and p is below {PROVEN} by paired bootstrap within each seed."
)
"""the first two are about the chance in training, the third about that in the choice of the test set"""
BY_BOOTSTRAP = Draws(num_trials=0)
"""the rule asks for no randomisation, which takes ten times as long"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """Runs that differ in nothing but their seed."""

    name: str
    """as the tables print it"""
    description: str
    """what makes it different, in one sentence"""
    seeds: tuple[int, ...]
    """of its runs"""
    num_parameters: int | None
    """of each student"""
    hours: float
    """wall clock of training, the mean of its runs; machines and neighbours differ"""


@dataclass(frozen=True, kw_only=True)
class RowScores:
    """A row on one test set."""

    row: str
    """its name"""
    scores: tuple[Scores, ...]
    """of each seed, against the human references"""


@dataclass(frozen=True, kw_only=True)
class Gain:
    """A row against a baseline, seed by seed."""

    row: str
    """the row"""
    baseline: str
    """the row that it is compared with"""
    metric: str
    """BLEU or chrF2++"""
    comparisons: tuple[Comparison, ...]
    """paired bootstrap within each seed that both have"""
    summary: SeedSummary
    """of their differences"""

    @property
    def num_significant(self) -> int:
        """How many seeds differ significantly in the direction of the mean."""
        return sum(one.p_value < PROVEN and (one.difference > 0) == (self.summary.mean > 0) for one in self.comparisons)

    def verdict(self) -> str:
        """Say what may be claimed, by :data:`CLAIM_RULE`, or what stands against it."""
        number, (lower, upper) = self.summary.num_seeds, self.summary.interval
        if number == 1:
            return f"one seed: {self.comparisons[0].verdict()}"
        if all(one.identical for one in self.comparisons):
            return "identical"
        if not self.summary.same_sign:
            return f"no claim: {number} seeds disagree in sign"
        interval = f"95 % interval {lower:+.2f} to {upper:+.2f}"
        if lower <= 0 <= upper:
            return f"no claim: {number} seeds, {interval}"
        if self.num_significant < number:
            return f"no claim: {self.num_significant} of {number} seeds significant"
        return f"{'gain' if self.summary.mean > 0 else 'loss'}: {number} seeds, {interval}"


@dataclass(frozen=True, kw_only=True)
class AblationSet:
    """All rows on one test set."""

    name: str
    """as the tables print it"""
    source: str
    """language of the sources, BCP 47"""
    target: str
    """language of the translations, BCP 47"""
    num_sentences: int
    """how many sentences it has"""
    origin: str
    """where the text is from"""
    licence: str
    """of the text"""
    rows: tuple[RowScores, ...]
    """in the order of the tables"""
    gains: tuple[Gain, ...]
    """of every later row against every baseline"""


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """Everything that the written report says."""

    title: str
    """its heading"""
    rows: tuple[Row, ...]
    """in the order of the tables"""
    baselines: tuple[str, ...]
    """rows that the others are compared with"""
    test_sets: tuple[AblationSet, ...]
    """in the order of interest"""
    machine: Machine
    """where it was scored"""
    command: str
    """makes it again"""
    notes: tuple[str, ...] = ()
    """what readers must know"""
    created: str | None = None
    """date"""

    def label(self, test_set: AblationSet) -> str:
        """Return the name of a test set, with its direction where the report has several."""
        several = len({(one.source, one.target) for one in self.test_sets}) > 1
        return f"{test_set.name} {test_set.source}-{test_set.target}" if several else test_set.name

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-like content."""
        return {"format_version": FORMAT_VERSION, "kind": KIND, **dataclasses.asdict(self)}


def read_ablation(path: Path) -> Ablation:
    """Read ``results.json`` of rows that were compared.

    :raises NmtDistillError: if the file is missing, damaged or none of these
    """
    content = read_json(path)
    kind = (content.pop("kind", None), content.pop("format_version", None)) if isinstance(content, dict) else None
    if kind != (KIND, FORMAT_VERSION):
        raise NmtDistillError(f"{path} is not what `compare --row` of this version writes; compare the rows again.")
    return decode_record(Ablation, content, str(path))


def check_baselines(baselines: Sequence[str], rows: Collection[str]) -> None:
    """Check that rows to compare with are there.

    :raises NmtDistillError: names one that is not
    """
    for baseline in baselines:
        if baseline not in rows:
            raise NmtDistillError(f"The rows have no `{baseline}` to compare with; they are {', '.join(rows)}.")


def score_rows(
    outputs: Mapping[str, Mapping[int, Sequence[str]]],
    references: Sequence[str],
    *,
    name: str,
    direction: Direction,
    baselines: Sequence[str],
    origin: str,
    licence: str,
    tokenizer: str = AUTO,
) -> AblationSet:
    """Score all rows on one test set and compare them with the baselines, seed by seed.

    :param outputs: by row and seed, N translations
    :param references: N human translations
    :param baselines: rows to compare with; a row is compared in the seeds that both have
    :param tokenizer: of BLEU, by sacreBLEU's name; ``auto`` is that of the language
    :raises NmtDistillError: if a baseline is no row, or shares no seed with another row
    """
    check_baselines(baselines, outputs)
    target = direction.target
    scored = [
        RowScores(
            row=row,
            scores=tuple(score(lines, references, target=target, tokenizer=tokenizer) for lines in by_seed.values()),
        )
        for row, by_seed in outputs.items()
    ]
    gains: list[Gain] = []
    names = list(outputs)
    for baseline in baselines:
        for row in names[names.index(baseline) + 1 :]:
            gains += _gains(row, outputs[row], baseline, outputs[baseline], references, target, tokenizer)
    return AblationSet(
        name=name,
        source=direction.source,
        target=target,
        num_sentences=len(references),
        origin=origin,
        licence=licence,
        rows=tuple(scored),
        gains=tuple(gains),
    )


def _gains(
    row: str,
    outputs: Mapping[int, Sequence[str]],
    baseline: str,
    others: Mapping[int, Sequence[str]],
    references: Sequence[str],
    target: str,
    tokenizer: str,
) -> list[Gain]:
    seeds = [seed for seed in outputs if seed in others]
    if not seeds:
        raise NmtDistillError(
            f"The rows `{row}` and `{baseline}` have no seed in common; train one of them with a seed of the other."
        )
    tested = [
        compare(
            outputs[seed],
            others[seed],
            references,
            target=target,
            names=(row, baseline),
            metrics=("BLEU", "chrF2++"),
            draws=BY_BOOTSTRAP,
            tokenizer=tokenizer,
        )
        for seed in seeds
    ]
    return [
        Gain(
            row=row,
            baseline=baseline,
            metric=comparisons[0].metric,
            comparisons=comparisons,
            summary=summarize_seeds([comparison.difference for comparison in comparisons]),
        )
        for comparisons in zip(*tested, strict=True)
    ]
