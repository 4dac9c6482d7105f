"""A small NLLB model in transformers' layout, trained for seconds on a language whose words have several translations.

Random weights will not do: a beam over a flat distribution says nothing about when a search should stop.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from transformers import AutoTokenizer, M2M100Config, M2M100ForConditionalGeneration

from tests.transformers_models import write_nllb

STEPS = 600
BATCH = 32
_SIZES = {
    "d_model": 64,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 128,
    "decoder_ffn_dim": 128,
    "max_position_embeddings": 64,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "encoder_layerdrop": 0.0,
    "decoder_layerdrop": 0.0,
    "init_std": 0.1,
    "scale_embedding": True,
    "bos_token_id": 0,
    "pad_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 2,
}
TARGETS = ("deu_Latn", "fra_Latn")


class ToyLanguage:
    """Sentences of few words; each word has two translations of one or two words in each of two languages."""

    def __init__(self, words: Sequence[str], generator: random.Random) -> None:
        self._words, self._generator = list(words), generator
        self._lexicon = {
            (target, word): [" ".join(generator.choices(self._words, k=generator.randint(1, 2))) for _ in range(2)]
            for target in TARGETS
            for word in self._words
        }

    def source(self) -> str:
        """Draw a sentence."""
        return " ".join(self._generator.choices(self._words, k=self._generator.randint(2, 6)))

    def translation(self, source: str, target: str) -> str:
        """Draw a translation: the first of a word's is three times as frequent as the second."""
        words = (self._generator.choices(self._lexicon[target, word], [3, 1])[0] for word in source.split())
        return " ".join(words)


def write_trained_nllb(folder: Path, language: ToyLanguage, lines: Sequence[str], generator: random.Random) -> Path:
    """Train a model and write it; the forced tag is part of what it learns to predict, as in NLLB."""
    write_nllb(folder, lines)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    tags = {code: tokenizer.convert_tokens_to_ids(code) for code in ("eng_Latn", *TARGETS)}
    torch.manual_seed(generator.randrange(1 << 30))
    model = M2M100ForConditionalGeneration(M2M100Config(vocab_size=400, **_SIZES))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "sentencepiece.bpe.model"))

    def ids(texts: list[str]) -> list[list[int]]:
        return [[place + 1 for place in places] for places in pieces.encode(texts)]

    for step in range(STEPS):
        sources = [language.source() for _ in range(BATCH)]
        codes = [generator.choice(TARGETS) for _ in sources]
        targets = ids([language.translation(text, code) for text, code in zip(sources, codes, strict=True)])
        target = _padded([[tags[code], *own, 2] for code, own in zip(codes, targets, strict=True)], -100)
        source = _padded([[tags["eng_Latn"], *own, 2] for own in ids(sources)], 1)
        fed = torch.cat([torch.full((BATCH, 1), 2), target[:, :-1]], dim=1).masked_fill_(target == -100, 1)
        loss = model(input_ids=source, attention_mask=(source != 1).long(), decoder_input_ids=fed, labels=target).loss
        optimizer.param_groups[0]["lr"] = 3e-3 * min(1, (step + 1) / 50) * (1 - step / STEPS)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    (folder / "pytorch_model.bin").unlink()
    model.save_pretrained(folder)
    return folder


def _padded(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    width = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])
