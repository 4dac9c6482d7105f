"""The vocabularies of Marian models: a SentencePiece model whose places are the ids, or one with ids in a YAML file.

The second kind is that of OPUS-MT: ``source.spm`` and ``target.spm`` segment, and Marian's ``*.vocab.yml`` gives the
ids of their pieces. Language tags such as ``>>deu<<`` are entries of that file, which no text reaches.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import yaml

from nmt_distill.errors import NmtDistillError
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece
from nmt_distill.vocabulary.shared import SharedVocabulary

END, UNKNOWN = "</s>", "<unk>"
_TAG = re.compile(r">>[^<>]+<<")
_SHOWN_TAGS = 20
# It makes nothing but text: a piece `no` is no boolean, and `12` no number. libyaml's is many times as fast.
_Loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(frozen=True)
class VocabularyFiles:
    """The files of one side's vocabulary."""

    pieces: Path
    """the SentencePiece model that segments"""
    ids: Path | None = None
    """Marian's YAML file of pieces and their ids; None where the ids are the places in the SentencePiece model"""

    @property
    def paths(self) -> list[Path]:
        """The files that there are."""
        return [self.pieces] if self.ids is None else [self.pieces, self.ids]


class MarianVocabulary(Protocol):
    """Text to the ids of one side of a Marian model, and back."""

    size: int
    """one more than the highest id"""
    end_id: int
    """the id of the end of sentence"""
    tags: dict[str, int]
    """language tags, with their ids"""

    def encode(self, sentences: Sequence[str]) -> list[list[int]]:
        """Return the ids of each sentence, end of sentence included; no text makes a special, but the unknown."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, the end of sentence left out."""
        ...


def load_vocabulary(files: VocabularyFiles) -> MarianVocabulary:
    """Load one side's vocabulary.

    :raises NmtDistillError: if a file is missing or is not what it should be
    """
    return PlainVocabulary(files.pieces) if files.ids is None else MappedVocabulary(files.pieces, files.ids)


class PlainVocabulary:
    """A SentencePiece model alone."""

    def __init__(self, pieces: Path) -> None:
        """Load the model."""
        self._processor = load_sentencepiece(pieces)
        self.size = self._processor.vocab_size()
        self.end_id = self._processor.eos_id()
        names = [self._processor.id_to_piece(token) for token in range(self.size)]
        self.tags = {name: token for token, name in enumerate(names) if _TAG.fullmatch(name)}
        self._in_text = dict.fromkeys(self.tags.values(), self._processor.unk_id())

    def encode(self, sentences: Sequence[str]) -> list[list[int]]:
        """See :meth:`MarianVocabulary.encode`."""
        encoded = self._processor.encode(list(sentences))
        if self.tags:  # they may be pieces that SentencePiece finds in text
            encoded = [[self._in_text.get(token, token) for token in ids] for ids in encoded]
        return [[*ids, self.end_id] for ids in encoded]

    def decode(self, ids: Sequence[int]) -> str:
        """See :meth:`MarianVocabulary.decode`."""
        text: str = self._processor.decode(list(ids))
        return text


class MappedVocabulary:
    """A SentencePiece model, and Marian's ids of its pieces."""

    def __init__(self, pieces: Path, ids: Path) -> None:
        """Load both."""
        self._processor = load_sentencepiece(pieces)
        known = read_piece_ids(ids)
        self.size = max(known.values()) + 1
        self.end_id, self._unknown_id = known[END], known[UNKNOWN]
        self.tags = {piece: token for piece, token in known.items() if _TAG.fullmatch(piece)}
        specials = {END, UNKNOWN, *self.tags}
        self._ids = {piece: token for piece, token in known.items() if piece not in specials}
        self._pieces = {token: piece for piece, token in self._ids.items()}
        self._pieces[self._unknown_id] = self._processor.id_to_piece(self._processor.unk_id())

    def encode(self, sentences: Sequence[str]) -> list[list[int]]:
        """See :meth:`MarianVocabulary.encode`."""
        segmented = self._processor.encode(list(sentences), out_type=str)
        return [[*(self._ids.get(piece, self._unknown_id) for piece in pieces), self.end_id] for pieces in segmented]

    def decode(self, ids: Sequence[int]) -> str:
        """See :meth:`MarianVocabulary.decode`."""
        text: str = self._processor.decode_pieces([self._pieces[token] for token in ids if token in self._pieces])
        return text


def read_piece_ids(path: Path) -> dict[str, int]:
    """Read Marian's YAML (or JSON) file of pieces and ids.

    :raises NmtDistillError: if it is missing, is something else, or lacks the specials
    """
    if not path.is_file():
        raise NmtDistillError(
            f"{path} does not exist; Marian's vocabulary (pieces and their ids, YAML) is needed there."
        )
    try:
        content = _Loader(path.read_text(encoding="utf-8")).get_single_data()
        known = {str(piece): int(token) for piece, token in content.items()}
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise NmtDistillError(f"{path} is not a list of pieces and ids ({reason}); fetch it again.") from None
    missing = [special for special in (END, UNKNOWN) if special not in known]
    if missing or min(known.values()) < 0 or len(set(known.values())) < len(known):
        problem = f"has no {' and no '.join(missing)}" if missing else "gives an id twice, or a negative one"
        raise NmtDistillError(f"{path} {problem}, so it is not a vocabulary of Marian; fetch it again.")
    return known


def tag_id(vocabulary: MarianVocabulary, tag: str | None, files: VocabularyFiles) -> int | None:
    """Return the id of the tag that names the target language, or None.

    :param tag: such as ``>>deu<<``
    :raises NmtDistillError: if the vocabulary has no such tag, or has several and none is given
    """
    path = files.paths[-1]
    shown = ", ".join(sorted(vocabulary.tags)[:_SHOWN_TAGS]) + (" ..." if len(vocabulary.tags) > _SHOWN_TAGS else "")
    if tag is None:
        if len(vocabulary.tags) > 1:
            raise NmtDistillError(f"{path} has tags for several target languages, so give one: {shown}.")
        return None
    if tag not in vocabulary.tags:
        known = f"it has: {shown}" if shown else "it has no tags, so leave it out"
        raise NmtDistillError(f"{path} has no tag {tag}; {known}.")
    return vocabulary.tags[tag]


def shared_vocabulary(source: VocabularyFiles, target: VocabularyFiles) -> SharedVocabulary | None:
    """Return the vocabulary that a student can share, or None where source and target have different ones.

    :raises NmtDistillError: if a file is missing or is not what it should be
    """
    if any(one.read_bytes() != other.read_bytes() for one, other in zip(source.paths, target.paths, strict=False)):
        return None
    if source.ids is None or target.ids is None:
        return SharedVocabulary(source.pieces) if source.ids == target.ids else None
    known = read_piece_ids(source.ids)
    processor = load_sentencepiece(source.pieces)
    names = [processor.id_to_piece(place) for place in range(processor.vocab_size())]
    return SharedVocabulary(
        source.pieces,
        teacher_ids=np.array([known.get(name, -1) for name in names], dtype=np.int64),
        num_ids=max(known.values()) + 1,
    )
