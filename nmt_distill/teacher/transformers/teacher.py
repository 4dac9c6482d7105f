"""A model of Hugging Face transformers as a teacher for both levels of distillation."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import transformers
from torch import Tensor

from nmt_distill.files import fingerprint
from nmt_distill.inheritance import Inheritance
from nmt_distill.languages import Direction
from nmt_distill.teacher.base import Candidate, ForcedPass, Hypothesis, Kept, Sampling, TeacherOutput, check_request
from nmt_distill.teacher.batches import batches_by_length
from nmt_distill.teacher.ctranslate2.folder import converted
from nmt_distill.teacher.ctranslate2.search import CTranslate2Search
from nmt_distill.teacher.families import candidate_families, choose_family, name_languages
from nmt_distill.teacher.room import Room
from nmt_distill.teacher.transformers.checkpoint import load_config, load_model, load_tokenizer, quiet, special_ids
from nmt_distill.teacher.transformers.ensemble import TransformersEnsemble, load_further
from nmt_distill.teacher.transformers.graph import TransformersGraph
from nmt_distill.teacher.transformers.hub import find_model
from nmt_distill.teacher.transformers.search import follow_tokens, search_beam
from nmt_distill.teacher.transformers.student import hand_down
from nmt_distill.teacher.transformers.tokenization import text_ids, vocabulary_of
from nmt_distill.vocabulary.shared import SharedVocabulary

Precision = Literal["float32", "bfloat16", "float16"]


class TransformersTeacher:
    """An encoder-decoder of transformers with its tokenizer, for one direction."""

    def __init__(
        self,
        name_or_path: str,
        *,
        direction: Direction,
        origin: str,
        licence: str,
        revision: str | None = None,
        family: str | None = None,
        prefix: str | None = None,
        device: str = "cpu",
        dtype: Precision = "float32",
        max_length_factor: float = 2.5,
        batch_tokens: int = 4096,
        length_penalty: float = 1.0,
        converted_copies: Path | None = None,
        ensemble: Sequence[str] = (),
    ) -> None:
        """Load the model from a folder, or fetch it from the hub; code that it brings is never run.

        :param revision: which commit, tag or branch of a model on the hub; None is the newest
        :param family: how it names languages, see :data:`nmt_distill.teacher.families.FAMILIES`; None finds it out
        :param prefix: text before each source, for models that are told the languages in words
        :param max_length_factor: most target tokens per source token (at least 16 in all)
        :param batch_tokens: source tokens (padding included) that one batch may have, divided by the beam size
        :param length_penalty: hypotheses of a beam are compared by log-probability divided by their length to this
            power
        :param converted_copies: folder for a copy converted for CTranslate2, which then searches in the place of
            transformers, several times as fast; None lets transformers search
        :param ensemble: folders of further models over the same vocabulary: distributions are the mean of all models',
            translations are found by the first alone, and scored and ranked by all
        :raises NmtDistillError: if it is not there, no encoder-decoder, of no known family, or lacks a language
        """
        self.direction, self.origin, self.licence = direction, origin, licence
        self.name = name_or_path
        self.engine = f"transformers {transformers.__version__} in {dtype}"
        self.batch_rule = f"{batch_tokens:,} padded source tokens, sorted by length"
        self._batch_tokens = batch_tokens
        self._max_length_factor, self._length_penalty = max_length_factor, length_penalty
        folder = find_model(name_or_path, revision)
        with quiet():
            config = load_config(folder)
            declared = str(folder.json("tokenizer_config.json").get("tokenizer_class") or "")
            families = candidate_families(config.model_type, declared, family, where=name_or_path)
            load_with = families[0].load_with if len(families) == 1 else None
            tokenizer = load_tokenizer(folder, load_with)
            self._tokens = tokens = vocabulary_of(tokenizer)
            self.family = choose_family(families, tokens, where=name_or_path)
            naming = name_languages(
                self.family,
                direction,
                tokens,
                where=name_or_path,
                prefix=prefix,
                only_target=getattr(tokenizer, "target_lang", None),
            )
            model = load_model(folder, dtype).to(device).eval()
        self._text = text_ids(tokenizer, folder.path, self.family, tokens)
        tags = [tokens[token] for token in (*naming.source_tokens, *naming.target_tokens)]
        start_id, self.end_id, pad_id = special_ids(
            name_or_path, model, tokenizer, max(self._text.highest_id, *tags, 0)
        )
        source_prefix = [*(tokens[token] for token in naming.source_tokens), *self._prompt_ids(naming.prompt)]
        forced = [start_id, *(tokens[token] for token in naming.target_tokens)]
        self.graph = TransformersGraph(model, end_id=self.end_id, pad_id=pad_id, forced_ids=forced)
        self.vocab_size, self.state_dim = self.graph.vocab_size, self.graph.model_dim
        positions = getattr(config, "max_position_embeddings", None)
        with quiet():
            further = [
                load_further(path, dtype, first=self.graph, tokens=tokens, load_with=load_with, positions=positions)
                for path in ensemble
            ]
        self._readout = TransformersEnsemble([self.graph, *(graph for graph, _ in further)])
        self.room = Room(name_or_path, positions, source_prefix, num_forced=len(forced))
        decoding: list[Any] = [source_prefix, forced, dtype, max_length_factor, length_penalty]
        self._search: CTranslate2Search | None = None
        if converted_copies is not None:
            ids = {"start_id": start_id, "end_id": self.end_id}
            if converted_copy := converted(folder.path, converted_copies, hashes=folder.hashes(), **ids):
                self._search = CTranslate2Search(
                    converted_copy, device=device, batch_tokens=batch_tokens, length_penalty=length_penalty
                )
                self.engine, self.batch_rule = self._search.description, self._search.batch_rule
                decoding.append(self._search.fingerprint)
        if further:
            decoding.append([other.hashes() for _, other in further])
            self.engine += f", scored by {len(self._readout.graphs)} models"
        self.fingerprint = fingerprint([folder.hashes(), decoding])

    def _prompt_ids(self, prompt: str) -> list[int]:
        """Return the ids of what a model is told in words, or by a tag in the text."""
        ids = self._text.encode_prompt(prompt) if prompt else []
        if prompt in self._tokens and self._tokens[prompt] not in ids:  # a tag that even a prompt does not make
            return [self._tokens[prompt]]
        return ids

    @property
    def num_parameters(self) -> int:
        """Parameters of all models, in each the one table counted once and tables of sinusoids left out."""
        return self._readout.num_parameters

    def hand_down(self) -> Inheritance:
        """See :class:`nmt_distill.teacher.base.OpenTeacher`."""
        return hand_down(self.graph.model, self.name, self._tokens)

    @property
    def first(self) -> TransformersTeacher:
        """The first model of an ensemble alone, which finds the translations."""
        alone = copy.copy(self)
        alone._readout = TransformersEnsemble([self.graph])
        return alone

    @property
    def is_converted(self) -> bool:
        """Whether CTranslate2 searches on a converted copy."""
        return self._search is not None

    def close(self) -> None:
        """Give the memory of a converted copy back."""
        if self._search is not None:
            self._search.close()

    @cached_property
    def vocabulary(self) -> SharedVocabulary | None:
        """What a student needs to share ids; None where it cannot: such a teacher serves at sequence level only."""
        found = self._text.vocabulary
        if found is None:
            return None
        return SharedVocabulary(found.model, teacher_ids=found.teacher_ids, num_ids=self.vocab_size)

    @property
    def max_source_tokens(self) -> int | None:
        """The longest source, in ids as :meth:`encode` gives them; None where the model has no limit."""
        return self.room.longest_source

    def encode(self, sentences: Sequence[str]) -> list[list[int]]:
        """Return the source ids of each sentence, end of sentence included, without tags; no text makes a special."""
        return [[*ids, self.end_id] for ids in self._text.encode(sentences)]

    def encoder_states(self, source_ids: Sequence[Sequence[int]]) -> list[Tensor]:
        """Return what the encoder makes of sources as :meth:`encode` gives them, each (S, D), tags left out.

        :raises NmtDistillError: if one is longer than :attr:`max_source_tokens`
        """
        with torch.inference_mode():
            source = self.graph.encode(self.room.with_prefix(source_ids))
        skipped = len(self.room.source_prefix)
        return [states[skipped : skipped + len(ids)] for states, ids in zip(source.states, source_ids, strict=True)]

    def translate(
        self, sentences: Sequence[str], *, num_candidates: int = 1, beam_size: int = 1, sampling: Sampling | None = None
    ) -> list[list[Hypothesis]]:
        """Translate; see :class:`nmt_distill.teacher.base.Teacher`.

        Sampling draws alike for the same batch of sentences, whatever was drawn before.

        :raises NmtDistillError: if a sentence is longer than :attr:`max_source_tokens`
        """
        check_request(num_candidates, beam_size, sampling)
        source_ids = self.encode(sentences)
        inputs = self.room.with_prefix(source_ids)
        limits = self.room.target_limits(source_ids, self._max_length_factor)
        if self._search is None:
            found = self._generate(inputs, limits, num_candidates, beam_size, sampling)
        else:
            found = self._search.search(
                inputs,
                limits=limits,
                target_prefix=self.graph.forced_ids[1:],
                num_candidates=num_candidates,
                beam_size=beam_size,
                sampling=sampling,
            )
        if len(self._readout.graphs) > 1:
            found = self._readout.rank(
                inputs,
                found,
                end_id=self.end_id,
                length_penalty=1.0 if sampling else self._length_penalty,
                batch_tokens=self._batch_tokens,
            )
        return [[self._hypothesis(candidate) for candidate in candidates] for candidates in found]

    def _generate(
        self,
        inputs: Sequence[Sequence[int]],
        limits: Sequence[int],
        num_candidates: int,
        beam_size: int,
        sampling: Sampling | None,
    ) -> list[list[Candidate]]:
        """Let transformers find translations, in batches of similar length."""
        found: list[list[Candidate]] = [[] for _ in inputs]
        num_rows = beam_size if sampling is None else num_candidates
        with torch.inference_mode(), quiet():
            for rows in batches_by_length(inputs, self._batch_tokens // num_rows):
                source = self.graph.encode([list(inputs[row]) for row in rows])
                longest = [limits[row] for row in rows]
                if beam_size > 1:
                    results = search_beam(
                        self.graph,
                        source,
                        limits=longest,
                        num_candidates=num_candidates,
                        beam_size=beam_size,
                        length_penalty=self._length_penalty,
                    )
                else:
                    results = follow_tokens(
                        self.graph, source, limits=longest, num_candidates=num_candidates, sampling=sampling
                    )
                for row, candidates in zip(rows, results, strict=True):
                    found[row] = candidates
        return found

    def _hypothesis(self, candidate: Candidate) -> Hypothesis:
        tokens, score = candidate
        finished = tokens[-1] == self.end_id
        text = self._text.decode(tokens[:-1] if finished else tokens)
        return Hypothesis(text=text, score=score, token_ids=np.array(tokens, dtype=np.int64), finished=finished)

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

        States times the output table are the logits, but for a constant bias (Marian, mBART).

        :raises NmtDistillError: if more are to be kept than there are, or a source or target is too long
        """
        self.room.check_targets(target_ids)
        return self._readout.output(
            self.room.with_prefix(source_ids),
            target_ids,
            num_kept=num_kept,
            kept=kept,
            temperature=temperature,
            keep_states=keep_states,
            batch_tokens=self._batch_tokens,
        )

    @property
    def max_target_tokens(self) -> int | None:
        """The longest target, in ids without tags; None where the model has no limit."""
        return self.room.longest_target

    def forced_pass(self, source_ids: Sequence[Sequence[int]], target_ids: Sequence[Sequence[int]]) -> ForcedPass:
        """Read given targets in the training step; see :class:`nmt_distill.teacher.base.OnlineTeacher`.

        :raises NmtDistillError: if a source or target is too long
        """
        self.room.check_targets(target_ids)
        return self._readout.forced_pass(
            self.room.with_prefix(source_ids), target_ids, skipped=len(self.room.source_prefix)
        )

    def score(self, sources: Sequence[str], targets: Sequence[str]) -> list[float]:
        """Tell how probable given translations are; see :class:`nmt_distill.teacher.base.WhiteBoxTeacher`."""
        source_ids = [[*self.room.source_prefix, *ids] for ids in self.encode(sources)]
        target_ids = [[*ids, self.end_id] for ids in self._text.encode_target(targets)]
        return self._readout.scores(source_ids, target_ids, room=self.room.positions, batch_tokens=self._batch_tokens)
