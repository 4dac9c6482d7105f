from __future__ import annotations

from dataclasses import replace

from nmt_distill.export.model_card import CardFacts, Origin, model_card
from nmt_distill.export.parity import Parity
from nmt_distill.languages import Direction

FACTS = CardFacts(
    name="quickstart",
    directions=(Direction(source="en", target="pt-BR"),),
    precision="int8",
    num_parameters=16_900_123,
    shape="marian graph, 6-2 layers",
    teachers=(Origin("a large model of somebody", "CC-BY-NC 4.0"),),
    corpus={
        "directions": {
            "en-pt-BR": {
                "sources": [
                    {"origin": "catalogues 1.0", "licence": "Apache-2.0", "train": 12_345, "mono": 0, "skipped": None},
                    {"origin": "not here", "licence": "MIT", "train": 0, "mono": 0, "skipped": "no apt"},
                ]
            }
        }
    },
    parity=Parity(num_sentences=200, num_equal=199, differences=()),
)


def test_card_tells_what_it_is_and_where_it_comes_from() -> None:
    card = model_card(FACTS)
    assert card.startswith("# quickstart, en-pt-BR, int8\n")
    for told in (
        "Translates en into pt-BR.",
        "16,900,123 parameters (marian graph, 6-2 layers)",
        "nmt-distill translate --model . --to pt-BR",
        "Teacher: a large model of somebody. Licence of its weights: CC-BY-NC 4.0.",
        "the teacher's terms may apply to it",
        "Text, en-pt-BR: catalogues 1.0, licence Apache-2.0, 12,345 pairs for training and 0 sentences without",
        "199 of 200 held-out sentences have the same greedy ids",
    ):
        assert told in card
    assert "not here" not in card
    assert card.endswith("\n")


def test_card_without_parity() -> None:
    assert "greedy ids" not in model_card(replace(FACTS, parity=None))
    assert "Text, " not in model_card(replace(FACTS, corpus={"directions": {}}))


def test_card_of_several_directions_and_teachers() -> None:
    tags = [("en", "de"), ("en", "fr"), ("fr", "de")]
    directions = tuple(Direction(source=source, target=target) for source, target in tags)
    card = model_card(replace(FACTS, directions=directions, teachers=(Origin("one", "MIT"), Origin("two", "none"))))
    assert card.startswith("# quickstart, en-de, en-fr, fr-de, int8\n")
    assert "Translates en into de, fr; fr into de." in card
    assert "nmt-distill translate --model . --from en --to de < text.en" in card
    assert "Teacher: one. Licence of its weights: MIT." in card
    assert "Teacher: two. Licence of its weights: none." in card
