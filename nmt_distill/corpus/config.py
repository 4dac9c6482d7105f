"""What a recipe says of the corpus."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from nmt_distill.configuration.constraints import NaturalInt, NotEmpty, Seed
from nmt_distill.corpus.filters import FilterConfig
from nmt_distill.corpus.sources import Source
from nmt_distill.corpus.split import SplitConfig


@dataclass(frozen=True, kw_only=True)
class CorpusConfig:
    """Where text comes from, what is dropped, and what is held out."""

    sources: Annotated[tuple[Source, ...], NotEmpty()]
    """the sources; where several hold a sentence, the first translation counts"""
    filters: FilterConfig = field(default_factory=FilterConfig)
    """limits beyond which text is dropped"""
    split: SplitConfig = field(default_factory=SplitConfig)
    """how much is held out"""
    held_out: tuple[str, ...] = ()
    """files of outside test sets: their lines, in either language, may not occur anywhere in this corpus"""
    seed: Seed = 1
    """chooses the held-out text, and sentences where there are more than the limits allow"""
    max_train_sentences: NaturalInt | None = None
    """at most so many pairs for training"""
    max_mono_sentences: NaturalInt | None = None
    """at most so many sentences without translation"""
