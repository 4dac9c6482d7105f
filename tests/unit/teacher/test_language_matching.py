from __future__ import annotations

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.language_matching import are_alike, choose_code, is_language

FLORES = [
    "eng_Latn",
    "deu_Latn",
    "por_Latn",
    "zho_Hans",
    "zho_Hant",
    "yue_Hant",
    "arb_Arab",
    "arz_Arab",
    "nob_Latn",
    "nno_Latn",
    "pes_Arab",
    "prs_Arab",
    "srp_Cyrl",
    "lvs_Latn",
    "est_Latn",
    "pbt_Arab",
    "als_Latn",
    "swh_Latn",
    "quy_Latn",
    "fuv_Latn",
    "tgl_Latn",
    "heb_Hebr",
    "tzm_Tfng",
    "kas_Arab",
    "kas_Deva",
    "uzn_Latn",
    "twi_Latn",
    "aka_Latn",
]
M2M = ["en", "de", "pt", "zh", "ar", "no", "fa", "sr", "lv", "et", "ps", "sq", "sw", "ff", "tl", "he", "uz", "ns", "jv"]
MBART = [
    "en_XX",
    "de_DE",
    "pt_XX",
    "zh_CN",
    "ar_AR",
    "fa_IR",
    "lv_LV",
    "et_EE",
    "ps_AF",
    "sw_KE",
    "tl_XX",
    "he_IL",
    "es_XX",
]
OPUS = [
    "deu",
    "por",
    "pob",
    "cmn",
    "cmn_Hans",
    "cmn_Hant",
    "zho_Hans",
    "nob_Hebr",
    "nob",
    "srp_Latn",
    "srp_Cyrl",
    "eng",
    "nonsense",
    "mul_",
]


@pytest.mark.parametrize(
    ("language", "flores", "m2m", "mbart", "opus"),
    [
        ("de", "deu_Latn", "de", "de_DE", "deu"),
        ("de-AT", "deu_Latn", "de", "de_DE", "deu"),
        ("pt", "por_Latn", "pt", "pt_XX", "por"),
        ("pt-BR", "por_Latn", "pt", "pt_XX", "pob"),
        ("pt-PT", "por_Latn", "pt", "pt_XX", "por"),
        ("zh", "zho_Hans", "zh", "zh_CN", "zho_Hans"),
        ("zh-Hans", "zho_Hans", "zh", "zh_CN", "zho_Hans"),
        ("zh-Hant", "zho_Hant", None, None, "cmn_Hant"),
        ("zh-TW", "zho_Hant", None, None, "cmn_Hant"),
        ("yue", "yue_Hant", None, None, None),
        ("ar", "arb_Arab", "ar", "ar_AR", None),
        ("arz", "arz_Arab", None, None, None),
        ("no", "nob_Latn", "no", None, "nob"),
        ("nb", "nob_Latn", "no", None, "nob"),
        ("nn", "nno_Latn", None, None, None),
        ("fa", "pes_Arab", "fa", "fa_IR", None),
        ("fa-AF", "prs_Arab", "fa", "fa_IR", None),
        ("sr", "srp_Cyrl", "sr", None, "srp_Cyrl"),
        ("sr-Latn", None, None, None, "srp_Latn"),
        ("lv", "lvs_Latn", "lv", "lv_LV", None),
        ("et", "est_Latn", "et", "et_EE", None),
        ("ps", "pbt_Arab", "ps", "ps_AF", None),
        ("sq", "als_Latn", "sq", None, None),
        ("sw", "swh_Latn", "sw", "sw_KE", None),
        ("qu", "quy_Latn", None, None, None),
        ("ff", "fuv_Latn", "ff", None, None),
        ("tl", "tgl_Latn", "tl", "tl_XX", None),
        ("fil", "tgl_Latn", "tl", "tl_XX", None),
        ("he", "heb_Hebr", "he", "he_IL", None),
        ("iw", "heb_Hebr", "he", "he_IL", None),
        ("tzm", "tzm_Tfng", None, None, None),
        ("ks", "kas_Arab", None, None, None),
        ("ks-Deva", "kas_Deva", None, None, None),
        ("tw", "twi_Latn", None, None, None),
        ("ak", "aka_Latn", None, None, None),
        ("nso", None, "ns", None, None),
        ("es-MX", None, None, "es_XX", None),
    ],
)
def test_codes_of_a_language(
    language: str, flores: str | None, m2m: str | None, mbart: str | None, opus: str | None
) -> None:
    for expected, codes in ((flores, FLORES), (m2m, M2M), (mbart, MBART), (opus, OPUS)):
        if expected is None:
            with pytest.raises(NmtDistillError, match=f"`{language}` is not a language of x; the nearest of its "):
                choose_code(language, codes, where="x")
        else:
            assert choose_code(language, codes, where="x") == expected


def test_a_region_is_met_where_there_are_several() -> None:
    codes = ["pt_br", "pt_PT", "fr_FR"]
    chosen = [choose_code(language, codes, where="x") for language in ("pt", "pt-BR", "pt-PT", "pt-AO")]
    assert chosen == ["pt_br", "pt_br", "pt_PT", "pt_PT"]
    assert choose_code("pt-PT", [*codes, "pt"], where="x") == "pt_PT"
    assert choose_code("pt", [*codes, "pt"], where="x") == "pt"


@pytest.mark.parametrize(
    ("language", "nearest"), [("zh-Hant", "`zh` (zh)"), ("nn", "`no` (no)"), ("arz", "`ar` (ar)"), ("bs", "`sr` (sr)")]
)
def test_a_language_that_is_not_there_names_the_nearest(language: str, nearest: str) -> None:
    with pytest.raises(NmtDistillError) as caught:
        choose_code(language, M2M, where="facebook/m2m100_418M")
    assert str(caught.value) == (
        f"`{language}` is not a language of facebook/m2m100_418M; the nearest of its {len(M2M)} is {nearest}."
    )


def test_what_is_no_language() -> None:
    with pytest.raises(NmtDistillError, match="`qq` is not a language; write it like `de`"):
        choose_code("qq", M2M, where="x")


def test_a_model_code_is_a_language_or_none() -> None:
    assert [is_language(code) for code in ("deu_Latn", "pt_XX", "ns", "nonsense", "mul_", "qq")] == [True] * 3 + [
        False
    ] * 3


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("fr-CA", "fr", True), ("en-GB", "en", True), ("de", "en", False), ("zh-Hant", "zh", False), ("qq", "en", False)],
)
def test_languages_that_serve_for_each_other(one: str, other: str, expected: bool) -> None:
    assert are_alike(one, other) == are_alike(other, one) == expected
