"""The card that travels with an exported model: what it is, where it comes from, what it may be used for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nmt_distill.export.parity import Parity
from nmt_distill.languages import Direction

TERMS = (
    "- The student was trained on the teacher's output, and may hold weights copied from it: the teacher's terms may "
    "apply to it. Whoever publishes it decides on that, not this card."
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
    """What a model card tells."""

    name: str
    """of the model"""
    directions: tuple[Direction, ...]
    """from which languages to which"""
    precision: str
    """how the weights are kept"""
    num_parameters: int
    """of the student, its one embedding table counted once"""
    shape: str
    """such as `marian graph, 6-2 layers, width 256, feed-forward 1536, 32,001 pieces`"""
    teachers: tuple[Origin, ...]
    """all that were asked"""
    corpus: dict[str, Any]
    """content of ``corpus.json``"""
    parity: Parity | None
    """of the float32 export; None where it was not made"""


def model_card(facts: CardFacts) -> str:
    """Write a card in Markdown."""
    targets: dict[str, list[str]] = {}
    for direction in facts.directions:
        targets.setdefault(direction.source, []).append(direction.target)
    into = "; ".join(f"{source} into {', '.join(others)}" for source, others in targets.items())
    first = facts.directions[0]
    choice = f" --from {first.source}" if sum(first.target in others for others in targets.values()) > 1 else ""
    lines = [
        f"# {facts.name}, {', '.join(map(str, facts.directions))}, {facts.precision}",
        "",
        f"Translates {into}. A {'student' if facts.teachers else 'model'} of {facts.num_parameters:,} parameters "
        f"({facts.shape}), {'distilled' if facts.teachers else 'trained on translations by people'} with nmt-distill "
        "and converted to CTranslate2.",
        "",
        "```",
        f"nmt-distill translate --model .{choice} --to {first.target} < text.{first.source}",
        "```",
        "",
        "## Origin and licences",
        "",
        *(f"- Teacher: {teacher.origin}. Licence of its weights: {teacher.licence}." for teacher in facts.teachers),
        *([TERMS] if facts.teachers else []),
        *(
            f"- Text, {direction}: {source['origin']}, licence {source['licence']}, {source['train']:,} pairs for "
            f"training and {source['mono']:,} sentences without translation."
            for direction, account in facts.corpus["directions"].items()
            for source in account["sources"]
            if not source["skipped"]
        ),
        "",
        "## Checks",
        "",
    ]
    if facts.parity is not None:
        lines.append(
            f"- Float32: {facts.parity.num_equal} of {facts.parity.num_sentences} held-out sentences have the same "
            "greedy ids in transformers and CTranslate2."
        )
    lines += ["- Scores against human references and the teacher: `report.md` of the run.", ""]
    return "\n".join(lines)
