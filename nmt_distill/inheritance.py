"""What a teacher hands down to a student: its parameters, by the names of the student's graph."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

EMBEDDINGS = "model.shared.weight"
BIAS = "final_logits_bias"
LAYER = re.compile(r"model\.(encoder|decoder)\.layers\.(\d+)\.(.+)")
"""name of a parameter of a layer: its part, its number, its name in the layer"""

Part = Literal["encoder", "decoder"]


@dataclass(frozen=True, kw_only=True)
class Inheritance:
    """A teacher's parameters, and what one must know to use them.

    D width, V ids of the teacher.
    """

    where: str
    """names the teacher in messages"""
    graph: Literal["marian", "nllb"] | None
    """whose layers they are; None where no student's graph has such layers, and there are embeddings alone"""
    obstacles: tuple[str, ...] = ()
    """what the teacher has or does that no student's graph does, where ``graph`` is None"""
    activation: str = "relu"
    """between the two matrices of a feed-forward block, by transformers' name"""
    num_heads: int = 1
    """of every attention"""
    parameters: Mapping[str, Tensor]
    """embeddings (V, D) and bias (V,) have a row for every id of the teacher, layers are all of the teacher's"""
    piece_ids: Mapping[str, int] = field(default_factory=dict)
    """the teacher's id of each of its pieces by name, for students with a vocabulary of their own"""

    @property
    def model_dim(self) -> int:
        """D."""
        return int(self.parameters[EMBEDDINGS].shape[1])

    @property
    def ffn_inner_dim(self) -> int:
        """Width inside the feed-forward blocks."""
        return int(self.parameters["model.encoder.layers.0.fc1.bias"].shape[0])

    def num_layers(self, part: Part) -> int:
        """Count the layers of a part."""
        return len({match[2] for match in map(LAYER.fullmatch, self.parameters) if match and match[1] == part})
