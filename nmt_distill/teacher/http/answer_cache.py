"""Answers that were asked of a server once, kept in a file as they arrive, so that none is paid twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nmt_distill.errors import NmtDistillError

_VERSION = 1
_LOCK_SECONDS = 60.0


class AnswerCache:
    """A SQLite file from requests to answers, for any number of threads and processes.

    An answer outlives the process, however that ends, from the moment when :meth:`put` returns.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        :raises NmtDistillError: if it is no such cache, or cannot be written
        """
        self._path = path
        self._lock = threading.Lock()
        with self._told():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=_LOCK_SECONDS, isolation_level=None, check_same_thread=False
            )
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            (num_tables,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if version != _VERSION and (version or num_tables):
                self.close()
                raise NmtDistillError(f"{path} is no cache of this version's answers; give another path.")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(f"PRAGMA user_version = {_VERSION}")
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS answers (request BLOB PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID"
            )

    def get(self, key: bytes) -> Any:
        """Return the answer to a request, or None if there is none."""
        with self._lock, self._told():
            row = self._connection.execute("SELECT answer FROM answers WHERE request = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, key: bytes, answer: Any) -> None:
        """Keep the answer to a request, JSON-like and not None."""
        with self._lock, self._told():
            self._connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, json.dumps(answer)))

    def close(self) -> None:
        """Close the file; more often does no harm."""
        self._connection.close()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise NmtDistillError(
                f"{self._path} cannot be used as a cache of answers: {reason}; give another path, or delete it if it "
                "is damaged."
            ) from None


def request_key(content: Any) -> bytes:
    """Name a JSON-like request by the SHA-256 of all that it says."""
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
