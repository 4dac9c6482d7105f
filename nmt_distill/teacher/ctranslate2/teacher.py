"""A converted CTranslate2 model with its SentencePiece model as a teacher: translations alone, searched fast."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nmt_distill.errors import NmtDistillError
from nmt_distill.files import fingerprint, sha256_of
from nmt_distill.languages import Direction
from nmt_distill.teacher.base import Hypothesis, Sampling, WhiteBoxTeacher
from nmt_distill.teacher.ctranslate2.folder import PADDING, ConvertedModel
from nmt_distill.teacher.ctranslate2.search import ComputeType, CTranslate2Search
from nmt_distill.teacher.families import FAMILIES, Family, LanguageNaming, language_codes, name_languages
from nmt_distill.teacher.room import target_limits
from nmt_distill.teacher.transformers.tokenization import SentencePieceText
from nmt_distill.translation.engine import Pieces

MIN_KNOWN_PIECES = 0.9
"""share of the pieces of its SentencePiece models that a model must have"""
SAME_SCORE = 0.05
"""nats a token between two readings of one translation that are still the same, in int8 too"""
SPECIALS = ("<s>", "</s>", *PADDING)


class CTranslate2Teacher:
    """A CTranslate2 folder and what segments its text, for one direction; for the sequence level alone."""

    def __init__(
        self,
        folder: Path,
        vocabulary: Path,
        *,
        direction: Direction,
        origin: str,
        licence: str,
        target_vocabulary: Path | None = None,
        family: str | None = None,
        prefix: str | None = None,
        ends_source: bool = True,
        device: str = "cpu",
        compute_type: ComputeType = "default",
        threads: int | None = None,
        max_length_factor: float = 2.5,
        batch_tokens: int = 4096,
        length_penalty: float = 1.0,
    ) -> None:
        """Load the model.

        :param folder: as CTranslate2's converters write it
        :param vocabulary: the SentencePiece model of the source
        :param target_vocabulary: that of the target, where it is another
        :param family: how it names languages, see :data:`nmt_distill.teacher.families.FAMILIES`; None finds out by the
            names in its vocabulary
        :param prefix: text before each source, for models that are told the languages in words
        :param ends_source: whether the model was trained with an end of sentence behind each source; models of
            OpenNMT-py, such as those of Argos Translate, were not
        :param max_length_factor: most target tokens per source token (at least 16 in all)
        :raises NmtDistillError: if a file is damaged, they do not belong together, or the model lacks a language
        """
        self.direction, self.origin, self.licence = direction, origin, licence
        target_vocabulary = target_vocabulary or vocabulary
        self._search = CTranslate2Search(
            folder,
            device=device,
            compute_type=compute_type,
            threads=threads,
            batch_tokens=batch_tokens,
            length_penalty=length_penalty,
        )
        model = self._search.model
        source_ids, target_ids = model.source_ids, model.target_ids
        pieces = [_known_pieces(vocabulary, source_ids, folder), _known_pieces(target_vocabulary, target_ids, folder)]
        written = {model.unknown, *pieces[0], *pieces[1]}  # the model may have others, made up to fill its table
        row, naming = _name_languages(model, direction, family=family, prefix=prefix)
        tags = language_codes(row, source_ids).values() if row else ()
        self._text = SentencePieceText(
            (vocabulary, source_ids),
            (target_vocabulary, {name: index for name, index in target_ids.items() if name in written}),
            hidden={*SPECIALS, model.end, model.unknown, *tags},
            unknown=model.unknown,
        )
        prompt = self._text.encode_prompt(naming.prompt) if naming.prompt else []
        self._source_prefix = [*(source_ids[token] for token in naming.source_tokens), *prompt]
        self._source_end = [source_ids[model.end]] if ends_source and not model.adds_source_end else []
        self._target_prefix = [target_ids[token] for token in naming.target_tokens]
        self._max_length_factor = max_length_factor
        files = [sha256_of(vocabulary), sha256_of(target_vocabulary)]
        given = [self._source_prefix, self._source_end, self._target_prefix, max_length_factor]
        self.fingerprint = fingerprint([self._search.fingerprint, files, given])

    @property
    def engine(self) -> str:
        """See :class:`nmt_distill.teacher.base.Teacher`."""
        return self._search.description

    @property
    def batch_rule(self) -> str:
        """See :class:`nmt_distill.teacher.base.Teacher`."""
        return self._search.batch_rule

    @property
    def num_parameters(self) -> int | None:
        """See :class:`nmt_distill.teacher.base.Teacher`."""
        return self._search.model.num_parameters

    def close(self) -> None:
        """Give the memory of the model back."""
        self._search.close()

    @property
    def max_source_tokens(self) -> int | None:
        """The longest source, in ids as :meth:`encode` gives them; None where the model has no limit that is known."""
        positions = self._search.max_source_tokens
        return None if positions is None else positions - len(self._source_prefix)

    def encode(self, sentences: Sequence[str]) -> list[list[int]]:
        """Return the source ids of each sentence, end of sentence included, without tags; no text makes a special."""
        return [[*ids, *self._source_end] for ids in self._text.encode(sentences)]

    def translate(
        self, sentences: Sequence[str], *, num_candidates: int = 1, beam_size: int = 1, sampling: Sampling | None = None
    ) -> list[list[Hypothesis]]:
        """Translate; see :class:`nmt_distill.teacher.base.Teacher`.

        :raises NmtDistillError: if a sentence is longer than :attr:`max_source_tokens`
        """
        source_ids = self.encode(sentences)
        results = self._search.search(
            [[*self._source_prefix, *ids] for ids in source_ids],
            limits=target_limits(source_ids, self._max_length_factor),
            target_prefix=self._target_prefix,
            num_candidates=num_candidates,
            beam_size=beam_size,
            sampling=sampling,
        )
        return [[self._hypothesis(tokens, score) for tokens, score in found] for found in results]

    def _hypothesis(self, tokens: list[int], score: float) -> Hypothesis:
        finished = tokens[-1] == self._search.end_id
        text = self._text.decode(tokens[:-1] if finished else tokens)
        return Hypothesis(text=text, score=score, token_ids=np.array(tokens, dtype=np.int64), finished=finished)


def _known_pieces(vocabulary: Path, ids: dict[str, int], folder: Path) -> list[str]:
    """Return the pieces of a SentencePiece model that a model has too.

    :raises NmtDistillError: if these are too few
    """
    names = Pieces(vocabulary).names
    known = [name for name in names if name in ids]
    if len(known) < MIN_KNOWN_PIECES * len(names):
        raise NmtDistillError(
            f"{vocabulary} and {folder} do not belong together: of {len(names):,} pieces the model has {len(known):,}."
        )
    return known


def _name_languages(
    model: ConvertedModel, direction: Direction, *, family: str | None, prefix: str | None
) -> tuple[Family | None, LanguageNaming]:
    """Tell how the model names languages, and what it is given for a direction."""
    rows = [row for row in FAMILIES if row.name == family or (family is None and language_codes(row, model.source_ids))]
    if rows:
        naming = name_languages(rows[0], direction, model.source_ids, where=str(model.path), prefix=prefix)
        return rows[0], naming
    if family is not None:
        raise NmtDistillError(
            f"teacher.family must be one of {', '.join(row.name for row in FAMILIES)}, but is {family}."
        )
    return None, LanguageNaming(prompt=prefix or "")


def agreement(teacher: WhiteBoxTeacher, sentences: Sequence[str]) -> float:
    """Return the share of greedy translations that a teacher itself reads as its search engine told them.

    For a teacher whose translations come from a converted copy: each token must be the most probable one, and the score
    the same but for :data:`SAME_SCORE`. It is 1 where the copy is the same model, less by near ties and lower
    precision; it is also 1 where no translation has an end.
    """
    found = zip(teacher.encode(sentences), teacher.translate(sentences), strict=True)
    pairs = [(ids, candidates[0]) for ids, candidates in found if candidates and candidates[0].finished]
    if not pairs:
        return 1.0
    targets = [hypothesis.token_ids for _, hypothesis in pairs]
    output = teacher.teacher_output([ids for ids, _ in pairs], [ids.tolist() for ids in targets], num_kept=1)
    ends = np.cumsum([len(ids) for ids in targets])[:-1]
    best, log_probs = (np.split(array[:, 0], ends) for array in (output.token_ids, np.log(output.probs)))
    agreeing = [
        np.array_equal(ids, own) and abs(hypothesis.score - float(values.mean())) <= SAME_SCORE
        for (_, hypothesis), ids, own, values in zip(pairs, targets, best, log_probs, strict=True)
    ]
    return sum(agreeing) / len(agreeing)
