"""An NLLB checkpoint in the folder layouts of transformers and of fairseq2, read and written; fairseq2 is not needed.

In fairseq2's layout an asset card, ``model.yaml``, names ``model.safetensors`` and ``sentencepiece.model`` beside it,
sizes and languages; fairseq2 itself finds it below a folder that ``FAIRSEQ2_USER_ASSET_DIR`` names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from sentencepiece import SentencePieceProcessor
from torch import Tensor

from nmt_distill.configuration import read_yaml, write_yaml
from nmt_distill.counting import counted
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import atomic_folder, write_json
from nmt_distill.teacher.fairseq2.interop import num_layers, to_fairseq2, to_transformers
from nmt_distill.teacher.families import FAMILIES, language_codes
from nmt_distill.teacher.transformers.checkpoint import load_config, load_tokenizer, quiet
from nmt_distill.teacher.transformers.hub import find_model
from nmt_distill.teacher.transformers.tokenization import vocabulary_of

CARD = "model.yaml"
"""name of the asset card, as fairseq2 calls it beside its own checkpoints"""
WEIGHTS = "model.safetensors"
_SENTENCEPIECE, _TRANSFORMERS_SENTENCEPIECE = "sentencepiece.model", "sentencepiece.bpe.model"
SPECIALS = ("<pad>", "<unk>", "<s>", "</s>")
"""fairseq2's first ids; the SentencePiece model has all but the first"""
TRANSFORMERS_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
"""transformers' first ids"""
NLLB = next(family for family in FAMILIES if family.name == "nllb")


@dataclass(frozen=True, kw_only=True)
class NllbSizes:
    """The sizes of a model, by the names of fairseq2's ``NllbConfig``."""

    model_dim: int
    """width"""
    max_seq_len: int
    """positions of source and target"""
    vocab_size: int
    """rows of the table of embeddings"""
    num_encoder_layers: int
    """layers of the encoder"""
    num_decoder_layers: int
    """layers of the decoder"""
    num_encoder_attn_heads: int
    """heads of each attention in the encoder"""
    num_decoder_attn_heads: int
    """heads of each attention in the decoder"""
    ffn_inner_dim: int
    """width between the two feed-forward matrices"""


_TRANSFORMERS_SIZES = {
    "model_dim": ("d_model",),
    "max_seq_len": ("max_position_embeddings",),
    "vocab_size": ("vocab_size",),
    "num_encoder_layers": ("encoder_layers",),
    "num_decoder_layers": ("decoder_layers",),
    "num_encoder_attn_heads": ("encoder_attention_heads",),
    "num_decoder_attn_heads": ("decoder_attention_heads",),
    "ffn_inner_dim": ("encoder_ffn_dim", "decoder_ffn_dim"),
}
"""what transformers calls the sizes"""
_GRAPH = {
    "model_type": "m2m_100",
    "activation_function": "relu",
    "scale_embedding": True,
    "tie_word_embeddings": True,
    "pad_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 2,
}
"""what fairseq2's NLLB takes for granted, by transformers' names"""


@dataclass(frozen=True)
class NllbCheckpoint:
    """A model with its tokenizer, as fairseq2 sees them."""

    weights: Mapping[str, Tensor]
    """by the names of fairseq2, rows in its order"""
    sizes: NllbSizes
    sentencepiece: bytes
    """content of the SentencePiece model"""
    languages: Sequence[str]
    """codes such as ``deu_Latn``, in the order of their ids, which follow the pieces"""

    @property
    def tokens(self) -> list[str]:
        """The tokens by fairseq2's ids, languages by their codes; rows may follow that have no name here."""
        return [*SPECIALS, *_piece_names(self.sentencepiece), *self.languages]

    def save_fairseq2(self, folder: Path, *, name: str) -> None:
        """Write a folder for fairseq2.

        :param name: of the asset
        :raises NmtDistillError: if the folder is there
        """
        from safetensors.torch import save_file

        card = {
            "name": name,
            "model_family": "nllb",
            "model_config": asdict(self.sizes),
            "checkpoint": WEIGHTS,
            "tokenizer_family": "nllb",
            "tokenizer": _SENTENCEPIECE,
            "tokenizer_config": {"default_lang": self.languages[0], "langs": list(self.languages)},
        }
        _refuse_existing(folder)
        with atomic_folder(folder) as partial:
            save_file({key: tensor.contiguous() for key, tensor in self.weights.items()}, partial / WEIGHTS)
            (partial / _SENTENCEPIECE).write_bytes(self.sentencepiece)
            write_yaml(partial / CARD, card)

    def save_transformers(self, folder: Path) -> None:
        """Write a folder for transformers, with ids as NLLB's public checkpoints there have them.

        :raises NmtDistillError: if the folder is there
        """
        from safetensors.torch import save_file

        sizes = {theirs: getattr(self.sizes, own) for own, names in _TRANSFORMERS_SIZES.items() for theirs in names}
        graph = {"architectures": ["M2M100ForConditionalGeneration"], "bos_token_id": 0, **_GRAPH}
        tokens = [*TRANSFORMERS_SPECIALS, *self.tokens[len(SPECIALS) :], "<mask>"]
        ids = {token: place for place, token in enumerate(tokens)}
        special = (*TRANSFORMERS_SPECIALS, *self.languages, "<mask>")
        tokenizer = {
            "tokenizer_class": "NllbTokenizer",
            "additional_special_tokens": list(self.languages),
            "added_tokens_decoder": {str(ids[token]): {"content": token, "special": True} for token in special},
        }
        weights = to_transformers(self.weights, _rows(self.tokens, ids, self.sizes.vocab_size))
        _refuse_existing(folder)
        with atomic_folder(folder) as partial:
            (partial / _TRANSFORMERS_SENTENCEPIECE).write_bytes(self.sentencepiece)
            write_json(partial / "config.json", graph | sizes)
            write_json(partial / "tokenizer_config.json", tokenizer)
            save_file(
                {key: tensor.contiguous() for key, tensor in weights.items()}, partial / WEIGHTS, {"format": "pt"}
            )


def read_transformers(name_or_path: str) -> NllbCheckpoint:
    """Read a model of the NLLB family from a folder of transformers, or from the hub.

    :raises NmtDistillError: if it is not there, not whole, or of another graph than fairseq2's NLLB
    """
    folder = find_model(name_or_path)
    with quiet():
        config = load_config(folder)
        tokens = vocabulary_of(load_tokenizer(folder, None))
    sizes = _sizes_of(config, name_or_path)
    path = folder.path / _TRANSFORMERS_SENTENCEPIECE
    codes = language_codes(NLLB, tokens)
    if not path.is_file() or not codes:
        raise NmtDistillError(
            f"{name_or_path} is no NLLB model with {_TRANSFORMERS_SENTENCEPIECE} and languages such as eng_Latn; get "
            "all its tokenizer's files from where it comes from."
        )
    languages = sorted(codes, key=lambda code: tokens[codes[code]])
    checkpoint = NllbCheckpoint({}, sizes, path.read_bytes(), languages)
    rows = _rows(checkpoint.tokens, tokens, sizes.vocab_size)
    weights = {name: tensor for file in folder.files() for name, tensor in read_weights(file).items()}
    if (depths := num_layers(weights)) != (sizes.num_encoder_layers, sizes.num_decoder_layers):
        raise NmtDistillError(
            f"{name_or_path} has weights of {depths[0]} encoder and {depths[1]} decoder layers, but its config.json "
            f"says {sizes.num_encoder_layers} and {sizes.num_decoder_layers}; fetch it again."
        )
    return NllbCheckpoint(to_fairseq2(weights, rows), sizes, checkpoint.sentencepiece, languages)


def read_fairseq2(folder: Path) -> NllbCheckpoint:
    """Read a folder that :meth:`NllbCheckpoint.save_fairseq2` wrote.

    :raises NmtDistillError: if it is not there, or not whole
    """
    card = read_yaml(folder / CARD)
    try:
        sizes = NllbSizes(**{field.name: card["model_config"][field.name] for field in fields(NllbSizes)})
        languages = card["tokenizer_config"]["langs"]
        weights, sentencepiece = folder / card["checkpoint"], folder / card["tokenizer"]
    except (KeyError, TypeError) as error:
        raise NmtDistillError(f"{folder / CARD} does not say {error}; write the folder again.") from None
    return NllbCheckpoint(read_weights(weights), sizes, sentencepiece.read_bytes(), languages)


def read_weights(file: Path) -> dict[str, Tensor]:
    """Read the tensors of a file, if it holds weights; a pickle that holds more than tensors is refused.

    :raises NmtDistillError: if it cannot be read
    """
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            tensors: dict[str, Tensor] = load_file(file)
        elif file.suffix in {".bin", ".pt", ".pth"}:
            tensors = torch.load(file, map_location="cpu", weights_only=True)
        else:
            return {}
    except Exception as error:  # both raise what their parts raise
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise NmtDistillError(f"the weights in {file} cannot be read ({reason}); fetch or write them again.") from None
    return tensors


def _piece_names(sentencepiece: bytes) -> list[str]:
    """Return the pieces that follow the specials."""
    processor = SentencePieceProcessor(model_proto=sentencepiece)
    names = [processor.id_to_piece(place) for place in range(processor.vocab_size())]
    if tuple(names[:3]) != SPECIALS[1:]:
        raise NmtDistillError(
            f"the SentencePiece model must begin with {', '.join(SPECIALS[1:])}, as NLLB's does, but begins with "
            f"{', '.join(names[:3])}; fairseq2's NLLB tokenizer cannot read it."
        )
    return names[3:]


def _sizes_of(config: Any, where: str) -> NllbSizes:
    """Read the sizes from transformers' configuration."""
    wrong = [
        f"{key} is {found}, not {wanted}"
        for key, wanted in _GRAPH.items()
        if (found := getattr(config, key, None)) != wanted
    ]
    if config.encoder_ffn_dim != config.decoder_ffn_dim:
        wrong.append("encoder_ffn_dim and decoder_ffn_dim differ")
    if wrong:
        raise NmtDistillError(f"{where} is of another graph than fairseq2's NLLB: {'; '.join(wrong)}.")
    return NllbSizes(**{own: getattr(config, names[0]) for own, names in _TRANSFORMERS_SIZES.items()})


def _rows(tokens: Sequence[str], transformers_ids: Mapping[str, int], vocab_size: int) -> list[int]:
    """Return transformers' id for each of fairseq2's; rows without a name on either side keep their order."""
    unknown = [token for token in tokens if transformers_ids.get(token, vocab_size) >= vocab_size]
    if unknown:
        raise NmtDistillError(
            f"transformers' tokenizer has no id below {vocab_size:,} for {counted(len(unknown), 'token')}, such as "
            f"{unknown[0]}; tokenizer and weights do not belong together."
        )
    named = [transformers_ids[token] for token in tokens]
    return [*named, *sorted(set(range(vocab_size)) - set(named))]


def _refuse_existing(folder: Path) -> None:
    if folder.exists():
        raise NmtDistillError(f"{folder} is there already; name another folder, or remove it.")
