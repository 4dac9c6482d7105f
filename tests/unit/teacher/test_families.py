from __future__ import annotations

import subprocess
import sys

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.teacher.families import (
    FAMILIES,
    Family,
    LanguageNaming,
    candidate_families,
    choose_family,
    language_codes,
    name_languages,
)

TAGS = {
    "nllb": ["eng_Latn", "deu_Latn", "abc", "▁deu"],
    "m2m100": ["__en__", "__de__", "__"],
    "small100": ["__en__", "__de__"],
    "mbart50": ["en_XX", "de_DE", "de_de"],
    "marian": [">>eng<<", ">>deu<<", ">>", "<<"],
    "student": [">>de<<", ">>pt-BR<<", ">>zh-Hant<<"],
    "madlad400": ["<2en>", "<2de>", "<2"],
    "t5": ["<extra_id_0>"],
    "mt5": [],
}
EN_DE = Direction(source="en", target="de")


def family(name: str) -> Family:
    return next(row for row in FAMILIES if row.name == name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nllb", LanguageNaming(source_tokens=("eng_Latn",), target_tokens=("deu_Latn",))),
        ("m2m100", LanguageNaming(source_tokens=("__en__",), target_tokens=("__de__",))),
        ("small100", LanguageNaming(source_tokens=("__de__",))),
        ("mbart50", LanguageNaming(source_tokens=("en_XX",), target_tokens=("de_DE",))),
        ("marian", LanguageNaming(source_tokens=(">>deu<<",))),
        ("student", LanguageNaming(source_tokens=(">>de<<",))),
        ("madlad400", LanguageNaming(prompt="<2de>")),
        ("t5", LanguageNaming(prompt="translate English to German: ")),
    ],
)
def test_how_each_family_is_told_the_languages(name: str, expected: LanguageNaming) -> None:
    assert name_languages(family(name), EN_DE, TAGS[name], where="x") == expected


def test_every_family_is_tested_here() -> None:
    assert [row.name for row in FAMILIES] == list(TAGS)


@pytest.mark.parametrize("name", ["nllb", "m2m100", "mbart50"])
def test_the_source_language_must_be_known_where_it_is_named(name: str) -> None:
    with pytest.raises(NmtDistillError, match="`fr` is not a language of x"):
        name_languages(family(name), Direction(source="fr", target="de"), TAGS[name], where="x")


def test_a_marian_model_without_tags_has_the_target_that_its_folder_names() -> None:
    marian = family("marian")
    for declared in ("de", "deu", None, "ROMANCE"):
        assert name_languages(marian, EN_DE, ["▁a"], where="x", only_target=declared) == LanguageNaming()
    with pytest.raises(NmtDistillError, match=r"`de` is not a language of x; the nearest of its 1 is `fr` \(fr\)"):
        name_languages(marian, EN_DE, ["▁a"], where="x", only_target="fr")


def test_t5_knows_what_it_was_trained_on() -> None:
    t5 = family("t5")
    for target, language in (("fr-CA", "French"), ("ro", "Romanian")):
        direction = Direction(source="en-GB", target=target)
        assert name_languages(t5, direction, [], where="x").prompt == f"translate English to {language}: "
    with pytest.raises(
        NmtDistillError, match=r"t5 was trained on en-de, en-fr, en-ro only; for de-en set teacher\.pre"
    ):
        name_languages(t5, Direction(source="de", target="en"), [], where="x")
    given = name_languages(t5, Direction(source="de", target="en"), [], where="x", prefix="translate German: ")
    assert given.prompt == "translate German: "


def test_mt5_is_told_its_prefix() -> None:
    with pytest.raises(
        NmtDistillError, match=r"the family mt5 has no prefix of its own; for en-de set teacher\.prefix"
    ):
        name_languages(family("mt5"), EN_DE, [], where="x")
    assert name_languages(family("mt5"), EN_DE, [], where="x", prefix="") == LanguageNaming()


def test_prefixes_that_cannot_be() -> None:
    with pytest.raises(NmtDistillError, match=r"teacher\.prefix must end with a space, but is 'to German:'"):
        name_languages(family("mt5"), EN_DE, [], where="x", prefix="to German:")
    with pytest.raises(NmtDistillError, match=r"teacher\.prefix is given, but x is of the family nllb"):
        name_languages(family("nllb"), EN_DE, TAGS["nllb"], where="x", prefix="a ")


@pytest.mark.parametrize(
    ("model_type", "tokenizer", "name"),
    [
        ("m2m_100", "NllbTokenizerFast", "nllb"),
        ("m2m_100", "M2M100Tokenizer", "m2m100"),
        ("m2m_100", "TokenizersBackend", "m2m100"),
        ("m2m_100", "SMALL100Tokenizer", "small100"),
        ("mbart", "MBart50TokenizerFast", "mbart50"),
        ("marian", "MarianTokenizer", "marian"),
        ("m2m_100", "MarianTokenizer", "student"),
        ("t5", "T5Tokenizer", "madlad400"),
        ("t5", "T5Tokenizer", "t5"),
        ("mt5", "", "mt5"),
    ],
)
def test_families_are_told_by_type_tokenizer_and_tags(model_type: str, tokenizer: str, name: str) -> None:
    candidates = candidate_families(model_type, tokenizer, None, where="x")
    assert choose_family(candidates, TAGS[name], where="x").name == name


def test_a_person_may_say_the_family() -> None:
    assert [row.name for row in candidate_families("m2m_100", "M2M100Tokenizer", "small100", where="x")] == ["small100"]
    assert [row.name for row in candidate_families("mbart", "", "mbart50", where="x")] == ["mbart50"]
    with pytest.raises(NmtDistillError, match=r"teacher.family must be one of nllb, .*, but is nlb\."):
        candidate_families("m2m_100", "", "nlb", where="x")
    with pytest.raises(NmtDistillError, match=r"teacher\.family is t5, which is of model type t5, but x is of model"):
        candidate_families("m2m_100", "", "t5", where="x")


def test_unknown_kinds_of_models() -> None:
    with pytest.raises(NmtDistillError, match=r"x is of model type bart, whose way .* these are: m2m_100, marian, "):
        candidate_families("bart", "", None, where="x")
    with pytest.raises(NmtDistillError, match="names the tokenizer MBartTokenizer; if the model is of the family mbar"):
        candidate_families("mbart", "MBartTokenizer", None, where="x")
    candidates = candidate_families("m2m_100", "NllbTokenizer", None, where="x")
    with pytest.raises(
        NmtDistillError, match=r"tokenizer of x has no tokens that name languages \(\.\.\. or __\.\.\.__"
    ):
        choose_family(candidates, ["▁a", "</s>"], where="x")


def test_codes_are_read_from_tags() -> None:
    assert language_codes(family("madlad400"), ["<2de>", "<2zh_Hant>", "<pad>", "<2"]) == {
        "de": "<2de>",
        "zh_Hant": "<2zh_Hant>",
    }
    assert language_codes(family("t5"), ["<2de>"]) == {}


def test_the_table_can_be_read_without_what_teachers_need() -> None:
    heavy = "{'torch', 'transformers', 'langcodes'}"
    program = f"import sys, nmt_distill.teacher.families; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (result.stdout.strip(), result.returncode) == ("[]", 0), result.stderr
