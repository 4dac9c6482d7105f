"""Several models of transformers over one vocabulary, read as one: the mean of their probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.base import ForcedDecoding, ForcedPass
from nmt_distill.teacher.ensemble import ReadoutEnsemble
from nmt_distill.teacher.marian.ensemble import mean_logits
from nmt_distill.teacher.transformers.checkpoint import load_config, load_model, load_tokenizer
from nmt_distill.teacher.transformers.graph import EncodedSource, TransformersGraph
from nmt_distill.teacher.transformers.hub import ModelFolder, find_further
from nmt_distill.teacher.transformers.tokenization import vocabulary_of


class TransformersEnsemble(ReadoutEnsemble[EncodedSource]):
    """Models of transformers that are read together, in the training step too."""

    graphs: Sequence[TransformersGraph]

    def forced_pass(
        self, source_ids: list[list[int]], target_ids: Sequence[Sequence[int]], *, skipped: int
    ) -> ForcedPass:
        """Read given targets in the training step; hidden states are those of the first model.

        :param skipped: source tokens before the text
        """
        passes = [graph.forced_pass(source_ids, target_ids, skipped=skipped) for graph in self.graphs]

        def logits(rows: slice) -> Tensor:
            return mean_logits([forced.logits(rows) for forced in passes])

        return ForcedPass(passes[0].encoder, lambda: ForcedDecoding(passes[0].decoder, logits))


def load_further(
    path: str,
    dtype: str,
    *,
    first: TransformersGraph,
    tokens: Mapping[str, int],
    load_with: str | None,
    positions: int | None,
) -> tuple[TransformersGraph, ModelFolder]:
    """Load a further model of an ensemble.

    :param first: the first model
    :param tokens: the vocabulary of its tokenizer
    :param load_with: tokenizer class of transformers; None leaves the choice to transformers
    :param positions: what the first model has room for
    :raises NmtDistillError: if it is not there, has another vocabulary, or less room
    """
    folder = find_further(path)
    config: Any = load_config(folder)
    model = load_model(folder, dtype).to(first.device).eval()
    num_ids = model.get_output_embeddings().weight.shape[0]
    if vocabulary_of(load_tokenizer(folder, load_with)) != tokens or num_ids != first.vocab_size:
        raise NmtDistillError(
            f"teacher.ensemble: {path} has another vocabulary than the first model, so their probabilities have no "
            "mean; leave it out."
        )
    room = getattr(config, "max_position_embeddings", None)
    if room is not None and (positions is None or room < positions):
        raise NmtDistillError(
            f"teacher.ensemble: {path} has {room:,} positions, fewer than the first model; name it first."
        )
    graph = TransformersGraph(model, end_id=first.end_id, pad_id=first.pad_id, forced_ids=first.forced_ids)
    return graph, folder
