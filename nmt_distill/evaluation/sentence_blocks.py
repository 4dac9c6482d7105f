"""The sentences that a report shows, what differs between systems marked."""

from __future__ import annotations

from collections.abc import Iterator

from nmt_distill.evaluation.differences import Span, marked_differences
from nmt_distill.evaluation.document import Block, Heading, Paragraph, SentenceBlock, Sentences, Table, Version
from nmt_distill.evaluation.report import Report, Sentence, TestSetScores

SHOWN_CHARACTERS = 500
"""of a sentence in a report; the JSON holds all"""


def sentence_blocks(report: Report, test_set: TestSetScores) -> Iterator[Block]:
    """Show examples, the worst sentences and the most changed ones of a test set."""
    has_teacher = report.teacher in [row.system for row in test_set.systems]
    lost = f"loses most chrF2++ against {report.teacher}" if has_teacher else "has least chrF2++"
    for heading, words, sentences in (
        ("Examples", "Evenly spaced over the test set, not chosen by score.", test_set.examples),
        (f"Where {test_set.focus} {lost}", "", test_set.worst),
        (
            f"Where {test_set.focus} differs most from {report.teacher}",
            "Whatever the references say; a different translation may be a good one.",
            test_set.changed,
        ),
    ):
        if not sentences:
            continue
        yield Heading(3, heading)
        if words:
            yield Paragraph(words, "soft")
        if sentences[0].source is None:
            yield _numbers_alone(sentences)
            yield Paragraph("The text may not stand here; the numbers are those of its lines.", "soft")
        else:
            yield Sentences(sentences=tuple(map(_shown, sentences)), note_header="chrF2++")


def _numbers_alone(sentences: tuple[Sentence, ...]) -> Table:
    return Table(
        headers=("line", *(f"chrF2++ {translation.system}" for translation in sentences[0].translations)),
        rows=tuple((str(s.line), *(f"{translation.chrf:.1f}" for translation in s.translations)) for s in sentences),
    )


def _shown(sentence: Sentence) -> SentenceBlock:
    """Set a sentence with its translations, what differs between the first and each other one marked."""
    texts = [_cut(translation.text) for translation in sentence.translations]
    reference = _cut(sentence.reference)
    versions = []
    for place, (translation, text) in enumerate(zip(sentence.translations, texts, strict=True)):
        other = reference if len(texts) == 1 else texts[1] if place == 0 else texts[0]
        spans = marked_differences(text, other) or (Span("", False),)
        versions.append(Version(translation.system, f"{translation.chrf:.1f}", spans))
    return SentenceBlock(
        line=str(sentence.line),
        given=(("source", _cut(sentence.source)), ("reference", reference)),
        versions=tuple(versions),
    )


def _cut(text: str | None) -> str:
    if text is None or len(text) <= SHOWN_CHARACTERS:
        return text or ""
    return f"{text[:SHOWN_CHARACTERS]}… ({len(text):,} characters)"
