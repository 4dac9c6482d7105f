"""What the teacher is asked for, and what is kept of its answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from nmt_distill.configuration.constraints import Faults, NaturalInt, Positive, PositiveInt, Share
from nmt_distill.distillation.filters import LabelFilterConfig
from nmt_distill.teacher.base import Kept, Sampling

DivergenceName: TypeAlias = Literal["kl", "reverse_kl", "js", "tvd", "skew_kl"]
"""how the student's next-token distribution is compared with the teacher's"""
HiddenDistance: TypeAlias = Literal["mse", "cosine"]
"""how a hidden state of the student is compared with one of the teacher"""
STORE_FORMAT = 2
"""version of the files that hold labels and soft targets"""
ESTIMATED_FROM_DRAWS: tuple[DivergenceName, ...] = ("kl", "skew_kl")
"""divergences that are a mean under the teacher's distribution, which drawn tokens stand for"""


@dataclass(frozen=True, kw_only=True)
class DistillationConfig:
    """Labelling at both levels: translations, and soft targets over them."""

    targets: Literal["teacher", "human", "forced"] = "teacher"
    """``teacher`` translates all source text; ``human`` takes the corpus pairs as they are, for baselines; ``forced``
    takes them too, and reads the teacher's distributions over them (word-level distillation alone, Kim & Rush 2016)"""
    human_share: Share = 0.0
    """where ``targets`` is ``teacher``: share of the human translations that are learned from beside the teacher's,
    with soft targets of their own; 1 is original and distilled text together (Gordon & Duh 2019)"""
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
    kept: Kept = "top"
    """``top`` keeps the most probable next tokens, and what all others have together; ``drawn`` keeps tokens drawn from
    the teacher's distribution, which are the whole of it on average (Anshumann et al. 2025)"""
    num_kept: NaturalInt = 16
    """K most probable next tokens that are kept, or how many are drawn, for which 50 is usual; 0 keeps no soft
    targets"""
    probs_precision: Literal["float16", "float32"] = "float16"
    """in which probabilities are written; float16 is off by 0.05 % at most above 6e-5, by more below: by 0.14 % at
    1e-5, 1.3 % at 1e-6"""
    temperature: Positive = 1.0
    """at which probabilities are kept and compared"""
    keep_states: bool = True
    """keep the last decoder states too (float16), for students that share the teacher's output table"""
    shard_sentences: PositiveInt = 4096
    """sentences of one shard, the unit that a killed run makes again"""
    max_source_tokens: PositiveInt = 200
    """longer sources, or those for which the teacher has no room, are left out, and counted; of a teacher that shows no
    ids words and wide characters are counted"""

    def faults(self) -> Faults:
        """Yield what is wrong across fields."""
        if self.sampling is not None and self.beam_size > 1:
            yield "beam_size", f"must be 1 where candidates are drawn by sampling, but is {self.beam_size} instead"
        if self.human_share and self.targets != "teacher":
            yield "human_share", f"must be 0 where targets is {self.targets}, since all targets are human then"
        if self.num_labels > self.num_candidates:
            yield (
                "num_labels",
                f"must be at most num_candidates ({self.num_candidates}), but is {self.num_labels} instead",
            )
