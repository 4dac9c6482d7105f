"""The corpus stage: all sources through the filters, split, checked and written, with an account of every line."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from nmt_distill.corpus.apt import SourceUnavailableError
from nmt_distill.corpus.catalogs import LanguageMissingError
from nmt_distill.corpus.config import CorpusConfig
from nmt_distill.corpus.filters import NUM_SAMPLES, Drops, reason_to_drop
from nmt_distill.corpus.hashes import HashSet, Quota
from nmt_distill.corpus.sources import Source
from nmt_distill.corpus.split import Candidates, HeldOut, check_decontamination
from nmt_distill.corpus.text import hash_of, paired_lines, split_key
from nmt_distill.files import atomic_folder, read_lines, write_json, write_lines
from nmt_distill.languages import Direction
from nmt_distill.progress import Job, job, say

FORMAT_VERSION = 2
"""of corpus.json"""


def prepare_corpus(config: CorpusConfig, *, directions: Sequence[Direction], folder: Path) -> dict[str, Any]:
    """Write the corpus of some directions into ``folder``, which appears whole or not at all.

    For each direction the sources are read once, as a stream, into files beside the result; then held-out text is drawn
    for all of them, then the rest is chosen from these files: what one direction holds out, none trains on. Memory
    holds one hash per distinct sentence of a direction (15 bytes at most) and the held-out text.

    :returns: what ``folder/corpus.json`` holds
    :raises NmtDistillError: if a source cannot be read or holds too few pairs
    """
    began = time.monotonic()
    with atomic_folder(folder) as partial:
        shared = _HeldOutText(config)
        preparations = [_Preparation(config, direction, partial / str(direction), shared) for direction in directions]
        for preparation in preparations:
            preparation.read_sources(may_lack_language=len(directions) > 1)
        for preparation in preparations:
            preparation.hold_out()
        for preparation in preparations:
            preparation.write_train()
            preparation.write_mono()
        check_decontamination(partial, directions, config.split)
        report: dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "seed": config.seed,
            "decontaminated": True,
            "references": config.split.references,
            "directions": {str(preparation.direction): preparation.report() for preparation in preparations},
        }
        seconds = time.monotonic() - began
        num_read = sum(preparation.num_read for preparation in preparations)
        report["speed"] = {"seconds": round(seconds, 2), "lines_per_second": round(num_read / max(seconds, 1e-9))}
        write_json(partial / "corpus.json", report)
    return report


class _HeldOutText:
    """What no direction may train on, and the neighbourhood of the test text in each source language."""

    def __init__(self, config: CorpusConfig) -> None:
        self.outside, self.drawn = HeldOut(), HeldOut()
        self._near: dict[str, HeldOut] = {}
        for name in config.held_out:
            self.outside.add_file(Path(name))

    def near(self, language: str) -> HeldOut:
        """What comes near to test text in a language."""
        return self._near.setdefault(language, HeldOut())


class _Account:
    """What came from one source and what became of it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.drops = Drops()
        self.num_pairs_read = self.num_sentences_read = self.num_train = self.num_mono = 0
        self.skipped: str | None = None

    def report(self) -> dict[str, Any]:
        return {
            "kind": self.source.kind,
            "origin": self.source.origin,
            "licence": self.source.licence or "not stated",
            "skipped": self.skipped,
            "pairs_read": self.num_pairs_read,
            "sentences_read": self.num_sentences_read,
            "train": self.num_train,
            "mono": self.num_mono,
            "filters": self.drops.report(),
        }


class _Preparation:
    """One direction of the stage; the methods are its steps, in order."""

    def __init__(self, config: CorpusConfig, direction: Direction, folder: Path, shared: _HeldOutText) -> None:
        self.direction = direction
        self._config, self._folder, self._shared = config, folder, shared
        self._folder.mkdir()
        self._accounts = [_Account(source) for source in config.sources if source.serves(direction)]
        self._seen = HashSet()
        self._candidates = Candidates(config.split, config.seed)
        self._near: dict[str, Any] = {"train": 0, "mono": 0, "samples": []}
        self._near_test_lines: set[str] = set()
        self._sizes: dict[str, int] = {}
        # Catalogues of many languages are split by their English side, so that all directions hold out the same.
        self._split_by_target = direction.target.split("-")[0] == "en" != direction.source.split("-")[0]
        # What was left untranslated is a sentence in English, and none in another language.
        identical = () if self._split_by_target else ("identical",)
        self._faults_of_translations = ("length_ratio", "placeholders", *identical)

    @property
    def num_read(self) -> int:
        """Pairs and sentences that came out of the sources."""
        return sum(account.num_pairs_read + account.num_sentences_read for account in self._accounts)

    @property
    def _pairs_spool(self) -> Path:
        return self._folder / "pairs.spool"

    @property
    def _mono_spool(self) -> Path:
        return self._folder / "mono.spool"

    def read_sources(self, *, may_lack_language: bool) -> None:
        """Filter all sources into two spools: distinct pairs, and monolingual sentences.

        :param may_lack_language: whether a wheel without catalogues of this direction is left out, with a message
        """
        with (
            self._pairs_spool.open("w", encoding="utf-8", newline="\n") as pairs,
            self._mono_spool.open("w", encoding="utf-8", newline="\n") as mono,
            job(f"Reading sources of {self.direction}", unit="lines") as progress,
        ):
            for idx, account in enumerate(self._accounts):
                try:
                    self._read_source(idx, account, pairs, mono, progress)
                except (SourceUnavailableError, LanguageMissingError) as error:
                    is_lacking = isinstance(error, LanguageMissingError)
                    if not (may_lack_language if is_lacking else account.source.optional):
                        raise
                    account.skipped = str(error)
                    say(f"Skipped a source: {error}")

    def _read_source(self, idx: int, account: _Account, pairs: IO[str], mono: IO[str], progress: Job) -> None:
        for raw_source, raw_target in account.source.read(self.direction):
            for source, target in paired_lines(raw_source, raw_target):
                progress.advance()
                if target is None:
                    account.num_sentences_read += 1
                else:
                    account.num_pairs_read += 1
                reason = reason_to_drop(source, target, self._config.filters)
                if reason and reason in self._faults_of_translations and target is not None:
                    # The translation is of no use, but the source is a sentence like any other.
                    account.drops.add(reason, source, target)
                    target, reason = None, None
                if reason is None and target is not None and not self._is_new(source, target):
                    reason = "repeated"
                if reason is None and self._is_outside(source, target):
                    reason = "in_held_out_file"
                if reason is not None:
                    account.drops.add(reason, source, target)
                elif target is not None:
                    pairs.write(f"{idx}\t{source}\t{target}\n")
                    self._offer(source, target)
                elif len(source.split()) >= account.source.min_words:
                    mono.write(f"{idx}\t{source}\n")
                    self._offer(source, None)
                else:
                    account.drops.add("too_few_words", source)

    def _offer(self, source: str, target: str | None) -> None:
        """Let held-out text be drawn from this, if it is of the kind and length that is held out."""
        text: tuple[str, ...]
        if self._config.split.references == "teacher":
            key, text = source, (source,)
        elif target is not None:
            key, text = (target if self._split_by_target else source), (source, target)
        else:
            return
        if len(key.split()) >= self._config.split.min_words:
            self._candidates.offer(split_key(key), *text)

    def _is_new(self, source: str, target: str) -> bool:
        if self._config.filters.drop_repeated_sources:
            return self._seen.add(hash_of(source))
        self._seen.add(hash_of(source))
        return self._seen.add(hash_of(f"{source}\t{target}"))

    def _is_outside(self, source: str, target: str | None) -> bool:
        outside = self._shared.outside
        if not outside:
            return False
        return split_key(source) in outside or (target is not None and split_key(target) in outside)

    def hold_out(self) -> None:
        """Draw and write development and test text."""
        dev, test = self._candidates.draw()
        for name, drawn in (("dev", dev), ("test", test)):
            for side, language in enumerate(self._config.split.languages(self.direction)):
                texts = [text[side] for text in drawn]
                write_lines(self._folder / f"{name}.{language}", texts)
                self._shared.drawn.add(texts)
            self._sizes[name] = len(drawn)
        self._shared.near(self.direction.source).watch(source for source, *_ in test)

    def _must_stay_out(self, source: str, target: str | None, drops: Drops) -> bool:
        """Say whether text must stay out of training, and count why."""
        key = split_key(source)
        reason = None
        if key in self._shared.drawn:
            reason = "held_out_source"
        elif target is not None and split_key(target) in self._shared.drawn:
            reason = "held_out_target"
        elif self._config.split.near_duplicates == "drop" and self._neighbour(source) is not None:
            reason = "near_duplicate"
        if reason is not None:
            drops.add(reason, source, target)
        return reason is not None

    def _neighbour(self, source: str) -> str | None:
        return self._shared.near(self.direction.source).neighbour(split_key(source))

    def _count_near_duplicate(self, source: str, stream: str) -> None:
        if (neighbour := self._neighbour(source)) is not None:
            self._near[stream] += 1
            self._near_test_lines.add(neighbour)
            if len(self._near["samples"]) < NUM_SAMPLES:
                self._near["samples"].append([source, neighbour])

    def write_train(self) -> None:
        """Write the training pairs: all that share no key with held-out text, up to the limits."""

        def kept() -> Iterator[tuple[int, list[str]]]:
            for idx, (source, target) in self._spooled(self._pairs_spool):
                if not self._must_stay_out(source, target, self._accounts[idx].drops):
                    yield idx, [source, target]

        names = [self._folder / f"train.{language}" for language in (self.direction.source, self.direction.target)]
        with (
            names[0].open("w", encoding="utf-8", newline="\n") as sources,
            names[1].open("w", encoding="utf-8", newline="\n") as targets,
        ):
            for account, (source, target) in self._chosen(kept(), self._config.max_train_sentences):
                sources.write(source + "\n")
                targets.write(target + "\n")
                account.num_train += 1
                self._count_near_duplicate(source, "train")
        self._sizes["train"] = sum(account.num_train for account in self._accounts)

    def write_mono(self) -> None:
        """Write the distinct sentences that are in no pair and share no key with held-out text, up to the limits."""

        def kept() -> Iterator[tuple[int, list[str]]]:
            for idx, (source,) in self._spooled(self._mono_spool):
                account = self._accounts[idx]
                if not self._seen.add(hash_of(source)):
                    account.drops.add("repeated", source)
                elif not self._must_stay_out(source, None, account.drops):
                    yield idx, [source]

        with (self._folder / f"mono.{self.direction.source}").open("w", encoding="utf-8", newline="\n") as sources:
            for account, (source,) in self._chosen(kept(), self._config.max_mono_sentences):
                sources.write(source + "\n")
                account.num_mono += 1
                self._count_near_duplicate(source, "mono")
        self._sizes["mono"] = sum(account.num_mono for account in self._accounts)

    def _spooled(self, spool: Path) -> Iterator[tuple[int, list[str]]]:
        """Yield the number of the source and the texts of each line of a spool, and remove it."""
        for line in read_lines(spool):
            idx, *texts = line.split("\t")
            yield int(idx), texts
        spool.unlink()

    def _chosen(self, kept: Iterator[tuple[int, list[str]]], limit: int | None) -> Iterator[tuple[_Account, list[str]]]:
        """Yield of all texts those with the lowest hashes, as many as their sources and ``limit`` allow, in order."""
        spool = self._folder / "kept.spool"
        quotas = [Quota(account.source.max_sentences) for account in self._accounts]
        with spool.open("w", encoding="utf-8", newline="\n") as stream:
            for idx, texts in kept:
                line = "\t".join(texts)
                quotas[idx].count(hash_of(line, self._config.seed))
                stream.write(f"{idx}\t{line}\n")
        total = Quota(limit)
        for quota in quotas:
            quota.close()
            quota.add_to(total)
        total.close()
        for idx, texts in self._spooled(spool):
            value = hash_of("\t".join(texts), self._config.seed)
            if quotas[idx].admit(value) and total.admit(value):
                yield self._accounts[idx], texts
            else:
                self._accounts[idx].drops.add("over_limit", *texts)

    def report(self) -> dict[str, Any]:
        """Return the account of the direction."""
        return {
            "sizes": self._sizes,
            "sources": [account.report() for account in self._accounts],
            "near_duplicates": {**self._near, "test_lines": len(self._near_test_lines)},
        }
