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
    """``teacher``: the teacher's translations of all source text; ``human``: human translations, for baselines and
    teachers; ``forced``: human translations with the teacher's distributions over them (word-level distillation alone,
    Kim & Rush 2016)"""
    human_share: Share = 0.0
    """with ``targets: teacher``: share of the human translations that are labels too, with soft targets of their own; 1
    is original and distilled text together (Gordon & Duh 2019)"""
    beam_size: PositiveInt = 1
    """beam size of the teacher's search; 1 is greedy"""
    num_candidates: PositiveInt = 1
    """hypotheses kept per sentence, from which labels are chosen; at most ``beam_size``, except with sampling"""
    sampling: Sampling | None = None
    """draw the candidates at random instead of by beam search; needs `beam_size: 1`"""
    choose_by: Literal["score", "chrf", "bleu", "mbr"] = "chrf"
    """how candidates are ranked: ``chrf`` and ``bleu`` by similarity to the human reference if there is one, otherwise
    by score; ``mbr`` by mean chrF2++ against all candidates"""
    num_labels: PositiveInt = 1
    """most candidates of one sentence that the student learns from; equal texts count once"""
    filters: LabelFilterConfig = field(default_factory=LabelFilterConfig)
    """labels that are left out"""
    kept: Kept = "top"
    """``top`` keeps the most probable next tokens and the total probability of all others; ``drawn`` keeps tokens drawn
    from the teacher's distribution, an unbiased estimate of it (Anshumann et al. 2025)"""
    num_kept: NaturalInt = 16
    """number K of most probable next tokens kept, or number of draws, for which 50 is usual; 0 keeps no soft targets"""
    probs_precision: Literal["float16", "float32"] = "float16"
    """precision of stored probabilities; the error of float16 is at most 0.05 % above 6e-5, and more below: 0.14 % at
    1e-5, 1.3 % at 1e-6"""
    temperature: Positive = 1.0
    """temperature T at which probabilities are stored and compared"""
    keep_states: bool = True
    """also keep the last decoder states (float16), for students that share the teacher's output table
    (``state_weight``)"""
    shard_sentences: PositiveInt = 4096
    """sentences of one shard; a killed run loses at most the shard under way"""
    max_source_tokens: PositiveInt = 200
    """sources that are longer than this or than the teacher's positions are left out and counted; if the teacher gives
    no ids, words and wide characters are counted instead of tokens"""

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
