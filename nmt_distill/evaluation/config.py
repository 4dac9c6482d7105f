"""What a recipe says of how the finished systems are judged."""

from __future__ import annotations

from dataclasses import dataclass

from nmt_distill.configuration.constraints import NaturalInt, PositiveInt
from nmt_distill.evaluation.metrics import AUTO
from nmt_distill.evaluation.noise import Noise
from nmt_distill.evaluation.outside_metrics import OutsideMetricConfig


@dataclass(frozen=True, kw_only=True)
class SuiteConfig:
    """An outside test set, whose text the user has."""

    suite: str
    """YAML that names its origin, licence and checksums, such as ``eval/suites/tatoeba.yaml``"""
    folder: str
    """folder with its files"""
    max_sentences: PositiveInt | None = None
    """number of sentences to take from the beginning; null takes all"""


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """What the finished systems are measured on, besides the held-out text of the corpus."""

    max_sentences: PositiveInt | None = None
    """held-out sentences to translate; null takes all"""
    speed_repetitions: NaturalInt = 3
    """timed passes over them, whose median is reported; 0 measures no speed"""
    suites: tuple[SuiteConfig, ...] = ()
    """further test sets"""
    efficiency_sentences: NaturalInt = 0
    """held-out sentences on which latency, throughput and memory are measured, on one core and on all, each system in
    its own process; 0 measures nothing"""
    tokenizer: str = AUTO
    """tokenizer of BLEU, by sacreBLEU's name, such as ``flores200``; ``auto`` is that of the target language"""
    noises: tuple[Noise, ...] = ()
    """kinds of noise with which every test set is scored again"""
    outside_metrics: tuple[OutsideMetricConfig, ...] = ()
    """metrics of outside programs, such as COMET in an environment of its own"""
    examples: tuple[str, ...] = ()
    """sentences whose translations a run shows at its end"""
