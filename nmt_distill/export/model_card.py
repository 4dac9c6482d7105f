"""The card that travels with an exported model: what it is, where it comes from, what it may be used for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nmt_distill.export.parity import Parity
from nmt_distill.languages import Direction


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What a model card tells."""

    name: str
    """of the model"""
    direction: Direction
    """from which language to which"""
    precision: str
    """how the weights are kept"""
    num_parameters: int
    """of the student, its one embedding table counted once"""
    shape: str
    """such as `marian graph, 6-2 layers, width 256, feed-forward 1536, 32,001 pieces`"""
    teacher_origin: str
    """who made the teacher"""
    teacher_licence: str
    """what is known of its licence"""
    corpus: dict[str, Any]
    """content of ``corpus.json``"""
    parity: Parity | None
    """of the float32 export; None where it was not made"""


def model_card(facts: CardFacts) -> str:
    """Write a card in Markdown."""
    lines = [
        f"# {facts.name}, {facts.direction}, {facts.precision}",
        "",
        f"Translates {facts.direction.source} into {facts.direction.target}. A student of {facts.num_parameters:,} "
        f"parameters ({facts.shape}), distilled with nmt-distill and converted to CTranslate2.",
        "",
        "```",
        f'echo "Turn on the light" | nmt-distill translate --model . --to {facts.direction.target}',
        "```",
        "",
        "## Origin and licences",
        "",
        f"- Teacher: {facts.teacher_origin}. Licence of its weights: {facts.teacher_licence}.",
        "- The student was trained on the teacher's output, and may hold weights copied from it: the teacher's terms "
        "may apply to it. Whoever publishes it decides on that, not this card.",
        *(
            f"- Text: {source['origin']}, licence {source['licence']}, {source['train']:,} pairs for training and "
            f"{source['mono']:,} sentences without translation."
            for source in facts.corpus.get("sources", [])
            if not source.get("skipped")
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
