"""What a Marian model file says about its graph, and which graphs are read here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nmt_distill.errors import NmtDistillError

_ONLY = {
    "type": ("transformer",),
    "right-left": (False,),
    "input-types": ([],),
    "input-reorder": ([],),
    "ulr": (False,),
    "factors-combine": ("sum", ""),
    "factors-dim-emb": (0,),
    "lemma-dim-emb": (0,),
    "lemma-dependency": ("",),
    "output-omit-bias": (False,),
    "transformer-decoder-autoreg": ("self-attention", "rnn"),
    "transformer-ffn-activation": ("relu", "swish"),
    "transformer-ffn-depth": (2,),
    "transformer-decoder-ffn-depth": (0, 2),
    "transformer-no-projection": (False,),
    "transformer-pool": (False,),
    "transformer-rnn-projection": (False,),
    "transformer-tied-layers": ([],),
    "transformer-train-position-embeddings": (False,),
    "transformer-train-positions": (False,),
}
"""the values that are read; every other one is another function"""
_ONLY_IN_CELLS = {"dec-cell": ("ssru",), "layer-normalization": (False,)}
"""the same, where the decoder's first layers are recurrent cells"""
_NEEDED = ("type", "dec-cell", "transformer-ffn-activation")
"""options that must be given where they are of consequence; every other one that is missing has Marian's default"""
_SIZES = ("transformer-heads", "enc-depth", "dec-depth")
_OPERATIONS = {
    "transformer-preprocess": "dn",
    "transformer-postprocess": "dan",
    "transformer-postprocess-emb": "dn",
    "transformer-postprocess-top": "dan",
}
"""the letters that are read: dropout (nothing, here), add the input, normalise"""


@dataclass(frozen=True, kw_only=True)
class MarianOptions:
    """A graph of a Transformer as Marian builds it.

    Operations around a layer are strings of ``a`` (add the layer's input) and ``n`` (normalise), done in order.
    """

    num_heads: int
    """heads of every attention"""
    num_encoder_layers: int
    """layers of the encoder"""
    num_decoder_layers: int
    """layers of the decoder"""
    has_cells: bool
    """the decoder has simpler simple recurrent units (SSRU) in place of self-attention"""
    activation: str
    """between the two matrices of a feed-forward layer: ``relu`` or ``swish``"""
    preprocess: str
    """operations on the input of every layer"""
    postprocess: str
    """operations on the output of every layer"""
    postprocess_embeddings: str
    """operations on embeddings with their positions"""
    postprocess_top: str
    """operations on the output of the last layers; ``a`` adds the embeddings with their positions"""
    source_table: str
    """name of the source's embeddings"""
    target_table: str
    """name of the target's embeddings"""
    is_output_tied: bool
    """whether the target's embeddings are the output projection too"""

    @property
    def is_post_norm(self) -> bool:
        """Tell whether every layer is normalised after its input was added, and nothing else is."""
        others = self.preprocess + self.postprocess_embeddings + self.postprocess_top
        return self.postprocess == "an" and not others


def read_options(architecture: Mapping[str, Any], where: str) -> MarianOptions:
    """Read the graph out of a model's options.

    :param where: names the model in messages
    :raises NmtDistillError: if an option asks for a function that is not read; every one is named
    """
    given = {key: value for key, value in architecture.items() if value is not None}
    has_cells = given.get("transformer-decoder-autoreg") == "rnn"
    only = _ONLY | _ONLY_IN_CELLS if has_cells else _ONLY
    wrong = [
        f"{key} is {given.get(key)!r}, not {' or '.join(map(repr, values))}"
        for key, values in only.items()
        if (key in given or key in _NEEDED) and given.get(key) not in values
    ]
    wrong += [
        f"{key} is {given.get(key)!r}, not a positive number"
        for key in _SIZES
        if not isinstance(given.get(key), int) or given[key] < 1
    ]
    operations = {key: given.get(key, "") for key in _OPERATIONS}
    wrong += [
        f"{key} is {operations[key]!r}, not made of {' and '.join(letters)}"
        for key, letters in _OPERATIONS.items()
        if not isinstance(operations[key], str) or set(operations[key]) - set(letters)
    ]
    if not wrong and "n" in operations["transformer-preprocess"] and "transformer-postprocess-top" not in given:
        wrong.append(
            "transformer-preprocess is 'n' without a transformer-postprocess-top, as before Marian 1.10, which left "
            "keys and values unnormalised"
        )
    if wrong:
        raise NmtDistillError(f"{where}: this graph cannot be read as a teacher yet: " + "; ".join(wrong) + ".")
    without_dropout = {key: value.replace("d", "") for key, value in operations.items()}
    is_joint = bool(given.get("tied-embeddings-all") or given.get("tied-embeddings-src"))
    return MarianOptions(
        num_heads=given["transformer-heads"],
        num_encoder_layers=given["enc-depth"],
        num_decoder_layers=given["dec-depth"],
        has_cells=has_cells,
        activation=given["transformer-ffn-activation"],
        preprocess=without_dropout["transformer-preprocess"],
        postprocess=without_dropout["transformer-postprocess"],
        postprocess_embeddings=without_dropout["transformer-postprocess-emb"],
        postprocess_top=without_dropout["transformer-postprocess-top"],
        source_table="Wemb" if is_joint else "encoder_Wemb",
        target_table="Wemb" if is_joint else "decoder_Wemb",
        is_output_tied=bool(given.get("tied-embeddings-all") or given.get("tied-embeddings")),
    )
