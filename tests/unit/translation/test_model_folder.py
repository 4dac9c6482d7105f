from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.files import sha256_of, write_json
from nmt_distill.languages import Direction
from nmt_distill.translation.model_folder import ModelFolder, read_model_folder, verify_checksums

EN_PT = Direction(source="en", target="pt-BR")
EN_DE = Direction(source="en", target="de")
DE_EN = Direction(source="de", target="en")
FR_EN = Direction(source="fr", target="en")

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a folder with all the files of an export, with no weights in them; keywords go into ``languages.json``."""

    def make(**languages: Any) -> Path:
        for name in ("model.bin", "config.json", "shared_vocabulary.json", "joint.spm"):
            (tmp_path / name).write_text("[]")
        direction = {"source": "en", "target": "pt-BR", "tag": None}
        write_json(tmp_path / "languages.json", {"format": 1, "directions": [direction]} | languages)
        return tmp_path

    return make


def test_what_is_written_is_read(make: Make) -> None:
    path = make()
    folder = ModelFolder(
        path=path,
        sentencepiece=path / "joint.spm",
        tags={EN_PT: ">>pt-BR<<", EN_DE: ">>de<<"},
        beam_size=4,
        max_source_tokens=128,
        max_target_tokens=200,
        precision="int8",
        name="quickstart",
    )
    folder.write_languages()
    assert read_model_folder(path) == folder


def test_optional_settings_have_defaults(make: Make) -> None:
    folder = read_model_folder(make())
    assert (folder.beam_size, folder.max_source_tokens, folder.max_target_tokens) == (1, 256, 256)
    assert folder.tags == {EN_PT: None}


@pytest.mark.parametrize(
    ("known", "source", "target", "chosen"),
    [
        ([EN_PT], None, None, EN_PT),
        ([EN_PT], "en", "pt", EN_PT),
        ([EN_PT, EN_DE], None, "de", EN_DE),
        ([EN_PT, DE_EN], "de", None, DE_EN),
        ([DE_EN, FR_EN], "fr", "en", FR_EN),
    ],
)
def test_one_direction_is_chosen(known: list[Direction], source: str, target: str, chosen: Direction) -> None:
    folder = ModelFolder(path=Path("m"), sentencepiece=Path("m"), tags=dict.fromkeys(known))
    assert folder.choose(source, target) == chosen


@pytest.mark.parametrize(
    ("known", "source", "target", "message"),
    [
        ([EN_PT, EN_DE], None, None, r"m translates en-de, en-pt-BR; choose one with --to "),
        ([DE_EN, FR_EN], None, "en", r"m translates de-en, fr-en; choose one with --from "),
        ([DE_EN, FR_EN], None, None, r"m translates de-en, fr-en; choose one with --from "),
        ([EN_PT, EN_DE], None, "fr", r"`fr` is not a language of this model; choose one of: de, pt-BR\."),
        ([EN_PT, DE_EN], "en", "en", r"`en` is not a language of this model; choose one of: de\."),
        ([EN_PT], None, "english!", r"`english!` is not a language tag"),
    ],
)
def test_no_direction_is_guessed(known: list[Direction], source: str | None, target: str | None, message: str) -> None:
    folder = ModelFolder(path=Path("m"), sentencepiece=Path("m"), tags=dict.fromkeys(known))
    with pytest.raises(NmtDistillError, match=message):
        folder.choose(source, target)


def test_every_missing_file_is_named(make: Make, tmp_path: Path) -> None:
    path = make()
    (path / "model.bin").unlink()
    (path / "joint.spm").unlink()
    with pytest.raises(NmtDistillError, match=r"model\.bin, a SentencePiece model \(\*\.spm\) missing; make one with"):
        read_model_folder(path)


def test_the_exports_of_a_run_are_suggested(make: Make, tmp_path: Path) -> None:
    write_json(tmp_path / "export" / "int8" / "languages.json", {})
    with pytest.raises(NmtDistillError, match=r"did you mean .*/export/int8\?"):
        read_model_folder(tmp_path)


def test_a_folder_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(
        NmtDistillError, match=r"none does not exist; a model is a folder such as runs/\S+, or a name that `nmt-di"
    ):
        read_model_folder(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(NmtDistillError, match=r"file is a file, but must be the folder of an export"):
        read_model_folder(tmp_path / "file")


def test_two_vocabularies_are_one_too_many(make: Make) -> None:
    path = make()
    (path / "other.spm").touch()
    with pytest.raises(NmtDistillError, match=r"holds 2 SentencePiece models \(joint\.spm, other\.spm\)"):
        read_model_folder(path)


@pytest.mark.parametrize(
    ("languages", "message"),
    [
        ({"format": 2}, r"languages\.json: `format` must be 1, but is 2 instead"),
        ({"format": None}, r"`format` must be 1, but is null instead"),
        ({"directions": []}, r"`directions` must name at least one direction"),
        ({"directions": "en-pt"}, r"`directions` must name at least one direction"),
        ({"directions": [{"source": "en"}]}, r'must have `source`, `target` and `tag`, but one is \{"source": "en"\}'),
        ({"directions": ["en-pt"]}, r'but one is "en-pt"'),
        ({"directions": [{"source": "en", "target": "??"}]}, r"`\?\?` is not a language tag"),
        ({"beam_size": 0}, r"`beam_size` must be a whole number of at least 1, but is 0 instead"),
        ({"beam_size": True}, r"`beam_size` must be a whole number"),
        ({"max_source_tokens": "many"}, r'`max_source_tokens` must be .* at least 16, but is "many" instead'),
        ({"max_target_tokens": 15}, r"`max_target_tokens` must be .* at least 16, but is 15 instead"),
    ],
)
def test_what_cannot_be_is_told(make: Make, languages: dict[str, Any], message: str) -> None:
    with pytest.raises(NmtDistillError, match=message):
        read_model_folder(make(**languages))


@pytest.mark.parametrize("content", ["{", "[]", "3", '"text"'])
def test_damaged_languages_are_told(make: Make, content: str) -> None:
    path = make()
    (path / "languages.json").write_text(content)
    with pytest.raises(NmtDistillError, match=r"languages\.json"):
        read_model_folder(path)


def test_checksums_find_every_damage(make: Make) -> None:
    path = make()
    names = ("model.bin", "joint.spm")
    write_json(path / "checksums.json", {name: sha256_of(path / name) for name in names})
    assert verify_checksums(path) == 2
    (path / "model.bin").write_text("[ ]")
    (path / "joint.spm").unlink()
    with pytest.raises(NmtDistillError, match=r"joint\.spm, model\.bin damaged or missing; copy or"):
        verify_checksums(path)


@pytest.mark.parametrize("content", [{}, [], 3])
def test_checksums_must_be_some(make: Make, content: object) -> None:
    path = make()
    (path / "checksums.json").write_text(json.dumps(content))
    with pytest.raises(NmtDistillError, match=r"must map file names to SHA-256 sums"):
        verify_checksums(path)


def test_checksums_may_be_absent_until_asked_for(make: Make) -> None:
    path = make()
    read_model_folder(path)
    with pytest.raises(
        NmtDistillError, match=r"has no checksums\.json to compare its files with; copy or export the model again"
    ):
        verify_checksums(path)
    with pytest.raises(
        NmtDistillError, match=r"none does not exist; a model is a folder such as .* `nmt-distill models` lists"
    ):
        verify_checksums(path / "none")


def test_a_tag_is_part_of_its_direction(make: Make) -> None:
    folder = replace(read_model_folder(make()), tags={EN_PT: ">>pt-BR<<"})
    assert folder.tags[folder.choose(target="pt")] == ">>pt-BR<<"
