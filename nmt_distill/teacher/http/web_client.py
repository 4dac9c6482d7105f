"""JSON over HTTP, patiently: what may pass by itself is tried again, what cannot is told in one line."""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import json
import random
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from nmt_distill import __version__
from nmt_distill.corpus.text import one_line
from nmt_distill.counting import counted
from nmt_distill.errors import NmtDistillError

FIRST_WAIT = 1.0
"""seconds before the second try; doubled with every further one"""
LONGEST_WAIT = 60.0
"""seconds to which waiting grows by itself"""
LONGEST_ASKED_WAIT = 600.0
"""seconds that a server may ask to wait for; beyond that the run ends"""


class StoppedError(Exception):
    """Another request of the same work has failed for good."""


class _TryAgainError(Exception):
    """What may pass by itself; :attr:`wait` is for how many seconds the server asks to be left alone."""

    def __init__(self, problem: str, wait: float = 0.0) -> None:
        super().__init__(problem)
        self.wait = wait


class WebClient:
    """Posts JSON from any number of threads; redirections are not followed, the environment's proxies are used."""

    def __init__(
        self, *, timeout_seconds: float, num_retries: int, headers: Mapping[str, str] | None = None, secret: str = ""
    ) -> None:
        """Prepare requests.

        :param timeout_seconds: longest silence of the server
        :param num_retries: further tries after the first
        :param headers: sent with every request
        :param secret: never shows in an error, whatever a server says
        """
        self._timeout_seconds, self._num_retries, self._secret = timeout_seconds, num_retries, secret
        self._headers = {"Content-Type": "application/json", "User-Agent": f"nmt-distill/{__version__}"}
        self._headers |= headers or {}
        self._opener = urllib.request.build_opener(_NoRedirection)
        self._stopped = threading.Event()
        self._paused_until = 0.0

    def stop(self) -> None:
        """Let no further request begin, and no waiting go on, until :meth:`resume`."""
        self._stopped.set()

    def resume(self) -> None:
        """Take requests again."""
        self._stopped.clear()

    def post(self, url: str, body: Mapping[str, Any]) -> Any:
        """Post JSON, and return the JSON that is answered.

        After 408, 429, 5xx, a silence or a broken connection it waits and tries again, twice as long each time, with
        jitter; where the server says how long (``Retry-After``), all threads do.

        :raises NmtDistillError: if the last try fails too, if anything else but 200 is answered, or no JSON
        :raises StoppedError: after :meth:`stop`
        """
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        num_tries = 0
        while True:
            self._wait(self._paused_until - time.monotonic())
            num_tries += 1
            try:
                return self._ask(url, content)
            except _TryAgainError as fault:
                if num_tries > self._num_retries:
                    raise NmtDistillError(
                        f"{url} failed {counted(num_tries, 'time')}, the last time with: {fault}. Answers so far are "
                        "kept; run again when it works, with fewer `teacher.num_connections` if it was too busy."
                    ) from None
                if fault.wait > LONGEST_ASKED_WAIT:
                    raise NmtDistillError(
                        f"{url} asks to wait for {fault.wait:,.0f} s: {fault}. Answers so far are kept; run again then."
                    ) from None
                self._paused_until = max(self._paused_until, time.monotonic() + fault.wait)
            self._wait(random.uniform(0.5, 1.0) * min(FIRST_WAIT * 2 ** (num_tries - 1), LONGEST_WAIT))

    def describe(self, content: Any) -> str:
        """Quote JSON that was answered, as far as an error may show it."""
        return self._clean(json.dumps(content, ensure_ascii=False))

    def _wait(self, seconds: float) -> None:
        if self._stopped.wait(max(0.0, seconds)):
            raise StoppedError

    def _ask(self, url: str, content: bytes) -> Any:
        request = urllib.request.Request(url, data=content, headers=self._headers, method="POST")
        try:
            with self._opener.open(request, timeout=self._timeout_seconds) as response:
                answer = response.read()
        except urllib.error.HTTPError as error:
            raise self._refusal(url, error) from None
        except (OSError, http.client.HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            problem = self._clean(str(reason) or type(reason).__name__)
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise NmtDistillError(f"{url} cannot be trusted: {problem}.") from None
            if isinstance(reason, TimeoutError):
                problem = f"no answer within {self._timeout_seconds:g} s"
            raise _TryAgainError(problem) from None
        try:
            return json.loads(answer)
        except ValueError:
            said = self._clean(answer.decode("utf-8", "replace"))
            raise NmtDistillError(f"{url} answered what is not JSON: {said!r}; is it the right address?") from None

    def _refusal(self, url: str, error: urllib.error.HTTPError) -> Exception:
        problem = f"status {error.code}, {self._clean(_message(_read(error)))}"
        if error.code in (408, 429) or error.code >= 500:
            return _TryAgainError(problem, seconds_asked(error.headers.get("Retry-After")))
        if 300 <= error.code < 400:
            place = self._clean(str(error.headers.get("Location")))
            return NmtDistillError(f"{url} sends elsewhere, to {place}; give the final address as `teacher.url`.")
        return NmtDistillError(f"{url} refused a request: {problem}.")

    def _clean(self, text: str) -> str:
        """Make what a server says one short line without the secret, control characters and a full stop."""
        if self._secret:
            text = text.replace(self._secret, "***")
        text = "".join(sign if sign.isprintable() else " " for sign in text)
        return one_line(text)[:300].rstrip(".")


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow none: a key goes only where the user sends it."""
        return


def seconds_asked(header: str | None) -> float:
    """Read ``Retry-After``: seconds, or a date; 0 if it says nothing that can be read."""
    if header is None:
        return 0.0
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return 0.0


def _message(content: bytes) -> str:
    """Find what a server says about a fault, in the places where the usual ones say it."""
    text = content.decode("utf-8", "replace")
    try:
        said = json.loads(text)
    except ValueError:
        return text.strip() or "without a message"
    for key in ("error", "message", "detail"):
        if isinstance(said, dict) and key in said:
            said = said[key]
    return said if isinstance(said, str) and said else text


def _read(error: urllib.error.HTTPError) -> bytes:
    with contextlib.closing(error), contextlib.suppress(OSError, http.client.HTTPException):
        return error.read()
    return b""
