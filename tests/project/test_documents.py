"""What the documents tell a reader to follow or to type exists."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\(([^)\s]+)\)|!\[[^\]\n]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```+)(\w*)\n(.*?)^\1", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:\.venv/bin/)?(?:nmt-distill|make) [^`\n]+)`")


@pytest.fixture(scope="module")
def documents(project_files: list[Path]) -> list[Path]:
    return [path for path in project_files if path.suffix == ".md"]


def anchors_of(path: Path) -> set[str]:
    """Return what links to a document's headings may be called, as GitHub names them."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    anchors: set[str] = set()
    for heading in re.findall(r"^#+ +(.+?) *$", text, flags=re.MULTILINE):
        plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 1
        while (numbered := slug if number == 1 else f"{slug}-{number - 1}") in anchors:
            number += 1
        anchors.add(numbered)
    return anchors


def broken_links(path: Path) -> Iterator[str]:
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    for match in LINK.finditer(text):
        link = match[1] or match[2]
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists() or not target.is_relative_to(ROOT):
            yield f"{path.relative_to(ROOT)}: {link} leads nowhere"
        elif anchor and target.suffix == ".md" and anchor not in anchors_of(target):
            yield f"{path.relative_to(ROOT)}: {link} has no such heading"


def commands_in(text: str) -> Iterator[list[str]]:
    """Yield every `make` and `nmt-distill` call in a document or script, split into words."""
    blocks = [match[3] for match in FENCE.finditer(text) if match[2] in ("", "sh", "bash", "console")]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    lines += [match[1] for match in INLINE.finditer(FENCE.sub("", text))]
    for line in lines:
        for part in re.split(r"\||&&|;|\$\(", line.removeprefix("$ ")):
            try:
                words = shlex.split(part, comments=True)
            except ValueError:
                continue
            while words and (re.fullmatch(r"[A-Z_]+=.*", words[0]) or words[0] in ("time", "nice")):
                words = words[1:]
            if len(words) > 1 and Path(words[0]).name in ("make", "nmt-distill"):
                yield [Path(words[0]).name, *words[1:]]


@cache
def help_of(*verb: str) -> str:
    command = [sys.executable, "-m", "nmt_distill", *verb, "--help"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return result.stdout if result.returncode == 0 else ""


def wrong_in(command: list[str]) -> Iterator[str]:
    """Say what a command names that does not exist."""
    program, *arguments = command
    if program == "make":
        targets = set(
            re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
        )
        yield from (word for word in arguments if re.fullmatch(r"[a-z0-9-]+", word) and word not in targets)
        return
    verb = arguments[0]
    if verb.startswith("-"):
        verbs: tuple[str, ...] = ()
    elif re.fullmatch(r"[a-z-]+", verb):
        verbs = (verb,)
    else:
        return  # a placeholder such as VERB
    text = help_of(*verbs)
    if not text:
        yield verb
        return
    for word in arguments:
        flag = word.split("=")[0]
        if flag.startswith("--") and flag != "--" and not re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", text):
            yield f"{verb} {flag}"


def test_links_lead_somewhere(documents: list[Path]) -> None:
    assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md"} <= {path.name for path in documents}
    assert [fault for path in documents for fault in broken_links(path)] == []


def stray_items(text: str) -> list[int]:
    """Return the numbers at the start of a line that continue no list: prose broken there, shown as an item."""
    numbers = [int(number) for number in re.findall(r"^ *(\d+)\. ", FENCE.sub("", text), flags=re.MULTILINE)]
    return [number for before, number in zip([0, *numbers], numbers, strict=False) if number not in (1, before + 1)]


def test_lists_are_meant(documents: list[Path]) -> None:
    stray = {path.name: stray_items(path.read_text(encoding="utf-8")) for path in documents}
    assert {name: numbers for name, numbers in stray.items() if numbers} == {}
    assert stray_items("1. one\n2. two\n\nThe model has\n385. Another has\n386 million.\n") == [385]


def test_commands_exist(documents: list[Path], project_files: list[Path]) -> None:
    wrong, count = [], 0
    scripts = [path for path in project_files if path.name == "run.sh"]
    for path in [*documents, *scripts]:
        text = path.read_text(encoding="utf-8")
        for command in commands_in(text if path.suffix == ".md" else f"```sh\n{text}\n```\n"):
            count += 1
            wrong += [f"{path.relative_to(ROOT)}: {shlex.join(command)}: {fault}" for fault in wrong_in(command)]
    assert wrong == []
    assert count > 5


def test_readme_shows_both_commands_of_a_newcomer() -> None:
    commands = list(commands_in((ROOT / "README.md").read_text(encoding="utf-8")))
    assert ["make", "quickstart"] in commands
    assert ["make", "test"] in commands
    assert any(command[:2] == ["nmt-distill", "translate"] for command in commands)


def test_makefile_explains_its_targets() -> None:
    result = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("quickstart", "test", "slow-test", "test-fairseq2", "clean", "help"):
        assert re.search(rf"^  make {target} +\w+", result.stdout, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("```sh\n$ make test\n```\n", [["make", "test"]]),
        (
            "```\ncd x && A=1 .venv/bin/nmt-distill run x \\\n  --out y | tee z\n```\n",
            [["nmt-distill", "run", "x", "--out", "y"]],
        ),
        ("say `make quickstart` or `makefile`", [["make", "quickstart"]]),
        ("```python\nmake test\n```\n", []),
    ],
)
def test_commands_are_found(text: str, commands: list[list[str]]) -> None:
    assert list(commands_in(text)) == commands


@pytest.mark.parametrize("command", [["make", "quickstat"], ["nmt-distill", "tranlsate", "x"]])
def test_what_does_not_exist_is_noticed(command: list[str]) -> None:
    assert list(wrong_in(command)) == [command[1]]
