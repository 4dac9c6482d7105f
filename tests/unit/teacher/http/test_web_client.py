"""JSON over HTTP: what is tried again, what is told at once, and that a secret stays one."""

from __future__ import annotations

import email.utils
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.http import web_client
from nmt_distill.teacher.http.web_client import StoppedError, WebClient, seconds_asked
from tests.servers import Asked, Reply, Server, running_server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that answers what it is asked; waiting between tries is short."""
    monkeypatch.setattr(web_client, "FIRST_WAIT", 0.01)
    monkeypatch.setenv("NO_PROXY", "*")
    with running_server(lambda asked: Reply({"said": asked.body})) as server:
        yield server


def client(**more: Any) -> WebClient:
    return WebClient(**{"timeout_seconds": 30.0, "num_retries": 3, **more})


def replies(server: Server, *some: Reply) -> None:
    """Answer with these, one after the other, then always with the last."""
    left = list(some)
    server.answer = lambda asked: left.pop(0) if len(left) > 1 else left[0]


def test_json_goes_there_and_back(server: Server) -> None:
    assert client(headers={"X-Key": "abc"}).post(server.url + "/a/b", {"text": "Ä\U0001f600"}) == {
        "said": {"text": "Ä\U0001f600"}
    }
    (asked,) = server.asked
    assert (asked.path, asked.headers["content-type"], asked.headers["x-key"]) == ("/a/b", "application/json", "abc")
    assert asked.headers["user-agent"].startswith("nmt-distill/")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
def test_what_may_pass_is_tried_again(server: Server, status: int) -> None:
    replies(server, Reply({}, status), Reply(b"<html>", status), Reply({"good": 1}))
    assert client().post(server.url, {}) == {"good": 1}
    assert len(server.asked) == 3


def test_waiting_grows(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_client, "FIRST_WAIT", 0.08)
    monkeypatch.setattr(web_client, "LONGEST_WAIT", 0.2)
    replies(server, *[Reply({}, 500)] * 4, Reply({"good": 1}))
    client(num_retries=4).post(server.url, {})
    times = [asked.time for asked in server.asked]
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert [wait >= least for wait, least in zip(waits, [0.04, 0.08, 0.1, 0.1], strict=True)] == [True] * 4


def test_in_the_end_it_gives_up(server: Server) -> None:
    replies(server, Reply({"error": {"message": "model is\nloading."}}, 503))
    with pytest.raises(
        NmtDistillError,
        match=r"failed 4 times, the last time with: status 503, model is loading\. Answers so far are kept; run again",
    ):
        client().post(server.url, {})
    assert len(server.asked) == 4


def test_the_server_says_how_long_to_wait_for_all(server: Server) -> None:
    patient = client(num_retries=1)
    replies(server, Reply({}, 429, {"Retry-After": "1"}), Reply({"good": 1}))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(patient.post, server.url, {"number": 1})
        while patient._paused_until == 0:
            time.sleep(0.001)
        assert patient.post(server.url, {"number": 2}) == {"good": 1}
        assert first.result() == {"good": 1}
    first_time, *later = (asked.time for asked in server.asked)
    assert len(later) == 2
    assert min(later) - first_time >= 1.0


def test_too_long_a_wait_ends_the_work(server: Server) -> None:
    replies(server, Reply({"error": "quota used up"}, 429, {"Retry-After": "86400"}))
    with pytest.raises(NmtDistillError, match=r"asks to wait for 86,400 s: status 429, quota used up\. Answers so far"):
        client().post(server.url, {})
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("soon", 0.0),
        ("-3", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float) -> None:
    assert seconds_asked(header) == pytest.approx(seconds, abs=600)
    assert (seconds_asked(header) == 0) == (seconds == 0)


def test_retry_after_is_a_date_to_come() -> None:
    in_two_hours = email.utils.formatdate(time.time() + 7200, usegmt=True)
    assert seconds_asked(in_two_hours) == pytest.approx(7200, abs=600)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply({"error": {"message": "no such\nmodel."}}, 404), r"refused a request: status 404, no such model\.$"),
        (Reply({"error": "pt-XX is not supported"}, 400), "status 400, pt-XX is not supported"),
        (Reply({"detail": "bad key"}, 401), "status 401, bad key"),
        (Reply({"message": "bad key"}, 403), "status 403, bad key"),
        (Reply({"object": "error"}, 400), r'status 400, \{"object": "error"\}'),
        (Reply([1], 400), r"status 400, \[1\]"),
        (Reply(b"<p>Not \x1b[31m\xffhere", 404), "status 404, <p>Not \\[31m\ufffdhere"),
        (Reply(b"", 418), "status 418, without a message"),
        (
            Reply(b"", 302, {"Location": "http://else.where/"}),
            r"sends elsewhere, to http://else\.where/; give the final",
        ),
        (Reply(b"<html>Welcome</html>"), "answered what is not JSON: '<html>Welcome</html>'; is it the right address"),
        (Reply(b"{"), "answered what is not JSON"),
        (Reply(b'{"a": "\xff"}'), "answered what is not JSON"),
    ],
)
def test_what_will_not_pass_is_told_at_once(server: Server, reply: Reply, message: str) -> None:
    replies(server, reply)
    with pytest.raises(NmtDistillError, match=message) as error:
        client().post(server.url, {})
    assert len(server.asked) == 1
    assert str(error.value).isprintable()


def test_a_secret_is_shown_by_no_error(server: Server) -> None:
    secret = "sk-" + "x" * 40
    for content in ({"error": f"wrong key {secret}"}, ("." * 290 + secret).encode(), [secret]):
        for status in (400, 500, 302):
            replies(server, Reply(content, status, {"Location": f"http://else.where/{secret}"}))
            with pytest.raises(NmtDistillError) as error:
                client(secret=secret, num_retries=0).post(server.url, {})
            assert "xxx" not in str(error.value)
            assert error.value.__cause__ is None
    assert client(secret=secret).describe({"a": secret}) == '{"a": "***"}'


def test_a_silent_server_is_asked_again(server: Server) -> None:
    release = threading.Event()

    def answer(asked: Asked) -> Reply:
        if len(server.asked) == 1:
            release.wait(30)
        return Reply({"good": 1})

    server.answer = answer
    hurried = client(timeout_seconds=0.5)
    assert hurried.post(server.url, {}) == {"good": 1}
    assert len(server.asked) >= 2
    server.asked.clear()
    with pytest.raises(NmtDistillError, match=r"failed 1 time, the last time with: no answer within 0\.5 s\. "):
        client(timeout_seconds=0.5, num_retries=0).post(server.url, {})
    release.set()


def test_a_broken_answer_is_asked_for_again(server: Server) -> None:
    replies(server, Reply(b"{}", headers={"Content-Length": "50"}), Reply({"good": 1}))
    assert client(timeout_seconds=0.5).post(server.url, {}) == {"good": 1}


def test_nobody_there_is_told(server: Server) -> None:
    with running_server(server.answer) as gone:
        pass
    with pytest.raises(NmtDistillError, match=r"failed 2 times, the last time with: .*Connection refused"):
        client(num_retries=1).post(gone.url, {})


def test_stopping_ends_all_waiting(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_client, "FIRST_WAIT", 60.0)
    replies(server, Reply({}, 500))
    stopped = client()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(stopped.post, server.url, {})
        while not server.asked:
            time.sleep(0.001)
        stopped.stop()
        with pytest.raises(StoppedError):
            future.result(30)
    with pytest.raises(StoppedError):
        stopped.post(server.url, {})
    assert len(server.asked) == 1
    replies(server, Reply({"good": 1}))
    stopped.resume()
    assert stopped.post(server.url, {}) == {"good": 1}
