from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np
import pytest

from nmt_distill.evaluation.embeddings import (
    NeighbourAgreement,
    nearest_rows,
    neighbour_note,
    principal_plane,
    shared_neighbours,
    translations_found,
    word_map,
)

CLOCK = np.array([[np.cos(np.pi * hour / 6), np.sin(np.pi * hour / 6)] for hour in range(12)])
"""unit vectors, each 30 degrees from the next"""
ALL = np.arange(12)


def test_neighbours_on_a_clock_are_the_hours_beside() -> None:
    found = nearest_rows(CLOCK * np.arange(1, 13)[:, None], ALL, 2)  # lengths are of no consequence
    assert [set(row) for row in found.tolist()] == [{(hour - 1) % 12, (hour + 1) % 12} for hour in range(12)]


def test_neighbours_are_those_of_brute_force_over_many_queries() -> None:
    table = np.random.default_rng().standard_normal((300, 7)).astype(np.float32)
    found = nearest_rows(table, np.arange(300), 10)
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    for place in range(300):
        order = [int(other) for other in np.argsort(-(unit @ unit[place])) if other != place]
        assert set(found[place].tolist()) == set(order[:10])


def test_a_row_of_zeros_is_near_nobody() -> None:
    table = np.vstack([CLOCK[:5], np.zeros((1, 2))])
    assert 5 not in nearest_rows(table, np.arange(5), 4)


def test_shares_by_hand() -> None:
    one, other = np.array([[1, 2], [3, 4], [5, 6]]), np.array([[2, 1], [4, 9], [7, 8]])
    assert shared_neighbours(one, other) == pytest.approx((2 + 1 + 0) / 6)


def test_rotation_and_scale_change_no_neighbour() -> None:
    """And a table in which two hours have changed places has lost 10 of its 24 neighbours, counted by hand."""
    queries = {"en": ALL, "pt": np.array([6, 7]), "xx": np.array([], dtype=np.int64)}
    agreement = NeighbourAgreement(CLOCK, queries)
    turned = 3 * CLOCK @ np.array([[0.6, 0.8, 0.0], [-0.8, 0.6, 0.0]])
    assert agreement.with_table(turned) == {"en": 1.0, "pt": 1.0}


def test_exchanged_rows_lose_their_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    """0 and 6 change places: hours 0, 6 lose both neighbours, 1, 11, 5, 7 one each, so 8 of 24 are lost."""
    monkeypatch.setattr("nmt_distill.evaluation.embeddings.NUM_NEIGHBOURS", 2)
    agreement = NeighbourAgreement(CLOCK, {"en": ALL, "pt": np.array([0, 1])})
    exchanged = CLOCK.copy()
    exchanged[[0, 6]] = CLOCK[[6, 0]]
    found = agreement.with_table(exchanged)
    assert found == {"en": pytest.approx(16 / 24), "pt": pytest.approx(1 / 4)}


def test_translations_by_hand() -> None:
    """Of three concepts in two languages the third's translation is nearest to another word, but itself finds it."""
    vectors = np.array([[1, 0, 0], [0, 1, 0], [0.9, 0, 1.0], [1, 0.1, 0], [0, 1, 0.1], [0.1, 0, 1.0]])
    vectors[2] = [1.0, 0, 0.4]
    concepts, languages = [0, 1, 2, 0, 1, 2], ["en", "en", "en", "pt", "pt", "pt"]
    assert translations_found(vectors, concepts, languages) == {"en": pytest.approx(2 / 3), "pt": pytest.approx(1)}
    assert translations_found(vectors, concepts, ["en"] * 6) == {"en": 0.0}


def test_translations_are_looked_for_in_each_other_language() -> None:
    """English finds its German word, not its French one: half of what it looks for."""
    vectors = np.array([[1.0, 0], [0, 1], [1, 0.1], [0.1, 1], [0, 1], [1, 0]])
    found = translations_found(vectors, [0, 1, 0, 1, 0, 1], ["en", "en", "de", "de", "fr", "fr"])
    assert found == {"en": 0.5, "de": 0.5, "fr": 0.0}


def test_principal_plane_is_the_plane_in_which_points_lie() -> None:
    """Unit vectors in a plane keep their distances, whatever the space around it."""
    turned = np.hstack([CLOCK @ np.array([[0.6, 0.8], [-0.8, 0.6]]), np.zeros((12, 3))])
    plane = principal_plane(5 * turned)
    distances = np.linalg.norm(plane[:, None] - plane[None], axis=-1)
    np.testing.assert_allclose(distances, np.linalg.norm(CLOCK[:, None] - CLOCK[None], axis=-1), atol=1e-9)


def test_the_first_axis_of_a_plane_is_the_one_with_most_spread() -> None:
    """Four points at 0, 60, 120 and 180 degrees spread by 2 one way and by 0.87 the other."""
    plane = principal_plane(CLOCK[[0, 2, 4, 6]] * np.array([[1.0], [2], [3], [4]]))
    np.testing.assert_allclose(np.ptp(plane, axis=0), [2, np.sqrt(3) / 2])


@pytest.mark.parametrize("vectors", [CLOCK, np.ones((12, 3))], ids=["clock", "all the same"])
def test_map_has_a_point_and_a_label_for_every_word_in_every_panel(vectors: Any) -> None:
    words = [f"<word & {number}>" for number in range(12)]
    languages = ["en", "de", "pt-BR"] * 4
    svg = word_map({"teacher": vectors, "student & co": vectors}, words, languages)
    root = ElementTree.fromstring(svg)
    namespace = "{http://www.w3.org/2000/svg}"
    texts = [element.text for element in root.iter(f"{namespace}text")]
    assert [texts.count(word) for word in words] == [2] * 12
    assert {"teacher", "student & co", "en", "de", "pt-BR"} <= set(texts)
    circles = list(root.iter(f"{namespace}circle"))
    assert len(circles) == 2 * (12 + 3)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    assert all(0 < float(circle.attrib["cx"]) < width for circle in circles)
    assert all(0 < float(circle.attrib["cy"]) < height for circle in circles)
    assert len({circle.attrib["fill"] for circle in circles}) == 3


def test_note_says_what_became_of_the_neighbours() -> None:
    shares = {"num_neighbours": 10, "before_training": {"en": 0.8, "pt": 1}, "after_training": {"en": 0.5, "pt": 0.256}}
    assert neighbour_note({"shared_neighbours": shares}) == (
        "of the 10 pieces nearest to a frequent one in the table of embeddings that the student's comes from, so many "
        "are among the nearest in the student's: before training en 80%, pt 100%, after it en 50%, pt 26%."
    )
    assert neighbour_note({}) is None
    assert neighbour_note({"shared_neighbours": shares | {"after_training": {}}}) is None
