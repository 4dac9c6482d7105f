"""A smaller vocabulary out of a large one: fewer pieces, the same segmentation wherever all pieces of it stay."""

from __future__ import annotations

from dataclasses import dataclass
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
    """pieces to keep of the teacher's vocabulary, the most frequent ones of the distilled corpus and every single
    character; None keeps all"""


def choose_pieces(
    processor: sentencepiece.SentencePieceProcessor, counts: npt.NDArray[np.int64], size: int
) -> npt.NDArray[np.int64]:
    """Choose the ids to keep: specials and single characters first, then by frequency; in their old order.

    :param counts: (V,) how often each piece occurs in the text to be translated and its translations
    :raises NmtDistillError: if ``size`` is too small for specials and characters, or more than there are
    """
    total = processor.vocab_size()
    if size > total:
        raise NmtDistillError(f"vocabulary.size must be at most the teacher's {total} pieces, but is {size} instead.")
    forced = np.array([_is_forced(processor, index) for index in range(total)])
    if forced.sum() > size:
        raise NmtDistillError(
            f"vocabulary.size is {size}, but the teacher has {forced.sum()} special and single-character pieces, "
            "which all stay; raise it."
        )
    order = np.lexsort((np.arange(total), -counts, ~forced))
    return np.sort(order[:size])


def _is_forced(processor: sentencepiece.SentencePieceProcessor, index: int) -> bool:
    special = processor.is_control(index) or processor.is_unknown(index) or processor.is_byte(index)
    return special or len(processor.id_to_piece(index).lstrip("▁")) <= 1


NLLB_PAD = 1
"""the id of padding that the nllb graph of students needs"""


def with_padding(kept_ids: npt.NDArray[np.int64], index: int) -> npt.NDArray[np.int64]:
    """Make room for a new piece ``<pad>`` at ``index``; the nllb graph needs it at 1."""
    return np.insert(kept_ids, index, -1)


def trim_sentencepiece(path: Path, kept_ids: npt.NDArray[np.int64], trimmed_path: Path) -> None:
    """Write a SentencePiece model that has only the kept pieces, in that order, with their scores.

    :param kept_ids: -1 stands for a new piece ``<pad>``; see :func:`with_padding`

    A text all of whose pieces stay is segmented as before: removing other pieces leaves the best path the best.

    :raises NmtDistillError: if the model is not of the unigram kind, whose pieces can be left out
    """
    from sentencepiece import sentencepiece_model_pb2

    messages: Any = sentencepiece_model_pb2
    model = messages.ModelProto()
    model.ParseFromString(path.read_bytes())
    if model.trainer_spec.model_type != model.trainer_spec.UNIGRAM:
        raise NmtDistillError(f"{path} is not a unigram model, so it cannot be trimmed; leave vocabulary.size out.")
    padding = messages.ModelProto.SentencePiece(piece=PAD_PIECE, score=0.0, type=_CONTROL)
    pieces = [model.pieces[int(index)] if index >= 0 else padding for index in kept_ids]
    kept = [type(piece).FromString(piece.SerializeToString()) for piece in pieces]
    del model.pieces[:]
    model.pieces.extend(kept)
    model.trainer_spec.vocab_size = len(kept)
    for name in ("unk", "bos", "eos", "pad"):
        old = getattr(model.trainer_spec, f"{name}_id")
        new = np.flatnonzero((kept_ids == old) & (kept_ids >= 0))
        setattr(model.trainer_spec, f"{name}_id", int(new[0]) if len(new) else -1)
    if padding in kept:
        model.trainer_spec.pad_id, model.trainer_spec.pad_piece = kept.index(padding), PAD_PIECE
    with atomic_file(trimmed_path, "wb") as stream:
        stream.write(model.SerializeToString())


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

    def covers(self, ids: npt.NDArray[Any]) -> bool:
        """Whether all these ids have a new one."""
        return bool((self.new_ids[ids] >= 0).all())
