"""Which parameters a Marian graph has, by Marian's names, and whether a model file has just these.

Shapes are written in letters: S and T pieces of source and target, D width, E and F feed-forward width of encoder and
decoder. A matrix W of shape (in, out) is applied as x W; vectors have one row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nmt_distill.counting import counted
from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.marian.file import FloatArray
from nmt_distill.teacher.marian.options import MarianOptions

OUTPUT = "decoder_ff_logit_out"


def parameter_shapes(options: MarianOptions) -> dict[str, tuple[str, str]]:
    """Name all parameters of a graph, with their shapes; the output projection is told as (T, D)."""
    shapes = {options.source_table: ("S", "D"), options.target_table: ("T", "D"), f"{OUTPUT}_b": ("1", "T")}
    if not options.is_output_tied:
        shapes[f"{OUTPUT}_Wt"] = ("T", "D")
    for part, num_layers in (("encoder", options.num_encoder_layers), ("decoder", options.num_decoder_layers)):
        shapes |= _norms(f"{part}_emb", options.postprocess_embeddings, "")
        shapes |= _norms(f"{part}_top", "", options.postprocess_top)
        for layer in range(1, num_layers + 1):
            shapes |= dict(_layer(options, part, f"{part}_l{layer}"))
    return shapes


def _layer(options: MarianOptions, part: str, name: str) -> Iterator[tuple[str, tuple[str, str]]]:
    around = (options.preprocess, options.postprocess)
    attentions = [f"{name}_self"]
    if part == "decoder":
        attentions = [f"{name}_context"] if options.has_cells else [f"{name}_self", f"{name}_context"]
        if options.has_cells:
            yield from {f"{name}_rnn_{matrix}": ("D", "D") for matrix in ("W", "Wf")}.items()
            yield f"{name}_rnn_bf", ("1", "D")
            yield from _norms(f"{name}_rnn", options.preprocess, "").items()
            yield from _norms(f"{name}_rnn_ffn", "", options.postprocess).items()
    for attention in attentions:
        for letter in "qkvo":
            yield f"{attention}_W{letter}", ("D", "D")
            yield f"{attention}_b{letter}", ("1", "D")
        yield from _norms(f"{attention}_Wo", *around).items()
    inner = "E" if part == "encoder" else "F"
    yield from {f"{name}_ffn_W1": ("D", inner), f"{name}_ffn_b1": ("1", inner)}.items()
    yield from {f"{name}_ffn_W2": (inner, "D"), f"{name}_ffn_b2": ("1", "D")}.items()
    yield from _norms(f"{name}_ffn_ffn", *around).items()


def _norms(name: str, preprocess: str, postprocess: str) -> dict[str, tuple[str, str]]:
    suffixes = [suffix for suffix, operations in (("_pre", preprocess), ("", postprocess)) if "n" in operations]
    return {f"{name}_ln_{part}{suffix}": ("1", "D") for suffix in suffixes for part in ("scale", "bias")}


def checked_parameters(
    parameters: Mapping[str, FloatArray], options: MarianOptions, where: str
) -> dict[str, FloatArray]:
    """Return a model's parameters, an untied output projection always as (T, D) by the name that says so.

    :param where: names the model in messages
    :raises NmtDistillError: if one is missing, is of another shape, or belongs to no part of the graph
    """
    found = {name: array[None] if array.ndim == 1 else array for name, array in parameters.items()}
    if f"{OUTPUT}_W" in found:  # the first versions of Marian stored it the other way round
        found[f"{OUTPUT}_Wt"] = found.pop(f"{OUTPUT}_W").T.copy()
    shapes = parameter_shapes(options)
    missing = [name for name in shapes if name not in found]
    if missing:
        raise NmtDistillError(f"{where} lacks {counted(len(missing), 'parameter')}, the first is {missing[0]}.")
    unknown = [name for name in found if name not in shapes]
    if unknown:
        raise NmtDistillError(
            f"{where} has {counted(len(unknown), 'parameter')} that the graph of its options does not use, the first "
            f"is {unknown[0]}; it cannot be read as a teacher."
        )
    _check_shapes(found, shapes, options.num_heads, where)
    return found


def _check_shapes(
    found: Mapping[str, FloatArray], shapes: Mapping[str, tuple[str, str]], num_heads: int, where: str
) -> None:
    sizes = {"1": 1}
    for name, letters in shapes.items():
        shape = found[name].shape
        if len(shape) != 2 or any(sizes.get(letter, size) != size for letter, size in zip(letters, shape, strict=True)):
            expected = ", ".join(str(sizes.get(letter, "any")) for letter in letters)
            raise NmtDistillError(f"{where}: {name} has shape {shape}, not ({expected}), which the others ask for.")
        sizes |= dict(zip(letters, shape, strict=True))
    if sizes["D"] % 2 or sizes["D"] % num_heads:
        raise NmtDistillError(
            f"{where}: its width must be even and a multiple of transformer-heads, {num_heads}, but is {sizes['D']}."
        )
