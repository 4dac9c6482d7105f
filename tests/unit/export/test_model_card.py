from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from nmt_distill.evaluation.metrics import Measure, Scores
from nmt_distill.export.map_trial import MapTrial
from nmt_distill.export.model_card import CardFacts, Origin, licence_notice, model_card
from nmt_distill.export.parity import Parity, QualityDrop
from nmt_distill.export.precision_result import PrecisionResult
from nmt_distill.languages import Direction
from nmt_distill.pipeline import _making
from nmt_distill.recipe import find_recipe, load_recipe

EN_PT = Direction(source="en", target="pt-BR")
FACTS = CardFacts(
    name="quickstart",
    directions=(EN_PT,),
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
)


def scores(bleu: float, chrf: float) -> Scores:
    measures = [
        Measure(value=value, signature=f"{name}|nrefs:1")
        for name, value in (("BLEU", bleu), ("chrF2++", chrf), ("TER", 1.0))
    ]
    return Scores(bleu=measures[0], chrf=measures[1], ter=measures[2], num_sentences=200)


RESULT = PrecisionResult(
    precision="int8",
    computed_in={"cpu": "int8_float32"},
    num_bytes=18_100_000,
    greedy=Parity(num_sentences=200, num_equal=190, differences=()),
    beam=Parity(num_sentences=200, num_equal=188, differences=()),
    drops=(QualityDrop(direction=EN_PT, student=scores(40.0, 60.5), export=scores(39.75, 60.75)),),
    vocabulary_map=None,
)
FLOAT32 = replace(RESULT, precision="float32", greedy=Parity(num_sentences=200, num_equal=199, differences=()))


def test_card_tells_what_it_is_and_where_it_comes_from() -> None:
    card = model_card(FACTS, RESULT, float32=FLOAT32)
    for told in (
        "# quickstart, en-pt-BR, int8\n",
        "Translates en into pt-BR.",
        "16,900,123 parameters (marian graph, 6-2 layers)",
        "converted to CTranslate2: 18.1 MB.",
        "nmt-distill translate --model . --to pt-BR",
        "Teacher: a large model of somebody. Licence of its weights: CC-BY-NC 4.0.",
        "the teacher's terms may apply to it",
        "- catalogues 1.0, licence Apache-2.0: en-pt-BR 12,345 + 0.\n",
        "| en-pt-BR | 200 | 39.75 | 60.75 | 40.00 / 60.50 |",
        "`BLEU|nrefs:1`, `chrF2++|nrefs:1`",
        "Float32: 199 of 200 held-out sentences have the same greedy ids",
        "This folder: 190 of 200 held-out sentences have the student's greedy ids",
        "computes in int8_float32 on the processor where it was checked",
        "## Limits",
    ):
        assert told in card
    assert "not here" not in card
    assert card.endswith("\n")


def test_card_names_a_text_of_several_directions_once() -> None:
    accounts = FACTS.corpus["directions"]
    card = model_card(replace(FACTS, corpus={"directions": accounts | {"en-de": accounts["en-pt-BR"]}}), RESULT)
    assert "- catalogues 1.0, licence Apache-2.0: en-pt-BR 12,345 + 0, en-de 12,345 + 0.\n" in card


def test_card_tells_how_it_was_made() -> None:
    made = "## How it was made\n\n- By `nmt-distill run quickstart`.\n- Training: 10 updates.\n"
    facts = replace(FACTS, making=("By `nmt-distill run quickstart`.", "Training: 10 updates."))
    assert made in model_card(facts, RESULT)
    assert "How it was made" not in model_card(FACTS, RESULT)


PLAIN = [f"training.phases[0].{key}=0" for key in ("kd_weight", "state_weight")]


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (
            ["distillation.beam_size=2"],
            "Labels: the teacher's translation of each sentence, found with a beam of 2; 16 soft",
        ),
        (["distillation.targets=human", *PLAIN], "Labels: people's translations; no teacher's are among them."),
        (
            ["distillation.targets=forced"],
            "Labels: people's translations, as the teacher reads them; 16 soft targets a",
        ),
    ],
)
def test_labels_are_told_whoever_made_them(overrides: list[str], told: str) -> None:
    recipe = load_recipe(find_recipe("quickstart_small"), overrides)
    (labels,) = (sentence for sentence in _making(recipe) if "Labels" in sentence)
    assert labels.startswith(told)


def test_a_model_without_teacher_has_the_licences_of_its_text() -> None:
    _, head, _ = model_card(replace(FACTS, teachers=()), RESULT).split("---\n", 2)
    facts = yaml.safe_load(head)
    assert (facts["license_name"], facts["license_details"]) == ("terms-of-the-text", "of the text: Apache-2.0")


def test_head_is_what_the_hub_reads() -> None:
    _, head, _ = model_card(FACTS, RESULT).split("---\n", 2)
    facts = yaml.safe_load(head)
    assert facts["language"] == ["en", "pt"]  # with a region the hub refuses the card
    assert facts["language_bcp47"] == ["en", "pt-BR"]
    assert (facts["license"], facts["license_name"], facts["license_link"]) == (
        "other",
        "terms-of-the-teacher",
        "LICENSE.md",
    )
    assert facts["license_details"] == "of the teacher: CC-BY-NC 4.0"
    assert (facts["library_name"], facts["pipeline_tag"]) == ("ctranslate2", "translation")
    (model,) = facts["model-index"]
    (result,) = model["results"]
    assert result["dataset"]["name"] == "held-out en-pt-BR"
    assert result["metrics"] == [
        {"type": "bleu", "name": "BLEU", "value": 39.75},
        {"type": "chrf", "name": "chrF2++", "value": 60.75},
    ]


def test_head_is_what_models_reads(tmp_path: Path) -> None:
    from nmt_distill.translation.packaged_models import _front_matter

    (tmp_path / "README.md").write_text(model_card(FACTS, RESULT), encoding="utf-8")
    assert _front_matter(tmp_path / "README.md")["license_details"] == "of the teacher: CC-BY-NC 4.0"


def test_a_sentence_on_the_licence_is_no_name_for_it() -> None:
    """The hub wants an identifier such as `my-license-1.0`, and LICENSE, LICENSE.md or an address as its link."""
    sentence = "unknown: the repository says MPL-2.0 of its code, nothing of weights; ask before you use them"
    facts = replace(FACTS, teachers=(Origin("a teacher", sentence),))
    _, head, _ = model_card(facts, RESULT).split("---\n", 2)
    assert re.fullmatch(r"[a-z0-9.-]+", yaml.safe_load(head)["license_name"])
    assert yaml.safe_load(head)["license_details"] == f"of the teacher: {sentence}"
    notice = licence_notice(facts)
    assert notice.startswith("# What is known of the licence\n")
    for told in (
        f"Licence of its weights: {sentence}.",
        "Whoever publishes it decides",
        "catalogues 1.0, licence Apache",
    ):
        assert told in notice
        assert told in model_card(facts, RESULT)


def test_card_without_float32_or_text() -> None:
    assert "Float32:" not in model_card(FACTS, RESULT)
    assert "This folder: 199" not in model_card(FACTS, FLOAT32, float32=FLOAT32)
    assert "Text, " not in model_card(replace(FACTS, corpus={"directions": {}}), RESULT)
    assert "## Scores" not in model_card(FACTS, replace(RESULT, drops=()))


def test_card_of_several_directions_and_teachers() -> None:
    tags = [("en", "de"), ("en", "fr"), ("fr", "de")]
    directions = tuple(Direction(source=source, target=target) for source, target in tags)
    card = model_card(
        replace(FACTS, directions=directions, teachers=(Origin("one", "MIT"), Origin("two", "none"))), RESULT
    )
    assert "# quickstart, en-de, en-fr, fr-de, int8\n" in card
    assert "language:\n- en\n- de\n- fr\nlanguage_bcp47:" in card
    assert "Translates en into de, fr; fr into de." in card
    assert "nmt-distill translate --model . --from en --to de < text.en" in card
    assert "Teacher: one. Licence of its weights: MIT." in card
    assert "Teacher: two. Licence of its weights: none." in card


def test_result_in_words() -> None:
    assert RESULT.max_drop == 0.25
    assert RESULT.in_words() == (
        "int8: 18.1 MB; of 200 sentences 190 have the student's ids, 188 with a beam; "
        "en-pt-BR: BLEU -0.25, chrF2++ +0.25"
    )
    even = QualityDrop(direction=EN_PT, student=scores(40.0, 60.5), export=scores(40.0 - 1e-9, 60.5 + 1e-9))
    trial = MapTrial(speedup=0.9, num_changed=1, num_sentences=200, max_drop=0.0, kept=False)
    other = replace(RESULT, precision="float16", computed_in={"cpu": "float32"}, vocabulary_map=trial)
    assert "this processor does not compute in float16, so CTranslate2 takes float32; with a vocab" in other.in_words()
    assert other.in_words().endswith("left out")
    assert "BLEU +0.00, chrF2++ +0.00" in replace(RESULT, drops=(even,)).in_words()
    assert other.content()["vocabulary_map"]["kept"] is False


def test_model_whose_vectors_were_learned_is_named() -> None:
    card = model_card(replace(FACTS, vectors_of=Origin("a large encoder", "MIT")), RESULT)
    assert "- Teacher of sentence vectors (`encoder/`): a large encoder. Licence of its weights: MIT." in card
    assert "sentence vectors" not in model_card(FACTS, RESULT)
