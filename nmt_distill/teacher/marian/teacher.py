"""A Marian model, or an ensemble of several, as a teacher for both levels of distillation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nmt_distill.errors import NmtDistillError
from nmt_distill.files import fingerprint
from nmt_distill.inheritance import Inheritance
from nmt_distill.languages import Direction
from nmt_distill.teacher.base import (
    Candidate,
    ForcedDecoding,
    ForcedPass,
    Hypothesis,
    Kept,
    Sampling,
    TeacherOutput,
    check_request,
)
from nmt_distill.teacher.batches import batches_by_length
from nmt_distill.teacher.file_hashes import known_sha256
from nmt_distill.teacher.marian.ensemble import MarianEnsemble, mean_logits
from nmt_distill.teacher.marian.file import read_marian_file
from nmt_distill.teacher.marian.graph import MarianGraph, pad
from nmt_distill.teacher.marian.layers import DecoderState
from nmt_distill.teacher.marian.search import beam_search, greedy_search, random_search
from nmt_distill.teacher.marian.vocabulary import VocabularyFiles, load_vocabulary, shared_vocabulary, tag_id
from nmt_distill.teacher.reading import read_distributions
from nmt_distill.teacher.room import target_limits
from nmt_distill.vocabulary.shared import SharedVocabulary

PROJECTED_ROWS = 512
"""decoder states that are projected to the vocabulary at once"""


class MarianTeacher:
    """Marian models over one vocabulary; several are an ensemble, whose probabilities are the mean of theirs."""

    def __init__(
        self,
        models: Path | Sequence[Path],
        source_vocabulary: Path | VocabularyFiles,
        target_vocabulary: Path | VocabularyFiles | None = None,
        *,
        direction: Direction,
        origin: str,
        licence: str,
        source_tag: str | None = None,
        device: str = "cpu",
        max_length_factor: float = 2.5,
        batch_tokens: int = 4096,
    ) -> None:
        """Load the models.

        :param models: the model file, or those of an ensemble, the first of which gives decoder states and what a
            student takes over
        :param source_vocabulary: a SentencePiece model whose places are the ids, or one with Marian's YAML file of ids
        :param target_vocabulary: None where it is the source's
        :param source_tag: the entry of the source's vocabulary that asks for the target language, such as ``>>deu<<``
        :param batch_tokens: source tokens (padding included) that one batch may have, divided by the beam size
        :param max_length_factor: most target tokens per source token (at least 16 in all)
        :raises NmtDistillError: if a file is not what it should be, asks for a graph that is not read, or does not
            belong to the others
        """
        self.direction, self.origin, self.licence = direction, origin, licence
        paths = [models] if isinstance(models, Path) else list(models)
        source_files = _files(source_vocabulary)
        target_files = source_files if target_vocabulary is None else _files(target_vocabulary)
        self.graphs = [MarianGraph(read_marian_file(path), str(path)).to(device).eval() for path in paths]
        self._vocabulary_files = (source_files, target_files)
        self.source_vocabulary = load_vocabulary(source_files)
        is_shared = target_files == source_files
        self.target_vocabulary = self.source_vocabulary if is_shared else load_vocabulary(target_files)
        for path, graph in zip(paths, self.graphs, strict=True):
            _check_size(source_files, self.source_vocabulary.size, path, graph.source_vocab_size)
            _check_size(target_files, self.target_vocabulary.size, path, graph.vocab_size)
        self._tag_id = tag_id(self.source_vocabulary, source_tag, source_files)
        self.vocab_size, self.end_id = self.graph.vocab_size, self.target_vocabulary.end_id
        self.state_dim = self.graph.model_dim
        hashes = [known_sha256(path) for path in [*paths, *source_files.paths]]
        if not is_shared or self._tag_id is not None:
            hashes += ["target", *(known_sha256(path) for path in target_files.paths), str(self._tag_id)]
        self.fingerprint = fingerprint([*hashes, max_length_factor])
        self.engine = "read by torch in float32" + (f", {len(paths)} models" if len(paths) > 1 else "")
        self.batch_rule = f"{batch_tokens:,} padded source tokens, sorted by length"
        self._decoder = MarianEnsemble(self.graphs)
        self._device = torch.device(device)
        self._max_length_factor, self._batch_tokens = max_length_factor, batch_tokens

    @property
    def graph(self) -> MarianGraph:
        """The model, or the first of an ensemble."""
        return self.graphs[0]

    @property
    def num_parameters(self) -> int:
        """Parameters of all models, in each the one table counted once."""
        return sum(graph.num_parameters for graph in self.graphs)

    @cached_property
    def vocabulary(self) -> SharedVocabulary | None:
        """What a student needs to share its ids; None where source and target have vocabularies of their own."""
        return shared_vocabulary(*self._vocabulary_files)

    def hand_down(self) -> Inheritance:
        """Return the parameters of the first model; see :class:`nmt_distill.teacher.base.OpenTeacher`."""
        return self.graph.hand_down()

    def close(self) -> None:
        """Do nothing: no process or connection is open."""

    def encode(self, sentences: Sequence[str]) -> list[list[int]]:
        """Return the source ids of each sentence, end of sentence included, without tag; no text makes a special."""
        return self.source_vocabulary.encode(sentences)

    def encoder_states(self, source_ids: Sequence[Sequence[int]]) -> list[Tensor]:
        """Return what the encoder of the first model makes of sources as :meth:`encode` gives them, each (S, D)."""
        hidden: list[Tensor] = []
        with torch.inference_mode():
            self.graph.encode(*pad(self._with_tag(source_ids), self._device), hidden=hidden)
        skipped = int(self._tag_id is not None)
        return [states[skipped : skipped + len(ids)] for states, ids in zip(hidden[-1], source_ids, strict=True)]

    def _with_tag(self, source_ids: Sequence[Sequence[int]]) -> list[Sequence[int]]:
        return list(source_ids) if self._tag_id is None else [[self._tag_id, *ids] for ids in source_ids]

    def translate(
        self, sentences: Sequence[str], *, num_candidates: int = 1, beam_size: int = 1, sampling: Sampling | None = None
    ) -> list[list[Hypothesis]]:
        """Translate; see :class:`nmt_distill.teacher.base.Teacher`."""
        check_request(num_candidates, beam_size, sampling)
        source_ids = self.encode(sentences)
        found: list[list[Hypothesis]] = [[] for _ in source_ids]
        num_rows = beam_size if sampling is None else num_candidates
        with torch.inference_mode():
            for rows in batches_by_length(source_ids, self._batch_tokens // num_rows):
                results = self._search([source_ids[row] for row in rows], num_candidates, beam_size, sampling)
                for row, pairs in zip(rows, results, strict=True):
                    found[row] = [self._hypothesis(tokens, score) for tokens, score in pairs]
        return found

    def _search(
        self, source_ids: Sequence[Sequence[int]], num_candidates: int, beam_size: int, sampling: Sampling | None
    ) -> list[list[Candidate]]:
        """Search a batch; the tokens and the score of each candidate."""
        state = self._decoder.encode(*pad(self._with_tag(source_ids), self._device))
        limits = target_limits(source_ids, self._max_length_factor)
        if sampling is not None:
            return random_search(
                self._decoder,
                state,
                max_lengths=limits,
                end_id=self.end_id,
                sampling=sampling,
                num_candidates=num_candidates,
                keys=source_ids,
            )
        if beam_size == 1:
            return [[pair] for pair in greedy_search(self._decoder, state, max_lengths=limits, end_id=self.end_id)]
        return beam_search(
            self._decoder,
            state,
            max_lengths=limits,
            end_id=self.end_id,
            beam_size=beam_size,
            num_candidates=num_candidates,
        )

    def _hypothesis(self, tokens: list[int], score: float) -> Hypothesis:
        finished = tokens[-1] == self.end_id
        return Hypothesis(
            text=self.target_vocabulary.decode(tokens),
            score=score,
            token_ids=np.array(tokens, dtype=np.int64),
            finished=finished,
        )

    def teacher_output(
        self,
        source_ids: Sequence[Sequence[int]],
        target_ids: Sequence[Sequence[int]],
        *,
        num_kept: int,
        kept: Kept = "top",
        temperature: float = 1.0,
        keep_states: bool = False,
    ) -> TeacherOutput:
        """Read distributions over given targets; see :class:`nmt_distill.teacher.base.WhiteBoxTeacher`.

        The mean of an ensemble's probabilities is taken first and tempered as one distribution; states are those of its
        first model.

        :raises NmtDistillError: if more are to be kept than there are
        """

        def distributions(places: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
            target, target_mask = pad([target_ids[row] for row in places], self._device)
            states = self._forced_states(self._read([source_ids[row] for row in places]), target, target_mask)
            for chunk in zip(*(torch.split(model, PROJECTED_ROWS) for model in states), strict=True):
                yield self._logits(chunk), chunk[0]

        return read_distributions(
            source_ids,
            target_ids,
            distributions,
            batches=batches_by_length(source_ids, self._batch_tokens),
            vocab_size=self.vocab_size,
            num_kept=num_kept,
            kept=kept,
            temperature=temperature,
            keep_states=keep_states,
        )

    max_target_tokens: int | None = None
    """sinusoids go on for ever"""

    def forced_pass(self, source_ids: Sequence[Sequence[int]], target_ids: Sequence[Sequence[int]]) -> ForcedPass:
        """Read given targets in the training step; see :class:`nmt_distill.teacher.base.OnlineTeacher`.

        Hidden states are those of the first model.
        """
        encoder: list[Tensor] = []
        with torch.no_grad():
            read = self._read(source_ids, hidden=encoder)
            _, source_mask = pad(self._with_tag(source_ids), self._device)
            source_mask[:, : int(self._tag_id is not None)] = False

        @torch.no_grad()
        def decode() -> ForcedDecoding:
            target, target_mask = pad(target_ids, self._device)
            decoder: list[Tensor] = []
            states = self._forced_states(read, target, target_mask, hidden=decoder)

            @torch.no_grad()
            def logits(rows: slice) -> Tensor:
                return self._logits([own[rows] for own in states])

            return ForcedDecoding(tuple(layer[target_mask] for layer in decoder), logits)

        return ForcedPass(tuple(layer[source_mask] for layer in encoder), decode)

    def score(self, sources: Sequence[str], targets: Sequence[str]) -> list[float]:
        """Tell how probable given translations are; see :class:`nmt_distill.teacher.base.WhiteBoxTeacher`."""
        source_ids, target_ids = self.encode(sources), self.target_vocabulary.encode(targets)
        scores = [0.0] * len(source_ids)
        with torch.inference_mode():
            for rows in batches_by_length(source_ids, self._batch_tokens):
                target, target_mask = pad([target_ids[row] for row in rows], self._device)
                states = self._forced_states(self._read([source_ids[row] for row in rows]), target, target_mask)
                tokens = torch.split(target[target_mask].unsqueeze(1), PROJECTED_ROWS)
                chunks = zip(*(torch.split(model, PROJECTED_ROWS) for model in states), strict=True)
                found = [
                    self._logits(own).log_softmax(dim=-1).gather(1, of) for own, of in zip(chunks, tokens, strict=True)
                ]
                parts = torch.split(torch.cat(found), target_mask.sum(dim=1).tolist())
                for row, part in zip(rows, parts, strict=True):
                    scores[row] = float(part.mean())
        return scores

    def _read(self, source_ids: Sequence[Sequence[int]], *, hidden: list[Tensor] | None = None) -> list[DecoderState]:
        """Return where each model's decoder begins.

        :param hidden: gets the hidden states of the first model's encoder
        """
        source, source_mask = pad(self._with_tag(source_ids), self._device)
        return [
            graph.encode(source, source_mask, hidden=hidden if place == 0 else None)
            for place, graph in enumerate(self.graphs)
        ]

    def _forced_states(
        self,
        read: Sequence[DecoderState],
        target: Tensor,
        target_mask: Tensor,
        *,
        hidden: list[Tensor] | None = None,
    ) -> list[Tensor]:
        """Return each model's last decoder states (rows, D) before the target's tokens.

        :param read: what :meth:`_read` has made of the sources
        :param hidden: gets the hidden states of the first model's decoder
        """
        target_input = target.roll(1, dims=1)  # the first column is not read
        found = []
        for place, (graph, state) in enumerate(zip(self.graphs, read, strict=True)):
            own = hidden if place == 0 else None
            found.append(graph.decode(target_input, state, length=target.shape[1], hidden=own)[target_mask])
        return found

    def _logits(self, states: Sequence[Tensor]) -> Tensor:
        return mean_logits([graph.logits(own) for graph, own in zip(self.graphs, states, strict=True)])


def _files(vocabulary: Path | VocabularyFiles) -> VocabularyFiles:
    return VocabularyFiles(vocabulary) if isinstance(vocabulary, Path) else vocabulary


def _check_size(files: VocabularyFiles, size: int, model: Path, expected: int) -> None:
    if size != expected:
        raise NmtDistillError(
            f"{files.paths[-1]} has {size} pieces, but {model} has {expected}; they do not belong together."
        )
