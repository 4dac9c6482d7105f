"""The distil stage: source text in, a distilled corpus and its soft targets out, shard by shard."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from nmt_distill.distillation.config import DistillationConfig
from nmt_distill.distillation.filters import LabelFilters
from nmt_distill.distillation.forecast import WORTH_A_SAMPLE, Pair, forecast
from nmt_distill.distillation.labels import LabelledSentence, Rank, choose_labels, count_labels, write_labels
from nmt_distill.distillation.store import Array, StoreHeader, shard_path, valid_shard, write_header, write_shard
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import atomic_file, read_lines, remove_partials, write_json
from nmt_distill.languages import Direction
from nmt_distill.progress import job, say
from nmt_distill.teacher.base import Hypothesis, Teacher, WhiteBoxTeacher

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


@dataclass(frozen=True)
class Share:
    """What falls to one of several processes that label one corpus: every ``num_shards``-th shard of the store."""

    num_shards: int = 1
    """how many processes there are"""
    shard_idx: int = 0
    """which of them this is, from 0"""

    def place(self, index: int) -> int:
        """Return the number, in the store, of the share's shard with this number."""
        return self.shard_idx + index * self.num_shards


class Labelling:
    """Labels source text; shards that are whole and belong to it are kept."""

    def __init__(
        self,
        config: DistillationConfig,
        *,
        teacher: Teacher | None,
        rank: Rank,
        filters: LabelFilters,
        encode: Encode | None = None,
        header: StoreHeader | None = None,
    ) -> None:
        """Prepare labelling.

        :param teacher: None takes the human translations as labels
        :param encode: text to the ids of the teacher's vocabulary, end of sentence included; None where the teacher
            shows no ids: then text is all that is written, and the student's own vocabulary comes later
        :param header: of the store, which is written where there are ids
        """
        self.config, self.teacher, self.rank, self.filters = config, teacher, rank, filters
        self.encode, self.header = encode, header

    def run(self, texts: Sequence[SourceText], folder: Path, *, direction: Direction) -> dict[str, Any]:
        """Label texts into a folder.

        The folder gets ``hypotheses-*.jsonl`` with every candidate and its score, the line-aligned text
        ``distilled.<language>`` for both languages, ``distilled.json`` with counts, and where the teacher's ids are
        known ``shard-*.safetensors`` and ``store.json``.

        :returns: the content of ``distilled.json``
        """
        num_records = self.label(texts, folder)
        hypotheses = [_hypotheses_path(folder, index) for index in range(len(num_records))]
        summary = write_labels(hypotheses, folder, direction)
        write_json(folder / SUMMARY_NAME, summary)
        if self.header:
            write_header(folder, self.header, num_records)
        return summary

    def label(self, texts: Sequence[SourceText], folder: Path, *, share: Share | None = None) -> list[int]:
        """Make the shards of a folder that are not whole yet; :meth:`run` then does the rest.

        :param share: only those that fall to one of several processes
        :returns: the number of labels in each shard that was wanted
        """
        folder.mkdir(parents=True, exist_ok=True)
        share = share or Share()
        total = sum(map(len, self._parts(texts, share)))
        if total >= WORTH_A_SAMPLE and not any(folder.glob("hypotheses-*.jsonl")):
            pairs = chain.from_iterable(self._parts(texts, share))
            say(str(forecast(pairs, total, folder, self._label_sample)))
        num_records: list[int] = []
        made: list[int] = []
        with job("distilling", total=total) as running:
            for index, part in enumerate(self._parts(texts, share)):
                known = self._known(folder, share.place(index))
                if known is None:
                    known = self._write(folder, share.place(index), part, running.advance)
                    made.append(share.place(index))
                else:
                    running.skip(len(part))
                num_records.append(known)
        self._close_teacher([_hypotheses_path(folder, index) for index in made])
        return num_records

    def _close_teacher(self, made: Sequence[Path]) -> None:
        """End the teacher; if only then it shows that it was out of step, what it said is not kept."""
        if self.teacher is None:
            return
        try:
            self.teacher.close()
        except NmtDistillError:
            for path in made:
                path.unlink()
            raise

    def _parts(self, texts: Sequence[SourceText], share: Share) -> Iterator[list[Pair]]:
        """Yield what stands in each shard of a share."""
        lines = read_sources(texts)
        parts = iter(lambda: list(islice(lines, self.config.shard_sentences)), [])
        return islice(parts, share.shard_idx, None, share.num_shards)

    def _label_sample(self, folder: Path, sample: Sequence[Pair]) -> None:
        self._write(folder, 0, sample, lambda _: None)

    def _known(self, folder: Path, index: int) -> int | None:
        """Return the number of labels of a shard that an earlier run has finished, or None."""
        hypotheses = _hypotheses_path(folder, index)
        if not hypotheses.is_file():
            return None
        if self.header is None:
            return count_labels(hypotheses)
        return valid_shard(shard_path(folder, index), self.header)

    def _write(self, folder: Path, index: int, part: Sequence[Pair], advance: Callable[[int], None]) -> int:
        path = shard_path(folder, index)
        remove_partials(path)
        sentences: list[LabelledSentence] = []
        source_ids: list[list[int]] = []
        target_ids: list[Array] = []
        rows: list[dict[str, Array]] = []
        for start in range(0, len(part), STEP_SENTENCES):
            step, ids = self._label(part[start : start + STEP_SENTENCES])
            sentences += step
            if self.header:
                pairs = [
                    (row, label) for sentence, row in zip(step, ids, strict=True) for label in sentence.label_ids()
                ]
                source_ids += [row for row, _ in pairs]
                target_ids += [label for _, label in pairs]
                if pairs:
                    rows.append(self._read_teacher(pairs))
            advance(len(step))
        with atomic_file(_hypotheses_path(folder, index)) as stream:
            stream.writelines(sentence.line() for sentence in sentences)
        if self.header:
            joined = {name: np.concatenate([array[name] for array in rows]) for name in (rows[0] if rows else ())}
            write_shard(path, self.header, source_ids, target_ids, joined)
        return sum(len(sentence.chosen) for sentence in sentences)

    def _label(self, part: Sequence[Pair]) -> tuple[list[LabelledSentence], list[list[int]]]:
        """Label a part; the ids of the sources come along, empty where the teacher shows none."""
        sources = [source for source, _ in part]
        source_ids = self.encode(sources) if self.encode else [[] for _ in part]
        lengths = [len(ids) for ids in source_ids] if self.encode else [len(source.split()) for source in sources]
        wanted = [place for place, length in enumerate(lengths) if length <= self.config.max_source_tokens]
        candidates = dict(zip(wanted, self._candidates([part[place] for place in wanted]), strict=True))
        labelled = []
        for place, (source, reference) in enumerate(part):
            if place in candidates:
                sentence = choose_labels(
                    source,
                    reference,
                    candidates[place],
                    rank=self.rank,
                    filters=self.filters,
                    num_labels=self.config.num_labels,
                )
            else:
                sentence = LabelledSentence(source, reference, (), dropped="source_too_long")
            labelled.append(sentence)
        return labelled, source_ids

    def _candidates(self, part: Sequence[Pair]) -> list[list[Hypothesis]]:
        if self.teacher is None:
            return [self._human(reference) for _, reference in part]
        return self.teacher.translate(
            [source for source, _ in part],
            num_candidates=self.config.num_candidates,
            beam_size=self.config.beam_size,
            sampling=self.config.sampling,
        )

    def _human(self, reference: str | None) -> list[Hypothesis]:
        if reference is None:
            return []
        ids = self.encode([reference])[0] if self.encode else []
        finished = (len(ids) if self.encode else len(reference.split())) <= self.config.max_source_tokens
        return [Hypothesis(text=reference, score=0.0, token_ids=np.array(ids, dtype=np.int64), finished=finished)]

    def _read_teacher(self, pairs: Sequence[tuple[list[int], Array]]) -> dict[str, Array]:
        if not isinstance(self.teacher, WhiteBoxTeacher) or not (self.config.num_kept or self.config.keep_states):
            return {}
        output = self.teacher.teacher_output(
            [source for source, _ in pairs],
            [target.tolist() for _, target in pairs],
            num_kept=max(self.config.num_kept, 1),
            kept=self.config.kept,
            temperature=self.config.temperature,
            keep_states=self.config.keep_states,
        )
        rows: dict[str, Array] = {}
        if self.config.num_kept:
            rows |= {"kept_ids": output.token_ids, "kept_probs": output.probs}
            if output.tail is not None:
                rows["tail"] = output.tail
        if output.states is not None:
            rows["states"] = output.states
        return rows


def _hypotheses_path(folder: Path, index: int) -> Path:
    return folder / f"hypotheses-{index:05d}.jsonl"
