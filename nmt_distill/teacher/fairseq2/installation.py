"""Whether fairseq2 can be imported here, and what to do where it cannot."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util

from nmt_distill.errors import NmtDistillError

TORCH_VERSION = "2.9.1"
"""for which the native part of fairseq2 0.8 is built"""
_REMEDY = (
    "give it an environment of its own, of Python 3.10 to 3.12 on Linux, with `pip install "
    f"'nmt-distill[train,fairseq2]'`, which brings torch {TORCH_VERSION} and transformers 4.57"
)


def check_fairseq2() -> None:
    """Import fairseq2, so that whatever it lacks is told once, with the remedy.

    :raises NmtDistillError: if it is not installed, torch is another than it is built for, or a library of the system
        is missing
    """
    if importlib.util.find_spec("fairseq2") is None:
        raise NmtDistillError(f"teacher.kind is fairseq2, but fairseq2 is not installed; {_REMEDY}.")
    torch_version = importlib.metadata.version("torch").split("+")[0]
    if torch_version != TORCH_VERSION:
        raise NmtDistillError(
            f"fairseq2 0.8 is built for torch {TORCH_VERSION}, but torch here is {torch_version}; {_REMEDY}."
        )
    try:
        importlib.import_module("fairseq2")
    except (ImportError, OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        if "sndfile" in reason:
            raise NmtDistillError(
                "fairseq2 needs the system's library libsndfile, which is missing; install Debian's package "
                "libsndfile1 (`apt-get install libsndfile1`), or what your system calls it."
            ) from None
        raise NmtDistillError(
            f"fairseq2 cannot be imported ({reason}); {_REMEDY}: the build of torch for CUDA, on a machine without a "
            "GPU too, for fairseq2 loads its libraries."
        ) from None
