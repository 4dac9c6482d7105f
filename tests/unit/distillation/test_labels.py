from __future__ import annotations

from nmt_distill.distillation.labels import in_words


def test_what_became_of_all_sentences_is_told_in_one_line() -> None:
    summary = {
        "counts": {"sentences": 12000, "labels": 11990},
        "dropped": {"empty": 1, "source_too_long": 8, "reverse_score": 1},
    }
    told = "labels: 11,990 for 12,000 sentences; left out: 8 source_too_long, 1 empty, 1 reverse_score"
    assert in_words(summary) == told
    summary = {"counts": {"sentences": 2, "labels": 3, "human": 1}, "dropped": {}}
    assert in_words(summary) == "labels: 3 for 2 sentences, 1 of them human; none left out"
    summary = {"counts": {"sentences": 2, "labels": 2}, "dropped": {}}
    assert in_words(summary) == "labels: 2 for 2 sentences; none left out"
    assert in_words({"counts": {}, "dropped": {}}) == "labels: 0 for 0 sentences; none left out"
