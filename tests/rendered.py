"""What becomes of a document."""

from __future__ import annotations

from nmt_distill.documents.document import Document


def shouted(document: Document) -> str:
    """The document with all its text in capitals."""
    return document.render([segment.upper() for segment in document.segments]).decode()


def unchanged(document: Document) -> bytes:
    """The document with its text as it was."""
    return document.render(document.segments)
