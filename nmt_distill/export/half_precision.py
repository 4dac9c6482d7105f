"""The student as a folder of transformers in float16: half the bytes, to be given away or to teach others."""

from __future__ import annotations

import shutil
from pathlib import Path

from nmt_distill.files import atomic_folder
from nmt_distill.student.checkpoint import load_student, quiet_transformers

WEIGHTS = ("model.safetensors", "config.json", "generation_config.json")
"""what is written anew; all else of a student folder is copied"""


def write_half_precision(student_folder: Path, folder: Path) -> None:
    """Write a student folder with its parameters in float16; ``dtype=torch.float32`` loads it for any device."""
    student = load_student(student_folder).half()
    with atomic_folder(folder) as partial, quiet_transformers():
        student.save_pretrained(partial, safe_serialization=True)
        for path in student_folder.iterdir():
            if path.is_file() and path.name not in WEIGHTS:
                shutil.copyfile(path, partial / path.name)
