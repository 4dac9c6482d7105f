"""A student as ONNX files, by ``optimum``, which wants transformers 4.57."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nmt_distill.errors import NmtDistillError
from nmt_distill.files import atomic_folder

INSTALL = 'pip install "optimum-onnx[onnxruntime]" "transformers==4.57.*"'


def write_onnx(student_folder: Path, folder: Path) -> None:
    """Write encoder and decoder, the latter with its cache, beside configuration and tokenizer.

    :raises NmtDistillError: if optimum is not installed
    """
    try:
        from optimum.exporters.onnx import main_export
    except ImportError as error:
        raise _not_installed(error) from None
    with atomic_folder(folder) as partial:
        main_export(
            str(student_folder),
            output=partial,
            task="text2text-generation-with-past",
            device="cpu",
            do_validation=False,
        )


def load_onnx(folder: Path) -> Any:
    """Load what :func:`write_onnx` wrote, in onnxruntime; its ``generate`` is that of transformers.

    :raises NmtDistillError: if optimum or onnxruntime is not installed
    """
    try:
        from optimum.onnxruntime import ORTModelForSeq2SeqLM
    except ImportError as error:
        raise _not_installed(error) from None
    return ORTModelForSeq2SeqLM.from_pretrained(folder, provider="CPUExecutionProvider")


def _not_installed(error: ImportError) -> NmtDistillError:
    return NmtDistillError(f"ONNX is written by optimum, which is not installed ({error}); {INSTALL}.")
