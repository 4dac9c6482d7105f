"""In which precision CTranslate2 computes, which may be another than the one that weights are kept in.

Where a machine lacks a precision, CTranslate2 converts the weights while it loads them, and warns in lines of its own,
once for each time. Here that is silent: exports, their cards and reports say it, once and in their own words.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator

import ctranslate2

_LOADING = threading.RLock()
"""CTranslate2 has one log level for all threads"""


@contextlib.contextmanager
def fallbacks_untold() -> Iterator[None]:
    """Keep CTranslate2 from warning, while a model is loaded, that the machine lacks the precision of its weights.

    Who asked for more than warnings, by ``CT2_VERBOSE``, gets all.
    """
    with _LOADING:
        level = ctranslate2.get_log_level()
        if level != logging.WARNING:
            yield
            return
        ctranslate2.set_log_level(logging.ERROR)
        try:
            yield
        finally:
            ctranslate2.set_log_level(level)


def falls_back(precision: str, computed: str) -> bool:
    """Tell whether a device takes another precision than that of the weights, because it lacks it.

    :param computed: what CTranslate2 computes in there; of weights in ``int8``, the rest is as the device does it best
    """
    return computed != precision and not (precision == "int8" and computed.startswith("int8"))
