"""Servers as teachers: what is refused and told, answers that are none, and keys that nobody gets to see."""

from __future__ import annotations

import itertools
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.base import Sampling
from nmt_distill.teacher.http import web_client
from tests.http_teachers import LINES, MakeTeacher, choice, shout, texts
from tests.servers import Asked, Reply, Server


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
