"""The ids of a teacher as a SentencePiece model sees them, so that a student can share them.

P pieces of the SentencePiece model, V ids of the teacher.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sentencepiece import SentencePieceProcessor

from nmt_distill.errors import NmtDistillError
from nmt_distill.files import atomic_file, fingerprint, read_json, write_json
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece
from nmt_distill.vocabulary.trimming import IdMap

Ids = npt.NDArray[np.int64]


MODEL_NAME = "teacher.spm"
IDS_NAME = "teacher_ids.json"


class SharedVocabulary:
    """A SentencePiece model with the teacher's id of each of its pieces."""

    def __init__(
        self, sentencepiece: Path | bytes, *, teacher_ids: Ids | None = None, num_ids: int | None = None
    ) -> None:
        """Load the model.

        :param sentencepiece: the teacher's model for source and target, a file or its content
        :param teacher_ids: (P,) the teacher's id of each piece, -1 where it has none; None where ids are places
        :param num_ids: V; None is P
        :raises NmtDistillError: if the model is none, or has not as many pieces as ids are given
        """
        if isinstance(sentencepiece, Path):
            self.processor = load_sentencepiece(sentencepiece)
            self.model = sentencepiece.read_bytes()
        else:
            self.model = sentencepiece
            self.processor = SentencePieceProcessor(model_proto=sentencepiece)
        size = self.processor.vocab_size()
        self.is_identity = teacher_ids is None
        self.teacher_ids = np.arange(size) if teacher_ids is None else np.asarray(teacher_ids, dtype=np.int64)
        self.num_ids = size if num_ids is None else num_ids
        if len(self.teacher_ids) != size:
            raise NmtDistillError(
                f"The teacher's SentencePiece model has {size} pieces, but the teacher gives ids to "
                f"{len(self.teacher_ids)}; they do not belong together."
            )
        self.end = int(self.teacher_ids[self.processor.eos_id()])
        unknown = self.teacher_ids[self.processor.unk_id()]
        self._ids = np.where(self.teacher_ids >= 0, self.teacher_ids, unknown)
        self._pieces = np.full(self.num_ids, -1, dtype=np.int64)
        has_id = self.teacher_ids >= 0
        self._pieces[self.teacher_ids[has_id]] = np.flatnonzero(has_id)

    @classmethod
    def load(cls, folder: Path) -> SharedVocabulary | None:
        """Read what :meth:`save` wrote into a folder; None if nothing was."""
        if not (folder / IDS_NAME).is_file():
            return None
        content = read_json(folder / IDS_NAME)
        teacher_ids = content["teacher_ids"]
        return cls(
            folder / MODEL_NAME,
            teacher_ids=None if teacher_ids is None else np.array(teacher_ids, dtype=np.int64),
            num_ids=content["num_ids"],
        )

    def save(self, folder: Path) -> None:
        """Write ``teacher.spm`` and ``teacher_ids.json``, so that the teacher is not needed to read its ids."""
        with atomic_file(folder / MODEL_NAME, "wb") as stream:
            stream.write(self.model)
        teacher_ids = None if self.is_identity else self.teacher_ids.tolist()
        write_json(folder / IDS_NAME, {"num_ids": self.num_ids, "teacher_ids": teacher_ids})

    @property
    def fingerprint(self) -> str:
        """Name the pieces and their ids."""
        name = hashlib.sha256(self.model).hexdigest()[:16]
        return name if self.is_identity else fingerprint([name, self.teacher_ids.tolist(), self.num_ids])

    def has_tag(self, tag: str) -> bool:
        """Tell whether a tag is a piece already, which no text can make and the teacher has an id for."""
        place = self.processor.piece_to_id(tag)
        is_there: bool = self.processor.id_to_piece(place) == tag and self.processor.is_control(place)
        return is_there and bool(self.teacher_ids[place] >= 0)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the teacher's ids of each text, end of sentence included; text never makes a special.

        A piece that the teacher lacks becomes its id for the unknown.
        """
        encoded = self.processor.encode(list(texts))
        if self.is_identity:
            return [[*pieces, self.end] for pieces in encoded]
        return [[*self._ids[pieces].tolist(), self.end] for pieces in encoded]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of the teacher's ids; ids without a piece, and the end of sentence, are left out."""
        pieces = self._pieces[np.asarray(ids, dtype=np.int64)]
        text: str = self.processor.decode(pieces[(pieces >= 0) & (np.asarray(ids) != self.end)].tolist())
        return text

    def map_to(self, other: SharedVocabulary) -> IdMap:
        """Map ids to those of the pieces that read the same in another vocabulary."""
        places = {other.processor.id_to_piece(place): place for place in range(other.processor.vocab_size())}
        new_ids = np.full(self.num_ids, -1, dtype=np.int64)
        for place, own_id in enumerate(self.teacher_ids.tolist()):
            twin = places.get(self.processor.id_to_piece(place))
            if own_id >= 0 and twin is not None:
                new_ids[own_id] = other.teacher_ids[twin]
        return IdMap(new_ids)

    def piece_counts(self, id_counts: Ids) -> Ids:
        """Tell how often each piece occurs, (P,), from how often each id does, (V,)."""
        return np.where(self.teacher_ids >= 0, id_counts[self.teacher_ids], 0)

    def ids_of(self, pieces: Ids) -> Ids:
        """Return the teacher's id of each piece; what is no piece (-1) is no id."""
        return np.where(pieces >= 0, self.teacher_ids[pieces], -1)
