"""Named pipes that a test's reader stands behind."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def read_pipe(path: Path) -> Iterator[list[bytes]]:
    """Make a pipe, and give what is read from it until its writer is done; it is there when the block has ended."""
    os.mkfifo(path)
    content: list[bytes] = []
    reader = threading.Thread(target=lambda: content.append(path.read_bytes()), daemon=True)
    reader.start()
    yield content
    reader.join(timeout=30)
