from __future__ import annotations

import struct
from pathlib import Path

import polib
import pytest

from nmt_distill.configuration import load_dataclass
from nmt_distill.corpus.catalogs import LanguageMissingError
from nmt_distill.corpus.debian_sources import DebianCatalogSource
from nmt_distill.files import sha256_of
from nmt_distill.languages import Direction
from tests.debian_packages import write_deb

EN_DE = Direction(source="en", target="de")
PAGES = {
    "en": '<h1 id="h">Pages</h1><p id="a">Open it. Close it.</p><p id="b">One. Two.</p><p id="c">Only here.</p>',
    "de": '<h1 id="h">Seiten</h1><p id="a">Öffnen Sie es. Schließen Sie es.</p><p id="b">Eins und zwei.</p>',
}


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where packages are looked for."""
    monkeypatch.setenv("NMT_DISTILL_CACHE", str(tmp_path))
    return tmp_path / "debian" / "packages"


def test_pages_are_aligned_by_identifiers_then_by_sentences(packages: Path) -> None:
    pinned = {}
    for language, spelled in (("en", "en-US"), ("de", "de")):
        files = {f"usr/help/{spelled}/text/guide/a.html": PAGES[language], f"usr/help/{spelled}/other.html": "<p id=a>"}
        path = write_deb(packages / f"help-{language}_1_all.deb", files)
        pinned[language] = {"package": f"help-{language}", "sha256": sha256_of(path)}
    source = load_dataclass(
        DebianCatalogSource,
        {
            "packages": pinned,
            "path": "usr/help/{lang}/text/**/*.html",
            "languages": {"en": "en-US"},
        },
        where="test",
    )
    assert list(source.read(EN_DE)) == [
        ("Pages", "Seiten"),
        ("Open it.", "Öffnen Sie es."),
        ("Close it.", "Schließen Sie es."),
        ("One. Two.", "Eins und zwei."),
        ("Only here.", None),
    ]
    assert ("Seiten", "Pages") in list(source.read(EN_DE.reversed))
    assert source.origin == "help-en, help-de usr/help/{lang}/text/**/*.html"


def test_gettext_needs_no_package_of_its_keys(packages: Path) -> None:
    catalog = polib.MOFile()
    for message, translation in (("_File", "_Datei"), ("Save _as", "Speichern _unter"), ("a_b _c", "snake_case")):
        catalog.append(polib.POEntry(msgid=message, msgstr=translation))
    path = packages.parent / "x.mo"
    path.parent.mkdir(parents=True)
    catalog.save(str(path))
    assert struct.unpack("<I", path.read_bytes()[:4]) == (0x950412DE,)
    pinned = sha256_of(write_deb(packages / "l10n-de_1_all.deb", {"usr/de/a.mo": path.read_bytes()}))
    settings = {
        "packages": {"de": {"package": "l10n-de", "sha256": pinned}},
        "path": "usr/{lang}/*.mo",
        "accelerators": "_~",
    }
    source = load_dataclass(DebianCatalogSource, settings, where="test")
    pairs = set(source.read(EN_DE))
    assert pairs >= {("File", "Datei"), ("Save as", "Speichern unter")}
    assert ("Datei", "File") in set(source.read(EN_DE.reversed))
    with pytest.raises(LanguageMissingError, match=r"No archive of `fr` is named; name the one"):
        list(source.read(Direction(source="en", target="fr")))
