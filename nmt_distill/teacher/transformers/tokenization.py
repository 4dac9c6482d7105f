"""Text to the ids of a transformers model and back, so that no text ever makes a special token or a language tag.

Where the model's folder holds SentencePiece models, they segment: that is what the model was trained with, and what a
student can share. Their pieces are found by name in the vocabulary of the tokenizer. Else the tokenizer segments, on a
copy in which no text reaches a special.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import sentencepiece

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.families import Family, language_codes

_NORMAL, _CONTROL, _USER_DEFINED = 1, 3, 4  # sentencepiece_model.proto, ModelProto.SentencePiece.Type


@dataclass(frozen=True)
class NumberedPieces:
    """A SentencePiece model with the teacher's id of each of its pieces."""

    model: bytes
    """contents of the SentencePiece file of source and target; specials and tags in it are control pieces"""
    teacher_ids: npt.NDArray[np.int64]
    """(pieces,) the teacher's id of each piece, -1 where it has none and reads an unknown"""


class TextIds(Protocol):
    """Text to ids and back."""

    vocabulary: NumberedPieces | None
    """None where source and target are segmented differently, or not by SentencePiece"""
    highest_id: int
    """largest id that text can have"""

    def encode(self, sentences: Sequence[str]) -> list[list[int]]:
        """Return the ids of each sentence of source text, without its end; never one of a special, but the unknown."""
        ...

    def encode_target(self, sentences: Sequence[str]) -> list[list[int]]:
        """Return the ids of each sentence of target text, without its end; never one of a special, but the unknown."""
        ...

    def encode_prompt(self, prompt: str) -> list[int]:
        """Return the ids of text in which tags are tags."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids of the target, specials left out."""
        ...


def vocabulary_of(tokenizer: Any) -> dict[str, int]:
    """Return all tokens of a transformers tokenizer, those of languages included."""
    return {**tokenizer.get_vocab(), **getattr(tokenizer, "lang_token_to_id", {})}


def text_ids(tokenizer: Any, folder: Path, family: Family, tokens: Mapping[str, int]) -> TextIds:
    """Choose how text becomes ids.

    :param tokenizer: of transformers
    :param tokens: the id of each of its tokens
    :raises NmtDistillError: if the folder has neither SentencePiece models nor a fast tokenizer
    """
    specials = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
    hidden = {*specials, *tokenizer.all_special_tokens, *language_codes(family, tokens).values()}
    paths = [folder / name for name in family.pieces]
    if all(path.is_file() for path in paths):
        target_tokens = getattr(tokenizer, "target_encoder", tokens)  # a Marian model may have a dictionary a side
        text = SentencePieceText(
            (paths[0], tokens), (paths[1], target_tokens), hidden=hidden, unknown=str(tokenizer.unk_token)
        )
        # A tokenizer of Python looks pieces up in just this way; a fast one has all of them, unless it is another's.
        if not tokenizer.is_fast or text.is_complete:
            return text
    if not tokenizer.is_fast:
        raise NmtDistillError(
            f"{folder} has no {' and '.join(sorted(set(family.pieces)))}, with which its {type(tokenizer).__name__} "
            "segments text; get it from where the model comes from."
        )
    return FastTokenizerText(tokenizer, hidden=hidden)


class SentencePieceText:
    """SentencePiece models, the same or one each for source and target, whose pieces have other ids in the model."""

    def __init__(
        self,
        source: tuple[Path, Mapping[str, int]],
        target: tuple[Path, Mapping[str, int]],
        *,
        hidden: Collection[str],
        unknown: str,
    ) -> None:
        """Load the models.

        :param source: file, and the id of each token of the source
        :param target: file, and the id of each token of the target
        :param hidden: tokens that no text may make
        :param unknown: the token for what no piece covers
        :raises NmtDistillError: if a file is no SentencePiece model
        """
        self._with_tags = _load(source[0])
        self._target = _load(target[0])
        shares = source[1] == target[1] and source[0].read_bytes() == target[0].read_bytes()
        model = _hide(source[0].read_bytes(), hidden)
        self._source = sentencepiece.SentencePieceProcessor(model_proto=model)
        names = [self._source.id_to_piece(index) for index in range(self._source.vocab_size())]
        teacher_ids = np.array([source[1].get(name, -1) for name in names], dtype=np.int64)
        self._ids = np.where(teacher_ids < 0, source[1][unknown], teacher_ids).tolist()
        self._target_text, self._target_ids = self._source, self._ids
        if not shares:
            self._target_text = sentencepiece.SentencePieceProcessor(model_proto=_hide(target[0].read_bytes(), hidden))
            pieces = [self._target_text.id_to_piece(index) for index in range(self._target_text.vocab_size())]
            self._target_ids = [target[1].get(name, target[1][unknown]) for name in pieces]
        self._names = {index: token for token, index in target[1].items() if token == unknown or token not in hidden}
        self.highest_id = max(self._ids)
        is_text = np.array([not self._source.is_control(index) for index in range(len(names))])
        self.is_complete = bool((teacher_ids[is_text] >= 0).all())
        self.vocabulary = NumberedPieces(model, teacher_ids) if shares else None

    def encode(self, sentences: Sequence[str]) -> list[list[int]]:
        """See :meth:`TextIds.encode`."""
        return [[self._ids[piece] for piece in pieces] for pieces in self._source.encode(list(sentences))]

    def encode_target(self, sentences: Sequence[str]) -> list[list[int]]:
        """See :meth:`TextIds.encode_target`."""
        return [[self._target_ids[piece] for piece in pieces] for pieces in self._target_text.encode(list(sentences))]

    def encode_prompt(self, prompt: str) -> list[int]:
        """See :meth:`TextIds.encode_prompt`."""
        return [self._ids[piece] for piece in self._with_tags.encode(prompt)]

    def decode(self, ids: Sequence[int]) -> str:
        """See :meth:`TextIds.decode`."""
        text: str = self._target.decode_pieces([self._names[index] for index in ids if index in self._names])
        return text


def _load(path: Path) -> sentencepiece.SentencePieceProcessor:
    try:
        return sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise NmtDistillError(f"{path} is not a SentencePiece model ({reason}); fetch it again.") from None


def _hide(content: bytes, hidden: Collection[str]) -> bytes:
    """Return a SentencePiece model in which the hidden pieces are control pieces, which no text makes."""
    from sentencepiece import sentencepiece_model_pb2

    messages: Any = sentencepiece_model_pb2
    model = messages.ModelProto.FromString(content)
    reachable = [piece for piece in model.pieces if piece.piece in hidden and piece.type in {_NORMAL, _USER_DEFINED}]
    for piece in reachable:
        piece.type = _CONTROL
    return model.SerializeToString() if reachable else content


class FastTokenizerText:
    """A tokenizer of the ``tokenizers`` library, on a copy whose specials have names that no text contains."""

    vocabulary: NumberedPieces | None = None

    def __init__(self, tokenizer: Any, *, hidden: Collection[str]) -> None:
        """Copy the tokenizer.

        :param tokenizer: a fast tokenizer of transformers
        :param hidden: tokens that no text may make
        """
        from tokenizers import Tokenizer

        self._tokenizer = tokenizer
        content = json.loads(tokenizer.backend_tokenizer.to_str())
        content |= {"post_processor": None, "truncation": None, "padding": None}
        content["added_tokens"] = [token for token in content["added_tokens"] if token["content"] not in hidden]
        _hide_in_model(content["model"], hidden, str(tokenizer.unk_token), tokenizer.unk_token_id)
        self._text = Tokenizer.from_str(json.dumps(content))
        tokens = vocabulary_of(tokenizer)
        self._hidden_ids = {index for token, index in tokens.items() if token in hidden}
        self.highest_id = max(index for index in tokens.values() if index not in self._hidden_ids)

    def encode_target(self, sentences: Sequence[str]) -> list[list[int]]:
        """See :meth:`TextIds.encode_target`."""
        return self.encode(sentences)

    def encode(self, sentences: Sequence[str]) -> list[list[int]]:
        """See :meth:`TextIds.encode`."""
        return [found.ids for found in self._text.encode_batch(list(sentences), add_special_tokens=False)]

    def encode_prompt(self, prompt: str) -> list[int]:
        """See :meth:`TextIds.encode_prompt`."""
        ids: list[int] = self._tokenizer(prompt.strip(), add_special_tokens=False)["input_ids"]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """See :meth:`TextIds.decode`."""
        shown = [index for index in ids if index not in self._hidden_ids]
        text: str = self._tokenizer.decode(shown, clean_up_tokenization_spaces=False)
        return text.strip()


def _hide_in_model(model: dict[str, Any], hidden: Collection[str], unknown: str, unknown_id: int) -> None:
    """Rename hidden tokens in a tokenizer's model: a space never reaches it, so no text contains the new names."""
    if model["type"] == "Unigram":
        model["vocab"] = [[f" {name}" if name in hidden else name, score] for name, score in model["vocab"]]
        model["unk_id"] = unknown_id  # some of transformers' tokenizers put a fixed one here
    elif model["type"] == "BPE":
        out_of_reach = set(hidden) - {unknown}
        model["vocab"] = {f" {name}" if name in out_of_reach else name: index for name, index in model["vocab"].items()}
        pairs = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
        model["merges"] = [pair for pair in pairs if not {*pair, "".join(pair)} & out_of_reach]
    else:
        raise NmtDistillError(
            f"the tokenizer segments by {model['type']}, for which it is not known how to keep text from making "
            "special tokens; put its SentencePiece model beside it."
        )
