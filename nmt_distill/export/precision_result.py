"""What became of the export in one precision, beside the student that it was made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from nmt_distill.computed_precision import falls_back
from nmt_distill.export.map_trial import MapTrial
from nmt_distill.export.parity import Parity, QualityDrop

DEVICES = {"cpu": "processor", "cuda": "GPU"}


@dataclass(frozen=True, kw_only=True)
class PrecisionResult:
    """What became of the export in one precision."""

    precision: str
    """how the weights are kept"""
    computed_in: dict[str, str]
    """the precision that CTranslate2 computes in here, by device: ``cpu``, and ``cuda`` where there is one"""
    num_bytes: int
    """of all files"""
    greedy: Parity
    """ids of a greedy search"""
    beam: Parity
    """ids of a beam search"""
    drops: tuple[QualityDrop, ...]
    """scores of each direction"""
    vocabulary_map: MapTrial | None
    """what a map of the vocabulary brought; None where none was asked for"""

    @property
    def max_drop(self) -> float:
        """The largest loss of all directions, in points of BLEU or chrF2++."""
        return max((loss for drop in self.drops for loss in (drop.bleu, drop.chrf)), default=0.0)

    @property
    def fallback(self) -> str:
        """Say which precision each device takes in the place of one that it lacks; empty where it has it."""
        return "; ".join(
            f"this {DEVICES[device]} does not compute in {self.precision}, so CTranslate2 takes {computed}"
            for device, computed in self.computed_in.items()
            if falls_back(self.precision, computed)
        )

    def in_words(self) -> str:
        """Say all in one line."""
        parts = [
            f"{self.precision}: {self.num_bytes / 1e6:.1f} MB",
            f"of {self.greedy.num_sentences} sentences {self.greedy.num_equal} have the student's ids, "
            f"{self.beam.num_equal} with a beam",
            *(f"{drop.direction}: BLEU {_gain(drop.bleu)}, chrF2++ {_gain(drop.chrf)}" for drop in self.drops),
        ]
        if self.fallback:
            parts.append(self.fallback)
        if self.vocabulary_map is not None:
            parts.append(self.vocabulary_map.in_words())
        return "; ".join(parts)

    def content(self) -> dict[str, Any]:
        """Return it for JSON."""
        drops = [
            {
                "direction": str(drop.direction),
                "student": {"bleu": asdict(drop.student.bleu), "chrf": asdict(drop.student.chrf)},
                "export": {"bleu": asdict(drop.export.bleu), "chrf": asdict(drop.export.chrf)},
            }
            for drop in self.drops
        ]
        return {
            "computed_in": self.computed_in,
            "num_bytes": self.num_bytes,
            "greedy": self.greedy.content(),
            "beam": self.beam.content(),
            "drops": drops,
            "max_drop": self.max_drop,
            "vocabulary_map": None if self.vocabulary_map is None else asdict(self.vocabulary_map),
        }


def _gain(loss: float) -> str:
    return f"{0.0 - round(loss, 2):+.2f}"
