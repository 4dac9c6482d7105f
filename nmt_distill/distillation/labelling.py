"""The distil stage: source text in, a distilled corpus and its soft targets out, shard by shard."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nmt_distill.distillation.config import DistillationConfig
from nmt_distill.distillation.selection import Similarity, choose_hypothesis
from nmt_distill.distillation.store import Array, StoreHeader, shard_path, valid_shard, write_header, write_shard
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import atomic_file, read_lines, remove_partials, write_json
from nmt_distill.languages import Direction
from nmt_distill.progress import Job, job
from nmt_distill.teacher.base import Hypothesis, WhiteBoxTeacher

SUMMARY_NAME = "distilled.json"
STEP_SENTENCES = 2048
"""sentences that are labelled between two signs of progress"""

Encode = Callable[[Sequence[str]], list[list[int]]]


@dataclass(frozen=True)
class SourceText:
    """What is to be labelled."""

    sources: Path
    """one sentence a line"""
    references: Path | None
    """human translations, line by line, or None"""


@dataclass
class _Record:
    """A sentence on its way into the store."""

    source: str
    reference: str | None
    source_ids: list[int]
    candidates: list[Hypothesis]
    chosen: int = 0
    dropped: str | None = None
    """why it stays out of the store"""

    @property
    def target_ids(self) -> npt.NDArray[np.int64]:
        return self.candidates[self.chosen].token_ids

    def line(self) -> str:
        candidates = [{"text": candidate.text, "score": round(candidate.score, 6)} for candidate in self.candidates]
        content = {"source": self.source, "candidates": candidates, "chosen": self.chosen}
        if self.reference is not None:
            content["reference"] = self.reference
        if self.dropped:
            content["dropped"] = self.dropped
        return json.dumps(content, ensure_ascii=False) + "\n"


def read_sources(texts: Sequence[SourceText]) -> Iterator[tuple[str, str | None]]:
    """Yield (source, human translation or None) of all texts.

    :raises NmtDistillError: if a source and its translations have not the same number of lines
    """
    for text in texts:
        references = iter(read_lines(text.references)) if text.references else None
        number = 0
        for number, source in enumerate(read_lines(text.sources), start=1):
            if references is None:
                yield source, None
                continue
            reference = next(references, None)
            if reference is None:
                raise NmtDistillError(
                    f"{text.references} ends after line {number - 1}, but {text.sources} goes on; "
                    "they must have as many lines: run `prepare-data` again."
                )
            yield source, reference
        if references is not None and next(references, None) is not None:
            raise NmtDistillError(
                f"{text.references} goes on after line {number}, the last of {text.sources}; "
                "they must have as many lines: run `prepare-data` again."
            )


class Labelling:
    """Labels source text into a store; shards that are whole and belong to it are kept."""

    def __init__(
        self,
        config: DistillationConfig,
        *,
        teacher: WhiteBoxTeacher | None,
        encode: Encode,
        header: StoreHeader,
        similarity: Similarity | None = None,
    ) -> None:
        """Prepare labelling.

        :param teacher: None takes the human translations as targets
        :param encode: text to the ids of the vocabulary, end of sentence included
        :param similarity: of a candidate and a human reference; see :func:`choose_hypothesis`
        """
        self.config, self.teacher, self.encode, self.header = config, teacher, encode, header
        self.similarity = similarity if config.choose_by == "chrf" else None

    def run(self, texts: Sequence[SourceText], folder: Path, *, direction: Direction) -> dict[str, Any]:
        """Label texts into a folder.

        The folder gets ``shard-*.safetensors`` and ``store.json``, ``hypotheses-*.jsonl`` with every candidate and its
        score, the line-aligned text ``distilled.<language>`` for both languages, and ``distilled.json`` with counts.

        :returns: the content of ``distilled.json``
        """
        folder.mkdir(parents=True, exist_ok=True)
        total = sum(1 for text in texts for _ in read_lines(text.sources))
        lines = read_sources(texts)
        num_records: list[int] = []
        with job("distilling", total=total) as running:
            while part := list(islice(lines, self.config.shard_sentences)):
                index = len(num_records)
                path, hypotheses = shard_path(folder, index), _hypotheses_path(folder, index)
                known = valid_shard(path, self.header) if hypotheses.is_file() else None
                if known is None:
                    remove_partials(path)
                    known = self._write(path, hypotheses, part, running)
                else:
                    running.skip(len(part))
                num_records.append(known)
        summary = _write_text(folder, len(num_records), direction)
        write_json(folder / SUMMARY_NAME, summary)
        write_header(folder, self.header, num_records)
        return summary

    def _write(self, path: Path, hypotheses: Path, part: list[tuple[str, str | None]], running: Job) -> int:
        records: list[_Record] = []
        rows: list[dict[str, Array]] = []
        for start in range(0, len(part), STEP_SENTENCES):
            step = self._label(part[start : start + STEP_SENTENCES])
            records += step
            kept = [record for record in step if not record.dropped]
            if kept:
                rows.append(self._read_teacher(kept))
            running.advance(len(step))
        kept = [record for record in records if not record.dropped]
        with atomic_file(hypotheses) as stream:
            stream.writelines(record.line() for record in records)
        joined = {name: np.concatenate([array[name] for array in rows]) for name in (rows[0] if rows else ())}
        write_shard(
            path, self.header, [record.source_ids for record in kept], [record.target_ids for record in kept], joined
        )
        return len(kept)

    def _label(self, part: list[tuple[str, str | None]]) -> list[_Record]:
        sources = [source for source, _ in part]
        source_ids = self.encode(sources)
        too_long = [len(ids) > self.config.max_source_tokens for ids in source_ids]
        candidates: list[list[Hypothesis]] = [[] for _ in part]
        wanted = [place for place, long in enumerate(too_long) if not long]
        if self.teacher is None:
            for place in wanted:
                candidates[place] = self._human(part[place][1])
        else:
            found = self.teacher.translate(
                [sources[place] for place in wanted],
                num_candidates=self.config.num_candidates,
                beam_size=self.config.beam_size,
            )
            for place, hypotheses in zip(wanted, found, strict=True):
                candidates[place] = hypotheses
        return [
            self._record(source, reference, ids, found, long)
            for (source, reference), ids, found, long in zip(part, source_ids, candidates, too_long, strict=True)
        ]

    def _human(self, reference: str | None) -> list[Hypothesis]:
        if reference is None:
            return []
        (ids,) = self.encode([reference])
        finished = len(ids) <= self.config.max_source_tokens
        return [Hypothesis(text=reference, score=0.0, token_ids=np.array(ids, dtype=np.int64), finished=finished)]

    def _record(
        self, source: str, reference: str | None, ids: list[int], candidates: list[Hypothesis], long: bool
    ) -> _Record:
        record = _Record(source, reference, ids, candidates)
        if long:
            record.dropped = "source_too_long"
        elif not candidates:
            record.dropped = "no_translation"
        else:
            chosen = choose_hypothesis(candidates, reference, similarity=self.similarity)
            record.chosen = next(place for place, candidate in enumerate(candidates) if candidate is chosen)
            if not chosen.finished:
                record.dropped = "unfinished"
            elif not chosen.text.strip():
                record.dropped = "empty"
        return record

    def _read_teacher(self, records: list[_Record]) -> dict[str, Array]:
        if self.teacher is None or not (self.config.num_kept or self.config.keep_states):
            return {}
        output = self.teacher.teacher_output(
            [record.source_ids for record in records],
            [record.target_ids.tolist() for record in records],
            num_kept=max(self.config.num_kept, 1),
            temperature=self.config.temperature,
            keep_states=self.config.keep_states,
        )
        rows: dict[str, Array] = {}
        if self.config.num_kept:
            rows |= {"kept_ids": output.token_ids, "kept_probs": output.probs, "tail": output.tail}
        if output.states is not None:
            rows["states"] = output.states
        return rows


def _hypotheses_path(folder: Path, index: int) -> Path:
    return folder / f"hypotheses-{index:05d}.jsonl"


def _write_text(folder: Path, num_shards: int, direction: Direction) -> dict[str, Any]:
    """Write the distilled corpus as aligned text, and count what became of every sentence."""
    counts: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    samples: dict[str, list[str]] = {}
    names = [folder / f"distilled.{language}" for language in (direction.source, direction.target)]
    with atomic_file(names[0]) as sources, atomic_file(names[1]) as targets:
        for index in range(num_shards):
            for line in read_lines(_hypotheses_path(folder, index)):
                entry = json.loads(line)
                counts["sentences"] += 1
                counts["candidates"] += len(entry["candidates"])
                if reason := entry.get("dropped"):
                    dropped[reason] += 1
                    samples.setdefault(reason, [])
                    samples[reason] += [entry["source"][:200]] * (len(samples[reason]) < 5)
                    continue
                counts["kept"] += 1
                counts["not_the_best_score"] += entry["chosen"] > 0
                sources.write(entry["source"] + "\n")
                targets.write(entry["candidates"][entry["chosen"]]["text"].replace("\n", " ") + "\n")
    return {"counts": dict(counts), "dropped": dict(dropped), "samples_of_dropped": samples}
