"""What is made of a trained student."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from nmt_distill.configuration.constraints import Faults, NaturalInt, NonNegative, NotEmpty, PositiveInt, Share

Precision: TypeAlias = Literal["float32", "bfloat16", "float16", "int16", "int8_float32", "int8_float16", "int8"]
"""how CTranslate2 keeps weights"""
PRECISIONS: tuple[Precision, ...] = (
    "float32",
    "bfloat16",
    "float16",
    "int16",
    "int8_float32",
    "int8_float16",
    "int8",
)
"""all of them, the most exact first and what most people run last"""


@dataclass(frozen=True, kw_only=True)
class VocabularyMapConfig:
    """Which pieces may follow which pieces of a source, so that not all have to be tried."""

    num_pairs: PositiveInt = 20_000
    """evenly spaced pairs of the distilled corpus of each direction from which it is learned"""
    num_candidates: PositiveInt = 50
    """most target pieces for a source piece, those with the most links, besides the pieces that are always possible"""
    num_frequent: NaturalInt = 4000
    """target pieces that are always possible: the most frequent ones of all labels"""


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """What is made of the trained student."""

    precisions: Annotated[tuple[Precision, ...], NotEmpty()] = ("float32", "int8")
    """CTranslate2 folders to make, each under ``export/``"""
    beam_size: PositiveInt = 1
    """beam size of validation and scores, and the default of ``translate``"""
    encoder: bool = False
    """also export the encoder alone, in ``encoder/``, even if it has learned no sentence vectors; with a section
    `embedding` it is always there"""
    formats: tuple[Literal["fairseq2", "onnx", "transformers"], ...] = ()
    """other formats to write: a checkpoint of fairseq2 (nllb graph), ONNX, which needs ``optimum-onnx``, or the student
    of transformers in float16, half as large"""
    vocabulary_map: VocabularyMapConfig | None = None
    """learn from the distilled corpus which pieces can translate which, and search only among these; kept only if
    ``translate`` is faster with it and loses at most ``max_drop``"""
    num_parity_sentences: PositiveInt = 200
    """held-out sentences on which an export is compared with the student in transformers"""
    min_parity: Share = 0.99
    """smallest share of these sentences with the same greedy ids in float32, in ONNX and in the format `transformers`;
    if it is missed, the command ends with status 3"""
    max_drop: NonNegative = 1.0
    """most points of BLEU or chrF2++ that a precision may lose against the student on these sentences; if it loses
    more, the command ends with status 3, unless ``--allow-drop`` is given"""

    @property
    def ordered_precisions(self) -> tuple[Precision, ...]:
        """The precisions, the most exact first and what most people run last."""
        return tuple(precision for precision in PRECISIONS if precision in self.precisions)

    def missed_bounds(self, facts: Mapping[str, Any]) -> list[str]:
        """Say in a sentence each which of the bounds an export misses.

        :param facts: what the export stage found out
        """
        formats = {kind: found.get("parity") for kind, found in facts.get("formats", {}).items()}
        engines = (
            ("CTranslate2", facts["parity"]),
            ("ONNX", formats.get("onnx")),
            ("its copy in float16", formats.get("transformers")),
        )
        missed = [
            f"only {parity['num_equal']} of {parity['num_sentences']} sentences have the same greedy ids in "
            f"transformers and {engine}; export.min_parity wants {self.min_parity:.0%}"
            for engine, parity in engines
            if parity and parity["num_equal"] < self.min_parity * parity["num_sentences"]
        ]
        missed += [
            f"{precision} loses {result['max_drop']:.2f} points against the student on held-out text; export.max_drop "
            f"allows {self.max_drop:g}"
            for precision, result in facts["precisions"].items()
            if result["max_drop"] > self.max_drop
        ]
        return missed

    def faults(self) -> Faults:
        """Yield what is wrong across fields."""
        for name in ("precisions", "formats"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                yield name, f"must name each once, but are {', '.join(values)}"
