"""Servers as teachers: both APIs on a small server of real sockets, their errors, and the cache that saves money."""

from __future__ import annotations

import itertools
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.teacher.base import Sampling, Teacher, WhiteBoxTeacher
from nmt_distill.teacher.http import web_client
from nmt_distill.teacher.http.teacher import HttpTeacher
from tests.servers import Asked, Reply, Server, running_server

EN_PT = Direction(source="en", target="pt-BR")
LINES = [f"line {number}" for number in range(20)]
MakeTeacher = Callable[..., HttpTeacher]


def choice(text: Any, finish_reason: str = "stop") -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}


def shout(asked: Asked) -> Reply:
    """Answer as both APIs do: the text in capitals, alternatives numbered."""
    if asked.path == "/translate":
        texts = [asked.body["q"].upper(), *(f"{number}" for number in range(asked.body.get("alternatives", 0)))]
        return Reply({"translatedText": texts[0]} | ({"alternatives": texts[1:]} if len(texts) > 1 else {}))
    text = asked.body["messages"][0]["content"].split("\n")[-1].upper()
    num_choices = asked.body.get("n", 1)
    return Reply({"choices": [choice(text + "!" * number) for number in range(num_choices)]})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(web_client, "FIRST_WAIT", 0.01)
    monkeypatch.setenv("NO_PROXY", "*")
    with running_server(shout) as server:
        yield server


@pytest.fixture
def make(server: Server, tmp_path: Path) -> Iterator[MakeTeacher]:
    """Make a teacher of the server: a chat model, unless another API is named."""
    made: list[HttpTeacher] = []

    def make(**more: Any) -> HttpTeacher:
        given: dict[str, Any] = {
            "api": "openai",
            "url": server.url,
            "cache": tmp_path / "answers.sqlite",
            "timeout_seconds": 30.0,
        }
        given |= {"direction": EN_PT, "origin": "a test", "licence": "none", "num_retries": 2, **more}
        if given["api"] == "openai":
            given.setdefault("model", "large")
        made.append(HttpTeacher(**given))
        return made[-1]

    yield make
    for teacher in made:
        teacher.close()


def texts(teacher: HttpTeacher, lines: list[str], **more: Any) -> list[list[str]]:
    return [[found.text for found in answer] for answer in teacher.translate(lines, **more)]


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
    assert said == "left out answers of several lines to 1 of 1 sentences, such as 'Olá.\\n\\nNote: informal.'\n"


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


def test_an_error_ends_the_waiting_of_others(
    make: MakeTeacher, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_client, "FIRST_WAIT", 60.0)
    both = threading.Barrier(2)

    def answer(asked: Asked) -> Reply:
        both.wait(30)
        return Reply({}, 500) if "line 0" in str(asked.body) else Reply({"error": "no"}, 400)

    server.answer = answer
    with pytest.raises(NmtDistillError, match="status 400, no"):
        make(num_connections=2).translate(LINES[:2])
    assert len(server.asked) == 2


def test_a_key_is_never_shown(
    make: MakeTeacher,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    secret = "sk-" + "z" * 30
    monkeypatch.setenv("TEACHER_KEY", secret)
    for api, tell in itertools.product(("openai", "libretranslate"), (True, False)):
        teacher = make(api=api, api_key_variable="TEACHER_KEY")
        assert teacher.fingerprint == make(api=api).fingerprint
        server.answer = (
            (lambda asked: Reply({"error": f"not {secret}"}, 401)) if tell else lambda asked: Reply([secret])
        )
        with pytest.raises(NmtDistillError) as error:
            teacher.translate(["a"])
        assert "zzz" not in str(error.value)
        server.answer = shout
        texts(teacher, ["b"])
        assert secret in str(server.asked[-1])
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"zzz" not in stored
    assert "zzz" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("variable", ["NOT_SET", "EMPTY", "sk-a-key-by-mistake"])
def test_a_key_must_be_in_the_environment(make: MakeTeacher, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    monkeypatch.setenv("EMPTY", "  ")
    with pytest.raises(NmtDistillError, match="api_key_variable must be the name of an environment variable") as error:
        make(api_key_variable=variable)
    assert variable not in str(error.value)


def test_a_broken_key_is_not_shown(make: MakeTeacher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", "sk-zzz\nzzz")
    with pytest.raises(NmtDistillError, match="holds characters that no key has") as error:
        make(api_key_variable="TEACHER_KEY")
    assert "zzz" not in str(error.value)


@pytest.mark.parametrize(
    ("api", "content", "message"),
    [
        ("openai", {"choices": [choice("a"), choice("b")]}, "answered 2 choices, but was asked for 1; if it does not"),
        ("openai", {"choices": []}, "answered 0 choices, but was asked for 1"),
        ("openai", {}, r"completions answered {}, which is no answer of the API openai; is teacher\.url the right"),
        ("openai", [], "which is no answer"),
        ("openai", {"choices": [{"text": "a"}]}, "which is no answer"),
        ("openai", {"choices": [choice(["a"])]}, "which is no answer"),
        ("openai", {"choices": ["a"]}, "which is no answer"),
        ("openai", {"choices": None}, "which is no answer"),
        ("libretranslate", {"translated": "a"}, "which is no answer of the API libretranslate"),
        ("libretranslate", {"translatedText": ["a"]}, "which is no answer"),
        ("libretranslate", "a", "which is no answer"),
        ("libretranslate", None, "which is no answer"),
    ],
)
def test_what_is_no_answer_is_told(make: MakeTeacher, server: Server, api: str, content: Any, message: str) -> None:
    server.answer = lambda asked: Reply(content)
    with pytest.raises(NmtDistillError, match=message):
        make(api=api).translate(["a"])
    assert len(server.asked) == 1
    server.answer = shout
    assert texts(make(api=api), ["a"]) == [["A"]]


@pytest.mark.parametrize(
    ("api", "asked", "message"),
    [
        ("openai", {"beam_size": 4}, "beam_size must be 1 where the teacher is a server, but is 4 instead"),
        (
            "openai",
            {"num_candidates": 2},
            "must be 1 for a chat model without sampling, but is 2 instead; set `distill",
        ),
        ("openai", {"sampling": Sampling(top_k=5)}, r"sampling\.top_k must be 0 for a chat model"),
        ("libretranslate", {"sampling": Sampling()}, r"sampling must be left out where teacher\.api is libretranslate"),
        ("libretranslate", {"beam_size": 2}, "beam_size must be 1"),
    ],
)
def test_what_a_server_cannot_do_is_refused(
    make: MakeTeacher, server: Server, api: str, asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(NmtDistillError, match=message):
        make(api=api).translate(["a"], **asked)
    assert server.asked == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": ""}, r"teacher\.model must name the chat model"),
        ({"prompt": "Translate!"}, r"teacher\.prompt must hold {text} once"),
        ({"prompt": "{text} {text}"}, r"teacher\.prompt must hold {text} once"),
        ({"prompt": "{text} {language}"}, r"teacher\.prompt holds {language}, but only {source_language}, {target_l"),
        ({"options": {"n": 3, "model": "b"}}, r"teacher\.options must not hold model, n: other settings say that\."),
        ({"url": "localhost:8000"}, r"teacher\.url must be an address such as http://localhost:8000/v1\."),
        ({"url": "ftp://localhost"}, r"teacher\.url must be an address"),
        ({"url": "http://"}, r"teacher\.url must be an address"),
        ({"url": "http://localhost:port"}, r"teacher\.url must be an address"),
        ({"url": "http://local host"}, r"teacher\.url must be an address"),
        ({"url": "https://me:zzz@host/v1"}, r"teacher\.url must hold no user, password, query or fragment; name a key"),
        ({"url": "https://host/v1?key=zzz"}, r"teacher\.url must hold no user"),
        ({"api": "libretranslate", "model": "a"}, r"are for chat models; leave them out where teacher\.api is libre"),
        ({"api": "libretranslate", "temperature": 1.0}, "are for chat models"),
        ({"api": "libretranslate", "prompt": "{text}"}, "are for chat models"),
        ({"api": "libretranslate", "options": {"a": 1}}, "are for chat models"),
    ],
)
def test_settings_must_fit(make: MakeTeacher, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(NmtDistillError, match=message) as error:
        make(**settings)
    assert not re.search("zzz", str(error.value))


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
