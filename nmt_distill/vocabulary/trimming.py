"""A smaller vocabulary out of a large one: fewer pieces, the same segmentation wherever all pieces of it stay."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import sentencepiece

from nmt_distill.configuration.constraints import MultipleOf
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import atomic_file

PAD_PIECE = "<pad>"
_CONTROL = 3  # sentencepiece_model.proto, ModelProto.SentencePiece.Type


@dataclass(frozen=True, kw_only=True)
class VocabularyConfig:
    """The one SentencePiece model of source and target."""

    size: Annotated[int, MultipleOf(8)] | None = None
    """number of pieces: of a teacher's vocabulary every single character and the pieces most frequent in the distilled
    corpus are kept, null keeps all; a vocabulary of the student's own is trained with this size"""


def choose_pieces(model: bytes, counts: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    """Choose the pieces to keep: specials and single characters first, then by frequency; in their old order.

    :param model: the whole SentencePiece model; with byte-pair encoding a piece comes with all that is merged on the
        way to it, else no text would ever reach it
    :param counts: (P,) how often each piece occurs in the text to be translated and its translations
    :raises NmtDistillError: if ``size`` is too small for specials and characters, or more than there are
    """
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    total, forced = processor.vocab_size(), forced_pieces(model, size)
    order = np.lexsort((np.arange(total), -counts, ~forced))
    if not _is_byte_pair_model(model):
        return np.sort(order[:size])
    merges = Merges({processor.id_to_piece(place): place for place in range(total)}, processor.get_score)
    kept = set(order[: forced.sum()].tolist())
    for place in order[forced.sum() :].tolist():
        new = {place, *merges.on_the_way_to(processor.id_to_piece(place))} - kept
        if len(kept) + len(new) <= size:
            kept |= new
    return np.array(sorted(kept), dtype=np.int64)


def forced_pieces(model: bytes, size: int) -> npt.NDArray[np.bool_]:
    """Tell which pieces stay in any case, (P,): specials and single characters.

    :raises NmtDistillError: if ``size`` is too small for them, or more than there are
    """
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    total = processor.vocab_size()
    if size > total:
        raise NmtDistillError(f"vocabulary.size must be at most the teacher's {total} pieces, but is {size} instead.")
    forced = np.array([_is_forced(processor, index) for index in range(total)])
    if forced.sum() > size:
        raise NmtDistillError(
            f"vocabulary.size is {size}, but the teacher has {forced.sum()} special and single-character pieces, "
            "which all stay; raise it."
        )
    return forced


def _is_byte_pair_model(model: bytes) -> bool:
    from sentencepiece import sentencepiece_model_pb2

    messages: Any = sentencepiece_model_pb2
    spec = messages.ModelProto.FromString(model).trainer_spec
    return bool(spec.model_type == spec.BPE)


class Merges:
    """How byte-pair encoding arrives at its pieces: of all neighbours that form a piece, the best score comes first."""

    def __init__(self, places: Mapping[str, int], score: Callable[[int], float]) -> None:
        """Take note of the pieces.

        :param places: the place of each piece
        :param score: of the piece at a place
        """
        self._places, self._score = places, score

    def on_the_way_to(self, piece: str) -> list[int]:
        """Return the places of all pieces that are merged before ``piece`` stands there, itself included."""
        symbols, met = list(piece), []
        while len(symbols) > 1:
            found = [
                (-self._score(place), start, place)
                for start, pair in enumerate(pairwise(symbols))
                if (place := self._places.get("".join(pair))) is not None
            ]
            if not found:
                break
            _, start, place = min(found)
            met.append(place)
            symbols[start : start + 2] = ["".join(symbols[start : start + 2])]
        return met


def _is_forced(processor: sentencepiece.SentencePieceProcessor, index: int) -> bool:
    special = processor.is_control(index) or processor.is_unknown(index) or processor.is_byte(index)
    return special or len(processor.id_to_piece(index).lstrip("▁")) <= 1


NLLB_PAD = 1
"""the id of padding that the nllb graph of students needs"""


def with_padding(kept_ids: npt.NDArray[np.int64], index: int) -> npt.NDArray[np.int64]:
    """Make room for a new piece ``<pad>`` at ``index``; the nllb graph needs it at 1."""
    return np.insert(kept_ids, index, -1)


def trim_sentencepiece(
    model: bytes, kept: npt.NDArray[np.int64], path: Path, *, new_pieces: Sequence[str] = ()
) -> None:
    """Write a SentencePiece model that has only the kept pieces, in that order, with their scores.

    A text all of whose pieces stay is segmented as before: removing other pieces leaves the best path the best, and
    with byte-pair encoding every merge on the way to a kept piece is kept too (:func:`choose_pieces`).

    :param model: the whole model
    :param kept: places of the pieces; -1 stands for a new piece, see :func:`with_padding`
    :param new_pieces: the new pieces, in order: padding and language tags, which no text can make
    :raises NmtDistillError: if the model is of a kind whose pieces cannot be left out
    """
    from sentencepiece import sentencepiece_model_pb2

    messages: Any = sentencepiece_model_pb2
    proto = messages.ModelProto.FromString(model)
    if proto.trainer_spec.model_type not in (proto.trainer_spec.UNIGRAM, proto.trainer_spec.BPE):
        raise NmtDistillError(
            "The teacher's SentencePiece model is neither a unigram nor a byte-pair model, so it cannot be trimmed; "
            "leave vocabulary.size out."
        )
    make = messages.ModelProto.SentencePiece
    new = iter([make(piece=name, score=0.0, type=_CONTROL) for name in new_pieces])
    pieces = [proto.pieces[int(index)] if index >= 0 else next(new) for index in kept]
    copies = [make.FromString(piece.SerializeToString()) for piece in pieces]
    del proto.pieces[:]
    proto.pieces.extend(copies)
    proto.trainer_spec.vocab_size = len(copies)
    for name in ("unk", "bos", "eos", "pad"):
        old = getattr(proto.trainer_spec, f"{name}_id")
        place = np.flatnonzero((kept == old) & (kept >= 0))
        setattr(proto.trainer_spec, f"{name}_id", int(place[0]) if len(place) else -1)
    if PAD_PIECE in new_pieces:
        added = np.flatnonzero(kept < 0)[list(new_pieces).index(PAD_PIECE)]
        proto.trainer_spec.pad_id, proto.trainer_spec.pad_piece = int(added), PAD_PIECE
    with atomic_file(path, "wb") as stream:
        stream.write(proto.SerializeToString())


@dataclass(frozen=True)
class IdMap:
    """From the ids of a vocabulary to those of its trimmed version."""

    new_ids: npt.NDArray[np.int64]
    """(V,) the new id of each old one; -1 where the piece is gone"""

    @classmethod
    def of(cls, kept_ids: npt.NDArray[np.int64], vocab_size: int) -> IdMap:
        """Build the map from the kept ids, in their new order."""
        new_ids = np.full(vocab_size, -1, dtype=np.int64)
        is_old = kept_ids >= 0
        new_ids[kept_ids[is_old]] = np.flatnonzero(is_old)
        return cls(new_ids)
