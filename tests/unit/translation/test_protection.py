from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.translation.masking import mask
from nmt_distill.translation.protection import Span, kept, protected_spans
from tests.marked_up import MARKED_UP, SIGNS


@given(MARKED_UP, st.booleans())
def test_spans_are_in_order_and_stand_in_the_text(text: str, markdown: bool) -> None:
    position = 0
    for span in protected_spans(text, markdown=markdown):
        assert position <= span.start < span.end
        assert text[span.start : span.end] == span.text
        position = span.end
    assert kept(text, text, markdown=markdown)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("Hello {name}, {0} of {{count}}", ["{name}", "{0}", "{{count}}"]),
        ("%(count)s %1$s %s %d %-5.2f %ld %@ %%", ["%(count)s", "%1$s", "%s", "%d", "%-5.2f", "%ld", "%@", "%%"]),
        ("100% sure, 5 % of it, %user%", ["%user%"]),
        ("${path} #{x} %{y} $HOME/bin", ["${path}", "#{x}", "%{y}", "$HOME"]),
        ("{n, number} {% if x %}", ["{n, number}", "{% if x %}"]),
        (
            "{% set x = {} or y % 2 %} {{ f({'a': 1}) }} {{{h}}}",
            ["{% set x = {} or y % 2 %}", "{{ f({'a': 1}) }}", "{{{h}}}"],
        ),
        ("{# a {b} #} {#id} {{a}}{{b}} <% x % 2 %>", ["{# a {b} #}", "{#id}", "{{a}}", "{{b}}", "<% x % 2 %>"]),
        ("See /etc/apt/sources.list, ~/x. or ./a/", ["/etc/apt/sources.list", "~/x", "./a/"]),
        ("in img/a-b.png and www.x.org/a.htm?b=c", ["img/a-b.png", "www.x.org/a.htm?b=c"]),
        ("and/or, client/server. Then 1/2/2024, n/a.", []),
        ("{0,choice,0#none|1<{0,number} files} of {a {b}", ["{0,choice,0#none|1<{0,number} files}", "{b}"]),
        ("Slug %r of %F on %B %-d, %Y", ["%r", "%F", "%B", "%-d", "%Y"]),
        ("<b>a</b><br/> a < b > c", ["<b>", "</b>", "<br/>"]),
        ("a &amp; b & c &#39;", ["&amp;", "&#39;"]),
        ("See https://a.b/c?d=e. Or (www.x.org), me@x.org!", ["https://a.b/c?d=e", "www.x.org", "me@x.org"]),
        ("Me <<me@x.org>>, <https://x.org/?a>", ["<<me@x.org>>", "<https://x.org/?a>"]),
        ("Run `git push` or <code>ls -l</code>", ["`git push`", "<code>ls -l</code>"]),
        ("# of items, C#, #1", ["#"]),
        ("npm install && npm test, A&B", ["&&"]),
        (r"one\ntwo \u00e9 \" see C:\new\table.", [r"\n", r"\u00e9", r"\"", r"C:\new\table"]),
        ("press &lt;a href=&quot;u&quot;&gt;OK&lt;/a&gt;", ["&lt;a href=&quot;u&quot;&gt;", "&lt;/a&gt;"]),
        ("<%= name %> :name :smile: a::b 10:30am note:x", ["<%= name %>", ":name", ":smile:"]),
        ("@user likes #tag; a@b ##", ["@user", "#tag"]),
        ("[%key:a::b%] or [% key ] and [%key:", ["[%key:a::b%]"]),
        ("__count__ of __a.b-c__, x__y__ or __init__s, __No__, ___, __", ["__count__", "__a.b-c__"]),
        ("mail to me{'@'}x.org.", ["me{'@'}x.org"]),
        (
            "@:a.b, @.lower:c-d/e. Or @:{'f g'}, @:(h_i) {'@'} @: x",
            ["@:a.b", "@.lower:c-d/e", "@:{'f g'}", "@:(h_i)", "{'@'}"],
        ),
        ("a <1>bold</1> word, 1<2>0", ["<1>", "</1>", "<2>"]),
        (
            "<a\n  href='x'>a</a\n> <B\r\n  c={d}\n/> <br\n/>",
            ["<a\n  href='x'>", "</a\n>", "<B\r\n  c={d}\n/>", "<br\n/>"],
        ),
        ("If size <b\nthen files > c, &lt;b\nand d &gt; e, <b\nif x = 1>", ["&lt;", "&gt;"]),
        ("as YYYY-MM-DD or HH:mm:ss, day/month, 5/5", ["YYYY-MM-DD", "HH:mm:ss"]),
        ("A plain text. With *stars* and [brackets].", []),
        ('See [the guide](https://x.org/a "A title"), [b](/c).', ["[", '](https://x.org/a "A title")', "[", "](/c)"]),
        ("Call f[0](x), [OK] (or [Cancel]), [a](b c)", []),
        ("See [the guide][1] or [it][], x[i][j]", ["[", "][1]", "[", "][]", "][j]"]),
        ("<![CDATA[Open]]> or <![CDATA[<b>]]>", ["<![CDATA[", "]]>", "<![CDATA[", "<b>", "]]>"]),
        ("Of {n, plural, one {# file} other {# files", ["{n, plural, one {# file} other {# files"]),
        ("{g,select, a {b} other {c}} {n, plural,\n=0 {no", ["{g,select, a {b} other {c}}", "{n, plural,\n=0 {no"]),
    ],
)
def test_spans_of_plain_text(text: str, spans: list[str]) -> None:
    assert [span.text for span in protected_spans(text)] == spans


@pytest.mark.parametrize("text", ["Room #5 is free", "C# and F#", "Fix #123", "# of items"])
def test_a_sign_that_comes_through_by_itself_is_told_by_what_stands_beside_it(text: str) -> None:
    """A model's vocabulary may lack `#`, which then comes through as a term does."""

    def foreign(found: str) -> list[Span]:
        return [
            Span(start=place, end=place + 1, text="#", is_term=True) for place, sign in enumerate(found) if sign == "#"
        ]

    assert kept(text, text.replace("is free", "está livre"), terms=foreign)
    assert not kept(text, text.replace("#", ""), terms=foreign)


def test_directives_without_a_number_keep_their_order() -> None:
    assert kept("%s has %d files", "%s tem %d arquivos")
    assert not kept("%s has %d files", "%d arquivos de %s")
    assert kept("%1$s has %2$d files", "%2$d arquivos de %1$s")
    assert kept("%(name)s has %(count)d files", "%(count)d arquivos de %(name)s")
    assert kept("%s of {n} at %%", "%% {n} %s")


@pytest.mark.parametrize(
    "sign",
    [
        *SIGNS,
        "x@",
        "a.",
        "{%",
        "<!--",
        "%(",
        "<a ",
        "<a\n=",
        "[a",
        "](",
        "$t(",
        "``",
        "http://",
        "<",
        "<a@",
        "{#",
        "/a",
        "a/",
        "a/b.",
        "a.+",
        "{{}",
        "@:a",
        "[%key:",
        "__a",
        "@.a",
        "[a](http:",
        '[a](/b "',
        "[a][",
        "<![CDATA[",
        "{n, plural,",
        "{n, plural, a {",
    ],
)
@pytest.mark.parametrize("markdown", [False, True])
def test_a_long_line_of_signs_takes_little_time(sign: str, markdown: bool) -> None:
    text = sign * (20_000 // len(sign))
    began = time.process_time()
    spans = protected_spans(text, markdown=markdown)
    mask(text, spans)
    assert time.process_time() - began < 5
