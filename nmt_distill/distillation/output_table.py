"""The projection of states to the vocabulary, a chunk of rows at a time in the same memory.

Shapes: R rows of a chunk, D width, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor


class OutputTable:
    """The output table in the dtype of the states, and the buffers that logits of one chunk after the other fill.

    For a new tensor the kernel may map new pages, which costs a processor as much time as a product in bfloat16.
    """

    def __init__(self, states: Tensor, weight: Tensor, bias: Tensor, chunk_rows: int) -> None:
        """Make the buffers.

        :param states: of which chunks will be projected; only their dtype and device count
        :param weight: (V, D)
        :param bias: (V,)
        :param chunk_rows: of the largest chunk
        """
        self.weight = weight.to(states.dtype)
        self.bias = bias.to(wide(states))
        shape = (min(chunk_rows, len(states)), len(weight))
        self._wide = torch.empty(shape, dtype=wide(states), device=states.device)
        is_wide = states.dtype == self._wide.dtype
        self._narrow = self._wide if is_wide else torch.empty(shape, dtype=states.dtype, device=states.device)

    def logits(self, states: Tensor) -> Tensor:
        """Project a chunk (R, D) to logits (R, V), at least float32, which the next call overwrites."""
        logits, product = self._wide[: len(states)], self._narrow[: len(states)]
        if logits.dtype == product.dtype:
            return torch.addmm(self.bias, states, self.weight.T, out=logits)
        torch.mm(states, self.weight.T, out=product)
        return logits.copy_(product).add_(self.bias)

    def narrowed(self, gradient: Tensor) -> Tensor:
        """Give what :meth:`logits` returned the dtype of the states."""
        return gradient if self._narrow is self._wide else self._narrow[: len(gradient)].copy_(gradient)


def wide(tensor: Tensor) -> torch.dtype:
    """Return the dtype in which sums over the vocabulary are taken: float32, or float64 for float64."""
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32
