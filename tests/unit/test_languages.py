from __future__ import annotations

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction, match_language, normalize_tag, target_tags


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("de", "de"),
        ("DE", "de"),
        ("pt-br", "pt-BR"),
        ("pt_BR", "pt-BR"),
        ("ZH-hans", "zh-Hans"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("yue", "yue"),
        ("es-419", "es-419"),
        ("ca_ES_VALENCIA", "ca-ES-valencia"),
    ],
)
def test_tag_gets_the_customary_case(written: str, normal: str) -> None:
    assert normalize_tag(written) == normal
    assert normalize_tag(normal) == normal


@pytest.mark.parametrize("written", ["", "d", "german", "de-", "-de", "de--AT", "de AT", "de\n", "d1", "дe", "../de"])
def test_what_is_no_tag_is_refused(written: str) -> None:
    with pytest.raises(NmtDistillError, match="is not a language tag; write it like `de`, `pt-BR` or `zh-Hans`"):
        normalize_tag(written)


@pytest.mark.parametrize(
    ("wanted", "available", "found"),
    [
        ("pt", ["pt-BR", "de"], "pt-BR"),
        ("pt-BR", ["pt", "de"], "pt"),
        ("pt", ["pt", "pt-BR"], "pt"),
        ("PT_br", ["pt-PT", "pt-BR"], "pt-BR"),
        ("zh", ["zh-Hans"], "zh-Hans"),
        ("de", ["de"], "de"),
        ("por", ["pt-BR", "de"], "pt-BR"),
        ("por_Latn", ["pt-BR", "de"], "pt-BR"),
        ("de", ["deu", "pt-BR"], "deu"),
        ("zho_Hant", ["zh-Hans", "zh-Hant"], "zh-Hant"),
        ("arb_Arab", ["ar", "he"], "ar"),
        ("iw", ["ar", "he"], "he"),
        ("in", ["ar", "id"], "id"),
        ("ji", ["de", "yi"], "yi"),
        ("tl", ["ms", "fil"], "fil"),
        ("no", ["nn", "nb"], "nb"),
        ("nor_Latn", ["nn-NO", "nb-NO"], "nb-NO"),
        ("nb", ["nn", "no"], "no"),
        ("nn", ["nn", "no"], "nn"),
    ],
)
def test_the_one_fitting_language_is_found(wanted: str, available: list[str], found: str) -> None:
    assert match_language(wanted, available) == found


def test_several_fitting_languages_are_listed() -> None:
    with pytest.raises(NmtDistillError, match=r"`pt` fits several languages; choose one of: pt-BR, pt-PT\.$"):
        match_language("pt", ["de", "pt-BR", "pt-PT"])


@pytest.mark.parametrize("wanted", ["fr", "pt-PT", "d", "ptx"])
def test_no_fitting_language(wanted: str) -> None:
    with pytest.raises(NmtDistillError, match=r"(is not a language of this model; choose one of: pt-BR, de\.|tag)"):
        match_language(wanted, ["pt-BR", "de"])


def test_norwegian_is_not_its_other_written_form() -> None:
    with pytest.raises(NmtDistillError, match=r"`nn` is not a language of this model; choose one of: nb, no\.$"):
        match_language("nn", ["nb", "no"])


def test_direction_reads_as_its_folder_is_named() -> None:
    direction = Direction(source="en", target="pt-BR")
    assert str(direction) == "en-pt-BR"
    assert direction == Direction(source="en", target="pt-BR")
    assert sorted([Direction(source="en", target="pt"), Direction(source="en", target="de")])[0].target == "de"


def test_the_way_back() -> None:
    assert Direction(source="en", target="pt-BR").reversed == Direction(source="pt-BR", target="en")


def test_only_several_targets_need_tags() -> None:
    to_de, to_fr, back = (Direction(source=a, target=b) for a, b in (("en", "de"), ("en", "fr"), ("fr", "de")))
    assert target_tags([to_de, back]) == {to_de: None, back: None}
    assert target_tags([to_fr, back, to_de]) == {to_fr: ">>fr<<", back: ">>de<<", to_de: ">>de<<"}
