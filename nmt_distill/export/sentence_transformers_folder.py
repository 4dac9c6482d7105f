"""A student's encoder as a folder that sentence-transformers loads, with the code that it needs."""

from __future__ import annotations

import shutil
from pathlib import Path

from safetensors.torch import save_file

from nmt_distill.embedding.student_vectors import DESCRIPTION_NAME, PROJECTION_NAME, read_description
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import atomic_folder, write_json
from nmt_distill.student.checkpoint import load_student

SENTENCE_TRANSFORMERS = "sentence-transformers"
"""the folder beside those of the precisions"""
CODE = "sentence_encoder.py"
WEIGHTS_NAME = "encoder.safetensors"


def write_sentence_transformers(student_folder: Path, folder: Path, *, force: bool = False) -> None:
    """Write the folder; it appears whole or not at all.

    :raises NmtDistillError: if it exists and ``force`` is false, or the student has no sentence vectors
    """
    if folder.exists() and not force:
        raise NmtDistillError(f"{folder} exists; give --force to replace it.")
    described, _ = read_description(student_folder)
    encoder = load_student(student_folder).get_encoder()
    with atomic_folder(folder) as partial:
        save_file({name: tensor.contiguous() for name, tensor in encoder.state_dict().items()}, partial / WEIGHTS_NAME)
        names = ["config.json", "source.spm", DESCRIPTION_NAME]
        for name in names + ([PROJECTION_NAME] if described.has_projection else []):
            shutil.copyfile(student_folder / name, partial / name)
        shutil.copyfile(Path(__file__).with_name(CODE), partial / CODE)
        module = {"idx": 0, "name": "0", "path": "", "type": f"{Path(CODE).stem}.StudentEncoder"}
        write_json(partial / "modules.json", [module])
        write_json(partial / "config_sentence_transformers.json", {"similarity_fn_name": "cosine"})
