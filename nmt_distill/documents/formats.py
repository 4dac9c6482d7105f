"""Which format a file has, and who reads it; a format's packages are imported when a file needs them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nmt_distill.documents.document import Document
from nmt_distill.documents.plural_branches import BranchedDocument
from nmt_distill.errors import NmtDistillError

SUFFIXES = {
    "text": (".txt", ".text"),
    "tsv": (".tsv",),
    "po": (".po", ".pot"),
    "json": (".json",),
    "arb": (".arb",),
    "yaml": (".yaml", ".yml"),
    "properties": (".properties",),
    "xliff": (".xlf", ".xliff"),
    "subtitles": (".srt", ".vtt"),
    "html": (".html", ".htm", ".xhtml"),
    "markdown": (".md", ".markdown", ".mdx"),
}
"""the suffixes of each format"""
_FORMATS = {suffix: name for name, suffixes in SUFFIXES.items() for suffix in suffixes}


def format_of(path: Path) -> str:
    """Name the format of a file by its suffix; what is unknown is text."""
    return _FORMATS.get(path.suffix.lower(), "text")


def is_known(path: Path) -> bool:
    """Whether the suffix of a file tells its format."""
    return path.suffix.lower() in _FORMATS


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files of known suffix in a folder and its folders, in order; what is hidden is not looked at."""
    for path in sorted(folder.rglob("*")):
        is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if is_known(path) and path.is_file() and not is_hidden:
            yield path


def read_document(path: Path, name: str, *, language: str | None = None, column: str | None = None) -> Document:
    """Read a file of a format.

    :param name: of the format, a key of ``SUFFIXES``
    :param language: of the translations, for formats that name it
    :param column: of a table
    :raises NmtDistillError: if it cannot be read, or is not of the format; file and line are named
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NmtDistillError(f"{path} cannot be read: {error.strerror}.") from None
    if name == "tsv":
        from nmt_distill.documents.plain_text import read_table

        if column is None:
            raise NmtDistillError(f"{path} is a table; name the column to translate with --column, such as --column 2.")
        return read_table(content, path, column)
    return _read(content, path, name, language)


def _read(content: bytes, path: Path, name: str, language: str | None) -> Document:
    if name in {"json", "arb"}:
        from nmt_distill.documents.json_catalog import read_json_catalog

        is_arb = name == "arb"
        catalog = read_json_catalog(content, path, is_arb=is_arb, language=language)
        return catalog if is_arb else BranchedDocument(inner=catalog)
    if name == "xliff":
        from nmt_distill.documents.xliff import read_xliff

        return read_xliff(content, path, language)
    if name == "po":
        from nmt_distill.documents.gettext_catalog import read_gettext_catalog

        return read_gettext_catalog(content, path, language)
    if name == "html":
        from nmt_distill.documents.html_page import read_html_page

        return read_html_page(content, path, language)
    if name == "yaml":
        from nmt_distill.documents.yaml_catalog import read_yaml_catalog

        return BranchedDocument(inner=read_yaml_catalog(content, path))
    if name == "properties":
        from nmt_distill.documents.properties import read_properties as read
    elif name == "subtitles":
        from nmt_distill.documents.subtitles import read_subtitles as read
    elif name == "markdown":
        from nmt_distill.documents.markdown_text import read_markdown_text as read
    else:
        from nmt_distill.documents.plain_text import read_text as read
    return read(content, path)
