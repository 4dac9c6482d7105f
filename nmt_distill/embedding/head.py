"""A linear head on sentence vectors or pooled states, applied with numpy alone: languages, or classes of text.

N sentences, F width of what the head reads, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from zipfile import BadZipFile

import numpy as np

from nmt_distill.embedding.encoder import SentenceEncoder
from nmt_distill.embedding.vectors import Vectors
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import atomic_folder, read_json, write_json
from nmt_distill.output import check_output_folder, check_replaceable
from nmt_distill.translation.model_folder import CHECKSUMS_FILE, verify_checksums, write_checksums

HEAD_NAME = "head.json"
WEIGHTS_NAME = "head.npz"
FORMAT = 3
UNKNOWN = "unknown"
REMEDY = "train the head again"
"""what to do where a file of one is damaged"""
_ARRAYS = ("weights", "bias", "mean", "deviation", "centroids", "whitening")

Features = Literal["states", "vectors"]


@dataclass(frozen=True, kw_only=True)
class Head:
    """Classes, and when none of them is believed."""

    labels: tuple[str, ...]
    """C"""
    reads: Features
    """``states``: the encoder's mean states, which know the language; ``vectors``: what is alike across languages"""
    model: str
    """fingerprint of the encoder that it was trained on"""
    weights: Vectors
    """(F, C)"""
    bias: Vectors
    """(C,)"""
    mean: Vectors
    """(F,) taken from what it reads"""
    deviation: Vectors
    """(F,) by which that is divided"""
    centroids: Vectors
    """(C, F) mean of each class, scaled"""
    whitening: Vectors
    """(F, F) by which differences from these are multiplied, so that they are as large in every direction"""
    min_probability: float = 0.0
    """below, the answer is unknown"""
    max_distance: float | None = None
    """largest distance from the mean of the answer; beyond, the text is like none that it was trained on; None: any"""
    min_letters: int = 1
    """texts with fewer letters are unknown"""

    def classify(
        self, encoder: SentenceEncoder, sentences: Sequence[str], *, first_line: int = 1
    ) -> list[tuple[str, float]]:
        """Return the class of each sentence, or :data:`UNKNOWN`, and the probability of the best class.

        :param first_line: number of the first, for the message
        :raises NmtDistillError: if the encoder is another, or a sentence is empty
        """
        if encoder.fingerprint != self.model:
            raise NmtDistillError(
                f"the head was trained on model {self.model}, but {encoder.folder.path} is {encoder.fingerprint}; "
                "train it again on this one."
            )
        scaled = self.scale(features(encoder, sentences, self.reads, first_line=first_line))
        probabilities, best = self.probabilities(scaled), self.probabilities(scaled).argmax(axis=1)
        distances = self.distances(scaled, best)
        answers = []
        for number, sentence in enumerate(sentences):
            probability = float(probabilities[number, best[number]])
            is_known = (
                probability >= self.min_probability
                and (self.max_distance is None or distances[number] <= self.max_distance)
                and sum(map(str.isalpha, sentence)) >= self.min_letters
            )
            answers.append((self.labels[best[number]] if is_known else UNKNOWN, probability))
        return answers

    def scale(self, read: Vectors) -> Vectors:
        """Bring what is read (N, F) to mean 0 and deviation 1, as in training."""
        return np.asarray((read - self.mean) / self.deviation)

    def probabilities(self, scaled: Vectors) -> Vectors:
        """Return the probability of every class (N, C)."""
        logits = scaled @ self.weights + self.bias
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    def distances(self, scaled: Vectors, classes: Vectors) -> Vectors:
        """Return how far what is read (N, F) is from the means of classes (N,), by their numbers: (N,).

        Mahalanobis distances under one covariance of all classes (Lee et al. 2018, arXiv 1807.03888, section 2.1).
        """
        return np.asarray(np.linalg.norm((scaled - self.centroids[classes]) @ self.whitening, axis=1))

    def save(self, folder: Path) -> None:
        """Write the head; the folder appears whole or not at all.

        :raises NmtDistillError: as :func:`check_head_folder` does
        """
        check_head_folder(folder)
        with atomic_folder(folder) as partial:
            with (partial / WEIGHTS_NAME).open("wb") as stream:
                np.savez(stream, **{name: getattr(self, name).astype(np.float32) for name in _ARRAYS})
            content = {name: value for name, value in vars(self).items() if name not in _ARRAYS}
            write_json(partial / HEAD_NAME, {"format": FORMAT} | content)
            write_checksums(partial)


def check_head_folder(folder: Path) -> None:
    """Tell before the work whether a head can come to stand somewhere.

    :raises NmtDistillError: if something stands there that is no head, or no part of one, or above it a file
    """
    check_output_folder(folder)
    if folder.exists():
        if not (folder / HEAD_NAME).is_file():
            raise NmtDistillError(f"{folder} exists, but is no head; name another folder.")
        check_replaceable(folder, lambda name: name in (HEAD_NAME, WEIGHTS_NAME, CHECKSUMS_FILE))


def load_head(folder: Path) -> Head:
    """Read a head.

    :raises NmtDistillError: if the folder holds none, or one that is damaged or of another format
    """
    if not (folder / HEAD_NAME).is_file():
        raise NmtDistillError(f"{folder} holds no head; make one with `nmt-distill train-head`.")
    content = read_json(folder / HEAD_NAME, remedy=REMEDY)
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise NmtDistillError(f"{folder / HEAD_NAME} is of another format than {FORMAT}; {REMEDY}.")
    verify_checksums(folder, remedy=REMEDY)
    try:
        with np.load(folder / WEIGHTS_NAME, allow_pickle=False) as arrays:
            head = Head(**(content | {"labels": tuple(content["labels"])}), **{name: arrays[name] for name in _ARRAYS})
        _check_shapes(head)
    except (OSError, EOFError, BadZipFile, ValueError, KeyError, TypeError) as error:
        raise NmtDistillError(f"{folder} is no whole head ({error}); train it again.") from None
    return head


def _check_shapes(head: Head) -> None:
    (width,), num_labels = head.mean.shape, len(head.labels)
    shapes = ((width, num_labels), (num_labels,), (width,), (width,), (num_labels, width), (width, width))
    for name, shape in zip(_ARRAYS, shapes, strict=True):
        if getattr(head, name).shape != shape:
            raise ValueError(f"{name} must be {shape}, but is {getattr(head, name).shape}")


def features(encoder: SentenceEncoder, sentences: Sequence[str], reads: Features, *, first_line: int = 1) -> Vectors:
    """Return what a head reads of sentences, (N, F).

    :param first_line: number of the first, for the message
    """
    pooled = encoder.pooled(sentences, first_line=first_line)
    return pooled if reads == "states" else encoder.project(pooled)
