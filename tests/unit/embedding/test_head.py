from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from string import ascii_lowercase

import numpy as np
import pytest

from nmt_distill.commands.train_head import read_examples
from nmt_distill.embedding.encoder import SentenceEncoder
from nmt_distill.embedding.head import UNKNOWN, Head, load_head
from nmt_distill.embedding.head_training import held_out, score_head, train_head
from nmt_distill.embedding.vectors import Vectors
from nmt_distill.errors import NmtDistillError

ENDS = ".!?,;"
LIGHT = [f"Turn {on} the {kind} light{end}" for on in ("on", "off") for kind in ("a", "show", "room") for end in ENDS]
SONG = [f"Play the {which} song{end}" for which in ("next", "today", "file", "data", "music", "all") for end in ENDS]


@pytest.fixture(scope="module")
def encoder(toy_encoder: Path) -> SentenceEncoder:
    return SentenceEncoder(toy_encoder, threads=1)


class Letters(SentenceEncoder):
    """Counts letters in the place of a model, so that it is known what a head can learn."""

    fingerprint = "letters"

    def __init__(self) -> None:
        pass

    def pooled(self, sentences: Sequence[str], *, first_line: int = 1) -> Vectors:
        """Return how often each letter of the alphabet occurs, (N, 26)."""
        counts = [[sentence.lower().count(letter) for letter in ascii_lowercase] for sentence in sentences]
        return np.array(counts, dtype=np.float32)

    def project(self, pooled: Vectors) -> Vectors:
        """Return them at length 1, and at 0 where there are none."""
        lengths: Vectors = np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1)
        return np.asarray(pooled / lengths)


@pytest.fixture
def hand_made(encoder: SentenceEncoder) -> Head:
    """A head that says `a` whatever it reads, with probability e / (1 + e)."""
    zeros = np.zeros((16, 2), dtype=np.float32)
    return Head(
        labels=("a", "b"),
        reads="vectors",
        model=encoder.fingerprint,
        weights=zeros,
        bias=np.array([1.0, 0.0], dtype=np.float32),
        mean=zeros[:, 0],
        deviation=zeros[:, 0] + 1,
        centroids=zeros.T,
        whitening=2 * np.eye(16, dtype=np.float32),
    )


def test_probability_and_bounds_by_hand(encoder: SentenceEncoder, hand_made: Head) -> None:
    ((label, probability),) = hand_made.classify(encoder, ["x"])
    assert (label, round(probability, 5)) == ("a", round(np.e / (1 + np.e), 5))
    for bounds, answer in (
        ({"min_probability": 0.73}, "a"),
        ({"min_probability": 0.74}, UNKNOWN),
        ({"max_distance": 2.01}, "a"),  # twice the length of a vector, which is 1
        ({"max_distance": 1.99}, UNKNOWN),
        ({"min_letters": 2}, UNKNOWN),
    ):
        assert replace(hand_made, **bounds).classify(encoder, ["x 1"])[0][0] == answer


def test_head_comes_back_from_its_folder(encoder: SentenceEncoder, hand_made: Head, tmp_path: Path) -> None:
    hand_made.save(tmp_path / "head")
    assert load_head(tmp_path / "head").classify(encoder, ["x"]) == hand_made.classify(encoder, ["x"])
    replace(hand_made, labels=("a", "b", "c")).save(tmp_path / "other")
    with pytest.raises(NmtDistillError, match=r"no whole head \(weights must be \(16, 3\), but is \(16, 2\)\); train"):
        load_head(tmp_path / "other")
    (tmp_path / "head" / "head.npz").write_bytes(b"")
    with pytest.raises(NmtDistillError, match=r"head\.npz damaged or missing; train the head again"):
        load_head(tmp_path / "head")
    (tmp_path / "other" / "notes.md").touch()
    with pytest.raises(NmtDistillError, match=r"other holds notes\.md too, which would be lost"):
        hand_made.save(tmp_path / "other")
    with pytest.raises(NmtDistillError, match=r"holds no head; make one with `nmt-distill train-head`"):
        load_head(tmp_path)
    (tmp_path / "mine").mkdir()
    with pytest.raises(NmtDistillError, match=r"mine exists, but is no head"):
        hand_made.save(tmp_path / "mine")


def test_head_of_another_model_is_refused(encoder: SentenceEncoder, hand_made: Head) -> None:
    with pytest.raises(NmtDistillError, match=r"the head was trained on model other, but .* train it again"):
        replace(hand_made, model="other").classify(encoder, ["x"])


def test_an_empty_line_is_told_by_its_number(encoder: SentenceEncoder, hand_made: Head) -> None:
    with pytest.raises(NmtDistillError, match=r"line 4,098 is empty"):
        hand_made.classify(encoder, ["a", ""], first_line=4097)


def test_the_last_of_five_of_each_class_is_kept_apart() -> None:
    labels = [*"aaaaa", *"bbbb", *"ab"]
    assert [place for place, held in enumerate(held_out(labels)) if held] == [4, 10]


@pytest.mark.parametrize("reads", ["states", "vectors"])
def test_head_learns_to_tell_classes_apart(reads: str) -> None:
    pytest.importorskip("sklearn")
    encoder = Letters()
    labels = ["light"] * len(LIGHT) + ["song"] * len(SONG)
    head, scores = train_head(encoder, LIGHT + SONG, labels, reads=reads)  # type: ignore[arg-type]
    assert scores.num_examples == 12
    assert scores.baseline == 0.5
    assert (scores.macro_f1, scores.accuracy, scores.unknown) == (1, 1, 0)
    assert score_head(head, encoder, SONG, ["song"] * len(SONG)).accuracy == 1


def test_foreign_text_is_unknown_where_some_known_text_may_be() -> None:
    pytest.importorskip("sklearn")
    encoder, labels = Letters(), ["light"] * len(LIGHT) + ["song"] * len(SONG)
    head, scores = train_head(encoder, LIGHT + SONG, labels, reads="states", unknown_share=0.1, min_letters=3)
    answers = [label for label, _ in head.classify(encoder, ["ab", "12345", "Ω≈ç√∫˜µ≤≥÷", "zzzz", "日本語の文"])]
    assert answers == [UNKNOWN] * 5
    assert scores.num_examples == 12
    # Of twelve one is below the twentieth of their probabilities, and one beyond that of their distances.
    assert 1 / 12 <= scores.unknown <= 2 / 12


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_no_more_than_the_share_is_unknown(share: float) -> None:
    pytest.importorskip("sklearn")
    labels = ["left", "right"] * 500
    points = np.random.default_rng().normal(size=(1000, 3)) + np.array([[-1.0, 0, 0], [1, 0, 0]] * 500)
    sentences = [" ".join(map(str, point)) for point in points.tolist()]
    _, scores = train_head(Points(), sentences, labels, reads="states", unknown_share=share, min_letters=0)
    assert share / 2 <= scores.unknown <= share


def test_text_without_letters_has_a_class_but_no_language() -> None:
    pytest.importorskip("sklearn")
    labels = ["light"] * len(LIGHT) + ["song"] * len(SONG)
    for reads, answers in (("states", {UNKNOWN}), ("vectors", {"light", "song"})):
        head, _ = train_head(Letters(), LIGHT + SONG, labels, reads=reads)  # type: ignore[arg-type]
        assert {label for label, _ in head.classify(Letters(), ["10/10", ":)"])} <= answers


class Points(Letters):
    """Reads numbers as what they are."""

    fingerprint = "points"

    def pooled(self, sentences: Sequence[str], *, first_line: int = 1) -> Vectors:
        """Return the numbers of each sentence, (N, F)."""
        return np.array([[float(number) for number in sentence.split()] for sentence in sentences], dtype=np.float32)


def test_what_lies_beyond_a_class_in_its_own_direction_is_unknown() -> None:
    """Text of another script is far from all that a head has read, and may well be on one side of it."""
    pytest.importorskip("sklearn")
    labels = ["left", "right"] * 100
    means = np.array([[-1.0, 0, 0], [1, 0, 0]] * 100)
    points = means + np.random.default_rng().normal(size=means.shape) * [0.1, 0.1, 1.0]
    sentences = [" ".join(map(str, point)) for point in points.tolist()]
    head, _ = train_head(Points(), sentences, labels, reads="states", unknown_share=0.05, min_letters=0)
    asked = ["-1 0 0", "1 0 0", "9 0 0", "-9 0 0"]
    assert [label for label, _ in head.classify(Points(), asked)] == ["left", "right", UNKNOWN, UNKNOWN]
    always, _ = train_head(Points(), sentences, labels, reads="states", min_letters=0)
    assert [label for label, _ in always.classify(Points(), asked)] == ["left", "right", "right", "left"]


def test_examples_that_are_all_the_same_teach_a_head() -> None:
    pytest.importorskip("sklearn")
    sentences, labels = ["1 0 5", "0 1 5"] * 20, ["one", "other"] * 20
    head, scores = train_head(Points(), sentences, labels, reads="states", unknown_share=0.1, min_letters=0)
    assert scores.accuracy == 1
    assert [label for label, _ in head.classify(Points(), ["1 0 5", "0 1 5", "2 0 5"])] == ["one", "other", UNKNOWN]


@pytest.mark.parametrize(
    ("sentences", "labels", "message"),
    [
        (LIGHT, ["light"] * len(LIGHT), r"there is light alone"),
        (LIGHT[:20], ["light"] * 19 + ["song"], r"each class needs 10 examples or more, but song has 1\.$"),
        (LIGHT[:20], ["light"] * 10 + ["unknown"] * 10, r"give the class another name"),
        (
            ["x"] * 9,
            [*"abcdefg", "h" * 99, "h" * 99],
            r"but a has 1, b has 1, c has 1, d has 1, e has 1, and 3 others ",
        ),
        (["x"] * 6, [*"abcdef"], r"e has 1, and 1 other with too few\.$"),
    ],
)
def test_examples_that_teach_nothing_are_refused(
    encoder: SentenceEncoder, sentences: list[str], labels: list[str], message: str
) -> None:
    with pytest.raises(NmtDistillError, match=message):
        train_head(encoder, sentences, labels, reads="vectors")


def test_pipeline_of_scikit_learn(toy_encoder: Path) -> None:
    pytest.importorskip("sklearn")
    import pickle

    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from nmt_distill.embedding.scikit_learn import SentenceVectorizer

    labels = [0] * len(LIGHT) + [1] * len(SONG)
    pipeline = make_pipeline(clone(SentenceVectorizer(str(toy_encoder), threads=1)), LogisticRegression(C=100))
    pipeline.fit(LIGHT + SONG, labels)
    assert pipeline.score(LIGHT + SONG, labels) > 0.9
    with pytest.raises(TypeError, match=r"must be several texts"):
        pipeline.predict("Turn on the light")
    alone = make_pipeline(SentenceVectorizer(str(toy_encoder))).set_output(transform="default")
    alone = pickle.loads(pickle.dumps(alone.fit(LIGHT)))  # noqa: S301
    vectors = alone.transform(LIGHT)
    assert list(alone.get_feature_names_out()) == [f"sentencevectorizer{n}" for n in range(vectors.shape[1])]
    step = alone[0]
    opened = step._encoder()
    assert step._encoder() is opened
    assert step.set_params(threads=2)._encoder() is not opened
    again = pickle.loads(pickle.dumps(pipeline))  # noqa: S301
    assert (again.predict(LIGHT[:3]) == pipeline.predict(LIGHT[:3])).all()


def test_a_byte_order_mark_is_no_part_of_a_label(tmp_path: Path) -> None:
    (tmp_path / "examples.tsv").write_bytes(b"\xef\xbb\xbflight\tTurn it on\nlight\tTurn it off\n")
    assert read_examples(tmp_path / "examples.tsv")[1] == ["light", "light"]


def test_missing_scikit_learn_is_told_before_anything_is_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt_distill.embedding.head_training.find_spec", lambda _: None)
    with pytest.raises(NmtDistillError, match=r"install nmt-distill\[embed\]"):
        train_head(SentenceEncoder.__new__(SentenceEncoder), ["a"], ["b"], reads="states")
