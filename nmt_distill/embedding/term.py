"""The term that sentence vectors add to a student's objective."""

from __future__ import annotations

import torch
from torch import Tensor

from nmt_distill.embedding.config import EmbeddingConfig
from nmt_distill.embedding.losses import contrastive_loss, vector_distance
from nmt_distill.embedding.projection import sentence_vectors
from nmt_distill.student.graph import StudentModel


class SentenceTerm:
    """Compares a student's sentence vectors with a teacher's.

    Shapes: N sentences, S source and T target positions, R target tokens without padding, D width of the vectors.
    """

    def __init__(self, config: EmbeddingConfig, *, has_tags: bool) -> None:
        """Take the settings.

        :param has_tags: whether sources begin with a tag, which vectors must know nothing of
        """
        self._config, self._num_tags = config, int(has_tags)

    def loss(
        self,
        student: StudentModel,
        *,
        source_ids: Tensor,
        source_mask: Tensor,
        source_states: Tensor,
        target: Tensor | None,
        target_mask: Tensor,
        teacher: Tensor,
    ) -> Tensor:
        """Return the loss summed over sentences, each times its number of target tokens: no batch changes its weight.

        :param source_ids: (N, S)
        :param source_mask: (N, S), true where there is a token
        :param source_states: (N, S, d) what the encoder made of these sources, tags included
        :param target: (R,) the ids of all translations, end to end, which are embedded as sentences too; None where
            they are no translations to learn from, so that sources alone are compared
        :param target_mask: (N, T)
        :param teacher: (N, D)
        """
        config, teacher = self._config, teacher.float()
        if self._num_tags:
            source_ids, source_mask = source_ids[:, self._num_tags :], source_mask[:, self._num_tags :]
            source_states = encode(student, source_ids, source_mask)
        sources = sentence_vectors(student, source_states, source_mask).float()
        losses = config.distance_weight * vector_distance(sources, teacher, config.distance)
        if config.on_translations and target is not None:
            ids = torch.full(target_mask.shape, student.config.pad_token_id, device=target.device)
            ids[target_mask] = target
            translations = sentence_vectors(student, encode(student, ids, target_mask), target_mask).float()
            losses = losses + config.distance_weight * vector_distance(translations, teacher, config.distance)
            if config.contrastive_weight:
                losses = losses + config.contrastive_weight * contrastive_loss(
                    sources,
                    translations,
                    teacher,
                    margin=config.contrastive_margin,
                    scale=config.contrastive_scale,
                )
        return (losses * target_mask.sum(dim=1)).sum()


def encode(student: StudentModel, ids: Tensor, mask: Tensor) -> Tensor:
    """Run the encoder alone: states (N, S, d)."""
    states: Tensor = student.model.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    return states
