"""How families of translation models name languages: one table, to which a row can be added.

People name languages by BCP 47 tags (``de``, ``pt-BR``, ``zh-Hans``). A family has a code for each language that it
knows (``deu_Latn``, ``pt_XX``, ``zho_Hans``), a token that holds the code, and a place for that token: before the
source, as the forced first token of the translation, or both. Which codes there are is read from the model's own
vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.teacher.language_matching import are_alike, choose_code, is_language


@dataclass(frozen=True, kw_only=True)
class Family:
    """One way of naming languages."""

    name: str
    """what a person calls it"""
    model_types: tuple[str, ...]
    """``model_type`` in config.json"""
    pieces: tuple[str, str]
    """names of the SentencePiece files of source and target, the same where there is one"""
    tokenizer: str | None = None
    """``tokenizer_class`` of the folder that tells this family from others with the same model type and tokens"""
    load_with: str | None = None
    """tokenizer class of transformers to load in its place; None leaves the choice to transformers"""
    tag: str | None = None
    """token that names a language, with ``{}`` for the code; None where there are no such tokens"""
    code: str = ""
    """regular expression for the code in a tag"""
    needs_tags: bool = True
    """false where a model without any tag has one target language"""
    source_tag: Literal["source", "target"] | None = None
    """language whose tag stands before the source"""
    target_tag: bool = False
    """whether the target's tag is the forced first token of a translation"""
    tag_in_text: bool = False
    """whether the tag before the source goes through the tokenizer as text, as in training, not as one id"""
    prompts: Mapping[str, str] = field(default_factory=dict)
    """text before the source for each direction that the model was trained on; it ends with a space"""
    takes_prefix: bool = False
    """whether a person may give the text before the source, as for a fine-tuned model"""


_FAIRSEQ = ("sentencepiece.bpe.model", "sentencepiece.bpe.model")
_T5 = ("spiece.model", "spiece.model")

FAMILIES = (
    Family(
        name="nllb",
        model_types=("m2m_100",),
        pieces=_FAIRSEQ,
        tag="{}",
        code=r"[a-z]{3}_[A-Z][a-z]{3}",
        source_tag="source",
        target_tag=True,
    ),
    Family(
        name="m2m100",
        model_types=("m2m_100",),
        pieces=_FAIRSEQ,
        tag="__{}__",
        code=r"[a-z]{2,3}",
        source_tag="source",
        target_tag=True,
    ),
    Family(
        name="small100",
        model_types=("m2m_100",),
        pieces=_FAIRSEQ,
        tokenizer="SMALL100Tokenizer",  # remote code, which is never run; the files are those of M2M-100
        load_with="M2M100Tokenizer",
        tag="__{}__",
        code=r"[a-z]{2,3}",
        source_tag="target",
    ),
    Family(
        name="mbart50",
        model_types=("mbart",),
        pieces=_FAIRSEQ,
        tokenizer="MBart50Tokenizer",
        load_with="MBart50Tokenizer",
        tag="{}",
        code=r"[a-z]{2}_[A-Z]{2}",
        source_tag="source",
        target_tag=True,
    ),
    Family(
        name="marian",
        model_types=("marian",),
        pieces=("source.spm", "target.spm"),
        tag=">>{}<<",
        code=r"[A-Za-z_-]{2,16}",
        needs_tags=False,
        source_tag="target",
    ),
    Family(
        name="student",  # of this toolkit, in the nllb graph; those in the marian graph are of the family marian
        model_types=("m2m_100",),
        pieces=("source.spm", "target.spm"),
        tokenizer="MarianTokenizer",
        tag=">>{}<<",
        code=r"[A-Za-z_-]{2,16}",
        needs_tags=False,
        source_tag="target",
    ),
    Family(
        name="madlad400",
        model_types=("t5",),
        pieces=_T5,
        tag="<2{}>",
        code=r"[A-Za-z_]{2,16}",
        source_tag="target",
        tag_in_text=True,
    ),
    Family(
        name="t5",
        model_types=("t5",),
        pieces=_T5,
        needs_tags=False,
        prompts={
            "en-de": "translate English to German: ",
            "en-fr": "translate English to French: ",
            "en-ro": "translate English to Romanian: ",
        },
        takes_prefix=True,
    ),
    Family(name="mt5", model_types=("mt5",), pieces=_T5, needs_tags=False, takes_prefix=True),
)
"""the first that fits is taken"""


def candidate_families(model_type: str, tokenizer: str, family: str | None, *, where: str) -> list[Family]:
    """Return the families that a model may be of, before its vocabulary is known.

    :param tokenizer: ``tokenizer_class`` in the model's folder, or an empty string
    :param family: what a person says; None finds it out
    :raises NmtDistillError: if there is none
    """
    if family is not None:
        named = [row for row in FAMILIES if row.name == family]
        if not named:
            raise NmtDistillError(
                f"teacher.family must be one of {', '.join(row.name for row in FAMILIES)}, but is {family}."
            )
        if model_type not in named[0].model_types:
            raise NmtDistillError(
                f"teacher.family is {family}, which is of model type {' or '.join(named[0].model_types)}, but {where} "
                f"is of model type {model_type}; leave it out, or name another."
            )
        return named
    rows = [row for row in FAMILIES if model_type in row.model_types]
    if not rows:
        known = sorted({known for row in FAMILIES for known in row.model_types})
        raise NmtDistillError(
            f"{where} is of model type {model_type}, whose way of naming languages is not known; these are: "
            f"{', '.join(known)}."
        )
    told = [row for row in rows if row.tokenizer == tokenizer.removesuffix("Fast")]
    rows = told or [row for row in rows if row.tokenizer is None]
    if not rows:
        hints = " or ".join(row.name for row in FAMILIES if model_type in row.model_types)
        raise NmtDistillError(
            f"{where} is of model type {model_type}, but its tokenizer_config.json names the tokenizer "
            f"{tokenizer or '(none)'}; if the model is of the family {hints}, set teacher.family to that."
        )
    return rows


def choose_family(candidates: Iterable[Family], tokens: Collection[str], *, where: str) -> Family:
    """Return the first family whose tags the vocabulary has.

    :raises NmtDistillError: if there is none
    """
    tried = []
    for row in candidates:
        if not row.needs_tags or language_codes(row, tokens):
            return row
        assert row.tag is not None
        tried.append(row.tag.format("..."))
    raise NmtDistillError(
        f"the tokenizer of {where} has no tokens that name languages ({' or '.join(tried)}); get its "
        "tokenizer.json and tokenizer_config.json from where the model comes from."
    )


def language_codes(family: Family, tokens: Iterable[str]) -> dict[str, str]:
    """Return the codes of languages that a vocabulary has, each with its token."""
    if family.tag is None:
        return {}
    before, after = (re.escape(part) for part in family.tag.split("{}"))
    pattern = re.compile(f"{before}({family.code}){after}")
    return {found[1]: token for token in tokens if (found := pattern.fullmatch(token))}


@dataclass(frozen=True, kw_only=True)
class LanguageNaming:
    """What a model is given besides the text, for one direction."""

    source_tokens: tuple[str, ...] = ()
    """tokens before the source"""
    target_tokens: tuple[str, ...] = ()
    """forced first tokens of the translation"""
    prompt: str = ""
    """text before the source, segmented apart from it; tags in it are tags"""


def name_languages(
    family: Family,
    direction: Direction,
    tokens: Iterable[str],
    *,
    where: str,
    prefix: str | None = None,
    only_target: str | None = None,
) -> LanguageNaming:
    """Tell how a model is told the languages of a direction.

    :param tokens: the vocabulary
    :param prefix: text that a person wants before each source
    :param only_target: the target language that the folder of a model without tags names
    :raises NmtDistillError: if the model does not know a language; the message names the nearest that it knows
    """
    if prefix is not None or family.takes_prefix:
        return LanguageNaming(prompt=_prompt(family, direction, prefix, where))
    codes = language_codes(family, tokens)
    if not codes:  # a model of one target language
        if only_target is not None and is_language(only_target):
            choose_code(direction.target, [only_target], where=where)
        return LanguageNaming()
    chosen = {"target": codes[choose_code(direction.target, codes, where=where)]}
    if family.source_tag == "source":
        chosen["source"] = codes[choose_code(direction.source, codes, where=where)]
    before = (chosen[family.source_tag],) if family.source_tag else ()
    return LanguageNaming(
        source_tokens=() if family.tag_in_text else before,
        target_tokens=(chosen["target"],) if family.target_tag else (),
        prompt="".join(before) if family.tag_in_text else "",
    )


def _prompt(family: Family, direction: Direction, prefix: str | None, where: str) -> str:
    if prefix is not None:
        if not family.takes_prefix:
            raise NmtDistillError(
                f"teacher.prefix is given, but {where} is of the family {family.name}, which names languages by "
                "tokens of its own; leave it out."
            )
        if prefix and not prefix.endswith(" "):
            raise NmtDistillError(
                f"teacher.prefix must end with a space, but is {prefix!r}: prefix and text are segmented apart."
            )
        return prefix
    for trained, prompt in family.prompts.items():
        source, target = trained.split("-")
        if are_alike(direction.source, source) and are_alike(direction.target, target):
            return prompt
    trained_on = f" was trained on {', '.join(family.prompts)} only" if family.prompts else " has no prefix of its own"
    raise NmtDistillError(
        f"the family {family.name}{trained_on}; for {direction} set teacher.prefix to the text that {where} was "
        "fine-tuned with before each source, or to an empty one."
    )
