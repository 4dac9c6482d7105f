"""NLLB in fairseq2 as a teacher for both levels of distillation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import fairseq2
import numpy as np
import torch

from nmt_distill.errors import NmtDistillError
from nmt_distill.files import fingerprint
from nmt_distill.inheritance import Inheritance
from nmt_distill.languages import Direction
from nmt_distill.teacher.base import Hypothesis, Kept, Sampling, TeacherOutput, check_request
from nmt_distill.teacher.ensemble import ReadoutEnsemble
from nmt_distill.teacher.fairseq2.checkpoint import FoundCheckpoint, find_checkpoint, find_further
from nmt_distill.teacher.fairseq2.folder import NLLB, SPECIALS
from nmt_distill.teacher.fairseq2.graph import Fairseq2Graph
from nmt_distill.teacher.fairseq2.interop import to_transformers
from nmt_distill.teacher.fairseq2.search import PATIENCE, Fairseq2Search
from nmt_distill.teacher.families import name_languages
from nmt_distill.teacher.room import Room
from nmt_distill.vocabulary.shared import SharedVocabulary

Precision = Literal["float32", "bfloat16", "float16"]


class Fairseq2Teacher:
    """A model of fairseq2's family ``nllb`` with its tokenizer and its searches, for one direction."""

    def __init__(
        self,
        name: str,
        *,
        direction: Direction,
        origin: str,
        licence: str,
        base: str | None = None,
        vocabulary: str | None = None,
        device: str = "cpu",
        dtype: Precision = "float32",
        max_length_factor: float = 2.5,
        batch_tokens: int = 4096,
        length_penalty: float = 1.0,
        ensemble: Sequence[str] = (),
    ) -> None:
        """Load the model; what it is and where it lies, :func:`find_checkpoint` tells.

        :param max_length_factor: most target tokens per source token (at least 16 in all)
        :param batch_tokens: source tokens that one batch may have, divided by the beam size
        :param length_penalty: hypotheses of a beam are compared by log-probability divided by their length to this
            power
        :param ensemble: further models over the same vocabulary, named as the first: distributions are the mean of all
            models', translations are found by the first alone, and scored and ranked by all
        :raises NmtDistillError: if it is not there, no NLLB model, or lacks a language
        """
        self.direction, self.origin, self.licence, self.name = direction, origin, licence, name
        self.engine = f"fairseq2 {fairseq2.__version__} in {dtype}"
        self.batch_rule = f"{batch_tokens:,} source tokens of equal length"
        self._batch_tokens = batch_tokens
        self._max_length_factor, self._length_penalty = max_length_factor, length_penalty
        checkpoint = find_checkpoint(name, base=base, vocabulary=vocabulary)
        naming = name_languages(NLLB, direction, checkpoint.languages, where=name)
        if not naming.source_tokens:
            raise NmtDistillError(f"{name} names no languages such as eng_Latn; complete tokenizer_config in its card.")
        tokenizer = checkpoint.load_tokenizer()
        specials = tokenizer.vocab_info
        self._encode, self._decode = tokenizer.create_raw_encoder(), tokenizer.create_decoder()
        tags = {
            mode: tokenizer.create_encoder(lang=tag, mode=mode).prefix_indices.tolist()
            for mode, (tag,) in (("source", naming.source_tokens), ("target", naming.target_tokens))
        }
        self.end_id: int = specials.eos_idx
        model = checkpoint.load_model(device=device, dtype=dtype)
        self.graph = Fairseq2Graph(model, pad_id=specials.pad_idx, forced_ids=tags["target"])
        self.vocab_size, self.state_dim = self.graph.vocab_size, self.graph.model_dim
        self.room = Room(name, model.max_source_seq_len, tags["source"], num_forced=len(tags["target"]))
        self._search = Fairseq2Search(self.graph, specials, length_penalty=length_penalty, batch_tokens=batch_tokens)
        self.vocabulary = _shared_vocabulary(checkpoint, self.vocab_size)
        self._text_ids = {specials.unk_idx, *self.vocabulary.teacher_ids[len(SPECIALS) - 1 :].tolist()}
        decoding: list[Any] = [
            tags["source"],
            self.graph.forced_ids,
            dtype,
            max_length_factor,
            length_penalty,
            PATIENCE,
        ]
        further = [find_further(path, checkpoint, base=base, vocabulary=vocabulary) for path in ensemble]
        models = [each.load_model(device=device, dtype=dtype) for each in further]
        graphs = [Fairseq2Graph(each, pad_id=specials.pad_idx, forced_ids=tags["target"]) for each in models]
        self._readout = ReadoutEnsemble([self.graph, *graphs])
        if further:
            decoding.append([each.hashes() for each in further])
            self.engine += f", scored by {len(self._readout.graphs)} models"
        self.fingerprint = fingerprint([checkpoint.hashes(), decoding])

    @property
    def num_parameters(self) -> int:
        """Parameters of all models, in each the one table counted once."""
        return self._readout.num_parameters

    def close(self) -> None:
        """Do nothing: no process or connection is open."""

    @property
    def max_source_tokens(self) -> int | None:
        """The longest source, in ids as :meth:`encode` gives them."""
        return self.room.longest_source

    def hand_down(self) -> Inheritance:
        """Return its parameters by the names of the nllb graph of students, in the order of its own ids."""
        return Inheritance(
            where=self.name,
            graph="nllb",
            num_heads=self.graph.num_heads,
            parameters=to_transformers(self.graph.model.state_dict(), rows=range(len(SPECIALS))),
        )

    def encode(self, sentences: Sequence[str]) -> list[list[int]]:
        """Return the source ids of each sentence, end of sentence included, without tags; no text makes a special."""
        return [[*self._encode(sentence).tolist(), self.end_id] for sentence in sentences]

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
        found = self._search.search(
            inputs,
            limits=self.room.target_limits(source_ids, self._max_length_factor, reserved=1),  # for a forced end
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
        return [[self._hypothesis(*candidate) for candidate in candidates] for candidates in found]

    def _hypothesis(self, tokens: list[int], score: float) -> Hypothesis:
        finished = tokens[-1] == self.end_id
        text = self._decode(torch.tensor([token for token in tokens if token in self._text_ids], dtype=torch.long))
        return Hypothesis(text=text, score=score, token_ids=np.array(tokens, dtype=np.int64), finished=finished)

    def score(self, sources: Sequence[str], targets: Sequence[str]) -> list[float]:
        """Tell how probable given translations are; see :class:`nmt_distill.teacher.base.WhiteBoxTeacher`."""
        source_ids = [[*self.room.source_prefix, *ids] for ids in self.encode(sources)]
        return self._readout.scores(
            source_ids, self.encode(targets), room=self.room.positions, batch_tokens=self._batch_tokens
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

        States times the table are the logits; those of an ensemble are its first model's.

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


def _shared_vocabulary(checkpoint: FoundCheckpoint, vocab_size: int) -> SharedVocabulary:
    """Return what a student needs to share ids: fairseq2 puts padding before the pieces and languages after them.

    :raises NmtDistillError: if there are more ids than rows in the weights
    """
    num_pieces = SharedVocabulary(checkpoint.sentencepiece).num_ids
    highest = num_pieces + len(checkpoint.languages)
    if highest >= vocab_size:
        raise NmtDistillError(
            f"{checkpoint.name}: tokenizer and weights do not belong together: languages have ids up to {highest}, but "
            f"the weights have {vocab_size} ids; fetch both from one place."
        )
    return SharedVocabulary(
        checkpoint.sentencepiece, teacher_ids=np.arange(num_pieces, dtype=np.int64) + 1, num_ids=vocab_size
    )
