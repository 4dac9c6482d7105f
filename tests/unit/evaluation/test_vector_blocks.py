from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest

from nmt_distill.evaluation.document import Plots, Table, markdown
from nmt_distill.evaluation.report import Report
from nmt_distill.evaluation.retrieval import retrieval_scores
from nmt_distill.evaluation.sentence_vectors import (
    MAP_PAIRS,
    EmbeddingScores,
    LanguageScore,
    LanguageScores,
    sentence_map,
)
from nmt_distill.evaluation.vector_blocks import embedding_blocks


@pytest.fixture
def scores() -> EmbeddingScores:
    vectors = np.random.default_rng(1).standard_normal((6, 4))
    names = [str(place) for place in range(6)]
    measured = retrieval_scores(vectors, vectors, names, names)
    return EmbeddingScores(test_set="held-out", system="student int8", scores=measured, sentences_per_second=1234.5)


def test_table_says_what_was_measured(scores: EmbeddingScores) -> None:
    blocks = list(embedding_blocks([scores], []))
    (table,) = [block for block in blocks if isinstance(block, Table)]
    assert table.rows[0][:5] == ("held-out", "student int8", "100.0 / 100.0", "1.000 / 1.000", "0.0 / 0.0")
    assert table.rows[0][-1] == "1,234"
    assert "nearly the same" not in markdown(blocks)


@pytest.fixture
def languages() -> LanguageScores:
    scores = (LanguageScore(system="student int8", macro_f1=0.8846), LanguageScore(system="py3langid", macro_f1=1.0))
    return LanguageScores(languages=("en", "pt-BR"), num_sentences=1200, scores=scores)


def test_languages_are_told(scores: EmbeddingScores, languages: LanguageScores) -> None:
    blocks = list(embedding_blocks([scores], [], languages))
    assert [block.rows for block in blocks if isinstance(block, Table)][1] == (
        ("student int8", "0.885"),
        ("py3langid", "1.000"),
    )
    assert "macro-F1 over en, pt-BR on 1,200 sentences of the test sets" in markdown(blocks)


def test_collapse_is_told(scores: EmbeddingScores) -> None:
    collapsed = replace(scores, scores=replace(scores.scores, mean_cosine=0.98))
    assert "all vectors of student int8 are nearly the same (mean cosine 0.98)" in markdown(
        list(embedding_blocks([collapsed], []))
    )


def test_report_without_vectors_says_nothing() -> None:
    assert list(embedding_blocks([], [])) == []


def test_records_come_back_from_json(scores: EmbeddingScores, languages: LanguageScores, report: Report) -> None:
    generator = np.random.default_rng(1)
    drawn = sentence_map("student int8", ("en", "de"), *generator.standard_normal((2, 6, 4)))
    full = replace(report, embeddings=(scores,), sentence_maps=(drawn,), languages=languages)
    assert Report.from_json(json.loads(json.dumps(full.to_json()))) == full


def test_picture_has_a_line_for_each_pair_and_a_panel_for_each_system() -> None:
    vectors = np.random.default_rng(1).standard_normal((MAP_PAIRS + 10, 8))
    maps = [sentence_map(name, ("en", "de"), vectors, vectors + 0.01) for name in ("teacher", "a < b")]
    (drawn,) = [block for block in embedding_blocks([_any()], maps) if isinstance(block, Plots)]
    assert [plot.file_name for plot in drawn.plots] == ["plots/sentence_map_1.svg", "plots/sentence_map_2.svg"]
    for plot, name in zip(drawn.plots, ("teacher", "a &lt; b"), strict=True):
        ElementTree.fromstring(plot.svg)
        assert len(re.findall(r'<path d="M [^"L]+L [^"LM]+"', plot.svg)) >= MAP_PAIRS
        assert f">{name}<" in plot.svg
        assert ">en<" in plot.svg
        assert ">de<" in plot.svg


def test_without_matplotlib_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt_distill.evaluation.vector_blocks.can_draw", lambda: False)
    vectors = np.random.default_rng(1).standard_normal((5, 8))
    maps = [sentence_map("teacher", ("en", "de"), vectors, vectors)]
    assert not [block for block in embedding_blocks([_any()], maps) if isinstance(block, Plots)]


def test_translations_with_the_same_vectors_stand_in_the_same_place() -> None:
    vectors = np.random.default_rng(1).standard_normal((5, 8))
    drawn = sentence_map("teacher", ("en", "de"), vectors, vectors)
    assert all(point.source == pytest.approx(point.target, abs=1e-4) for point in drawn.points)


def _any() -> EmbeddingScores:
    vectors = np.eye(4)
    return EmbeddingScores(test_set="t", system="s", scores=retrieval_scores(vectors, vectors, "abcd", "efgh"))
