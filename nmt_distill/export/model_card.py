"""The card that travels with an exported model, in the hub's format: what it is, how good, what it may be used for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from nmt_distill.export.precision_result import DEVICES, PrecisionResult
from nmt_distill.languages import Direction
from nmt_distill.translation.model_folder import LICENCE_FILE

TERMS = (
    "- The student may have learned from the teacher's output, and hold its vocabulary or weights copied from it: the "
    "teacher's terms may apply to it. Whoever publishes it decides on that, not this card."
)
LIMITS = (
    "- It translates each sentence alone, without its context. Text longer than the model's positions is translated in "
    "pieces.",
    "- A small model makes mistakes that a reader of the translation alone may not notice: names, numbers, negation.",
    "- It knows the kinds of text named under Origin; on others it is worse than its scores here.",
)


@dataclass(frozen=True)
class Origin:
    """Where a teacher comes from."""

    origin: str
    """who made it"""
    licence: str
    """what is known of its licence"""


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What the cards of all precisions tell."""

    name: str
    """of the model"""
    directions: tuple[Direction, ...]
    """from which languages to which"""
    num_parameters: int
    """of the student, its one embedding table counted once"""
    shape: str
    """such as `marian graph, 6-2 layers, width 256, feed-forward 1536, 32,001 pieces`"""
    teachers: tuple[Origin, ...]
    """all that were asked"""
    corpus: dict[str, Any]
    """content of ``corpus.json``"""
    making: tuple[str, ...] = ()
    """how it was made, a sentence each"""
    vectors_of: Origin | None = None
    """the model whose sentence vectors were learned; None where none were"""

    @property
    def is_judged_by_teacher(self) -> bool:
        """Whether the references of held-out text are the teacher's translations."""
        return bool(self.corpus.get("references") == "teacher")


def model_card(facts: CardFacts, result: PrecisionResult, *, float32: PrecisionResult | None = None) -> str:
    """Write a card in Markdown, under the YAML that the hub reads.

    :param result: what became of this precision
    :param float32: what became of the export in float32, whose ids are to be those of the student; None without one
    """
    head = yaml.safe_dump(_metadata(facts, result), sort_keys=False, allow_unicode=True, width=110)
    lines = [
        "---",
        *head.splitlines(),
        "---",
        "",
        *_introduction(facts, result),
        *_origin(facts),
        *_making(facts),
        *_scores(facts, result),
        *_checks(result, float32),
        "## Limits",
        "",
        *LIMITS,
        "",
    ]
    return "\n".join(lines)


def encoder_card(facts: CardFacts) -> str:
    """Write the card of the folder that sentence-transformers loads."""
    metadata = _languages(facts) | _licence(facts)
    metadata |= {"library_name": "sentence-transformers", "pipeline_tag": "sentence-similarity"}
    metadata["tags"] = ["sentence-transformers", "sentence-similarity", "nmt-distill", "distillation"]
    languages = ", ".join(metadata["language_bcp47"])
    lines = [
        "---",
        *yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True, width=110).splitlines(),
        "---",
        "",
        f"# {facts.name}, sentence vectors",
        "",
        f"The encoder of a student ({facts.shape}) that nmt-distill trained for sentence vectors of {languages}.",
        "",
        "```python",
        "from sentence_transformers import SentenceTransformer",
        "",
        'SentenceTransformer("PATH_OF_THIS_FOLDER", trust_remote_code=True).encode(["a sentence"])',
        "```",
        "",
        "The code that this runs is `sentence_encoder.py`. Text beyond the model's positions is cut.",
        "",
        *_origin(facts),
        *_making(facts),
    ]
    return "\n".join(lines)


def licence_notice(facts: CardFacts) -> str:
    """Write what the card's ``license_link`` names: what is known of the licences, in Markdown."""
    return "\n".join(["# What is known of the licence", "", *_licences(facts), ""])


def _metadata(facts: CardFacts, result: PrecisionResult) -> dict[str, Any]:
    """What the hub reads."""
    suffix = ", the teacher's translations as references" if facts.is_judged_by_teacher else ""
    results = [
        {
            "task": {"type": "translation", "name": f"Translation {drop.direction}"},
            "dataset": {"type": "held-out", "name": f"held-out {drop.direction}{suffix}"},
            "metrics": [
                {"type": kind, "name": measure.signature.split("|")[0], "value": round(measure.value, 2)}
                for kind, measure in (("bleu", drop.export.bleu), ("chrf", drop.export.chrf))
            ],
        }
        for drop in result.drops
    ]
    return {
        **_languages(facts),
        **_licence(facts),
        "library_name": "ctranslate2",
        "pipeline_tag": "translation",
        "tags": ["translation", "ctranslate2", "nmt-distill", *(["distillation"] if facts.teachers else [])],
        "model-index": [{"name": facts.name, "results": results}],
    }


def _languages(facts: CardFacts) -> dict[str, Any]:
    """The hub refuses a ``language`` with a region or a script; those stand in ``language_bcp47``."""
    languages = dict.fromkeys(language for pair in facts.directions for language in (pair.source, pair.target))
    return {
        "language": list(dict.fromkeys(language.split("-")[0] for language in languages)),
        "language_bcp47": list(languages),
    }


def _licence(facts: CardFacts) -> dict[str, Any]:
    """Of the licence the metadata only say that people decide, as the card does.

    For that the hub wants an identifier, and the name of a file or an address that says more; a sentence is none. What
    people read, here and in the list of `models`, stands in ``license_details``, of which the hub knows nothing.
    """
    licences = dict.fromkeys(teacher.licence for teacher in facts.teachers)
    return {
        "license": "other",
        "license_name": "terms-of-the-teacher" if licences else "terms-of-the-text",
        "license_link": LICENCE_FILE,
        "license_details": f"of the teacher: {'; '.join(licences)}" if licences else _licences_of_text(facts),
    }


def _licences_of_text(facts: CardFacts) -> str:
    sources = [source for account in facts.corpus["directions"].values() for source in account["sources"]]
    return f"of the text: {', '.join(sorted({source['licence'] for source in sources if not source['skipped']}))}"


def _introduction(facts: CardFacts, result: PrecisionResult) -> Iterator[str]:
    targets: dict[str, list[str]] = {}
    for direction in facts.directions:
        targets.setdefault(direction.source, []).append(direction.target)
    into = "; ".join(f"{source} into {', '.join(others)}" for source, others in targets.items())
    first = facts.directions[0]
    choice = f" --from {first.source}" if sum(first.target in others for others in targets.values()) > 1 else ""
    yield f"# {facts.name}, {', '.join(map(str, facts.directions))}, {result.precision}"
    yield ""
    yield (
        f"Translates {into}. A {'student' if facts.teachers else 'model'} of {facts.num_parameters:,} parameters "
        f"({facts.shape}), {'distilled' if facts.teachers else 'trained on translations by people'} with nmt-distill "
        f"and converted to CTranslate2: {result.num_bytes / 1e6:.1f} MB."
    )
    yield from (
        "",
        "```",
        f"nmt-distill translate --model .{choice} --to {first.target} < text.{first.source}",
        "```",
        "",
    )


def _origin(facts: CardFacts) -> Iterator[str]:
    yield from ("## Origin and licences", "", *_licences(facts), "")


def _licences(facts: CardFacts) -> Iterator[str]:
    yield from (
        f"- Teacher: {teacher.origin}. Licence of its weights: {teacher.licence}." for teacher in facts.teachers
    )
    if facts.vectors_of is not None:
        yield (
            f"- Teacher of sentence vectors (`encoder/`): {facts.vectors_of.origin}. Licence of its weights: "
            f"{facts.vectors_of.licence}."
        )
    if facts.teachers or facts.vectors_of:
        yield TERMS
    yield from _texts(facts)


def _texts(facts: CardFacts) -> Iterator[str]:
    """Name each source of text once, with its pairs in every direction."""
    used: dict[tuple[str, str], list[str]] = {}
    for direction, account in facts.corpus["directions"].items():
        for source in account["sources"]:
            if not source["skipped"]:
                count = f"{direction} {source['train']:,} + {source['mono']:,}"
                used.setdefault((source["origin"], source["licence"]), []).append(count)
    if used:
        yield "- Text, with pairs for training + sentences without translation of each direction:"
    for (origin, licence), counts in used.items():
        yield f"  - {origin}, licence {licence}: {', '.join(counts)}."


def _making(facts: CardFacts) -> Iterator[str]:
    if facts.making:
        yield from ("## How it was made", "", *(f"- {sentence}" for sentence in facts.making), "")


def _scores(facts: CardFacts, result: PrecisionResult) -> Iterator[str]:
    if not result.drops:
        return
    yield from (
        "## Scores",
        "",
        "On held-out text, each line given to the model as it stands. `nmt-distill translate` also protects",
        "placeholders, capitals and characters that the model does not know, so scores of reports differ a little:",
        "",
    )
    if facts.is_judged_by_teacher:
        yield from ("The references are the teacher's translations: scores say how well it is imitated, no more.", "")
    yield from ("| direction | sentences | BLEU | chrF2++ | the student in transformers |", "|---|---|---|---|---|")
    for drop in result.drops:
        yield (
            f"| {drop.direction} | {drop.export.num_sentences} | {drop.export.bleu.value:.2f} | "
            f"{drop.export.chrf.value:.2f} | {drop.student.bleu.value:.2f} / {drop.student.chrf.value:.2f} |"
        )
    yield ""
    signatures = dict.fromkeys(
        measure.signature for drop in result.drops for measure in (drop.export.bleu, drop.export.chrf)
    )
    yield f"Signatures of sacreBLEU: {', '.join(f'`{signature}`' for signature in signatures)}."
    yield from ("These sentences are few; `report.md` of the run scores more, with intervals.", "")


def _checks(result: PrecisionResult, float32: PrecisionResult | None) -> Iterator[str]:
    yield from ("## Checks", "")
    if float32 is not None:
        yield f"- Float32: {_share(float32)} have the same greedy ids in transformers and CTranslate2."
    if result is not float32:
        apart = ", its vocabulary map left out" if result.vocabulary_map and result.vocabulary_map.kept else ""
        yield f"- This folder{apart}: {_share(result)} have the student's greedy ids."
    for device, computed in result.computed_in.items():
        yield f"- It computes in {computed} on the {DEVICES[device]} where it was checked."
    if result.vocabulary_map is not None:
        yield f"- Measured there: {result.vocabulary_map.in_words()}."
    yield "- `nmt-distill translate --verify` compares all files with `checksums.json`."
    yield ""


def _share(result: PrecisionResult) -> str:
    return f"{result.greedy.num_equal} of {result.greedy.num_sentences} held-out sentences"
