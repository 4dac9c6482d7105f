"""Texts of placeholders and markup, whole and broken."""

from __future__ import annotations

from hypothesis import strategies as st

SIGNS = [
    "{", "}", "{name}", "{{", "}}", "%s", "%(x)s", "%1$s", "%", "$t(a)", "$HOME", "<b>", "</b>", "<i class='x'>",
    "</i>", "<br/>", "<x1/>", "<", ">", "&amp;", "&", "`a b`", "`", "https://a.b/c?d=e.", "me@x.org", "#", "**", "_",
    "[", "](u)", "\\*", "![i](u)", "~~", "word", "X1", " ", "\n", "\u4e2d", "\u202e", "<code>x</code>", "<!-- c -->",
    "@:a.b",
]  # fmt: skip
MARKED_UP = st.lists(st.one_of(st.sampled_from(SIGNS), st.text(max_size=4)), max_size=15).map("".join)
