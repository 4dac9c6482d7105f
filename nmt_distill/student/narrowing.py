"""From a teacher's parameters to those of a narrower student.

The residual stream, D wide in the teacher and d in the student, is seen through an orthonormal basis B (D, d): the
student's stream stands for ``r * B^T x``. Matrices that read the stream become ``W B / r``, those that write to it
``r * B^T W``, so that what is between reading and writing stays as it was. The factor r keeps the mean square of a
dimension, for which the student's norms and tables of positions provide anyway: ``r^2 = d / (D * e)``, where e is the
share of the embeddings' squares that B keeps. Rotation and subtraction of the mean do not commute, so this is a start,
not the same function; a norm's scale becomes the diagonal of what it is in the basis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

WidthProjection = Literal["svd", "slice"]
ROWS_AT_ONCE = 1 << 16
"""rows of a table that are in memory in double precision"""


@dataclass(frozen=True)
class Stream:
    """How the student's residual stream follows from the teacher's."""

    basis: Tensor
    """B, (D, d), orthonormal columns"""
    kept: float
    """e, share of the embeddings' squares that is left"""

    @classmethod
    def of(cls, table: Tensor, width: int, how: WidthProjection) -> Stream:
        """Choose a basis.

        ``svd`` takes the first right singular vectors of the table, not centred: of all linear maps they keep rows and
        their products best (Eckart & Young 1936), and a stream has no place for an offset. ``slice`` takes the first
        dimensions.

        :param table: (V, D) embeddings
        :param width: d
        """
        products = torch.zeros(table.shape[1], table.shape[1], dtype=torch.float64)
        for rows in torch.split(table.detach().cpu(), ROWS_AT_ONCE):
            products += rows.double().T @ rows.double()
        if how == "slice":
            basis = torch.eye(len(products), width, dtype=torch.float64)
        else:
            basis = torch.linalg.eigh(products).eigenvectors.flip(1)[:, :width]
            largest = basis.gather(0, basis.abs().argmax(dim=0, keepdim=True))
            basis = basis * largest.sign()  # else the sign is a matter of the library
        kept = float((basis * (products @ basis)).sum() / products.trace())
        return cls(basis.float(), kept)

    @property
    def factor(self) -> float:
        """Give r."""
        teacher_width, width = self.basis.shape
        return math.sqrt(width / (teacher_width * self.kept))

    @property
    def output_factor(self) -> float:
        """Tell by what the decoder's last norm is multiplied, so that narrower rows and states have products as large.

        Rows are ``E B / sqrt(e)``, states ``r * B^T h``.
        """
        return math.sqrt(self.kept) / self.factor

    def embed(self, rows: Tensor) -> Tensor:
        """Project embeddings (V, D) so that the mean square of their norms stays: (V, d)."""
        return rows @ self.basis / math.sqrt(self.kept)

    def read(self, matrix: Tensor) -> Tensor:
        """Narrow a matrix (out, D) that reads the stream."""
        return matrix @ self.basis / self.factor

    def write(self, values: Tensor) -> Tensor:
        """Narrow a matrix (D, in) or a bias (D,) that is added to the stream."""
        return torch.mul(self.basis.T @ values, self.factor)

    def scale(self, values: Tensor) -> Tensor:
        """Narrow the scale (D,) of a norm."""
        return self.basis.square().T @ values


def spaced(num_chosen: int, num_available: int) -> list[int]:
    """Choose at even distances, the first and the last among them; a single one is the last."""
    if num_chosen == 1:
        return [num_available - 1]
    return [round(index * (num_available - 1) / (num_chosen - 1)) for index in range(num_chosen)]


@dataclass(frozen=True)
class Narrowing:
    """A teacher's layers at a student's widths."""

    stream: Stream | None
    """None where both have the same width"""
    heads: tuple[int, int]
    """heads of the teacher and of the student"""
    width: int
    """the student's, d"""
    ffn_inner_dim: int
    """the student's"""

    def layer(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Narrow the parameters of one layer, given by their names in the layer.

        Of heads those at even distances stay, and of each its first dimensions; of the feed-forward units those whose
        rows and columns are longest (their norms' product), in their order.
        """
        parameters = {name: value.detach().float().cpu() for name, value in parameters.items()}
        units = self._units(parameters["fc1.weight"], parameters["fc2.weight"])
        return {name: self._narrow(name, value, units) for name, value in parameters.items()}

    def norm(self, name: str, values: Tensor) -> Tensor:
        """Narrow a norm's scale or bias (D,)."""
        values = values.detach().float().cpu()
        if self.stream is None:
            return values
        return self.stream.scale(values) if name.endswith("weight") else self.stream.write(values)

    def _narrow(self, name: str, value: Tensor, units: Tensor) -> Tensor:
        module, kind = name.rsplit(".", 1)
        if module.endswith("layer_norm"):
            return self.norm(name, value)
        if module.endswith(("out_proj", "fc2")):
            if kind == "weight":
                value = value[:, self._head_places(value.shape[1]) if module.endswith("out_proj") else units]
            return value if self.stream is None else self.stream.write(value)
        value = value[units if module == "fc1" else self._head_places(value.shape[0])]
        return value if self.stream is None or kind == "bias" else self.stream.read(value)

    def _head_places(self, teacher_width: int) -> Tensor:
        teacher_heads, num_heads = self.heads
        places = torch.arange(teacher_width).view(teacher_heads, -1)
        return places[spaced(num_heads, teacher_heads), : self.width // num_heads].flatten()

    def _units(self, reading: Tensor, writing: Tensor) -> Tensor:
        strength = torch.linalg.vector_norm(reading, dim=1) * torch.linalg.vector_norm(writing, dim=0)
        chosen: Tensor = strength.topk(self.ffn_inner_dim).indices.sort().values
        return chosen
