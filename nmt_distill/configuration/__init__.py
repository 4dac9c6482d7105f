"""From YAML files and ``--set`` overrides to frozen dataclasses and back; every fault is told at once."""

from __future__ import annotations

from nmt_distill.configuration.loading import load_dataclass, to_content
from nmt_distill.configuration.reference import FieldDocumentation, configuration_reference, field_documentation
from nmt_distill.configuration.yaml_files import apply_overrides, read_yaml, write_yaml, yaml_text

__all__ = [
    "FieldDocumentation",
    "apply_overrides",
    "configuration_reference",
    "field_documentation",
    "load_dataclass",
    "read_yaml",
    "to_content",
    "write_yaml",
    "yaml_text",
]
