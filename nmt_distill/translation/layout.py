"""A layout: texts in sentences to translate, each distinct one once, and in what is copied between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nmt_distill.languages import Direction
from nmt_distill.translation.alphabet import Alphabet
from nmt_distill.translation.icu_messages import message_parts
from nmt_distill.translation.protection import Span, Terms, protected_spans
from nmt_distill.translation.segmentation import may_be_cut, parts_of
from nmt_distill.translation.sentence import Candidate, Sentence
from nmt_distill.translation.sentences import sentences_around
from nmt_distill.translation.template_statements import template_parts


class Layout:
    """How texts come apart, and together again.

    :param markdown: whether the texts are marked up as in Markdown
    :param terms: the glossary
    :param alphabet: the characters that the model can read
    :param guarded: whether there may be anything to protect
    :param plain: whether lines are taken as they stand, not cut into sentences
    """

    def __init__(
        self,
        texts: Sequence[str],
        direction: Direction,
        *,
        markdown: bool,
        terms: Terms | None,
        alphabet: Alphabet,
        guarded: bool,
        plain: bool,
    ) -> None:
        self._direction, self._markdown, self._guarded, self._is_plain = direction, markdown, guarded, plain
        self.sentences: list[Sentence] = []
        """what is to be translated"""
        self._rows: list[list[str | int]] = []
        numbers: dict[str, int] = {}
        for text in texts:
            self._rows.append([])
            for part, is_text in self._parts_of(text):
                if not is_text:
                    self._rows[-1].append(part)
                    continue
                if part not in numbers:
                    numbers[part] = len(self.sentences)
                    self.sentences.append(Sentence(part, direction, markdown, terms, alphabet, guarded, plain=plain))
                self._rows[-1].append(numbers[part])

    def _parts_of(self, text: str) -> Iterator[tuple[str, bool]]:
        for message, is_text in self._messages_of(text):
            if not is_text:
                yield message, False
                continue
            for part, is_wanted in parts_of(message, self._spans(message) if may_be_cut(message) else ()):
                if not is_wanted:
                    yield part, False
                    continue
                if self._is_plain:
                    yield part, True
                    continue
                for sentence in sentences_around(part, self._spans(part), self._direction.source):
                    inner = sentence.rstrip()
                    yield inner, True
                    if len(inner) < len(sentence):
                        yield sentence[len(inner) :], False

    def _messages_of(self, text: str) -> Iterator[tuple[str, bool]]:
        for message, is_text in message_parts(text) if self._guarded else ():
            yield from template_parts(message) if is_text else [(message, False)]
        if not self._guarded:
            yield text, True

    def _spans(self, text: str) -> list[Span]:
        return protected_spans(text, markdown=self._markdown) if self._guarded else []

    def filled(self, answers: Sequence[list[Candidate]]) -> list[list[Candidate]]:
        """Return the candidates of each text.

        :param answers: candidates of each of the sentences
        """
        return [joined([answers[part] if isinstance(part, int) else part for part in row]) for row in self._rows]


def joined(parts: Sequence[str | list[Candidate]]) -> list[Candidate]:
    """Join what is copied with the candidates of what is translated, the best of each with the best."""
    num_candidates = max((len(part) for part in parts if not isinstance(part, str)), default=1)
    return [
        Candidate.joined([part if isinstance(part, str) else part[min(rank, len(part) - 1)] for part in parts])
        for rank in range(num_candidates)
    ]
