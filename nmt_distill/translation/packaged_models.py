"""Models that travel with the package: which there are, and what their cards say of them."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nmt_distill.errors import NmtDistillError
from nmt_distill.files import size_of
from nmt_distill.translation.model_folder import CARD_FILE, LANGUAGES_FILE, ModelFolder, read_model_folder

MODELS_VARIABLE = "NMT_DISTILL_MODELS"
"""environment variable that names another folder of models than the one in the package"""


@dataclass(frozen=True, kw_only=True)
class Score:
    """A score that a model card tells."""

    test_set: str
    """what it was measured on"""
    metric: str
    """such as ``BLEU``"""
    value: float
    """0-100"""


_LICENCE_KEYS = ("license_details", "license_name", "license")
"""of a card's head; the first that is there says most"""


@dataclass(frozen=True, kw_only=True)
class PackagedModel:
    """A model folder by its name, and what its card says of it."""

    folder: ModelFolder
    """what the folder says about itself"""
    num_bytes: int
    """of all its files"""
    licence: str
    """of its weights, as far as it is known"""
    scores: tuple[Score, ...]
    """of its card"""

    @property
    def name(self) -> str:
        """How ``--model`` calls it."""
        return self.folder.path.name

    def in_words(self) -> list[str]:
        """Return some lines for people."""
        directions = ", ".join(f"{direction.source} to {direction.target}" for direction in self.folder.tags)
        lines = [f"{self.name}: {directions}; {self.folder.precision}, {self.num_bytes / 1e6:.1f} MB"]
        lines += [f"  {score.test_set}, as plain lines: {score.metric} {score.value:.2f}" for score in self.scores]
        return [*lines, f"  licence: {self.licence}", f"  card: {self.folder.path / CARD_FILE}"]

    def content(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "name": self.name,
            "directions": [str(direction) for direction in self.folder.tags],
            "precision": self.folder.precision,
            "num_bytes": self.num_bytes,
            "licence": self.licence,
            "scores": [asdict(score) for score in self.scores],
            "card": str(self.folder.path / CARD_FILE),
        }


def models_folder() -> Path:
    """Return the folder of packaged models."""
    return Path(os.environ.get(MODELS_VARIABLE) or Path(__file__).parents[1] / "models")


def packaged_names(folder: Path | None = None) -> list[str]:
    """Name the models that are there, in alphabetical order.

    :param folder: in place of :func:`models_folder`
    """
    return sorted(file.parent.name for file in (folder or models_folder()).glob(f"*/{LANGUAGES_FILE}"))


def packaged_models(folder: Path | None = None) -> list[PackagedModel]:
    """Read what all packaged models say about themselves.

    :param folder: in place of :func:`models_folder`
    :raises NmtDistillError: if one of them is no export
    """
    folder = folder or models_folder()
    return [_describe(folder / name) for name in packaged_names(folder)]


def find_model(model: str | Path | None) -> Path:
    """Find a model: a folder, then a packaged model of that name; None is the one packaged model.

    :raises NmtDistillError: if None is given where no model is packaged, or several are
    """
    folder = models_folder()
    if model is not None:
        path = Path(model)
        is_name = len(path.parts) == 1 and not path.exists()
        return folder / path if is_name and path.name in packaged_names(folder) else path
    names = packaged_names(folder)
    if not names:
        raise NmtDistillError(f"no model is packaged in {folder}; give --model the folder of an export.")
    if len(names) > 1:
        raise NmtDistillError(f"{len(names)} models are packaged; choose one with --model: {', '.join(names)}.")
    return folder / names[0]


def _describe(path: Path) -> PackagedModel:
    card = path / CARD_FILE
    facts = _front_matter(card)
    try:
        scores = tuple(_scores(facts.get("model-index")))
    except (KeyError, TypeError, ValueError):
        raise NmtDistillError(
            f"{card}: `model-index` is not laid out as the hub has it; export the model again."
        ) from None
    return PackagedModel(
        folder=read_model_folder(path),
        num_bytes=size_of(path),
        licence=str(next(filter(None, map(facts.get, _LICENCE_KEYS)), "not told")),
        scores=scores,
    )


def _front_matter(card: Path) -> dict[str, Any]:
    """Read the YAML between the first two lines ``---`` of a card; nothing where there is none."""
    import yaml

    try:
        text = card.read_text(encoding="utf-8") if card.is_file() else ""
    except UnicodeDecodeError:
        raise NmtDistillError(f"{card} is not valid UTF-8; export the model again.") from None
    begin, _, rest = text.partition("---\n")
    head, end, _ = rest.partition("\n---\n")
    try:
        facts = yaml.safe_load(head) if not begin and end else None
    except yaml.YAMLError as error:
        raise NmtDistillError(
            f"{card}: what stands between its lines `---` is no YAML ({' '.join(str(error).split())})."
        ) from None
    return facts if isinstance(facts, dict) else {}


def _scores(index: Any) -> list[Score]:
    """Read the scores in the hub's layout, a ``model-index``."""
    return [
        Score(test_set=str(result["dataset"]["name"]), metric=str(metric["name"]), value=float(metric["value"]))
        for model in index or []
        for result in model["results"]
        for metric in result["metrics"]
    ]
