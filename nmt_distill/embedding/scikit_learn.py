"""Sentence vectors as a step of a pipeline of scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nmt_distill.embedding.encoder import SentenceEncoder
from nmt_distill.embedding.vectors import Vectors
from nmt_distill.errors import NmtDistillError

try:
    from sklearn.base import BaseEstimator, TransformerMixin
except ImportError:
    raise NmtDistillError("SentenceVectorizer needs scikit-learn; install nmt-distill[embed].") from None


class SentenceVectorizer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turns sentences into vectors, as ``TfidfVectorizer`` turns them into counts; there is nothing to fit.

    :param model: export folder with a folder `encoder`
    :param threads: processor cores to use; all by default
    """

    def __init__(self, model: str, threads: int | None = None) -> None:
        self.model = model
        self.threads = threads

    def fit(self, sentences: Sequence[str], labels: Any = None) -> SentenceVectorizer:
        """Open the model."""
        self.encoder_ = SentenceEncoder(self.model, threads=self.threads)
        return self

    def transform(self, sentences: Sequence[str]) -> Vectors:
        """Return the vectors of sentences, float32 (N, D).

        :raises NmtDistillError: if a sentence is empty
        :raises TypeError: if it is a single text, or a sentence is none
        """
        encoder = getattr(self, "encoder_", None) or SentenceEncoder(self.model, threads=self.threads)
        return encoder.embed(sentences if isinstance(sentences, str) else list(sentences))

    def __getstate__(self) -> dict[str, Any]:
        """Leave the engine out, which opens anew where the pipeline is loaded."""
        state = dict(super().__getstate__())
        state.pop("encoder_", None)
        return state
