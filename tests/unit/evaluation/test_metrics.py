"""Scores must be sacreBLEU's own, to the last bit."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.metrics import bleu_tokenizer, corpus_chrf, score, sentence_chrf

REFERENCES = ["Acenda a luz da sala.", "Não foi possível conectar ao {name}.", "O gato está no tapete, não é?"]
HYPOTHESES = ["Ligue a luz da sala.", "Não foi possível conectar-se a {name}.", "O gato está no tapete."]


def test_values_and_signatures_are_those_of_sacrebleu() -> None:
    scores = score(HYPOTHESES, REFERENCES, target="pt-BR")
    assert scores.bleu.value == sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES]).score
    assert scores.chrf.value == sacrebleu.corpus_chrf(HYPOTHESES, [REFERENCES], word_order=2).score
    assert scores.ter.value == sacrebleu.corpus_ter(HYPOTHESES, [REFERENCES]).score
    version = sacrebleu.__version__
    assert scores.bleu.signature == f"BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{version}"
    assert scores.chrf.signature == f"chrF2++|nrefs:1|case:mixed|eff:yes|nc:6|nw:2|space:no|version:{version}"
    assert scores.ter.signature == f"TER|nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:{version}"
    assert scores.num_sentences == 3
    assert scores.notes == ()


def test_ter_by_hand() -> None:
    # one word of four replaced, and one of four left out: 2 edits over 8 words
    assert score(["a b c x", "a b c"], ["a b c d", "a b c d"], target="en").ter.value == pytest.approx(25.0)


def test_perfect_and_empty_outputs() -> None:
    perfect = score(REFERENCES, REFERENCES, target="pt")
    assert (round(perfect.bleu.value, 9), round(perfect.chrf.value, 9), perfect.ter.value) == (100, 100, 0)
    empty = score(["", "", ""], REFERENCES, target="pt")
    assert (empty.bleu.value, empty.chrf.value, empty.ter.value) == (0, 0, 100)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=30), st.text(min_size=1, max_size=30)), min_size=1, max_size=5))
def test_any_text_scores_as_in_sacrebleu(pairs: list[tuple[str, str]]) -> None:
    hypotheses, references = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    scores = score(hypotheses, references, target="de")
    assert scores.bleu.value == sacrebleu.corpus_bleu(hypotheses, [references], force=True).score
    assert scores.chrf.value == sacrebleu.corpus_chrf(hypotheses, [references], word_order=2).score


@pytest.mark.parametrize(
    ("target", "tokenizer"),
    [
        ("pt-BR", "13a"),
        ("de", "13a"),
        ("zh", "zh"),
        ("zh-Hant", "zh"),
        ("zh_CN", "zh"),
        ("yue", "zh"),
        ("th", "char"),
        ("zho_Hans", "zh"),
        ("cmn", "zh"),
        ("tha", "char"),
        ("mya_Mymr", "char"),
        ("jpn", bleu_tokenizer("ja")[0]),
    ],
)
def test_tokenizer_of_a_language(target: str, tokenizer: str) -> None:
    assert bleu_tokenizer(target)[0] == tokenizer


@pytest.mark.parametrize("language", ["ja", "ko"])
def test_missing_mecab_is_told_and_characters_stand_in(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    scores = score(["日本語です"], ["日本語だ"], target=language)
    assert "|tok:char|" in scores.bleu.signature
    assert scores.notes == (
        f"BLEU for `{language}` counts characters, because {language}-mecab is not installed; "
        f'`pip install "sacrebleu[{language}]"` makes it comparable with published values.',
    )


def test_installed_mecab_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert bleu_tokenizer("ja") == ("ja-mecab", None)
    assert bleu_tokenizer("ko-KR") == ("ko-mecab", None)


def test_tokenizer_that_is_asked_for() -> None:
    assert "|tok:char|" in score(HYPOTHESES, REFERENCES, target="pt", tokenizer="char").bleu.signature
    assert "|tok:zh|" in score(["我喜欢猫"], ["我喜欢狗"], target="zh", tokenizer="zh").bleu.signature
    assert score(["สวัสดี"], ["สวัสดีครับ"], target="th", tokenizer="char").notes == ()
    with pytest.raises(NmtDistillError, match="`flores` is no tokenizer of sacreBLEU; choose one of: auto, 13a, "):
        score(HYPOTHESES, REFERENCES, target="pt", tokenizer="flores")


def test_missing_packages_of_a_tokenizer_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NmtDistillError, match=r'ja-mecab needs packages .* `pip install "sacrebleu\[ja\]"`'):
        score(["日本語です"], ["日本語だ"], target="ja", tokenizer="ja-mecab")


def test_flores200_without_network_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sacrebleu.tokenizers import tokenizer_spm

    def fail(url: str, path: str) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(tokenizer_spm, "SACREBLEU_DIR", str(tmp_path))
    monkeypatch.setattr(tokenizer_spm, "download_file", fail)
    with pytest.raises(NmtDistillError, match=r"flores200 needs a SentencePiece model .*no route to host"):
        score(HYPOTHESES, REFERENCES, target="pt", tokenizer="flores200")


def test_interval_is_that_of_sacrebleus_own_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SACREBLEU_SEED", raising=False)
    hypotheses, references = HYPOTHESES * 5, REFERENCES * 5
    scores = score(hypotheses, references, target="pt", num_resamples=1000)
    for measure, theirs in (
        (scores.bleu, sacrebleu.BLEU().corpus_score(hypotheses, [references], n_bootstrap=1000)),
        (scores.chrf, sacrebleu.CHRF(word_order=2).corpus_score(hypotheses, [references], n_bootstrap=1000)),
    ):
        assert measure.lower is not None
        assert measure.upper is not None
        assert measure.lower < measure.value < measure.upper
        # sacreBLEU tells half the width between the 26th of both ends; the quantiles lie within a draw of it
        assert (measure.upper - measure.lower) / 2 == pytest.approx(theirs._ci, rel=0.03)
    assert score(HYPOTHESES, REFERENCES, target="pt").ter.lower is None


def test_language_without_spaces_is_told() -> None:
    (note,) = score(["สวัสดี"], ["สวัสดีครับ"], target="th").notes
    assert note == (
        "BLEU for `th` counts characters, because the language has no spaces between words; TER takes what stands "
        "between two spaces for one word, so judge by chrF2++."
    )


def test_ter_counts_characters_of_chinese_and_japanese() -> None:
    scores = score(["我喜欢猫"], ["我喜欢狗"], target="zh")
    assert "asian:yes" in scores.ter.signature
    assert scores.ter.value == pytest.approx(25.0)
    assert score(["我喜欢猫"], ["我喜欢狗"], target="zho_Hans").ter == scores.ter


def test_tokenized_output_is_told() -> None:
    scores = score(["Ein Satz ."] * 100, ["Ein Satz."] * 100, target="de")
    assert scores.notes == ("100 outputs end in a full stop set apart; scores need text as people write it.",)
    assert score(["Ein Satz ."] * 99, ["Ein Satz."] * 99, target="de").notes == ()


def test_empty_references_are_told() -> None:
    scores = score(["Ein Satz."] * 3, ["Ein Satz.", " ", ""], target="de")
    assert scores.notes == ("2 references are empty, which no output can match; take such lines out of all files.",)


def test_sentence_and_corpus_chrf() -> None:
    for hypothesis, reference in zip(HYPOTHESES, REFERENCES, strict=True):
        expected = sacrebleu.sentence_chrf(hypothesis, [reference], word_order=2).score
        assert sentence_chrf(hypothesis, reference) == expected
    assert corpus_chrf(HYPOTHESES, REFERENCES) == score(HYPOTHESES, REFERENCES, target="pt").chrf


def test_sentence_chrf_chooses_the_closest_candidate() -> None:
    candidates = ["Ligue o rádio.", "Acenda a luz da sala", "Acenda a vela."]
    assert max(candidates, key=lambda candidate: sentence_chrf(candidate, REFERENCES[0])) == candidates[1]


def test_counts_that_differ_are_refused() -> None:
    with pytest.raises(
        NmtDistillError,
        match="hypotheses and references must be equally many, but are 2 and 1; line N of one must belong",
    ):
        score(["a", "b"], ["a"], target="en")
    with pytest.raises(NmtDistillError, match="There are no hypotheses to score; give at least one sentence"):
        score([], [], target="en")
    with pytest.raises(NmtDistillError, match="`German` is not a language tag"):
        score(["a"], ["a"], target="German")


def test_import_is_light() -> None:
    program = (
        "import sys, nmt_distill.evaluation.scoring, nmt_distill.evaluation.page; "
        "print([name for name in ('torch', 'transformers', 'sacrebleu', 'ctranslate2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
