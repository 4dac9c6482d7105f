"""The report in a real browser: nothing overflows, everything is drawn."""

from __future__ import annotations

import dataclasses
import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nmt_distill.evaluation.page import write_report
from nmt_distill.evaluation.report import Report, System
from nmt_distill.evaluation.scoring import score_test_set
from nmt_distill.languages import Direction

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MEASURE = """
<script>addEventListener("load", () => {
  const wide = [...document.querySelectorAll("body *")].filter(
    element => !element.closest(".scroll") && !element.closest("svg") && !element.closest("pre") &&
      element.getBoundingClientRect().right > document.documentElement.clientWidth + 1);
  const pictures = [...document.querySelectorAll("svg")].map(svg => {
    const box = svg.getBoundingClientRect();
    const outside = [...svg.querySelectorAll("text")].filter(text => {
      const own = text.getBoundingClientRect();
      return own.left < box.left - 1 || own.right > box.right + 1 || own.bottom > box.bottom + 1;
    });
    return {width: box.width, height: box.height, shapes: svg.querySelectorAll("path, use").length,
      texts: svg.querySelectorAll("text").length, outside: outside.map(text => text.textContent)};
  });
  const colour = getComputedStyle(document.querySelector(".plot text")).fill;
  document.title = JSON.stringify({client: document.documentElement.clientWidth,
    scroll: document.documentElement.scrollWidth, wide: wide.map(element => element.tagName + element.className),
    pictures, colour, broken: [...document.images].filter(image => !image.naturalWidth).length});
});</script>
"""


@pytest.fixture(scope="module")
def browser() -> str:
    """The program; without one the tests are left out."""
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    pytest.skip(f"none of {', '.join(BROWSERS)} is installed; on Debian: apt-get install chromium")


def run(browser: str, page: Path, folder: Path, *options: str) -> str:
    """Open a page; return what the browser writes."""
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=5000",
        f"--user-data-dir={folder / 'profile'}", *options, page.as_uri(),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=True, timeout=300).stdout


def measured(browser: str, page: Path, width: int, folder: Path) -> dict[str, Any]:
    """Lay the page out at a width and return what its elements measure."""
    # a headless window is never narrower than some 500 pixels: a frame is
    text = page.read_text(encoding="utf-8").replace("</body>", f"{MEASURE}</body>")
    frame = (
        f'<iframe style="width:{width}px;height:900px;border:0" srcdoc="{html.escape(text)}"></iframe>'
        "<script>addEventListener('load', () => setTimeout(() => { document.body.textContent = "
        "document.querySelector('iframe').contentDocument.title; }, 200));</script>"
    )
    outer = folder / "frame.html"
    outer.write_text(f'<!doctype html><meta charset="utf-8"><body>{frame}</body>', encoding="utf-8")
    said = run(browser, outer, folder, "--window-size=1400,1000", "--dump-dom")
    found = re.search(r"<body>(\{.*\})", said, re.S)
    assert found is not None, said[-500:]
    content: dict[str, Any] = json.loads(html.unescape(found[1].split("</body>")[0]))
    return content


@pytest.mark.system
@pytest.mark.parametrize("width", [1280, 390])
def test_endless_names_do_not_widen_the_page(browser: str, report: Report, tmp_path: Path, width: int) -> None:
    endless, other = ("ununterbrochen" * 12, "unaufhörlich" * 12)
    test_set = score_test_set(
        name=endless, direction=Direction(source="en", target="de"), sources=["one two three four"] * 2,
        references=["eins zwei drei vier"] * 2, outputs={endless: ["eins zwei drei"] * 2, other: ["eins"] * 2},
        teacher=endless, focus=other, comparisons=[(other, endless)], num_resamples=32, num_trials=32,
    )  # fmt: skip
    systems = tuple(System(name=name, role="export", num_bytes=1) for name in (endless, other))
    page = Report(
        title=endless, systems=systems, test_sets=(test_set,), machine=report.machine, command=endless, teacher=endless,
        notes=(endless,),
    )  # fmt: skip
    write_report(page, tmp_path)
    found = measured(browser, tmp_path / "report.html", width, tmp_path)
    assert (found["scroll"], found["wide"]) == (width, [])
    assert [picture["outside"] for picture in found["pictures"]] == [[]] * 3


@pytest.mark.system
@pytest.mark.parametrize("width", [1280, 390])
def test_page_fits_and_is_drawn(browser: str, report: Report, tmp_path: Path, width: int) -> None:
    rows = [dataclasses.replace(row, text="ununterbrochen" * 20) for row in report.test_sets[0].worst[0].translations]
    endless = dataclasses.replace(report.test_sets[0].worst[0], source="x" * 400, translations=tuple(rows))
    test_sets = (dataclasses.replace(report.test_sets[0], worst=(endless,)), report.test_sets[1])
    systems = tuple(
        dataclasses.replace(system, num_bytes=1_000_000 * place) for place, system in enumerate(report.systems, start=1)
    )
    write_report(dataclasses.replace(report, test_sets=test_sets, systems=systems), tmp_path)
    found = measured(browser, tmp_path / "report.html", width, tmp_path)
    assert found["client"] == width
    assert found["scroll"] <= width
    assert found["wide"] == []
    assert found["broken"] == 0
    assert len(found["pictures"]) == 8  # speed and size of two test sets, two plots of bars, two of training
    for picture in found["pictures"]:
        assert picture["width"] >= min(300, 0.8 * width)
        assert picture["height"] >= 100
        assert picture["shapes"] >= 5
        assert picture["texts"] >= 5
        assert picture["outside"] == []
    assert found["colour"] == "rgb(97, 107, 128)"  # that of axes in the light scheme, by its name


@pytest.mark.system
def test_screenshot_shows_ink_and_colours(browser: str, report: Report, tmp_path: Path) -> None:
    write_report(report, tmp_path)
    run(browser, tmp_path / "report.html", tmp_path, f"--screenshot={tmp_path / 'shot.png'}", "--window-size=1280,2400")
    pixels = np.asarray(Image.open(tmp_path / "shot.png").convert("RGB"), dtype=np.int64)
    assert pixels.shape == (2400, 1280, 3)
    ink = (pixels.max(axis=2) < 128).mean()
    assert 0.002 < ink < 0.3, "text, and paper around it"
    is_coloured = np.ptp(pixels, axis=2) > 60
    assert is_coloured.mean() > 0.001, "bars and points"
    for part in np.array_split(pixels, 4):
        assert len(np.unique(part.reshape(-1, 3), axis=0)) > 20, "no part of the page is empty"
