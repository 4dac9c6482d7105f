"""What the teacher is asked for, and what is kept of its answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class DistillationConfig:
    """Labelling at both levels: translations, and soft targets over them."""

    targets: Literal["teacher", "human"] = "teacher"
    """``teacher`` translates all source text; ``human`` takes the corpus pairs as they are, for baselines"""
    beam_size: int = 1
    """hypotheses under way in the teacher's search; 1 is greedy"""
    num_candidates: int = 1
    """hypotheses kept per sentence, from which one is chosen; at most ``beam_size``"""
    choose_by: Literal["score", "chrf"] = "chrf"
    """``chrf`` takes the candidate most like the human reference where there is one, else the best score"""
    num_kept: int = 16
    """K, the next tokens whose probability is kept, the rest being one tail bucket; 0 keeps no soft targets"""
    temperature: float = 1.0
    """at which probabilities are kept and compared"""
    keep_states: bool = True
    """keep the last decoder states too (float16), for students that share the teacher's output table"""
    shard_sentences: int = 4096
    """sentences of one shard, the unit that a killed run makes again"""
    max_source_tokens: int = 200
    """longer sources are left out, and counted"""

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield the fields whose values cannot be."""
        for name in ("beam_size", "num_candidates", "shard_sentences", "max_source_tokens"):
            if getattr(self, name) < 1:
                yield name, f"must be at least 1, but is {getattr(self, name)} instead"
        if self.num_candidates > self.beam_size:
            yield (
                "num_candidates",
                f"must be at most beam_size ({self.beam_size}), but is {self.num_candidates} instead",
            )
        if self.num_kept < 0:
            yield "num_kept", f"must be at least 0, but is {self.num_kept} instead"
        if self.temperature <= 0:
            yield "temperature", f"must be positive, but is {self.temperature} instead"
