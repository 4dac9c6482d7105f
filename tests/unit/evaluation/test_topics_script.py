"""``eval/topics.py``: what it reads out of apt's lists."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from nmt_distill.errors import NmtDistillError

SCRIPT = Path(__file__).parents[3] / "eval" / "topics.py"
PACKAGES = """\
Package: chess
Section: games
Description: strong game of chess
Description-md5: 1

Package: libchess
Section: libs
Description: library of chess moves
Description-md5: 2

Package: beeper
Section: contrib/sound
Description: beeps at every error
Description-md5: 3

Package: mono
Section: sound
Description: mono
Description-md5: 4
"""
TRANSLATION = """\
Package: chess
Description-md5: 1
Description-pt_BR: forte jogo de xadrez
 Mais texto.

Package: libchess
Description-md5: 2
Description-pt_BR: biblioteca
"""


def test_packages_of_a_topic_with_their_translations(tmp_path: Path) -> None:
    read_packages = runpy.run_path(str(SCRIPT))["read_packages"]
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "mirror_binary-amd64_Packages").write_text(PACKAGES)
    (tmp_path / "lists" / "mirror_i18n_Translation-pt%5fBR").write_text(TRANSLATION)
    assert list(read_packages(tmp_path, "pt_BR")) == [
        ("games", "strong game of chess", "forte jogo de xadrez"),
        ("sound", "beeps at every error", None),
    ]
    (tmp_path / "lists" / "mirror_binary-amd64_Packages").unlink()
    with pytest.raises(NmtDistillError, match=r"apt has brought no `\*_Packages`"):
        list(read_packages(tmp_path, "pt_BR"))
