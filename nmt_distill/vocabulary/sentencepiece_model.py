"""One SentencePiece model for source and target."""

from __future__ import annotations

from pathlib import Path

import sentencepiece

from nmt_distill.errors import NmtDistillError


def load_sentencepiece(path: Path) -> sentencepiece.SentencePieceProcessor:
    """Load a SentencePiece model.

    :raises NmtDistillError: if it is missing or none, or has no end of sentence
    """
    if not path.is_file():
        raise NmtDistillError(f"{path} does not exist; a SentencePiece model (.spm) is needed there.")
    try:
        processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise NmtDistillError(f"{path} is not a SentencePiece model ({reason}); fetch it again.") from None
    if processor.eos_id() < 0:
        raise NmtDistillError(f"{path} has no end-of-sentence piece; train it with one.")
    return processor
