"""Which targets of XLIFF are filled, under which name, and how long that takes."""

from __future__ import annotations

import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from nmt_distill.documents.xliff import read_xliff

HERE = Path("page")
STATE = ' state="needs-review-translation"'


def one_unit(inside: str) -> bytes:
    return f'<xliff version="1.2"><file><trans-unit>\u00e9{inside}</trans-unit></file></xliff>'.encode()


def test_a_new_target_has_the_prefix_of_its_source() -> None:
    text = '<x:xliff version="1.2" xmlns:x="urn:oasis:names:tc:xliff:document:1.2"><x:file original="a"><x:body>\n'
    text += ' <x:trans-unit id="1">\n  <x:source a="1">House</x:source>{}\n </x:trans-unit></x:body></x:file></x:xliff>'
    written = read_xliff(text.format("").encode(), HERE, None).render(["Haus"])
    assert written.decode() == text.format(f"\n  <x:target{STATE}>Haus</x:target>")
    ElementTree.fromstring(written)


@pytest.mark.parametrize(
    "target",
    ['<g id="1"></g>', '<mrk mtype="seg"/>', " <x id='1'/>\n<!-- none yet -->", "<![CDATA[ ]]>", "<g><g/></g>"],
)
def test_a_target_of_empty_tags_is_filled(target: str) -> None:
    document = read_xliff(one_unit(f'<source>A <g id="1">b</g></source><target>{target}</target>'), HERE, None)
    assert document.segments == ["A <g1>b</g1>"]
    written = document.render(["<g1>B</g1> a"])
    assert written == one_unit(f'<source>A <g id="1">b</g></source><target{STATE}><g id="1">B</g> a</target>')


@pytest.mark.parametrize("target", ['<g id="1">b</g>', "42", "<![CDATA[b]]>", "<ph>%s</ph>", "&#65;"])
def test_a_target_with_text_stays(target: str) -> None:
    assert read_xliff(one_unit(f"<source>A b</source><target>{target}</target>"), HERE, None).segments == []


@pytest.mark.parametrize("letter", ["a", "\u00e9", "\u4e2d", "\U0001f600a"])
def test_units_stand_where_they_stood_whatever_the_letters(letter: str) -> None:
    units = "".join(f"\n<trans-unit><source>{letter * number}</source>{{}}</trans-unit>" for number in range(1, 90))
    text = f"<xliff version='1.2'><file>{units}</file></xliff>"
    document = read_xliff(text.replace("{}", "").encode(), HERE, None)
    assert list(document.segments) == [letter * number for number in range(1, 90)]
    assert document.render(["x"] * 89).decode() == text.replace("{}", f"<target{STATE}>x</target>")


def test_the_time_grows_with_the_file_alone() -> None:
    """Letters beyond ASCII made it grow with the square: 4,000 units took thirty times as long as without."""

    def seconds(word: str) -> float:
        unit = f"<trans-unit><source>A {word}</source></trans-unit>".encode()
        content = one_unit("").replace(b"</trans-unit>", b"</trans-unit>" + unit * 8000)
        begin = time.process_time()
        assert len(read_xliff(content, HERE, None).segments) == 8000
        return time.process_time() - begin

    assert min(seconds("café") for _ in range(3)) < 8 * max(min(seconds("cafe") for _ in range(3)), 0.05)
