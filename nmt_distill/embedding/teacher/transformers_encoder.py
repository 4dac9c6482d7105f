"""A model of Hugging Face transformers as a teacher of sentence vectors: its last states, pooled.

Shapes: N sentences, S tokens, D width.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModel, AutoTokenizer

from nmt_distill.embedding.losses import mean_pool
from nmt_distill.embedding.vectors import Vectors
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import fingerprint
from nmt_distill.student.checkpoint import quiet_transformers
from nmt_distill.teacher.batches import batches_by_length
from nmt_distill.teacher.transformers.hub import find_model

Pooling = Literal["mean", "first_token", "last_token"]


class TransformersEncoder:
    """An encoder, the encoder of an encoder-decoder, or a decoder-only model, with its tokenizer."""

    def __init__(
        self,
        name_or_path: str,
        *,
        revision: str | None = None,
        pooling: Pooling = "mean",
        prefix: str = "",
        normalize: bool = True,
        device: str = "cpu",
        dtype: Literal["float32", "bfloat16", "float16"] = "float32",
        max_tokens: int = 256,
        batch_tokens: int = 4096,
    ) -> None:
        """Load the model from a folder, or fetch it from the hub; code that it brings is never run.

        :param prefix: text before every sentence
        :param normalize: scale vectors to length 1
        :param max_tokens: most tokens of a sentence, specials included
        :param batch_tokens: tokens of one batch, padding included
        :raises NmtDistillError: if it is not there, or cannot be loaded
        """
        folder = find_model(name_or_path, revision)
        options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
        try:
            with quiet_transformers():
                config = AutoConfig.from_pretrained(folder.path, **options)
                self._tokenizer = AutoTokenizer.from_pretrained(folder.path, **options)
                model = AutoModel.from_pretrained(
                    folder.path, dtype=getattr(torch, dtype), weights_only=True, **options
                )
        except Exception as error:  # transformers raises what its parts raise
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise NmtDistillError(f"{folder.path} cannot be loaded as an encoder ({reason}).") from None
        self._model = (model.get_encoder() if config.is_encoder_decoder else model).to(device).eval()
        self._name, self._device = name_or_path, device
        self._pooling, self._prefix, self._normalize = pooling, prefix, normalize
        self._max_tokens, self._batch_tokens = min(max_tokens, _most_tokens(config)), batch_tokens
        self.fingerprint = fingerprint([folder.hashes(), pooling, prefix, normalize, dtype])

    def embed(self, sentences: Sequence[str]) -> Vectors:
        """Return vectors (N, D); see :class:`nmt_distill.embedding.teacher.base.EmbeddingTeacher`.

        :raises NmtDistillError: if a sentence has more tokens than ``max_tokens``
        """
        encoded = self._tokenizer([self._prefix + sentence for sentence in sentences])["input_ids"]
        for sentence, ids in zip(sentences, encoded, strict=True):
            if len(ids) > self._max_tokens:
                raise NmtDistillError(
                    f"a sentence has {len(ids):,} tokens, but {self._name} is given at most {self._max_tokens:,} "
                    f'(embedding.teacher.max_tokens, and its positions): "{sentence[:60]}"; raise max_tokens as far as '
                    "its positions go, or cut the corpus by corpus.filters."
                )
        found: list[Vectors] = [np.zeros(0)] * len(encoded)
        with torch.inference_mode():
            for places in batches_by_length(encoded, self._batch_tokens):
                vectors = self._vectors([encoded[place] for place in places])
                for place, vector in zip(places, vectors.float().cpu().numpy(), strict=True):
                    found[place] = vector
        return np.stack(found)

    def _vectors(self, token_ids: Sequence[Sequence[int]]) -> Tensor:
        lengths = torch.tensor([len(ids) for ids in token_ids])
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        ids = torch.full(mask.shape, self._tokenizer.pad_token_id or 0)
        ids[mask] = torch.tensor([token for row in token_ids for token in row])
        ids, mask = ids.to(self._device), mask.to(self._device)
        states = self._model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        return pool(states, mask, self._pooling, normalize=self._normalize)

    def close(self) -> None:
        """Do nothing: no process or connection is open."""


def _most_tokens(config: Any) -> int:
    """Return how many tokens a model has positions for; relatives of RoBERTa begin to count behind their padding."""
    positions = getattr(config, "max_position_embeddings", None)
    if positions is None:
        return sys.maxsize
    counts_padding = config.model_type in {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "xmod"}
    return int(positions) - (int(config.pad_token_id) + 1 if counts_padding else 0)


def pool(states: Tensor, mask: Tensor, pooling: Pooling, *, normalize: bool) -> Tensor:
    """Make one vector (N, D) of the states (N, S, D) of each sentence, whose padding stands right.

    :param mask: (N, S), true where there is a token
    """
    if pooling == "mean":
        vectors = mean_pool(states.float(), mask)
    else:
        places = mask.sum(dim=1) - 1 if pooling == "last_token" else torch.zeros_like(mask[:, 0], dtype=torch.long)
        vectors = states[torch.arange(len(states), device=states.device), places].float()
    return torch.nn.functional.normalize(vectors, dim=-1) if normalize else vectors
