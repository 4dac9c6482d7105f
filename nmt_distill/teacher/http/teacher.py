"""A server that translates as a teacher: a chat model behind OpenAI's API, or LibreTranslate. Sequence level only.

Each sentence is one request. Answers are kept in a cache as they arrive, as they came: no sentence is paid twice, even
if the run is killed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np

from nmt_distill.corpus.text import one_line
from nmt_distill.counting import counted
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import fingerprint
from nmt_distill.languages import Direction
from nmt_distill.progress import say
from nmt_distill.teacher.base import Hypothesis, Sampling
from nmt_distill.teacher.http.answer_cache import AnswerCache, request_key
from nmt_distill.teacher.http.chat_answers import translation_in
from nmt_distill.teacher.http.prompt import DEFAULT_PROMPT, filled
from nmt_distill.teacher.http.web_client import StoppedError, WebClient

Api = Literal["openai", "libretranslate"]
_PATHS: dict[Api, str] = {"openai": "/chat/completions", "libretranslate": "/translate"}
_OWN_OPTIONS = frozenset({"model", "messages", "n", "stream"})
_NO_IDS = np.zeros(0, dtype=np.int64)

Answer = tuple[str, bool]
"""a translation as it came, and whether the model ended it by itself"""


class HttpTeacher:
    """A server as a teacher, asked by several threads. Use it as a context manager, or call :meth:`close`."""

    def __init__(
        self,
        url: str,
        *,
        api: Api,
        cache: Path,
        direction: Direction,
        origin: str,
        licence: str,
        model: str | None = None,
        prompt: str = DEFAULT_PROMPT,
        temperature: float = 0.0,
        options: Mapping[str, Any] | None = None,
        api_key_variable: str | None = None,
        num_connections: int = 4,
        num_retries: int = 5,
        timeout_seconds: float = 120.0,
    ) -> None:
        """Check the settings; nothing is asked yet.

        :param url: of the API, to which ``/chat/completions`` or ``/translate`` is added: ``http://localhost:8000/v1``
        :param cache: the file that keeps the answers
        :param model: name of the chat model
        :param prompt: what a chat model is told; ``{source_language}``, ``{target_language}`` and ``{text}`` are filled
        :param temperature: of a chat model, where a call does not ask for sampling
        :param options: further keys of each request to a chat model, such as ``{"max_tokens": 400}``; null leaves one
            out that would be sent
        :param api_key_variable: name of the environment variable that holds the key, which is sent and shown nowhere
        :param num_connections: requests under way at once
        :param num_retries: further tries after one that failed for a reason that may pass
        :param timeout_seconds: longest silence of the server
        :raises NmtDistillError: if the settings do not fit each other, or the variable is not set
        """
        self.direction, self.origin, self.licence = direction, origin, licence
        self.num_parameters: int | None = None
        self.engine = f"the chat model {model} on a server" if api == "openai" else "LibreTranslate on a server"
        self.batch_rule = f"a sentence a request, {num_connections} at once"
        self._endpoint = _checked(url) + _PATHS[api]
        self._api, self._model, self._temperature, self._options = api, model, temperature, dict(options or {})
        self._check_model(prompt)
        self._prompt = filled(prompt, direction)
        self._secret = "" if api_key_variable is None else _secret(api_key_variable)
        settings = [self._endpoint, model, self._prompt, temperature, self._options, str(direction)]
        self.fingerprint = fingerprint(settings)
        self._num_connections = num_connections
        headers = {"Authorization": f"Bearer {self._secret}"} if self._secret and api == "openai" else {}
        self._client = WebClient(
            timeout_seconds=timeout_seconds, num_retries=num_retries, headers=headers, secret=self._secret
        )
        self._cache = AnswerCache(cache)

    def translate(
        self, sentences: Sequence[str], *, num_candidates: int = 1, beam_size: int = 1, sampling: Sampling | None = None
    ) -> list[list[Hypothesis]]:
        """Translate; see :class:`nmt_distill.teacher.base.Teacher`. Blank sentences are answered without asking.

        What has several lines, or was withheld, is left out. Candidates stand in the server's order, without scores.

        :raises NmtDistillError: if the server refuses, fails for too long, or answers what cannot be understood
        """
        self._refuse(num_candidates, beam_size, sampling)
        sources = [one_line(sentence) for sentence in sentences]
        requests = {source: self._request(source, num_candidates, sampling) for source in sources if source}
        answers = self._answers(requests, num_candidates)
        translations = {source: _translations(source, found) for source, found in answers.items()}
        self._tell_left_out(answers, translations)
        blank = [Hypothesis(text="", score=0.0, token_ids=_NO_IDS)]
        return [list(translations[source] if source else blank) for source in sources]

    def close(self) -> None:
        """Close the cache."""
        self._cache.close()

    def __enter__(self) -> HttpTeacher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_model(self, prompt: str) -> None:
        is_chat = self._api == "openai"
        if is_chat and not self._model:
            raise NmtDistillError("teacher.model must name the chat model where teacher.api is openai.")
        if not is_chat and (self._model or self._temperature or self._options or prompt != DEFAULT_PROMPT):
            raise NmtDistillError(
                "teacher.model, prompt, temperature and max_tokens are for chat models; leave them out where "
                "teacher.api is libretranslate."
            )
        if own := sorted(_OWN_OPTIONS & set(self._options)):
            raise NmtDistillError(f"teacher.options must not hold {', '.join(own)}: other settings say that.")

    def _refuse(self, num_candidates: int, beam_size: int, sampling: Sampling | None) -> None:
        if beam_size != 1:
            raise NmtDistillError(
                f"beam_size must be 1 where the teacher is a server, but is {beam_size} instead: a server searches by "
                "itself."
            )
        if self._api == "libretranslate":
            if sampling is not None:
                raise NmtDistillError(
                    "sampling must be left out where teacher.api is libretranslate: it can only be asked for "
                    "alternatives, by num_candidates."
                )
        elif num_candidates > 1 and sampling is None:
            raise NmtDistillError(
                f"num_candidates must be 1 for a chat model without sampling, but is {num_candidates} instead; set "
                "`distillation.sampling` to draw several."
            )
        elif sampling is not None and sampling.top_k:
            raise NmtDistillError(
                "sampling.top_k must be 0 for a chat model: OpenAI's API has no such setting; use top_p."
            )

    def _request(self, source: str, num_candidates: int, sampling: Sampling | None) -> dict[str, Any]:
        """Return the body of a request, without any key; it names the answer in the cache too."""
        if self._api == "libretranslate":
            alternatives = {"alternatives": num_candidates - 1} if num_candidates > 1 else {}
            languages = {"source": self.direction.source, "target": self.direction.target}
            return {"q": source, **languages, "format": "text", **alternatives}
        content = self._prompt.replace("{text}", source)
        body: dict[str, Any] = {"model": self._model, "messages": [{"role": "user", "content": content}]}
        if sampling is None:
            body["temperature"] = self._temperature
        else:
            body |= {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.seed}
        if num_candidates > 1:
            body["n"] = num_candidates
        return {key: value for key, value in (body | self._options).items() if value is not None}

    def _answers(self, requests: Mapping[str, Mapping[str, Any]], num_candidates: int) -> dict[str, list[Answer]]:
        """Take answers from the cache, and ask for the others."""
        keys = {source: request_key([self._endpoint, request]) for source, request in requests.items()}
        kept = {source: self._cache.get(key) for source, key in keys.items()}
        answers = {
            source: [(text, ended) for text, ended in found] for source, found in kept.items() if found is not None
        }

        def ask(source: str) -> tuple[str, list[Answer]]:
            key = {"api_key": self._secret} if self._secret and self._api == "libretranslate" else {}
            try:
                found = self._read(self._client.post(self._endpoint, {**requests[source], **key}), num_candidates)
            except NmtDistillError:
                self._client.stop()  # at once: the next request is paid too
                raise
            self._cache.put(keys[source], found)
            return source, found

        self._client.resume()
        with ThreadPoolExecutor(self._num_connections) as pool:
            futures = [pool.submit(ask, source) for source in requests if source not in answers]
            try:
                for future in as_completed(futures):
                    with contextlib.suppress(StoppedError):  # the error that stopped it comes as well
                        answers |= [future.result()]
            except BaseException:
                self._client.stop()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return answers

    def _read(self, content: Any, num_candidates: int) -> list[Answer]:
        """Find the translations in what the server answered.

        :raises NmtDistillError: if it is no answer of this API, or has not as many translations as were asked for
        """
        try:
            if self._api == "libretranslate":
                texts = [content["translatedText"], *content.get("alternatives", [])][:num_candidates]
                found = [(text, True) for text in texts]
            else:
                choices = content["choices"]
                if len(choices) != num_candidates:
                    raise NmtDistillError(
                        f"{self._endpoint} answered {counted(len(choices), 'choice')}, but was asked for "
                        f"{num_candidates}; if it does not know `n`, set `distillation.num_candidates: 1`."
                    )
                pairs = [(choice["message"]["content"], choice.get("finish_reason")) for choice in choices]
                found = [(text, end != "length") for text, end in pairs if text is not None and end != "content_filter"]
            if not all(isinstance(text, str) for text, _ in found):
                raise TypeError
        except (KeyError, TypeError, AttributeError):
            raise NmtDistillError(
                f"{self._endpoint} answered {self._client.describe(content)}, which is no answer of the API "
                f"{self._api}; is teacher.url the right address?"
            ) from None
        return found

    def _tell_left_out(
        self, answers: Mapping[str, Sequence[Answer]], translations: Mapping[str, Sequence[Hypothesis]]
    ) -> None:
        lost = [source for source, found in answers.items() if len(translations[source]) < len(found)]
        if lost:
            (text, _), *_ = (answer for answer in answers[lost[0]] if translation_in(answer[0], lost[0]) is None)
            say(
                f"left out answers of several lines to {len(lost):,} of {counted(len(answers), 'sentence')}, such as "
                f"{text[:200]!r}"
            )


def _translations(source: str, answers: Sequence[Answer]) -> list[Hypothesis]:
    found = ((translation_in(text, source), ended) for text, ended in answers)
    return [
        Hypothesis(text=text, score=0.0, token_ids=_NO_IDS, finished=ended) for text, ended in found if text is not None
    ]


def _checked(url: str) -> str:
    """Return the URL without a slash at its end.

    :raises NmtDistillError: if it is none for HTTP, or holds what should be secret
    """
    try:
        parts = urlsplit(url)
        well_formed = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        parts, well_formed = urlsplit(""), False
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise NmtDistillError(
            "teacher.url must hold no user, password, query or fragment; name a key's environment variable in "
            "teacher.api_key_variable."
        )
    if not well_formed or not url.isprintable() or " " in url:
        raise NmtDistillError("teacher.url must be an address such as http://localhost:8000/v1.")
    return url.rstrip("/")


def _secret(variable: str) -> str:
    """Read a key from the environment; no message shows the name, which may be a key by mistake."""
    secret = os.environ.get(variable, "").strip()
    if not secret:
        raise NmtDistillError(
            "teacher.api_key_variable must be the name of an environment variable that holds the key, but there is "
            "none of that name; export it, and write no key into the recipe."
        )
    if not (secret.isascii() and secret.isprintable()):
        raise NmtDistillError("teacher.api_key_variable: the key in the environment holds characters that no key has.")
    return secret
