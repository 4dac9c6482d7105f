"""Arguments in any order, and errors in one line."""

from __future__ import annotations

import pytest

from nmt_distill.cli import build_parser, main


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["a", "--beam-size", "2", "b", "--plain", "c"], ["a", "b", "c"]),
        (["--beam-size", "2", "--plain"], []),
        (["a", "--beam-size=2", "--plain"], ["a"]),
        (["--beam-size", "2", "--plain", "--", "-x", "--model"], ["-x", "--model"]),
    ],
)
def test_text_stands_among_options(arguments: list[str], text: list[str]) -> None:
    parsed = build_parser().parse_args(["translate", *arguments])
    assert (parsed.text, parsed.beam_size, parsed.plain, parsed.file) == (text, 2, True, [])


def test_query_stands_behind_options() -> None:
    parsed = build_parser().parse_args(["search", "idx", "--model", "m", "night", "--top", "3", "day"])
    assert (str(parsed.index), parsed.query, str(parsed.model), parsed.top) == ("idx", ["night", "day"], "m", 3)


def test_paths_of_an_option_end_with_the_next() -> None:
    parsed = build_parser().parse_args(["translate", "--file", "a", "b", "--output", "c"])
    assert (parsed.file, parsed.output, parsed.text) == (["a", "b"], "c", [])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nmt-distill: the following arguments are required: VERB; see `nmt-distill --help`."),
        (["grow"], "nmt-distill grow: the following arguments are required: "),
        (
            ["translate", "a", "--nosuch"],
            "nmt-distill translate: unrecognized arguments: --nosuch; see `nmt-distill tr",
        ),
        (["translate", "--nosuch", "--", "a"], "nmt-distill translate: unrecognized arguments: --nosuch; see `nmt-dis"),
        (["evaluate", "a", "b"], "nmt-distill evaluate: unrecognized arguments: b; see `nmt-distill evaluate --help`."),
        (["translate", "--beam-size", "1\n2"], "nmt-distill translate: argument --beam-size: must be a whole number"),
        (
            ["search", "index", "x", "--top", "0"],
            "nmt-distill search: argument --top: must be a whole number of at least 1",
        ),
        (
            ["grow", "a", "b", "--seed", "9" * 30],
            "nmt-distill grow: argument --seed: must be a whole number of at most 9",
        ),
    ],
)
def test_errors_are_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(said)
    assert error.endswith("--help`.\n")
    assert error.count("\n") == 1


@pytest.mark.parametrize(("verb", "what"), [("train", "Train the student; start"), ("mine", "Find parallel")])
def test_a_verb_says_what_it_does(verb: str, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    assert what in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--help"])
    assert what[0].lower() + what[1:] in capsys.readouterr().out
