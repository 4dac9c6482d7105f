from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.translation.template_statements import template_parts

SIGNS = ["{% if x %}", "{% else %}", "{%", "%}", "{% set y =\n 1 %}", "{{ z }}", "{{#if a}}", "{{else}}", "\n", "word "]


@given(st.lists(st.one_of(st.sampled_from(SIGNS), st.text(max_size=3)), max_size=15).map("".join))
def test_parts_joined_are_the_template(text: str) -> None:
    assert "".join(part for part, _ in template_parts(text)) == text


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("{% if x %}on{% else %}off{% endif %}", ["on", "off"]),
        ("{%- if x -%}\n  On\n{%- elif y\n  and z %}\n  Off, {{ n }}\n{% endif %}", ["On", "Off, {{ n }}"]),
        ("{% set x = {} %} It is {{ x }}", ["It is {{ x }}"]),
        ("Hi\n{% if x %}you{% endif %}, all", ["Hi", "you", ", all"]),
        ("{{#if a}}One{{else}}Two {{b}}{{/if}}", ["One", "Two {{b}}"]),
        ("{{ if .A }}One{{ else }}Two{{ end }} of {{ .B }}", ["One", "Two", "of {{ .B }}"]),
        ("{{- range $i, $x := .All }}\nOne {{ $x }}\n{{- end }}", ["One {{ $x }}"]),
        ("{% blocktrans %}Open\n{{ x }}{% plural %}Close{% endblocktrans %}", ["Open\n{{ x }}", "Close"]),
        ("{% if x %}\nOpen {% url 'login' %} now\n{% end %}", ["Open {% url 'login' %} now"]),
        ("{{#if a}}\nFrom {{ start }} to {{ end }}\n{{else}}\nOff\n{{/if}}", ["From {{ start }} to {{ end }}", "Off"]),
    ],
)
def test_statements_are_no_text(text: str, texts: list[str]) -> None:
    assert [part.strip() for part, is_text in template_parts(text) if is_text and part.strip()] == texts


@pytest.mark.parametrize(
    "text",
    [
        "one item{% if n %}s{% endif %} and {{ m }}",
        "{% trans %}Open{% endtrans %}\n",
        "{{#bold}}Open{{/bold}} it",
        "{{ end_date }} to\n{{ end.date }} or {{ ifx }}",
        "Hello {{ user }},\n\nplease open {% url 'login' %} to change the password of the account.\n",
        "{%- trans 'a' -%} and\n{% include 'b' %}",
        "Runs from {{ start }}\nto {{ end }} every day.",
        "{{ range }} of\n{{ with }} or {{ else }}, {{ range if x }}, {{ end }}",
        "100 {% broken\nhere",
        "plain",
    ],
)
def test_what_belongs_to_a_sentence_is_not_cut_out(text: str) -> None:
    assert template_parts(text) == [(text, True)]


def test_a_long_line_of_statements_takes_little_time() -> None:
    for sign in ("{%", "{% if %}", "{{#", "{{else}}", "{% else"):
        assert "".join(part for part, _ in template_parts(sign * 10_000)) == sign * 10_000
