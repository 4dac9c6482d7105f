"""A small HTTP server of real sockets that answers as a test tells it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    path: str
    body: Any
    headers: dict[str, str]
    time: float
    """by :func:`time.monotonic`"""


@dataclass(frozen=True)
class Reply:
    """What is answered: JSON, or bytes as they are."""

    content: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Server:
    """A server under way: its address, what it was asked, and the function that answers."""

    url: str
    answer: Callable[[Asked], Reply]
    asked: list[Asked] = field(default_factory=list)
    num_open: int = 0
    most_open: int = 0
    """requests that were under way at once"""


@contextmanager
def running_server(answer: Callable[[Asked], Reply]) -> Iterator[Server]:
    """Serve on a free port while the block runs."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {key.lower(): value for key, value in self.headers.items()}
            asked = Asked(self.path, json.loads(content), headers, time.monotonic())
            with lock:
                server.asked.append(asked)
                server.num_open += 1
                server.most_open = max(server.most_open, server.num_open)
            try:
                reply = server.answer(asked)
            finally:
                with lock:
                    server.num_open -= 1
            body = reply.content if isinstance(reply.content, bytes) else json.dumps(reply.content).encode()
            try:
                self.send_response(reply.status)
                for key, value in {"Content-Length": str(len(body)), **reply.headers}.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(body)
            except ConnectionError:  # the client has gone
                pass

        def log_message(self, *_: Any) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    server = Server(f"http://127.0.0.1:{listener.server_address[1]}", answer)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()
