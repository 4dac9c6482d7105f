"""How a student came about, as reports tell it: the corpus and its filters, the course of training, the recipe."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt_distill.files import read_json, read_lines

_MEASURES = {
    "chrf": "chrF2++ on held-out text",
    "kl": "divergence from the teacher, nats",
    "nll": "negative log-likelihood, nats",
    "states": "distance of decoder states",
    "retrieval": "retrieval accuracy on held-out text, %",
    "agreed": "share of tokens as the teacher's",
}
"""what the values in ``metrics.jsonl`` mean, in the order of the plots"""


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """One value during training."""

    step: int
    """updates so far, over all phases"""
    value: float
    """what was measured"""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """How one measure went during one training."""

    run: str
    """name of the run"""
    measure: str
    """what was measured, with its unit"""
    points: tuple[CurvePoint, ...]
    """in the order of training"""


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """How many pairs one filter took away."""

    reason: str
    """name of the filter"""
    count: int
    """pairs or sentences"""


@dataclass(frozen=True, kw_only=True)
class CorpusSource:
    """What became of one source of text in one direction."""

    direction: str
    """such as `en-pt`"""
    origin: str
    """where the text is from"""
    licence: str
    """of the text"""
    num_read: int
    """pairs and sentences that it held"""
    num_train: int
    """pairs kept for training"""
    num_mono: int
    """sentences without translation kept for the teacher to translate"""
    dropped: tuple[Dropped, ...]
    """by which filters the others went, most first"""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A key in which the recipes of several runs differ."""

    key: str
    """dotted path in the recipe"""
    values: tuple[str, ...]
    """its value in each run, in the order of the runs"""


@dataclass(frozen=True, kw_only=True)
class Background:
    """How the students of a report came about."""

    runs: tuple[str, ...] = ()
    """names of the runs"""
    curves: tuple[Curve, ...] = ()
    """of their trainings"""
    corpus: tuple[CorpusSource, ...] = ()
    """of the first run"""
    recipe: str = ""
    """YAML of the run, where the report is about one"""
    settings: tuple[Setting, ...] = ()
    """where the recipes differ, where the report is about several"""


def read_curves(path: Path, run: str) -> tuple[Curve, ...]:
    """Read the course of a training from its ``metrics.jsonl``; measures that stay at 0 are left out.

    Steps are counted on over phases; of a step that was written twice, by a training that was continued, the last
    counts.
    """
    rows = {}
    if path.is_file():
        for line in read_lines(path):
            row = json.loads(line)
            rows[row["phase"], row["step"]] = row
    ends: dict[int, int] = {}
    for phase, step in rows:
        ends[phase] = max(step, ends.get(phase, 0))
    begin = {phase: sum(end for other, end in ends.items() if other < phase) for phase in ends}
    curves = []
    for key, measure in _MEASURES.items():
        points = tuple(
            CurvePoint(step=begin[phase] + step, value=float(rows[phase, step][key]))
            for phase, step in sorted(rows)
            if isinstance(rows[phase, step].get(key), int | float)
        )
        if any(point.value for point in points):
            curves.append(Curve(run=run, measure=measure, points=points))
    return tuple(curves)


def read_corpus(path: Path) -> tuple[CorpusSource, ...]:
    """Read from ``corpus.json`` what came and went, per source and filter; nothing where there is no such file."""
    if not path.is_file():
        return ()
    account: Any = read_json(path)
    return tuple(
        CorpusSource(
            direction=direction,
            origin=source["origin"],
            licence=source["licence"],
            num_read=source["pairs_read"] + source["sentences_read"],
            num_train=source["train"],
            num_mono=source["mono"],
            dropped=tuple(
                Dropped(reason=reason, count=facts["dropped"])
                for reason, facts in sorted(source["filters"].items(), key=lambda item: -item[1]["dropped"])
                if facts["dropped"]
            ),
        )
        for direction, facts in account.get("directions", {}).items()
        for source in facts["sources"]
        if source["skipped"] is None
    )


def differing_settings(recipes: Sequence[Mapping[str, Any]], *, ignored: Iterable[str] = ()) -> tuple[Setting, ...]:
    """Find the keys in which recipes differ; of a path on this machine only the last part is told.

    :param recipes: their content, as YAML holds it
    :param ignored: keys at the top that say nothing of a method
    """
    flat = [dict(_flattened(recipe)) for recipe in recipes]
    keys = dict.fromkeys(key for recipe in flat for key in recipe)
    skipped = set(ignored)
    return tuple(
        Setting(key=key, values=tuple(_told(recipe.get(key)) for recipe in flat))
        for key in keys
        if key.split(".")[0] not in skipped and len({_told(recipe.get(key)) for recipe in flat}) > 1
    )


def _flattened(content: Any, at: str = "") -> Iterable[tuple[str, Any]]:
    if isinstance(content, Mapping) and content:
        for key, value in content.items():
            yield from _flattened(value, f"{at}.{key}" if at else str(key))
    elif isinstance(content, list) and content:
        for index, value in enumerate(content):
            yield from _flattened(value, f"{at}[{index}]")
    else:
        yield at, content


def _told(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return Path(value).name if Path(value).is_absolute() else value
    return json.dumps(value, ensure_ascii=False)
