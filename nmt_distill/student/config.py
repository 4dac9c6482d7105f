"""What a student looks like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from nmt_distill.configuration.constraints import Bounds, Decay, Faults, PositiveInt


@dataclass(frozen=True, kw_only=True)
class StudentConfig:
    """Shape of the student; one embedding table serves source, target and output."""

    graph: Literal["marian", "nllb"] = "marian"
    """``marian`` is post-norm (MarianMTModel), ``nllb`` pre-norm (M2M100ForConditionalGeneration)"""
    preset: Literal["micro", "tiny", "small", "base", "deep-12-1", "deep-12-3"] | None = None
    """depth, widths and heads by a name, see "Shapes of students" in the guide; other keys override it"""
    initialization: Literal["teacher", "embeddings", "random"] = "teacher"
    """``teacher`` starts from evenly spaced layers of the teacher and its embeddings, ``embeddings`` from the
    embeddings alone, ``random`` from random weights"""
    initialize_from: str | None = None
    """folder of another student, such as a grown one, to start from instead of the teacher"""
    width_projection: Literal["svd", "slice"] = "svd"
    """how a student narrower than its teacher starts from it: ``svd`` projects to the principal directions of the
    embeddings, ``slice`` keeps their first dimensions"""
    model_dim: PositiveInt = 256
    """width of embeddings and layers"""
    ffn_inner_dim: PositiveInt = 1536
    """width inside the feed-forward blocks"""
    num_heads: PositiveInt = 8
    """attention heads"""
    num_encoder_layers: PositiveInt = 6
    """layers of the encoder"""
    num_decoder_layers: PositiveInt = 2
    """layers of the decoder"""
    activation: Literal["relu", "swish", "gelu"] = "relu"
    """activation between the two matrices of a feed-forward block; OPUS models of transformers have ``swish``"""
    max_positions: Annotated[int, Bounds(least=16)] = 512
    """longest source or target, in tokens"""
    dropout: Decay = 0.1
    """dropout in training on residual branches and embeddings"""

    def faults(self) -> Faults:
        """Yield what is wrong across fields."""
        step = 2 * self.num_heads
        if self.model_dim % step:
            yield "model_dim", f"must be a multiple of 2 * num_heads ({step}), but is {self.model_dim} instead"
        if self.initialize_from is not None and self.initialization == "random":
            yield "initialize_from", "must be left out where initialization is random"
