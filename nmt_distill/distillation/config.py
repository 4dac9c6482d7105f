"""What the teacher is asked for, and what is kept of its answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from nmt_distill.configuration.constraints import Faults, NaturalInt, Positive, PositiveInt
from nmt_distill.distillation.filters import LabelFilterConfig
from nmt_distill.teacher.base import Sampling


@dataclass(frozen=True, kw_only=True)
class DistillationConfig:
    """Labelling at both levels: translations, and soft targets over them."""

    targets: Literal["teacher", "human"] = "teacher"
    """``teacher`` translates all source text; ``human`` takes the corpus pairs as they are, for baselines"""
    beam_size: PositiveInt = 1
    """hypotheses under way in the teacher's search; 1 is greedy"""
    num_candidates: PositiveInt = 1
    """hypotheses kept per sentence, from which labels are chosen; at most ``beam_size`` of a search"""
    sampling: Sampling | None = None
    """draw the candidates at random instead of searching for the best; needs `beam_size: 1`"""
    choose_by: Literal["score", "chrf", "bleu", "mbr"] = "chrf"
    """``chrf`` and ``bleu`` rank by likeness to the human reference where there is one, else by score; ``mbr`` by mean
    chrF2++ against all candidates"""
    num_labels: PositiveInt = 1
    """candidates of one sentence that the student learns from, as far as they differ in text"""
    filters: LabelFilterConfig = field(default_factory=LabelFilterConfig)
    """labels that are left out"""
    num_kept: NaturalInt = 16
    """K, the next tokens whose probability is kept, the rest being one tail bucket; 0 keeps no soft targets"""
    temperature: Positive = 1.0
    """at which probabilities are kept and compared"""
    keep_states: bool = True
    """keep the last decoder states too (float16), for students that share the teacher's output table"""
    shard_sentences: PositiveInt = 4096
    """sentences of one shard, the unit that a killed run makes again"""
    max_source_tokens: PositiveInt = 200
    """longer sources are left out, and counted"""

    def faults(self) -> Faults:
        """Yield what is wrong across fields."""
        if self.sampling is not None and self.beam_size > 1:
            yield "beam_size", f"must be 1 where candidates are drawn by sampling, but is {self.beam_size} instead"
        if self.num_labels > self.num_candidates:
            yield (
                "num_labels",
                f"must be at most num_candidates ({self.num_candidates}), but is {self.num_labels} instead",
            )
