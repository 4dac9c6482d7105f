"""Sentence vectors as a step of a pipeline of scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nmt_distill.embedding.encoder import SentenceEncoder
from nmt_distill.embedding.vectors import Vectors
from nmt_distill.errors import NmtDistillError

try:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
except ImportError:
    raise NmtDistillError("SentenceVectorizer needs scikit-learn; install nmt-distill[embed].") from None


class SentenceVectorizer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turns sentences into vectors, as ``TfidfVectorizer`` turns them into counts; there is nothing to fit.

    :param model: export folder with a folder `encoder`
    :param threads: processor cores to use; all by default
    """

    def __init__(self, model: str, threads: int | None = None) -> None:
        self.model = model
        self.threads = threads

    def fit(self, sentences: Sequence[str], labels: Any = None) -> SentenceVectorizer:
        """Open the model."""
        self._encoder()
        return self

    def transform(self, sentences: Sequence[str]) -> Vectors:
        """Return the vectors of sentences, float32 (N, D).

        :raises NmtDistillError: if a sentence is empty
        :raises TypeError: if it is a single text, or a sentence is none
        """
        return self._encoder().embed(sentences if isinstance(sentences, str) else list(sentences))

    def _encoder(self) -> SentenceEncoder:
        """Open the model once, and again where parameters were set to others."""
        wanted = (self.model, self.threads)
        if getattr(self, "_opened_as", None) != wanted:
            self._opened = SentenceEncoder(self.model, threads=self.threads)
            self._opened_as = wanted
        return self._opened

    @property
    def _n_features_out(self) -> int:
        """D, from which scikit-learn makes the names of the features."""
        return self._encoder().dim

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __getstate__(self) -> dict[str, Any]:
        """Leave the engine out, which opens anew at the first call where the pipeline is loaded."""
        return {name: value for name, value in super().__getstate__().items() if not name.startswith("_opened")}
