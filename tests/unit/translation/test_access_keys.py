from __future__ import annotations

import pytest

from nmt_distill.translation.access_keys import with_access_key, without_access_key


@pytest.mark.parametrize(
    ("text", "bare", "key"),
    [
        ("_Open", "Open", "_O"),
        ("Save _As...", "Save As...", "_A"),
        ("E_xit", "Exit", "_x"),
        ("&Save the file", "Save the file", "&S"),
        ("E&xit", "Exit", "&x"),
        ("(_Open)", "(Open)", "_O"),
        ("Zoom (&Z)", "Zoom", "&Z"),
        ("Open(_O)...", "Open...", "_O"),
    ],
)
def test_a_sign_is_taken_out(text: str, bare: str, key: str) -> None:
    assert without_access_key(text) == (bare, key)


@pytest.mark.parametrize(
    "text",
    [
        "Open",
        "btn_save",
        "a_b_c",
        "__name__",
        "R&D",
        "AT&T",
        "Q & A",
        "a &amp; b",
        "x=1&y=2",
        "Save&y=2",
        "5 _",
        "a && b",
    ],
)
def test_other_signs_stay(text: str) -> None:
    assert without_access_key(text) == (text, "")


@pytest.mark.parametrize(
    ("text", "key", "written"),
    [
        ("Abrir", "_O", "_Abrir"),
        ("Salvar como", "&C", "Salvar &como"),
        ("{save} o arquivo", "&S", "{save} &o arquivo"),
        ("\u4fdd\u5b58...", "&s", "\u4fdd\u5b58(&S)..."),
        ("\u041d\u0435\u0442", "_N", "_\u041d\u0435\u0442"),
    ],
)  # fmt: skip
def test_a_sign_is_put_before_a_letter(text: str, key: str, written: str) -> None:
    assert with_access_key(text, key) == written
