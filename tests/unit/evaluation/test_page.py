"""The written report: complete, self-contained, and showing text as it is."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import pytest

from nmt_distill.evaluation.background import Background, Setting
from nmt_distill.evaluation.document import Block, Code, Facts, Folded, Heading, Paragraph, Plots, Table, markdown
from nmt_distill.evaluation.page import report_blocks, signatures, summary
from nmt_distill.evaluation.report import Report
from nmt_distill.evaluation.tables import legend
from nmt_distill.evaluation.web_page import html_page

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
        if tag not in ("meta", "use"):
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


@pytest.fixture(autouse=True)
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing but what the fixture `blocks` has drawn."""
    monkeypatch.setattr("nmt_distill.evaluation.page.can_draw", lambda: False)


def test_page_needs_nothing_else(report: Report, blocks: list[Block]) -> None:
    html = html_page(report.title, blocks)
    page = outline(html)
    assert not page.tags & {"script", "link", "img", "iframe"}
    assert all(address.startswith("#section-") for address in page.addresses)
    assert html.count('id="section-') == len(page.addresses) == 6
    assert re.findall(r"url\((?!#)", html) == []
    assert "@import" not in html
    assert "prefers-color-scheme: dark" in html


def test_both_forms_hold_what_was_measured(report: Report, blocks: list[Block]) -> None:
    html_text = outline(html_page(report.title, blocks)).text
    markdown_text = re.sub(r"\\(.)", r"\1", markdown(blocks)).replace("**", "")
    for text in (html_text, markdown_text):
        for expected in (
            "An invented_report", "Example CPU, 2 cores", "nmt-distill run invented", "Licence: CC0-1.0", "invented",
            "Press <b>{name}</b> | to go on", "16.0x", "3.5", "2026-11-22", "the large one", "(human references)",
            *signatures(report), *summary(report), "0.8312", "COMET22: comet/bin/python scores.py", "upper case (4)",
            "123.4", "name: invented", "identical 150, repeated 50", "invented catalogues",
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


def test_share_is_said_to_be_of_a_system_that_is_no_teacher(report: Report) -> None:
    first, *others = report.systems
    other = dataclasses.replace(report, systems=(dataclasses.replace(first, role="peer"), *others))
    assert "% of teacher's chrF2++, 16.0 times" in next(summary(other))


def test_share_is_that_of_the_system_that_reads_as_the_teacher_does(report: Report) -> None:
    other = dataclasses.replace(report, imitator="baseline")
    focus, baseline = report.test_sets[0].systems[1:]
    assert next(summary(other)) == (
        f"Catalogues: baseline keeps {baseline.teacher_share:.1f} % of the teacher's chrF2++; student int8, as "
        f"`translate` runs it, has {focus.scores.chrf.value:.2f}, 16.0 times as fast as teacher, in 3.5 MB."
    )
    facts = next(block for block in report_blocks(other) if isinstance(block, Facts))
    assert facts.facts[0].value == f"{baseline.teacher_share:.1f} %"
    assert any("baseline: lines as they stand, as the teacher reads them" in line for line in legend(other))
    assert not any("as they stand" in line for line in legend(report))


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


def test_unit_of_tokens_is_told_where_somebody_counted_them(report: Report) -> None:
    assert "Tokens are source tokens (words)." in markdown(list(report_blocks(report)))
    rows = tuple(
        dataclasses.replace(row, speed=row.speed and dataclasses.replace(row.speed, num_tokens=None))
        for row in report.test_sets[0].systems
    )
    test_set = dataclasses.replace(report.test_sets[0], systems=rows)
    uncounted = markdown(list(report_blocks(dataclasses.replace(report, test_sets=(test_set,)))))
    assert "warm-up not.\n" in uncounted


def test_joiners_of_scripts_that_need_them_stay() -> None:
    for text in ("می\u200cخواهم", "ക്\u200dഷ", "👨\u200d👩"):
        assert text in html_page("t", [Paragraph(text)])
        assert text in markdown([Paragraph(text)])
    assert "a[U+200B]b[U+200F]" in markdown([Table(headers=("text",), rows=(("a\u200bb\u200f",),))]).replace("\\", "")


def test_code_in_running_text() -> None:
    blocks: list[Block] = [Paragraph("say `a_b <c>` or d_e"), Code("x < y\n")]
    assert markdown(blocks) == "say `a_b <c>` or d\\_e\n\n```\nx < y\n\n```\n"
    assert "say <code>a_b &lt;c&gt;</code> or d_e" in html_page("t", blocks)


def test_differences_between_systems_are_marked(report: Report, blocks: list[Block]) -> None:
    html, text = html_page(report.title, blocks), markdown(blocks)
    assert "Onde está o <mark>gato velho</mark>?" in html
    assert "Onde está o <mark>cão</mark>?" in html
    assert "| | student int8 | Onde está o **cão**? |" in text.replace("|  |", "| |")


def test_several_runs_tell_how_their_recipes_differ(report: Report) -> None:
    background = Background(runs=("one", "two"), settings=(Setting(key="training.seed", values=("1", "2")),))
    text = markdown(list(report_blocks(dataclasses.replace(report, background=background))))
    assert "| key | one | two |\n| --- | --- | --- |\n| training.seed | 1 | 2 |" in text
    assert "## How the students came about" in text


def test_without_matplotlib_there_are_no_plots(report: Report, blocks: list[Block]) -> None:
    bare = list(report_blocks(report))
    assert not any(isinstance(block, Plots) for block in bare)
    assert "Without plots: matplotlib is not installed" in markdown(bare)
    assert "Without plots" not in markdown(blocks)
    plots = [plot for block in blocks if isinstance(block, Plots) for plot in block.plots]
    assert len({plot.file_name for plot in plots}) == len(plots) == 6


def test_recipe_cannot_end_its_own_fence() -> None:
    text = markdown([Folded("recipe", "a: |\n  ```\n  x\n")])
    assert text.count("````") == 2


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
