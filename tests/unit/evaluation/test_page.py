"""The written report: complete, self-contained, and showing text as it is."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from nmt_distill.evaluation.document import Block, Code, Heading, Paragraph, Table, html_page, markdown
from nmt_distill.evaluation.page import report_blocks, signatures, summary
from nmt_distill.evaluation.plot import quality_speed_plot
from nmt_distill.evaluation.report import Report

HOSTILE = "a | b <script>alert(1)</script> *x* `y` [z](u) {name} %s &amp; \\ \x00 \x85 \u202e"


class Outline(HTMLParser):
    """Collect tags, attributes and text, and check that every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def outline(html: str) -> Outline:
    parser = Outline()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser


def test_page_needs_nothing_else(report: Report) -> None:
    html = html_page(report.title, list(report_blocks(report)))
    page = outline(html)
    assert not page.tags & {"script", "link", "img", "iframe"}
    assert page.addresses == []
    assert "url(" not in html
    assert "@import" not in html
    assert "prefers-color-scheme: dark" in html


def test_both_forms_hold_what_was_measured(report: Report) -> None:
    blocks = list(report_blocks(report))
    html_text = outline(html_page(report.title, blocks)).text
    markdown_text = re.sub(r"\\(.)", r"\1", markdown(blocks))
    for text in (html_text, markdown_text):
        for expected in (
            "An invented_report", "Example CPU, 2 cores", "nmt-distill run invented", "Licence: CC0-1.0", "invented",
            "Press <b>{name}</b> | to go on", "16.0x", "3.5", "2026-11-22", "the large one", "(human references)",
            *signatures(report), *summary(report),
        ):  # fmt: skip
            assert expected in text


def test_summary_states_the_result(report: Report) -> None:
    share = report.test_sets[0].systems[1].teacher_share
    assert next(summary(report)) == (
        f"Catalogues: student int8 keeps {share:.1f} % of the teacher's chrF2++, 16.0 times as fast as teacher, "
        "in 3.5 MB."
    )
    quiet = tuple(dataclasses.replace(test_set, focus=None) for test_set in report.test_sets)
    assert list(summary(dataclasses.replace(report, test_sets=quiet))) == []


def test_signatures_stand_once(report: Report) -> None:
    assert [signature.split("|")[0] for signature in signatures(report)] == ["BLEU", "chrF2++", "TER"]


def test_withheld_text_is_told(report: Report) -> None:
    text = markdown(list(report_blocks(report.without_private_text())))
    assert "The text may not stand here; the numbers are those of its lines." in text
    assert "| line | chrF2++ teacher | chrF2++ student int8 |" in text


@pytest.mark.parametrize("place", ["heading", "paragraph", "cell"])
def test_hostile_text_shows_as_it_is(place: str) -> None:
    choice: dict[str, Block] = {
        "heading": Heading(2, HOSTILE),
        "paragraph": Paragraph(HOSTILE.replace("`", "'")),
        "cell": Table(headers=("text",), rows=((HOSTILE,),)),
    }
    block = choice[place]
    shown = HOSTILE.replace("\x00", "[U+0000]").replace("\x85", "[U+0085]").replace("\u202e", "[U+202E]")
    shown = shown.replace("`", "'") if place == "paragraph" else shown
    page = outline(html_page("t", [block]))
    assert "script" not in page.tags
    assert shown in page.text
    written = markdown([block])
    assert re.sub(r"\\(.)", r"\1", written).strip("#| \n").endswith(shown)
    assert not re.search(r"(?<!\\)[<>`*\[\]]", written)
    if place == "cell":
        assert len(re.findall(r"(?<!\\)\|", written.splitlines()[2])) == 2


def test_code_in_running_text() -> None:
    blocks: list[Block] = [Paragraph("say `a_b <c>` or d_e"), Code("x < y\n")]
    assert markdown(blocks) == "say `a_b <c>` or d\\_e\n\n```\nx < y\n\n```\n"
    assert "say <code>a_b &lt;c&gt;</code> or d_e" in html_page("t", blocks)


def test_plot_is_well_formed_and_shows_every_timed_system(report: Report) -> None:
    svg = quality_speed_plot(report)
    assert svg is not None
    root = ElementTree.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    circles = root.findall(f"{space}circle")
    assert [circle.get("class") for circle in circles] == ["teacher", "export"] * 2
    teacher, student = circles[:2]
    assert float(student.get("cx", 0)) > float(teacher.get("cx", 0))  # faster is further right
    assert float(student.get("cy", 0)) > float(teacher.get("cy", 0))  # worse is further down
    labels = [text.text for text in root.findall(f"{space}text") if text.get("class") == "label"]
    assert labels == ["teacher", "student int8"] * 2


def test_no_plot_of_a_single_timed_system(report: Report) -> None:
    rows = report.test_sets[0].systems
    one = dataclasses.replace(report.test_sets[0], systems=(rows[0], dataclasses.replace(rows[1], speed=None)))
    assert quality_speed_plot(dataclasses.replace(report, test_sets=(one,))) is None


def test_plot_of_equal_systems_divides_by_nothing(report: Report) -> None:
    rows = report.test_sets[0].systems
    equal = dataclasses.replace(report.test_sets[0], systems=(rows[0], dataclasses.replace(rows[0], system="baseline")))
    svg = quality_speed_plot(dataclasses.replace(report, test_sets=(equal,)))
    assert svg is not None
    assert "nan" not in svg


def test_endless_sentences_are_cut_and_said_to_be(report: Report) -> None:
    endless = dataclasses.replace(report.test_sets[0].worst[0], source="x" * 100_000)
    test_set = dataclasses.replace(report.test_sets[0], worst=(endless,))
    text = markdown(list(report_blocks(dataclasses.replace(report, test_sets=(test_set,)))))
    assert "x" * 500 + "… (100,000 characters)" in text
    assert "x" * 501 not in text


def test_a_test_set_that_the_teacher_did_not_translate_names_no_teacher(report: Report) -> None:
    first, *others = report.test_sets
    alone = dataclasses.replace(first, systems=first.systems[1:])
    text = markdown(list(report_blocks(dataclasses.replace(report, test_sets=(alone, *others)))))
    assert "Where student int8 has least chrF2++" in text
    assert "Where student int8 loses most chrF2++ against teacher" in markdown(list(report_blocks(report)))
