from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def toy_encoder(tmp_path_factory: pytest.TempPathFactory, toy_student: Path) -> Path:
    """A folder with the encoder of the toy student, whose vectors nobody has trained, in float32."""
    from nmt_distill.export.encoder_folder import write_encoder

    folder = tmp_path_factory.mktemp("encoder")
    write_encoder(toy_student, folder, precision="float32", name="toy")
    return folder
