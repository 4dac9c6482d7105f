"""``eval/sentence_vectors.py``: what stands beside a head of languages."""

from __future__ import annotations

import runpy
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "eval" / "sentence_vectors.py"


def test_languages_of_py3langid_are_named_as_the_directions_are() -> None:
    named = runpy.run_path(str(SCRIPT))["named"]
    labels = ["en", "pt-BR", "en"]
    assert [named(language, labels) for language in ("pt", "en", "de", None)] == ["pt-BR", "en", "unknown", "unknown"]
