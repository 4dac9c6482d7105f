"""Sources that come out of Debian's mirrors: descriptions of packages, and translations inside of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from nmt_distill.configuration.constraints import LanguageTag, PositiveInt
from nmt_distill.corpus.catalogs import read_catalogs
from nmt_distill.corpus.deb_packages import DebArchive, DebConfig, fetch_deb
from nmt_distill.corpus.debian import fetch_descriptions, read_descriptions
from nmt_distill.corpus.parallel import sentence_pairs, without_accelerators
from nmt_distill.corpus.source_fields import CatalogPath, SentenceLimit, Texts
from nmt_distill.languages import Direction


@dataclass(frozen=True, kw_only=True)
class DebianDescriptionsSource:
    """English prose from the descriptions of Debian's packages; the machine needs apt and a Debian mirror."""

    kind: Literal["debian_descriptions"] = "debian_descriptions"
    """descriptions of Debian's packages, through apt"""
    optional: bool = True
    """whether the source is left out with a message if there is no apt; false makes this an error"""
    licence: str = "per package"
    """licence of the text, for corpus.json"""
    min_words: PositiveInt = 4
    """fewest words of a sentence"""
    max_sentences: SentenceLimit | None = None
    """most sentences, selected by hash"""

    has_pairs = False
    language_keys = ()
    file_keys = ()

    @property
    def origin(self) -> str:
        """What the source is, in a few words."""
        return "descriptions of Debian's packages"

    def serves(self, direction: Direction) -> bool:
        """Whether it may hold text for a direction."""
        return direction.source.split("-")[0] == "en"

    def read(self, direction: Direction) -> Texts:
        """Yield (sentence, None)."""
        return ((sentence, None) for sentence in read_descriptions(fetch_descriptions()))


@dataclass(frozen=True, kw_only=True)
class DebianCatalogSource:
    """Translations inside packages of Debian, one a language; the machine needs apt and a mirror, or the files."""

    kind: Literal["debian_catalog"] = "debian_catalog"
    """translations inside packages of Debian, through apt"""
    packages: dict[str, DebConfig]
    """the package of each language; gettext's key language needs none"""
    path: CatalogPath
    """where the catalogues lie in the packages, as in `wheel_catalog`; blocks of `.html` are aligned by their ids, then
    sentence by sentence where both sides have as many"""
    languages: dict[str, str] = field(default_factory=dict)
    """names of languages in the packages that differ from BCP 47, such as `{en: en-US}`"""
    key_language: LanguageTag = "en"
    """language of the keys of gettext catalogues"""
    accelerators: str = ""
    """characters that mark access keys of menus, such as `_`: removed if a text has exactly one"""
    optional: bool = False
    """whether the source is left out with a message if there is no apt; false makes this an error"""
    licence: str = ""
    """licence of the text, for corpus.json"""
    min_words: PositiveInt = 1
    """fewest words of a sentence that has no translation"""
    max_sentences: SentenceLimit | None = None
    """most pairs for training, and most sentences without translation, selected by hash"""

    has_pairs = True
    language_keys = ()
    file_keys = ()

    @property
    def origin(self) -> str:
        """What the source is, in a few words."""
        return f"{', '.join(str(package) for package in self.packages.values())} {self.path}"

    def serves(self, direction: Direction) -> bool:
        """Whether it may hold text for a direction."""
        return True

    def read(self, direction: Direction) -> Texts:
        """Yield (source, target), the target None where a translation lacks."""
        wanted = {
            language: self.packages[language]
            for language in (direction.source, direction.target)
            if language in self.packages
        }
        pairs = read_catalogs(
            {language: DebArchive(fetch_deb(package)) for language, package in wanted.items()},
            self.path,
            direction,
            languages=self.languages,
            key_language=self.key_language,
        )
        if self.accelerators:
            pairs = without_accelerators(pairs, self.accelerators)
        return sentence_pairs(pairs, direction) if self.path.endswith(".html") else pairs
