"""The distil stage: source text in, a distilled corpus and its soft targets out, shard by shard."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from nmt_distill.distillation.config import DistillationConfig
from nmt_distill.distillation.filters import LabelFilters
from nmt_distill.distillation.forecast import WORTH_A_SAMPLE, Forecast, forecast
from nmt_distill.distillation.labels import (
    LabelledSentence,
    Rank,
    choose_labels,
    count_labels,
    in_words,
    is_in_share,
    with_human,
    write_labels,
)
from nmt_distill.distillation.records import Array, StoreHeader
from nmt_distill.distillation.reverse import ReverseScore, worst_labels
from nmt_distill.distillation.shards import shard_path, valid_shard, write_shard
from nmt_distill.distillation.source_text import Pair, Share, SourceText, count_words, shard_texts
from nmt_distill.distillation.store import write_header
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import atomic_file, remove_partials, write_json
from nmt_distill.languages import Direction
from nmt_distill.memory import told_where_memory_ends
from nmt_distill.progress import job, say
from nmt_distill.teacher.base import Hypothesis, Teacher, WhiteBoxTeacher, longest_source, longest_target

SUMMARY_NAME = "distilled.json"
STEP_SENTENCES = 2048
"""sentences that are labelled between two signs of progress"""
_WHY_UNFINISHED = (
    "tokenizer and weights of the teacher may not belong together, or teacher.max_length_factor is too small"
)
_MEMORY_REMEDY = (
    "while the teacher labelled; set teacher.batch_tokens to half of what it is (4096 where the recipe says nothing); "
    "finished shards stay."
)

Encode = Callable[[Sequence[str]], list[list[int]]]


class Labelling:
    """Labels source text; shards that are whole and belong to it are kept."""

    def __init__(
        self,
        config: DistillationConfig,
        *,
        teacher: Teacher | None,
        rank: Rank,
        filters: LabelFilters,
        reverse: ReverseScore | None = None,
        encode: Encode | None = None,
        header: StoreHeader | None = None,
    ) -> None:
        """Prepare labelling.

        :param teacher: None takes the human translations as labels; where ``targets`` of the settings is ``forced``
            they are the labels too, and the teacher tells its distributions over them
        :param reverse: scores labels where ``filters.reverse`` of the settings leaves the worst of them out
        :param encode: text to the ids of the teacher's vocabulary, end of sentence included; None where the teacher
            shows no ids: then text is all that is written, and the student's own vocabulary comes later
        :param header: of the store, which is written where there are ids
        """
        self.config, self.teacher, self.rank, self.filters = config, teacher, rank, filters
        self.reverse, self.encode, self.header = reverse, encode, header

    def run(self, texts: Sequence[SourceText], folder: Path, *, direction: Direction) -> dict[str, Any]:
        """Label texts into a folder.

        The folder gets ``hypotheses-*.jsonl`` with every candidate and its score, the line-aligned text
        ``distilled.<language>`` for both languages, ``distilled.json`` with counts, and where the teacher's ids are
        known ``shard-*.safetensors`` and ``store.json``.

        :returns: the content of ``distilled.json``
        """
        return self.put_together(folder, self.label(texts, folder), direction=direction)

    def put_together(self, folder: Path, num_records: Sequence[int], *, direction: Direction) -> dict[str, Any]:
        """Write what stands beside the shards, once all of them are there; see :meth:`run`.

        :param num_records: labels of each shard
        :raises NmtDistillError: if no sentence has a label
        """
        hypotheses = [_hypotheses_path(folder, index) for index in range(len(num_records))]
        wanted = self.config.filters.reverse
        left_out = worst_labels(hypotheses, wanted.share) if wanted else None
        summary = write_labels(hypotheses, folder, direction, left_out.places if left_out else ())
        if left_out:
            summary["reverse"] = left_out.summary()
        write_json(folder / SUMMARY_NAME, summary)
        if not summary["counts"].get("labels", 0) and summary["counts"].get("sentences", 0):
            raise NmtDistillError(
                f"there is nothing to learn from ({in_words(summary)}); see the samples in {folder / SUMMARY_NAME}: if "
                f"most are unfinished, {_WHY_UNFINISHED}; if most are source_too_long, raise "
                "distillation.max_source_tokens as far as the teacher has room; if a filter left them out, loosen it "
                "in distillation.filters."
            )
        if self.header:
            write_header(folder, self.header, num_records, left_out.places if left_out else ())
        return summary

    def label(self, texts: Sequence[SourceText], folder: Path, *, share: Share | None = None) -> list[int]:
        """Make the shards of a folder that are not whole yet; :meth:`run` then does the rest.

        :param share: only those that fall to one of several processes
        :returns: the number of labels in each shard that was wanted
        """
        folder.mkdir(parents=True, exist_ok=True)
        share = share or Share()
        total = sum(map(len, self._parts(texts, share)))
        if expected := self.forecast(texts, folder, share=share):
            say(str(expected))
        num_records: list[int] = []
        made: list[int] = []
        with job("distilling", total=total) as running:
            for place, part in enumerate(self._parts(texts, share)):
                index = share.place(place)
                known = self.known_labels(folder, index)
                if known is None:
                    known = self.label_shard(folder, index, part, running.advance)
                    made.append(index)
                else:
                    running.skip(len(part))
                num_records.append(known)
        self.close_teacher(folder, made)
        return num_records

    def forecast(
        self, texts: Sequence[SourceText], folder: Path, *, share: Share | None = None, num_workers: int = 1
    ) -> Forecast | None:
        """Measure on a sample what labelling will cost; None where there is little text, or labelling has begun.

        :param num_workers: that will share the work
        :raises NmtDistillError: if the disk has not room for the labels
        """
        total = sum(map(len, self._parts(texts, share or Share())))
        if total < WORTH_A_SAMPLE or any(folder.glob("hypotheses-*.jsonl")):
            return None
        pairs = chain.from_iterable(self._parts(texts, share or Share()))
        return forecast(pairs, total, folder, self._label_sample, num_workers=num_workers)

    def close_teacher(self, folder: Path, made: Sequence[int]) -> None:
        """End the teacher; if only then it shows that it was out of step, what it said is not kept.

        :param made: the shards of the folder that it has labelled
        """
        if self.teacher is None:
            return
        try:
            self.teacher.close()
        except NmtDistillError:
            for index in made:
                _hypotheses_path(folder, index).unlink()
            raise

    def _parts(self, texts: Sequence[SourceText], share: Share) -> Iterator[list[Pair]]:
        return shard_texts(texts, self.config.shard_sentences, share)

    def _label_sample(self, folder: Path, sample: Sequence[Pair]) -> None:
        self.label_shard(folder, 0, sample, lambda _: None)

    def first_labels(self, sources: Sequence[str]) -> list[tuple[str, str]]:
        """Return each sentence with the label that is the best of it; those without a label are left out."""
        labelled: list[LabelledSentence] = []
        with job("translating held-out text", total=len(sources)) as running:
            for start in range(0, len(sources), STEP_SENTENCES):
                with told_where_memory_ends(_MEMORY_REMEDY):
                    step, _ = self._label([(source, None) for source in sources[start : start + STEP_SENTENCES]])
                labelled += step
                running.advance(len(step))
        return [(sentence.source, sentence.labels()[0]) for sentence in labelled if sentence.chosen]

    def known_labels(self, folder: Path, index: int) -> int | None:
        """Return the number of labels of a shard that an earlier run has finished, or None."""
        hypotheses = _hypotheses_path(folder, index)
        if not hypotheses.is_file():
            return None
        if self.header is None:
            return count_labels(hypotheses)
        return valid_shard(shard_path(folder, index), self.header)

    def label_shard(self, folder: Path, index: int, part: Sequence[Pair], advance: Callable[[int], None]) -> int:
        """Make a shard.

        :param advance: is told how many sentences were labelled
        :returns: the number of its labels
        """
        path, hypotheses = shard_path(folder, index), _hypotheses_path(folder, index)
        for each in (path, hypotheses):
            remove_partials(each)
        sentences: list[LabelledSentence] = []
        source_ids: list[list[int]] = []
        target_ids: list[Array] = []
        rows: list[dict[str, Array]] = []
        for start in range(0, len(part), STEP_SENTENCES):
            with told_where_memory_ends(_MEMORY_REMEDY):
                step, ids = self._label(part[start : start + STEP_SENTENCES])
                sentences += self._scored(step)
                if self.header:
                    pairs = [
                        (row, label) for sentence, row in zip(step, ids, strict=True) for label in sentence.label_ids()
                    ]
                    source_ids += [row for row, _ in pairs]
                    target_ids += [label for _, label in pairs]
                    if pairs:
                        rows.append(self._read_teacher(pairs))
            advance(len(step))
        with atomic_file(hypotheses) as stream:
            stream.writelines(sentence.line() for sentence in sentences)
        if self.header:
            joined = {name: np.concatenate([array[name] for array in rows]) for name in (rows[0] if rows else ())}
            write_shard(path, self.header, source_ids, target_ids, joined)
        return sum(len(sentence.chosen) for sentence in sentences)

    def _label(self, part: Sequence[Pair]) -> tuple[list[LabelledSentence], list[list[int]]]:
        """Label a part; the ids of the sources come along, empty where the teacher shows none."""
        sources = [source for source, _ in part]
        source_ids = self.encode(sources) if self.encode else [[] for _ in part]
        lengths = [len(ids) for ids in source_ids] if self.encode else [count_words(source) for source in sources]
        most = min(self.config.max_source_tokens, longest_source(self.teacher) or self.config.max_source_tokens)
        wanted = [place for place, length in enumerate(lengths) if length <= most]
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
                if reference is not None and is_in_share(source, reference, self.config.human_share):
                    sentence = with_human(sentence, self._human(reference)[0], filters=self.filters)
            else:
                sentence = LabelledSentence(source, reference, (), dropped="source_too_long")
            labelled.append(sentence)
        return labelled, source_ids

    def _scored(self, sentences: Sequence[LabelledSentence]) -> list[LabelledSentence]:
        """Let a reverse model score the labels, where one is wanted."""
        if self.reverse is None:
            return list(sentences)
        pairs = [(sentence.source, label) for sentence in sentences for label in sentence.labels()]
        scores = iter(self.reverse([source for source, _ in pairs], [label for _, label in pairs]) if pairs else [])
        return [
            replace(sentence, reverse=tuple(islice(scores, len(sentence.chosen)))) if sentence.chosen else sentence
            for sentence in sentences
        ]

    def _candidates(self, part: Sequence[Pair]) -> list[list[Hypothesis]]:
        if self.teacher is None or self.config.targets != "teacher":
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
        most = min(self.config.max_source_tokens, longest_target(self.teacher) or self.config.max_source_tokens)
        finished = (len(ids) if self.encode else count_words(reference)) <= most
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


def tell(summary: Mapping[str, Any], config: DistillationConfig) -> None:
    """Say what became of all sentences, and what may be wrong where a teacher mostly found no end.

    :param summary: as :meth:`Labelling.run` returns it
    """
    say(in_words(summary))
    unfinished, sentences = summary["dropped"].get("unfinished", 0), summary["counts"].get("sentences", 0)
    if config.targets == "teacher" and 2 * unfinished > sentences:
        say(f"more than half of the translations have no end: {_WHY_UNFINISHED}")


def _hypotheses_path(folder: Path, index: int) -> Path:
    return folder / f"hypotheses-{index:05d}.jsonl"
