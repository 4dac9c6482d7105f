"""Servers as teachers: both APIs on a small server of real sockets, and the cache that saves money."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.teacher.base import Sampling, Teacher, WhiteBoxTeacher
from tests.http_teachers import EN_PT, LINES, MakeTeacher, choice, shout, texts
from tests.servers import Asked, Reply, Server


def test_it_is_a_teacher_that_cannot_be_looked_into(make: MakeTeacher) -> None:
    teacher: Teacher = make(num_connections=2)
    assert not isinstance(teacher, WhiteBoxTeacher)
    assert (teacher.direction, teacher.origin, teacher.licence) == (EN_PT, "a test", "none")
    assert (teacher.engine, teacher.num_parameters) == ("the chat model large on a server", None)
    assert teacher.batch_rule == "a sentence a request, 2 at once"


@pytest.mark.parametrize("api", ["openai", "libretranslate"])
def test_answers_come_in_order_whichever_comes_first(make: MakeTeacher, server: Server, api: str) -> None:
    gate = threading.Barrier(3)

    def late_and_early(asked: Asked) -> Reply:
        number = next(counter)
        if number < 3:
            gate.wait(30)  # three requests are under way at once
        elif number % 3 == 0:
            time.sleep(0.01)
        return shout(asked)

    counter = itertools.count()
    server.answer = late_and_early
    lines = [*LINES, "", "  \n", LINES[3]]
    with make(api=api, num_connections=3) as teacher:
        assert texts(teacher, lines) == [[line.strip().upper()] for line in lines]
    assert len(server.asked) == len(LINES)
    assert server.most_open == 3


def test_a_chat_model_is_asked_as_its_api_says(
    make: MakeTeacher, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "language_data", None)
    monkeypatch.setenv("TEACHER_KEY", " sk-secret\n")
    prompt = "From {source_language} to {target_language} {not this}:\n{text}"
    teacher = make(url=server.url + "/v1/", prompt=prompt, api_key_variable="TEACHER_KEY", options={"max_tokens": 9})
    (answer,) = teacher.translate(["a {text}\nb {target_language}"])
    assert (answer[0].text, answer[0].score, answer[0].finished) == ("A {TEXT} B {TARGET_LANGUAGE}", 0.0, True)
    assert len(answer[0].token_ids) == 0
    (asked,) = server.asked
    assert (asked.path, asked.headers["authorization"]) == ("/v1/chat/completions", "Bearer sk-secret")
    content = "From en to pt-BR {not this}:\na {text} b {target_language}"
    assert asked.body == {
        "model": "large",
        "messages": [{"role": "user", "content": content}],
        "temperature": 0.0,
        "max_tokens": 9,
    }
    texts(make(options={"temperature": None}), ["c"])
    assert set(server.asked[-1].body) == {"model", "messages"}
    assert "authorization" not in server.asked[-1].headers


def test_languages_are_named_in_english(make: MakeTeacher, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"en": "English", "pt-BR": "Portuguese (Brazil)"}
    language = SimpleNamespace(get=lambda tag: SimpleNamespace(display_name=lambda _: names[tag]))
    monkeypatch.setitem(sys.modules, "language_data", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "langcodes", SimpleNamespace(Language=language))
    texts(make(), ["a"])
    assert "from English into Portuguese (Brazil)." in server.asked[0].body["messages"][0]["content"]


def test_libretranslate_is_asked_as_its_api_says(
    make: MakeTeacher, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEACHER_KEY", "secret")
    teacher = make(api="libretranslate", api_key_variable="TEACHER_KEY")
    assert texts(teacher, ["a"], num_candidates=3) == [["A", "0", "1"]]
    (asked,) = server.asked
    languages = {"source": "en", "target": "pt-BR"}
    assert asked.body == {"q": "a", **languages, "format": "text", "alternatives": 2, "api_key": "secret"}
    assert "authorization" not in asked.headers
    server.answer = lambda asked: Reply({"translatedText": "a", "alternatives": ["b"]})
    assert texts(teacher, ["b"], num_candidates=3) == [["a", "b"]]
    assert texts(make(api="libretranslate"), ["b"], num_candidates=1) == [["a"]]


def test_several_candidates_are_drawn(make: MakeTeacher, server: Server) -> None:
    sampling = Sampling(temperature=0.7, top_p=0.9, seed=5)
    assert texts(make(), ["a"], num_candidates=3, sampling=sampling) == [["A", "A!", "A!!"]]
    assert server.asked[0].body | {"temperature": 0.7, "top_p": 0.9, "seed": 5, "n": 3} == server.asked[0].body
    texts(make(), ["a"], num_candidates=3, sampling=Sampling(temperature=0.7, top_p=0.9, seed=6))
    assert len(server.asked) == 2


def test_what_is_no_plain_translation_is_left_out(
    make: MakeTeacher, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    choices = [
        choice("```\n„Olá.“\n```"),
        choice("Olá.\n\nNote: informal."),
        choice("Olá olá olá", "length"),
        choice(None, "content_filter"),
        choice("Ol", "content_filter"),
        choice(""),
    ]
    server.answer = lambda asked: Reply({"choices": choices})
    (answer,) = make().translate(["Hi."], num_candidates=6, sampling=Sampling())
    assert [(found.text, found.finished) for found in answer] == [("Olá.", True), ("Olá olá olá", False), ("", True)]
    said = capsys.readouterr().err
    assert said == "left out answers of several lines to 1 of 1 sentence, such as 'Olá.\\n\\nNote: informal.'\n"


def test_no_sentence_is_paid_twice(make: MakeTeacher, server: Server, tmp_path: Path) -> None:
    first = make()
    assert texts(first, LINES[:5]) == texts(first, LINES[:5])
    assert texts(make(), LINES[:6]) == [[line.upper()] for line in LINES[:6]]
    assert [asked.body["messages"][0]["content"].split("\n")[-1] for asked in server.asked[5:]] == [LINES[5]]
    others: list[dict[str, Any]] = [
        {"model": "larger"},
        {"prompt": "Say {text}"},
        {"temperature": 0.5},
        {"options": {"top_p": 0.5}},
        {"direction": Direction(source="en", target="de")},
        {"url": server.url + "/v2"},
        {"api": "libretranslate"},
        {"cache": tmp_path / "other.sqlite"},
    ]
    for number, other in enumerate(others):
        texts(make(**other), LINES[:1])
        assert len(server.asked) == 7 + number


def test_a_killed_run_has_not_paid_in_vain(make: MakeTeacher, server: Server, tmp_path: Path) -> None:
    reached = threading.Event()

    def answer(asked: Asked) -> Reply:
        if len(server.asked) == 8:
            reached.set()
            threading.Event().wait(30)
        return shout(asked)

    server.answer = answer
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from nmt_distill.languages import Direction\n"
        "from nmt_distill.teacher.http.teacher import HttpTeacher\n"
        f"direction = Direction(source={EN_PT.source!r}, target={EN_PT.target!r})\n"
        f"teacher = HttpTeacher({server.url!r}, api='openai', cache=Path({str(tmp_path / 'answers.sqlite')!r}), "
        "direction=direction, origin='', licence='', model='large', num_connections=1)\n"
        f"teacher.translate({LINES!r})\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program])
    assert reached.wait(60)
    child.send_signal(signal.SIGKILL)
    assert child.wait(60) == -9
    server.answer = shout
    assert texts(make(), LINES) == [[line.upper()] for line in LINES]
    asked = [asked.body["messages"][0]["content"].split("\n")[-1] for asked in server.asked]
    assert sorted(asked) == sorted([*LINES, asked[7]])


def test_what_was_answered_before_an_error_is_kept(make: MakeTeacher, server: Server) -> None:
    server.answer = lambda asked: shout(asked) if len(server.asked) < 5 else Reply({"error": "out of credit"}, 402)
    with pytest.raises(NmtDistillError, match=r"/chat/completions refused a request: status 402, out of credit\."):
        make(num_connections=1).translate(LINES)
    assert len(server.asked) == 5
    server.answer = shout
    assert texts(make(), LINES) == [[line.upper()] for line in LINES]
    assert len(server.asked) == 5 + len(LINES) - 4


def test_the_fingerprint_follows_all_that_changes_answers(make: MakeTeacher, server: Server) -> None:
    settings: list[dict[str, Any]] = [
        {},
        {"model": "b"},
        {"prompt": "{text}"},
        {"temperature": 1.0},
        {"options": {"seed": 1}},
        {"direction": Direction(source="en", target="de")},
        {"url": server.url + "/v2"},
        {"api": "libretranslate"},
    ]
    assert len({make(**some).fingerprint for some in settings}) == len(settings)
    assert make(num_connections=1, num_retries=0, timeout_seconds=1.0).fingerprint == make().fingerprint
