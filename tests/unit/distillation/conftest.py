from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from nmt_distill.distillation.source_text import SourceText
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import write_lines
from nmt_distill.languages import Direction
from nmt_distill.teacher.base import Hypothesis, Kept, Sampling, TeacherOutput
from nmt_distill.vocabulary.shared import SharedVocabulary
from tests.labellings import SOURCES

WORDS = ["</s>", *"abcdefghijklmnopqrstuvwxyz"]


def encode_letters(sentences: Sequence[str]) -> list[list[int]]:
    """One id a letter: ``a`` is 1; the end of sentence is 0."""
    return [[*(ord(letter) - 96 for letter in sentence if letter.isalpha()), 0] for sentence in sentences]


@dataclass
class LetterTeacher:
    """Translates letter by letter into the next one of the alphabet; its second candidate is the reverse."""

    direction: Direction = field(default_factory=lambda: Direction(source="en", target="pt"))
    fingerprint: str = "letters"
    origin: str = "a test"
    licence: str = "none"
    engine: str = "by heart"
    batch_rule: str = "one by one"
    num_parameters: int | None = None
    vocab_size: int = 27
    state_dim: int = 2
    vocabulary: SharedVocabulary | None = None
    max_source_tokens: int | None = None
    is_out_of_step: bool = False
    num_closed: int = 0
    calls: list[str] = field(default_factory=list)

    def translate(
        self, sentences: Sequence[str], *, num_candidates: int = 1, beam_size: int = 1, sampling: Sampling | None = None
    ) -> list[list[Hypothesis]]:
        self.calls += sentences
        found = []
        for sentence in sentences:
            text = "".join(chr(97 + (ord(letter) - 96) % 26) if letter.isalpha() else letter for letter in sentence)
            candidates = [
                Hypothesis(
                    text=said,
                    score=-0.1 * place,
                    token_ids=np.array(encode_letters([said])[0], dtype=np.int64),
                    finished="z" not in sentence,
                )
                for place, said in enumerate((text, text[::-1]))
            ]
            found.append(candidates[:num_candidates])
        return found

    def encode(self, sentences: Sequence[str]) -> list[list[int]]:
        return encode_letters(sentences)

    def close(self) -> None:
        self.num_closed += 1
        if self.is_out_of_step:
            raise NmtDistillError("one answer too many")

    def score(self, sources: Sequence[str], targets: Sequence[str]) -> list[float]:
        return [-float(len(target)) for target in targets]

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
        tokens = np.concatenate([np.asarray(ids, dtype=np.int64) for ids in target_ids])
        places = np.arange(num_kept) if kept == "top" else np.maximum(np.arange(num_kept) - 1, 0)  # the first one twice
        kept_ids = (tokens[:, None] + places) % self.vocab_size
        probs = np.full(kept_ids.shape, 0.5 / num_kept / temperature, dtype=np.float32)
        states = np.repeat(tokens[:, None], 2, axis=1).astype(np.float16)
        return TeacherOutput(
            token_ids=kept_ids,
            probs=probs,
            tail=1 - probs.sum(axis=1) if kept == "top" else None,
            states=states if keep_states else None,
        )


@pytest.fixture
def letter_teacher() -> LetterTeacher:
    return LetterTeacher()


@pytest.fixture
def letters() -> Callable[[Sequence[str]], list[list[int]]]:
    return encode_letters


@pytest.fixture
def texts(tmp_path: Path) -> list[SourceText]:
    """The sources of :mod:`tests.labellings`: four with human translations, and two without."""
    write_lines(tmp_path / "train.en", SOURCES[:4])
    write_lines(tmp_path / "train.pt", ["cb", "x", "y", "z"])
    write_lines(tmp_path / "mono.en", SOURCES[4:])
    return [SourceText(tmp_path / "train.en", tmp_path / "train.pt"), SourceText(tmp_path / "mono.en", None)]
