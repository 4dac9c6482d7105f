"""Configuration, tokenizer and weights of a transformers model, from a folder; no code or pickle in it is ever run."""

from __future__ import annotations

import contextlib
import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import transformers
from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer

from nmt_distill.counting import counted
from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.transformers.hub import ModelFolder

_AGAIN = "fetch it again"


def load_config(folder: ModelFolder) -> Any:
    """Read ``config.json``.

    :raises NmtDistillError: if it cannot be read, or is not of an encoder-decoder
    """
    try:
        config = AutoConfig.from_pretrained(folder.path, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # transformers raises what its parts raise
        raise NmtDistillError(f"{folder.path}/config.json cannot be read ({_reason(error)}); {_AGAIN}.") from None
    if not config.is_encoder_decoder:
        raise NmtDistillError(
            f"{folder.path} holds a model of type {config.model_type}, which is no encoder-decoder; a teacher of kind "
            "transformers must be one (NLLB, M2M-100, mBART-50, Marian, T5, MADLAD-400)."
        )
    return config


def load_tokenizer(folder: ModelFolder, class_name: str | None) -> Any:
    """Load the tokenizer, by the class of transformers that is named, or the one that the folder names.

    :raises NmtDistillError: if it cannot be loaded
    """
    loader: Any = AutoTokenizer
    if class_name is not None:
        loader = getattr(transformers, f"{class_name}Fast", None) or getattr(transformers, class_name)
    try:
        return loader.from_pretrained(folder.path, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # transformers raises what its parts raise
        raise NmtDistillError(
            f"the tokenizer of {folder.path} cannot be loaded by transformers {transformers.__version__} "
            f"({_reason(error)}); fetch its files again, or save them with this version."
        ) from None


def load_model(folder: ModelFolder, dtype: str) -> Any:
    """Load the weights, safetensors where there are any.

    :param dtype: name of a type of torch
    :raises NmtDistillError: if they cannot be loaded, would run code, or some are missing
    """
    try:
        model, found = AutoModelForSeq2SeqLM.from_pretrained(
            folder.path,
            dtype=getattr(torch, dtype),
            trust_remote_code=False,
            weights_only=True,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # else it raises without saying which
            output_loading_info=True,
        )
    except Exception as error:  # transformers raises what its parts raise
        told = _reason(error).split(". ")[0]  # torch goes on with how to run what is in a pickle all the same
        is_pickle = isinstance(error, pickle.UnpicklingError)
        remedy = "a .bin that holds more than tensors is refused: convert it to safetensors" if is_pickle else _AGAIN
        raise NmtDistillError(f"the weights of {folder.path} cannot be loaded ({told}); {remedy}.") from None
    if other := sorted((name, tuple(stored), tuple(built)) for name, stored, built in found["mismatched_keys"]):
        name, stored, built = other[0]
        raise NmtDistillError(
            f"{folder.path}: configuration and weights do not belong together: {counted(len(other), 'weight')} of "
            f"another shape than config.json says, the first is {name} with {stored} in place of {built}; fetch both "
            "from one place."
        )
    if missing := sorted(found["missing_keys"]):
        raise NmtDistillError(
            f"{folder.path} lacks {counted(len(missing), 'weight')}, the first is {missing[0]}; fetch it again."
        )
    return model


def special_ids(name: str, model: Any, tokenizer: Any, highest_id: int) -> tuple[int, int, int]:
    """Return the ids that start a translation, end it, and fill up a batch.

    :param highest_id: of text and tags
    :raises NmtDistillError: if tokenizer and weights do not belong together
    """

    def configured(key: str) -> Any:
        places = (model.generation_config, model.config)
        return next((found for place in places if (found := getattr(place, key, None)) is not None), None)

    start, end, pad = (configured(key) for key in ("decoder_start_token_id", "eos_token_id", "pad_token_id"))
    if start is None:
        raise NmtDistillError(f"{name}: config.json must name the decoder_start_token_id.")
    num_ids = min(table.weight.shape[0] for table in (model.get_input_embeddings(), model.get_output_embeddings()))
    end_id: int = tokenizer.eos_token_id
    if highest_id >= num_ids or (end is not None and end_id not in np.atleast_1d(end)):
        raise NmtDistillError(
            f"{name}: tokenizer and weights do not belong together: the tokenizer's ids go up to {highest_id} and "
            f"{end_id} ends a sentence, the weights have {num_ids} ids and {end} ends one; fetch both from one place."
        )
    return start, end_id, end_id if pad is None else pad


def _reason(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep bars and advice of transformers off the terminal."""
    logging = transformers.utils.logging
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*sacremoses.*")
            yield
    finally:
        logging.set_verbosity(verbosity)
        logging.enable_progress_bar()
