"""Filters over what a teacher wrote: labels from which a student would learn something wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from nmt_distill.configuration.constraints import Bounds, NonNegative
from nmt_distill.corpus.filters import RATIO_SLACK, placeholders_differ
from nmt_distill.distillation.reverse import ReverseFilterConfig
from nmt_distill.distillation.selection import Similarity
from nmt_distill.language_identification import is_in_another_language
from nmt_distill.repetition import oscillates


@dataclass(frozen=True, kw_only=True)
class LabelFilterConfig:
    """Which labels are left out of the distilled corpus, beside empty and unfinished ones; each reason is counted."""

    max_ratio: Annotated[float, Bounds(least=1)] = 4.0
    """longest side divided by the shortest, in characters, 8 added to each; raise it for Chinese or Japanese"""
    drop_oscillating: bool = True
    """drop labels with a bigram that occurs 10 times or more, and not as often in the source"""
    drop_lost_placeholders: bool = False
    """drop labels whose placeholders, such as `{name}` or `%s`, differ from those of the source"""
    drop_copies: bool = False
    """drop labels that equal their source, which is correct for names and commands"""
    drop_wrong_language: bool = False
    """drop labels that are with high confidence in another language than the target (py3langid)"""
    min_reference_chrf: Annotated[float, Bounds(least=0, most=100)] = 0.0
    """drop labels with a lower chrF2++ against their human reference, if there is one"""
    max_reference_ter: NonNegative | None = None
    """drop labels with a higher TER, in percent, against their human reference, if there is one"""
    reverse: ReverseFilterConfig | None = None
    """drop the worst share of all labels, by how probable a model of the opposite direction finds their source; null
    drops none"""


@dataclass(frozen=True)
class Label:
    """A source and what the teacher made of it."""

    source: str
    text: str
    reference: str | None

    def compared(self, measure: Similarity, *, default: float) -> float:
        """Measure the label against the human reference; ``default`` where there is none."""
        return default if self.reference is None else measure(self.text, self.reference)


class LabelFilters:
    """Asks one filter after another."""

    def __init__(self, config: LabelFilterConfig, *, target: str, chrf: Similarity, ter: Similarity) -> None:
        """Choose the filters.

        :param target: language of the labels, BCP 47
        :param chrf: chrF2++ of a hypothesis and a reference, 0-100
        :param ter: TER of a hypothesis and a reference, in percent
        """
        max_ter = config.max_reference_ter
        asked: list[tuple[str, bool, Callable[[Label], bool]]] = [
            ("length_ratio", True, lambda label: _ratio(label) > config.max_ratio),
            ("oscillating", config.drop_oscillating, lambda label: oscillates(label.source, label.text)),
            (
                "placeholders",
                config.drop_lost_placeholders,
                lambda label: placeholders_differ(label.source, label.text),
            ),
            ("copy", config.drop_copies, lambda label: label.source.strip() == label.text.strip()),
            ("wrong_language", config.drop_wrong_language, lambda label: is_in_another_language(label.text, target)),
            (
                "far_from_reference",
                config.min_reference_chrf > 0,
                lambda label: label.compared(chrf, default=100) < config.min_reference_chrf,
            ),
            (
                "far_from_reference",
                max_ter is not None,
                lambda label: max_ter is not None and label.compared(ter, default=0) > max_ter,
            ),
        ]
        self._asked = [(name, drops) for name, is_wanted, drops in asked if is_wanted]

    def reason_to_drop(self, label: Label) -> str | None:
        """Return the name of the first filter that drops a label, or None."""
        return next((name for name, drops in self._asked if drops(label)), None)


def _ratio(label: Label) -> float:
    shorter, longer = sorted((len(label.source), len(label.text)))
    return (longer + RATIO_SLACK) / (shorter + RATIO_SLACK)
