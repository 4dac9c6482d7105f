"""What a student looks like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class StudentConfig:
    """Shape of the student; one embedding table serves source, target and output."""

    graph: Literal["marian", "nllb"] = "marian"
    """``marian`` is post-norm (MarianMTModel), ``nllb`` pre-norm (M2M100ForConditionalGeneration)"""
    initialization: Literal["teacher", "random"] = "teacher"
    """``teacher`` copies every parameter that fits: embeddings, encoder, cross-attention, feed-forward, norms"""
    model_dim: int = 256
    """width of embeddings and layers"""
    ffn_inner_dim: int = 1536
    """width inside the feed-forward blocks"""
    num_heads: int = 8
    """attention heads"""
    num_encoder_layers: int = 6
    """layers of the encoder"""
    num_decoder_layers: int = 2
    """layers of the decoder"""
    max_positions: int = 512
    """longest source or target, in tokens"""
    dropout: float = 0.1
    """dropout in training on residual branches and embeddings"""

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield the fields whose values cannot be."""
        for name in ("model_dim", "ffn_inner_dim", "num_heads", "num_encoder_layers", "num_decoder_layers"):
            if getattr(self, name) < 1:
                yield name, f"must be at least 1, but is {getattr(self, name)} instead"
        if self.num_heads >= 1 and self.model_dim % (2 * self.num_heads):
            yield "model_dim", f"must be a multiple of 2 * num_heads ({2 * self.num_heads}), but is {self.model_dim}"
        if self.max_positions < 16:
            yield "max_positions", f"must be at least 16, but is {self.max_positions} instead"
        if not 0 <= self.dropout < 1:
            yield "dropout", f"must be in [0, 1), but is {self.dropout} instead"
