"""Students of usual shapes: each preset edits a student's config, and keys of a recipe win over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from nmt_distill.configuration import to_content
from nmt_distill.student.config import StudentConfig

Preset = Callable[[StudentConfig], StudentConfig]


def micro(config: StudentConfig) -> StudentConfig:
    """3-1 layers, 128 wide: trains on an ordinary CPU."""
    return replace(
        config,
        num_encoder_layers=3,
        num_decoder_layers=1,
        model_dim=128,
        ffn_inner_dim=512,
        num_heads=4,
    )


def tiny(config: StudentConfig) -> StudentConfig:
    """6-2 layers, 256 wide: the shape of Bergamot's tiny students."""
    return replace(
        config,
        num_encoder_layers=6,
        num_decoder_layers=2,
        model_dim=256,
        ffn_inner_dim=1536,
        num_heads=8,
    )


def small(config: StudentConfig) -> StudentConfig:
    """6-4 layers, 384 wide."""
    return replace(
        config,
        num_encoder_layers=6,
        num_decoder_layers=4,
        model_dim=384,
        ffn_inner_dim=1536,
        num_heads=6,
    )


def base(config: StudentConfig) -> StudentConfig:
    """6-2 layers, 512 wide."""
    return replace(
        config,
        num_encoder_layers=6,
        num_decoder_layers=2,
        model_dim=512,
        ffn_inner_dim=2048,
        num_heads=8,
    )


def deep_12_1(config: StudentConfig) -> StudentConfig:
    """12-1 layers, 512 wide: deep encoder, shallow decoder (Kasai et al. 2021, arXiv 2006.10369)."""
    return replace(
        config,
        num_encoder_layers=12,
        num_decoder_layers=1,
        model_dim=512,
        ffn_inner_dim=2048,
        num_heads=8,
    )


def deep_12_3(config: StudentConfig) -> StudentConfig:
    """12-3 layers, 512 wide."""
    return replace(deep_12_1(config), num_decoder_layers=3)


PRESETS: Mapping[str, Preset] = {
    "micro": micro,
    "tiny": tiny,
    "small": small,
    "base": base,
    "deep-12-1": deep_12_1,
    "deep-12-3": deep_12_3,
}


def without_shape(section: Any) -> Any:
    """Leave out of a recipe's section of the student what presets say, so that another one takes its place."""
    if not isinstance(section, Mapping):
        return section
    default = StudentConfig()
    said = {
        key for preset in PRESETS.values() for key in vars(default) if vars(preset(default))[key] != vars(default)[key]
    }
    return {key: value for key, value in section.items() if key not in said}


def with_preset(section: Any) -> Any:
    """Spell out the preset that a recipe's section of the student names; what is no preset stays, to be told later."""
    name = section.get("preset") if isinstance(section, Mapping) else None
    if not isinstance(name, str) or name not in PRESETS:
        return section
    return to_content(PRESETS[name](StudentConfig())) | dict(section)
