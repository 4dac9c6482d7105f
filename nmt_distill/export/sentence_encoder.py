"""A student's encoder as a module of sentence-transformers 6; exports carry a copy of this file, which needs no other.

Load a folder with ``SentenceTransformer(folder, trust_remote_code=True)``. Text becomes ids by SentencePiece alone, so
that no text makes a special token; what is longer than the encoder's positions is cut, as that library does.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers.base.modules import InputModule
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSeq2SeqLM

CONFIG, WEIGHTS, PIECES = "config.json", "encoder.safetensors", "source.spm"
DESCRIPTION, PROJECTION = "sentence_vectors.json", "sentence_projection.npy"
FILES = (CONFIG, PIECES, DESCRIPTION)


class StudentEncoder(InputModule):  # type: ignore[misc]
    """Mean of the encoder's states over all tokens, times a matrix where there is one, scaled to length 1 on demand."""

    def __init__(self, folder: Path) -> None:
        """Read a folder."""
        super().__init__()
        self._folder = folder
        self._described: dict[str, Any] = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        self.config = AutoConfig.from_pretrained(folder)
        self.encoder = AutoModelForSeq2SeqLM.from_config(self.config).get_encoder()
        self.encoder.load_state_dict(load_file(folder / WEIGHTS))
        self.projection: nn.Module = nn.Identity()
        if self._described["has_projection"]:
            matrix = torch.from_numpy(np.load(folder / PROJECTION, allow_pickle=False))
            self.projection = nn.Linear(matrix.shape[0] - 1, matrix.shape[1])
            with torch.no_grad():
                self.projection.weight.copy_(matrix[:-1].T)
                self.projection.bias.copy_(matrix[-1])
        self.tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(folder / PIECES))
        self.max_seq_length = int(self.config.max_position_embeddings)

    def preprocess(self, inputs: Sequence[str], prompt: str | None = None, **kwargs: Any) -> dict[str, Tensor]:
        """Return ``input_ids`` and ``attention_mask`` (N, S) of N texts."""
        texts = [(prompt or "") + text for text in inputs]
        end = self.tokenizer.eos_id()
        rows = [[*ids[: self.max_seq_length - 1], end] for ids in self.tokenizer.encode(texts)]
        lengths = torch.tensor([len(row) for row in rows])
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        ids = torch.full(mask.shape, self.config.pad_token_id)
        ids[mask] = torch.tensor([token for row in rows for token in row])
        return {"input_ids": ids, "attention_mask": mask.long()}

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Add ``sentence_embedding`` (N, D)."""
        mask = features["attention_mask"]
        states = self.encoder(input_ids=features["input_ids"], attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).to(states.dtype)
        vectors = self.projection((states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1))
        if self._described["is_normalized"]:
            vectors = nn.functional.normalize(vectors, dim=-1)
        features["sentence_embedding"] = vectors
        return features

    def get_embedding_dimension(self) -> int:
        """Return D."""
        return int(self._described["dim"])

    def save(self, output_path: str, *args: Any, safe_serialization: bool = True, **kwargs: Any) -> None:
        """Write all that :meth:`load` reads, this file too."""
        folder = Path(output_path)
        for path in (*(self._folder / name for name in FILES), Path(__file__)):
            if not (folder / path.name).exists() or not path.samefile(folder / path.name):
                shutil.copyfile(path, folder / path.name)
        save_file({name: tensor.contiguous() for name, tensor in self.encoder.state_dict().items()}, folder / WEIGHTS)
        if isinstance(self.projection, nn.Linear):
            weight, bias = self.projection.weight.detach().cpu(), self.projection.bias.detach().cpu()
            np.save(folder / PROJECTION, torch.cat([weight.T, bias[None]]).numpy())

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **kwargs: Any) -> StudentEncoder:
        """Read a folder, or a repository of the hub."""
        known = ("token", "cache_folder", "revision", "local_files_only")
        options = {name: kwargs[name] for name in known if name in kwargs}
        paths = [
            cls.load_file_path(model_name_or_path, filename=name, subfolder=subfolder, **options)
            for name in (*FILES, WEIGHTS, PROJECTION)
        ]
        return cls(Path(str(paths[0])).parent)
