"""A small recipe, changes to it, and what is told of them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from nmt_distill.errors import RecipeError
from nmt_distill.recipe import load_recipe

EN_PT = {"source": "en", "target": "pt-BR"}
PT_EN = {"source": "pt-BR", "target": "en"}
CONTENT: dict[str, Any] = {
    "directions": [EN_PT],
    "corpus": {
        "sources": [
            {"kind": "text", "path": "mono.en", "licence": "CC0-1.0"},
            {
                "kind": "wheel_catalog",
                "wheel": {"package": "a", "version": "1", "sha256": "0" * 64},
                "path": "{lang}.json",
                "licence": "CC0-1.0",
            },
        ],
    },
    "teacher": {
        "kind": "marian",
        "model": "model.bin",
        "vocabulary": "vocab.spm",
        "origin": "a test",
        "licence": "none",
    },
    "training": {"phases": [{"num_steps": 10, "learning_rate": 0.001}]},
}

TRANSFORMERS = {"kind": "transformers", "name": "a/model", "origin": "a test", "licence": "none"}
COMMAND = {"kind": "command", "command": "cat", "origin": "a test", "licence": "none"}


def write(path: Path, content: Any = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def changed(**parts: Any) -> dict[str, Any]:
    """Return the recipe with some keys, written with dots as ``__``, set to other values."""
    content = copy.deepcopy(CONTENT)
    for key, value in parts.items():
        *parents, last = key.split("__")
        place: Any = content
        for parent in parents:
            place = place.setdefault(parent, {}) if isinstance(place, dict) else place[int(parent)]
        place[last] = value
    return content


def faults_of(path: Path, content: Any, *overrides: str) -> tuple[str, ...]:
    with pytest.raises(RecipeError) as told:
        load_recipe(write(path, content), overrides)
    assert str(path) in str(told.value)
    return told.value.faults
