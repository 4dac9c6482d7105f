"""Answers that outlive the process, shared by threads and processes."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.http.answer_cache import AnswerCache, request_key


def test_what_was_put_is_there_when_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "answers.sqlite"
    cache = AnswerCache(path)
    assert cache.get(b"a") is None
    cache.put(b"a", [["Ä\ud800", True]])
    cache.put(b"b", [])
    cache.put(b"a", [["Ö", False]])
    cache.close()
    again = AnswerCache(path)
    assert (again.get(b"a"), again.get(b"b"), again.get(b"c")) == ([["Ö", False]], [], None)


def test_what_was_put_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from nmt_distill.teacher.http.answer_cache import AnswerCache\n"
        "cache = AnswerCache(Path(sys.argv[1])); cache.put(b'a', 1); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode == -9
    assert AnswerCache(path).get(b"a") == 1


def test_threads_and_several_openings_share_it(tmp_path: Path) -> None:
    caches = [AnswerCache(tmp_path / "answers.sqlite") for _ in range(3)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: caches[number % 3].put(str(number).encode(), number), range(60)))
    assert [caches[0].get(str(number).encode()) for number in range(60)] == list(range(60))


def test_another_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no database " * 100, encoding="utf-8")
    with pytest.raises(
        NmtDistillError, match=r"text cannot be used as a cache of answers: file is not a database; give"
    ):
        AnswerCache(text)
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    connection.close()
    with pytest.raises(
        NmtDistillError, match=r"other\.sqlite is no cache of this version's answers; give another path"
    ):
        AnswerCache(other)
    with pytest.raises(NmtDistillError, match="cannot be used as a cache of answers: unable to open database file"):
        AnswerCache(tmp_path)
    with pytest.raises(NmtDistillError, match="cannot be used as a cache of answers: File exists; give"):
        AnswerCache(text / "answers.sqlite")
    assert text.read_text(encoding="utf-8") == "no database " * 100
    with sqlite3.connect(other) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("songs",)]
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()


def test_a_request_is_known_by_all_that_it_says() -> None:
    assert request_key({"a": 1, "b": ["ä"]}) == request_key({"b": ["ä"], "a": 1})
    keys = {request_key(content) for content in ({"a": 1}, {"a": 1.5}, {"a": "1"}, {"b": 1}, [1], "\ud800")}
    assert len(keys) == 6
