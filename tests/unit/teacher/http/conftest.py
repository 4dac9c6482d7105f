"""A small server that answers as both APIs do, and teachers of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nmt_distill.teacher.http import web_client
from nmt_distill.teacher.http.teacher import HttpTeacher
from tests.http_teachers import EN_PT, MakeTeacher, shout
from tests.servers import Server, running_server


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
