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
    """the sources; if several have the same sentence, the first translation is used"""
    filters: FilterConfig = field(default_factory=FilterConfig)
    """limits beyond which text is dropped"""
    split: SplitConfig = field(default_factory=SplitConfig)
    """how much is held out"""
    held_out: tuple[str, ...] = ()
    """files of your own test sets: their lines, in either language, are kept out of this corpus"""
    seed: Seed = 1
    """selects the held-out text, and the sentences to keep if there are more than the limits"""
    max_train_sentences: NaturalInt | None = None
    """most pairs for training"""
    max_mono_sentences: NaturalInt | None = None
    """most sentences without translation"""
