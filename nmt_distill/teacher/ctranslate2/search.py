"""CTranslate2 as a search engine: ids of sources in, ids and scores of translations out. It needs no torch.

CTranslate2's beam search goes on until ``beam_size * patience`` hypotheses are finished, that of transformers
(``early_stopping=False``) until none under way scores better than the worst of its best ``beam_size`` finished ones.
With which patience both find the same best hypothesis was measured on two models of two layers, trained for two minutes
on an ambiguous toy language, post-norm and pre-norm with a forced first token: 400 sentences each, float32, length
penalty 1. Greedy ids were the same throughout. Best hypotheses that were the same, in percent, and in brackets how
often that of transformers scored better:

========  ===========  ===========  ===========  ===========
patience  beam 2       beam 4       beam 5       beam 8
========  ===========  ===========  ===========  ===========
1         79.4 (20.6)  65.0 (34.9)  65.1 (34.8)  67.0 (32.6)
2         87.0 (1.5)   94.3 (4.0)   95.6 (3.5)   94.8 (5.3)
3         86.4 (0.1)   97.1 (0.4)   98.0 (0.5)   99.5 (0.4)
4         86.1 (0.0)   97.4 (0.0)   98.5 (0.0)   99.6 (0.1)
========  ===========  ===========  ===========  ===========

What differs from 3 on are hypotheses that score better and that transformers had stopped too early to find. Patience 3
took a tenth to a quarter more time than 1. With ``early_stopping=True`` transformers stops as patience 1 does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import ctranslate2

from nmt_distill.computed_precision import fallbacks_untold
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import fingerprint
from nmt_distill.teacher.base import Candidate, Sampling, check_request
from nmt_distill.teacher.ctranslate2.folder import MODEL_FILE, PADDING, read_converted
from nmt_distill.teacher.file_hashes import known_sha256
from nmt_distill.translation.engine import available_cores

ComputeType = Literal[
    "default", "float32", "float16", "bfloat16", "int8", "int8_float32", "int8_float16", "int8_bfloat16"
]
PATIENCE = 3.0
"""finished hypotheses that end a search, for each place in its beam"""
_SEEDS = 1 << 32


class CTranslate2Search:
    """A converted encoder-decoder that searches or draws translations.

    No translation holds padding; an unknown is not ruled out, as it is not in transformers.
    """

    def __init__(
        self,
        folder: Path,
        *,
        device: str = "cpu",
        compute_type: ComputeType = "default",
        threads: int | None = None,
        batch_tokens: int = 4096,
        length_penalty: float = 1.0,
    ) -> None:
        """Load a model.

        :param compute_type: precision of the weights; ``default`` is what the folder holds
        :param threads: processor cores to use; all that this process may use by default
        :param batch_tokens: source tokens (padding included) of one batch, divided by the hypotheses of a sentence
        :param length_penalty: hypotheses are compared by log-probability divided by their length to this power
        :raises NmtDistillError: if the folder holds no such model, or it cannot run here in this precision
        """
        self.model = read_converted(folder)
        self.end_id = self.model.target_ids[self.model.end]
        self.max_source_tokens, self._target_positions = self.model.positions
        self._device, self._compute_type = device, str(compute_type)
        self._threads = threads or available_cores()
        self._batch_tokens, self._length_penalty = batch_tokens, length_penalty
        self._num_workers = self._threads if device == "cpu" else 1
        self._engine: Any = self._load(self._num_workers)
        self._compute_type = str(self._engine.compute_type)
        weights = known_sha256(folder / MODEL_FILE)
        names = [self.model.source_names, self.model.target_names]
        self.fingerprint = fingerprint([weights, names, self._compute_type, PATIENCE, length_penalty])

    @property
    def description(self) -> str:
        """What runs, in a few words."""
        return f"CTranslate2 {ctranslate2.__version__} in {self._compute_type}"

    @property
    def batch_rule(self) -> str:
        """How sentences are batched."""
        return f"{self._batch_tokens:,} padded source tokens, sorted by length, {self._num_workers} batches at a time"

    def close(self) -> None:
        """Give the memory of the model back; another search loads it again."""
        self._engine = None

    def search(
        self,
        source_ids: Sequence[Sequence[int]],
        *,
        limits: Sequence[int],
        target_prefix: Sequence[int] = (),
        num_candidates: int = 1,
        beam_size: int = 1,
        sampling: Sampling | None = None,
    ) -> list[list[Candidate]]:
        """Find translations, of each source the best first.

        What ends within its limit comes before what does not, and of a greedy or beam search is the same in whatever
        company a source comes. Sampling draws the same for the same sources in the same order: it has one worker, on
        all cores, and loads the model anew, since only new workers of CTranslate2 take a seed.

        :param source_ids: language tags and end of sentence included
        :param limits: for each source the most target tokens, end of sentence included; what has no end then is cut
        :param target_prefix: ids of forced first tokens
        :raises NmtDistillError: if a source has more tokens than the model has positions, or the settings do not fit
        """
        check_request(num_candidates, beam_size, sampling)
        self._check_lengths(source_ids)
        if self._target_positions is not None:
            limits = [min(limit, self._target_positions - len(target_prefix)) for limit in limits]
        prefix = [self.model.target_names[index] for index in target_prefix]
        settings = self._settings(num_candidates, beam_size, sampling)
        engine, num_workers = self._engine_for(sampling, source_ids)
        found: list[list[Candidate]] = [[] for _ in source_ids]
        waiting: deque[tuple[list[int], list[Any]]] = deque()

        def collect() -> None:
            for row, job in zip(*waiting.popleft(), strict=True):
                found[row] = self._read(job.result(), len(prefix), limits[row])[:num_candidates]

        try:
            for rows in self._batches(source_ids, max(num_candidates, beam_size), num_workers):
                jobs = engine.translate_batch(
                    [[self.model.source_names[index] for index in source_ids[row]] for row in rows],
                    target_prefix=[prefix] * len(rows) if prefix else None,
                    max_decoding_length=max(limits[row] for row in rows) + len(prefix),
                    **settings,
                )
                waiting.append((rows, jobs))
                if len(waiting) > num_workers:
                    collect()
            while waiting:
                collect()
        except (RuntimeError, ValueError) as error:
            raise NmtDistillError(
                f"CTranslate2 cannot translate with {self.model.path}: {' '.join(str(error).split())}."
            ) from None
        return found

    def _check_lengths(self, source_ids: Sequence[Sequence[int]]) -> None:
        longest = self.max_source_tokens
        for place, ids in enumerate(source_ids, start=1):
            if longest is not None and len(ids) > longest:
                raise NmtDistillError(
                    f"sentence {place} of {len(source_ids)} has {len(ids):,} source tokens with its tags, but "
                    f"{self.model.path} has {longest:,} positions; lower distillation.max_source_tokens."
                )

    def _settings(self, num_candidates: int, beam_size: int, sampling: Sampling | None) -> dict[str, Any]:
        settings = {
            "beam_size": beam_size,
            "length_penalty": self._length_penalty,
            "max_input_length": 0,
            "min_decoding_length": 0,
            "return_end_token": True,
            "return_scores": True,
            "suppress_sequences": [[name] for name in PADDING if name in self.model.target_ids] or None,
            "asynchronous": True,
        }
        if beam_size > 1:  # all that is finished, for it is ranked without the forced tokens, which CTranslate2 counts
            settings |= {"patience": PATIENCE, "num_hypotheses": round(PATIENCE * beam_size)}
        if sampling is not None and sampling.top_k != 1:
            settings |= {
                "num_hypotheses": num_candidates,
                "sampling_topk": sampling.top_k if sampling.top_k < len(self.model.target_names) else 0,
                "sampling_topp": sampling.top_p,
                "sampling_temperature": sampling.temperature,
            }
        return settings

    def _engine_for(self, sampling: Sampling | None, source_ids: Sequence[Sequence[int]]) -> tuple[Any, int]:
        """Return an engine, and how many workers it has."""
        if sampling is None:
            if self._engine is None:
                self._engine = self._load(self._num_workers)
            return self._engine, self._num_workers
        self._engine = None  # there is memory for one
        seed = fingerprint([sampling.seed, [list(ids) for ids in source_ids]])
        ctranslate2.set_random_seed(int(seed, 16) % _SEEDS)
        return self._load(1), 1

    def _load(self, num_workers: int) -> Any:
        try:
            with fallbacks_untold():  # the description says what it computes in
                return ctranslate2.Translator(
                    str(self.model.path),
                    device=self._device,
                    compute_type=self._compute_type,
                    inter_threads=num_workers,
                    intra_threads=max(1, self._threads // num_workers),
                    max_queued_batches=-1,
                )
        except (RuntimeError, ValueError, MemoryError) as error:
            raise NmtDistillError(
                f"{self.model.path} cannot be loaded by CTranslate2 {ctranslate2.__version__} on {self._device} in "
                f"precision {self._compute_type} ({' '.join(str(error).split())})."
            ) from None

    def _batches(self, source_ids: Sequence[Sequence[int]], num_rows: int, num_workers: int) -> Iterator[list[int]]:
        """Yield places of sources of like length, the longest first; if there are enough, a batch for every worker.

        :param num_rows: hypotheses of one sentence under way
        """
        share = -(-sum(map(len, source_ids)) // num_workers)
        budget = min(self._batch_tokens // num_rows, share)
        batch: list[int] = []
        for row in sorted(range(len(source_ids)), key=lambda row: (-len(source_ids[row]), row)):
            if batch and len(source_ids[batch[0]]) * (len(batch) + 1) > budget:
                yield batch
                batch = []
            batch.append(row)
        if batch:
            yield batch

    def _read(self, result: Any, num_forced: int, limit: int) -> list[Candidate]:
        """Return the hypotheses, the best first of those that end within the limit, then those that are cut there."""
        ids = self.model.target_ids
        found: list[Candidate] = []
        for names, score in zip(result.hypotheses, result.scores, strict=False):  # an empty source has no scores
            if tokens := [ids[name] for name in names[num_forced:]]:
                found.append((tokens, score * len(names) ** self._length_penalty / len(tokens)))
        found.sort(key=lambda pair: -pair[1] * len(pair[0]) ** (1 - self._length_penalty))
        cut = [(tokens[:limit], score) for tokens, score in found]
        return sorted(cut, key=lambda pair: pair[0][-1] != self.end_id)
