"""A sentence on its way through the model: what the model reads, and what becomes of its answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from nmt_distill.languages import Direction
from nmt_distill.translation.access_keys import with_access_key, without_access_key
from nmt_distill.translation.alphabet import Alphabet
from nmt_distill.translation.capitals import as_sentence, is_shouted, is_titled, lowered, raised
from nmt_distill.translation.engine import Hypothesis
from nmt_distill.translation.masking import Element, mask, restore
from nmt_distill.translation.protection import Span, Terms, kept, protected_spans
from nmt_distill.translation.tally import ALL_WELL, Tally, total

_SIGNS = re.compile(r"[^\w\s]+\s+")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One translation of a text."""

    text: str
    log_prob: float = 0.0
    """sum over target tokens, in nats; 0 where nobody asked, or nothing was translated"""
    num_tokens: int = 0
    """target tokens that it is over, ``</s>`` included"""
    source_tokens: tuple[str, ...] = field(default=(), repr=False)
    hypothesis: Hypothesis | None = field(default=None, repr=False)
    """what the model said, where markup has to be placed by its attention"""
    num_tags: int = field(default=0, repr=False)
    tally: Tally = field(default=ALL_WELL, repr=False)
    """what did not go as it should, in how many of the segments that it is made of"""

    @property
    def score(self) -> float | None:
        """Mean log-probability of a target token, in nats; None where nothing was translated."""
        return self.log_prob / self.num_tokens if self.num_tokens else None

    @classmethod
    def found(
        cls, text: str, hypothesis: Hypothesis, source_tokens: Sequence[str], num_tags: int, *, has_score: bool
    ) -> Candidate:
        """Make one of what a search found."""
        num_tokens = len(hypothesis.tokens) + hypothesis.finished if has_score else 0
        return cls(
            text=text,
            log_prob=hypothesis.log_prob * num_tokens,
            num_tokens=num_tokens,
            source_tokens=tuple(source_tokens) if hypothesis.attention else (),
            hypothesis=hypothesis if hypothesis.attention else None,
            num_tags=num_tags,
            tally=_tally_of(hypothesis),
        )

    @classmethod
    def joined(cls, parts: Sequence[str | Candidate]) -> Candidate:
        """Join translations with what is copied between them."""
        translated = [part for part in parts if not isinstance(part, str)]
        return cls(
            text="".join([part if isinstance(part, str) else part.text for part in parts]),
            log_prob=sum(part.log_prob for part in translated),
            num_tokens=sum(part.num_tokens for part in translated),
            tally=total(part.tally for part in translated),
        )

    def reading(self, text: str) -> Candidate:
        """The same candidate with another text."""
        return Candidate(text=text, log_prob=self.log_prob, num_tokens=self.num_tokens, tally=self.tally)


class Sentence:
    """A sentence, or what else stands between two cuts, without space around it.

    :param terms: the glossary
    :param alphabet: what the model can read
    :param guarded: whether there may be anything to protect
    :param plain: whether the model's answer stands as it is
    """

    def __init__(
        self,
        text: str,
        direction: Direction,
        markdown: bool,
        terms: Terms | None,
        alphabet: Alphabet,
        guarded: bool,
        *,
        plain: bool = False,
    ) -> None:
        self.text = text
        self._direction = direction
        self._markdown = markdown
        is_menu = guarded and not markdown and not plain
        self._bare, self._access_key = without_access_key(text) if is_menu else (text, "")
        text = self._bare
        foreign = alphabet.foreign(text) if guarded else []
        self._terms = _with_foreign(terms, foreign) if foreign else terms
        self._spans = protected_spans(text, markdown=markdown, terms=self._terms) if guarded else []
        self._masked = mask(text, self._spans) if self._spans else None
        self.has_letters = self._masked is None or self._masked.has_letters
        """whether there is anything to translate"""
        self.is_unreadable = not self.has_letters and any(any(map(str.isalpha, span.text)) for span in foreign)
        """whether there would be, if the model could read it"""
        self.is_broken = any(span.is_broken for span in self._spans)
        """whether some of it stays as it is because nobody knows what in it is text"""
        self.is_guarded = self._masked is not None
        """whether anything in it is protected"""
        self._holds_nothing = guarded and not self._spans
        self.copied = self.keyed("".join(piece for piece, _ in self.pieces()))
        """what stands for it where there is nothing to translate"""
        bare = text if self._masked is None else self._masked.text
        bare = bare if plain else alphabet.readable(bare)
        self._is_plain = plain
        self._is_shouted = not plain and is_shouted(bare)
        if self._is_shouted:
            bare = lowered(bare, self._masked.letter if self._masked else "X")
        elif not plain and is_titled(bare, direction.source):
            bare = as_sentence(bare, alphabet.is_name)
        self.model_text = bare
        """what the model reads"""

    @property
    def needs_attention(self) -> bool:
        """Whether markup has to be placed."""
        return self._masked is not None and bool(self._masked.elements)

    def restored(self, candidate: Candidate) -> Candidate | None:
        """Put back what was taken out for the model; None where that cannot be done, or something is lost."""
        if self._is_plain:
            return candidate
        text = candidate.text
        masked = self._masked
        if masked is not None and masked.elements:
            placed = self._placed(masked.elements, candidate)
            if placed is None:
                return None
            text = placed
        if self._is_shouted:
            text = raised(text, self._direction.target)
        elif text[:1].islower() and self.model_text[:1].isupper() and not self._begins_with_stand_in():
            text = text[:1].upper() + text[1:]
        if masked is not None:
            restored = restore(masked, text)
            if restored is None:
                return None
            text = f"{masked.before}{restored}{masked.after}"
        return candidate.reading(self.keyed(text)) if self.is_kept(text) else None

    def keyed(self, translation: str) -> str:
        """Put the sign of an entry's access key back."""
        return with_access_key(translation, self._access_key) if self._access_key else translation

    def _begins_with_stand_in(self) -> bool:
        masked = self._masked
        return masked is not None and bool(masked.stand_ins) and self.model_text.startswith(f"{masked.letter}1")

    def _placed(self, elements: Sequence[Element], candidate: Candidate) -> str | None:
        """Put markup into an answer where the model's attention says."""
        from nmt_distill.translation.placement import attention_on_source, place  # numpy takes a while

        hypothesis = candidate.hypothesis
        if hypothesis is None:
            return None
        return place(
            elements,
            self.model_text,
            candidate.text,
            source_tokens=candidate.source_tokens,
            target_tokens=hypothesis.tokens,
            attention=attention_on_source(hypothesis.attention, candidate.num_tags),
        )

    def is_kept(self, translation: str) -> bool:
        """Tell whether a translation holds all that is protected, and nothing of the kind that is not there.

        :param translation: without the sign of an access key
        """
        if self._holds_nothing:
            return not protected_spans(translation, markdown=self._markdown)
        return kept(self._bare, translation, markdown=self._markdown, terms=self._terms)

    def pieces(self) -> list[tuple[str, bool]]:
        """Cut the sentence at all that is protected; tell of each piece whether it is to be translated."""
        pieces: list[tuple[str, bool]] = []
        position = 0
        for span in self._spans:
            pieces += [*_without_signs(self._bare[position : span.start]), (span.text, False)]
            position = span.end
        return [*pieces, *_without_signs(self._bare[position:])]


def _without_signs(piece: str) -> list[tuple[str, bool]]:
    """Keep the signs that a piece begins with, such as a colon and a space, which a model may lose."""
    signs = _SIGNS.match(piece)
    return [(signs.group(), False), (piece[signs.end() :], True)] if signs is not None else [(piece, True)]


def _tally_of(hypothesis: Hypothesis) -> Tally:
    if hypothesis.finished and not hypothesis.repeating:
        return ALL_WELL
    return Tally(num_unfinished=int(not hypothesis.finished), num_repeating=int(hypothesis.repeating))


def _with_foreign(terms: Terms | None, foreign: list[Span]) -> Terms:
    """Let what the model cannot read give way to the terms of a glossary."""

    def found(text: str) -> list[Span]:
        known = [] if terms is None else terms(text)
        return known + [
            span for span in foreign if all(term.end <= span.start or term.start >= span.end for term in known)
        ]

    return found
