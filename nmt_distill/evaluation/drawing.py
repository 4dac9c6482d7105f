"""What plots drawn as SVG by hand have in common: text, and labels that keep clear of each other."""

from __future__ import annotations

from html import escape

LETTER_WIDTH, LETTER_HEIGHT = 6.0, 13

Box = tuple[float, float, float, float]
"""left, right, top, bottom"""


def text(x: float, y: float, content: str, kind: str, anchor: str) -> str:
    """Return a text element; its colour is a matter of its class."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(content)}</text>'


def label_box(name: str, x: float, y: float, frame: Box, taken: list[Box]) -> Box:
    """Find a free place for a label near its point: right, left, above, below, then further away."""
    length = LETTER_WIDTH * len(name)
    for distance in range(0, 120, 6):
        for begin, top in (
            (x + 9, y - 7 - distance),
            (x - 9 - length, y - 7 - distance),
            (x + 9, y - 7 + distance),
            (x - 9 - length, y - 7 + distance),
            (x - length / 2, y - 21 - distance),
            (x - length / 2, y + 8 + distance),
        ):
            box = (begin, begin + length, top, top + LETTER_HEIGHT)
            inside = frame[0] <= box[0] and box[1] <= frame[1] and frame[2] <= box[2] and box[3] <= frame[3]
            if inside and not any(_overlap(box, other) for other in taken):
                return box
    return (x + 9, x + 9 + length, y - 7, y - 7 + LETTER_HEIGHT)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]
