"""One GET to the API that either brings a whole answer or says why there is none.

Every attempt passes the rate limiter, and every way in which a network fails to deliver is tried again here.
This module knows headers, bodies and status codes, not what they mean: `answers` does.

Errors are raised outside of `except` blocks on purpose: the exceptions of requests hold the request with its
headers, and as the `__context__` of ours they would carry the key into every trace.
"""

from __future__ import annotations

import threading
from codecs import BOM_UTF8
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TypeVar
from urllib.parse import urlsplit

import requests
import tenacity
import urllib3

from statsig_runs.api.answers import TOO_MANY_REQUESTS, Answer, Unusable, parse_retry_after
from statsig_runs.api.rate_limit import LONGEST_WAIT, RateLimiter, Stopped
from statsig_runs.api.shown import find_reason, fit_to_show
from statsig_runs.api.wire import DeadlineAdapter, find_certificates, find_proxies
from statsig_runs.errors import AnswerTooLongError, ApiError, RequestsSpentError
from statsig_runs.redact import Redactor

API_VERSION = "20240601"
MAX_BODY = 64 * 1024 * 1024
"""Bytes of one answer after decompression; a run with a thousand status events has some 100 kB."""

_CHUNK = 65_536
_SERVER_ERRORS = 500
_KEPT = "Nothing that was loaded is lost; run sync again."

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Usage:
    """What was asked of the API: `requests` sent, `retries` among them, `rate_limited` answers (429)."""

    requests: int = 0
    retries: int = 0
    rate_limited: int = 0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one answer is waited for, in seconds and attempts.

    With the defaults a host that refuses connections is given up after some 24 s.
    """

    connect_timeout: float = 10.0
    read_timeout: float = 30.0  # between two bytes
    answer_timeout: float = 60.0  # for one whole answer, head and body, however steadily it trickles
    max_attempts: int = 8
    first_backoff: float = 0.25
    longest_backoff: float = 8.0
    longest_pause: float = LONGEST_WAIT  # after 429s


PATIENCE = Patience()


class _NoAnswer(Unusable):
    """This attempt brought no answer at all."""


class Transport:
    """Sends GETs with the key, through the limiter, over connections that are kept open; for many threads.

    Args:
        api_key: sent as it is; must be fit for a header.
        base_url: scheme, host, port and perhaps a path, without a slash at its end.
        limiter: lets each attempt go.
        patience: timeouts and retries.
        connections: how many threads will be reading at once.
        is_direct: whether the environment's proxies are left out.
        max_requests: how many may be sent in all, retries included; None for any number.
    """

    def __init__(
        self,
        api_key: str,
        base_url: str,
        limiter: RateLimiter,
        patience: Patience,
        *,
        connections: int,
        is_direct: bool,
        max_requests: int | None = None,
    ) -> None:
        self._base_url = base_url
        self.host = urlsplit(base_url).netloc
        self._limiter = limiter
        self._patience = patience
        self._redactor = Redactor([api_key])
        self._adapter = DeadlineAdapter(patience.answer_timeout, connections + 1)
        self._request = requests.Request(
            "GET",
            base_url,
            headers={
                "STATSIG-API-KEY": api_key,
                "STATSIG-API-VERSION": API_VERSION,
                "User-Agent": f"statsig-runs/{version('statsig-runs')}",
                "Accept": "application/json",
                "Accept-Encoding": "gzip, deflate",
            },
        ).prepare()
        self._verify = find_certificates(base_url)
        self._proxies = {} if is_direct else find_proxies(base_url)
        self._usage = Usage()
        self._usage_lock = threading.Lock()
        self._max_requests = max_requests
        self.has_answered = False

    @property
    def usage(self) -> Usage:
        """What was asked of the API so far."""
        return self._usage

    def scrub(self, text: str) -> str:
        """Make a text from outside fit to be shown: no secrets, one line of some 300 printable characters."""
        return fit_to_show(text, self._redactor)

    def close(self) -> None:
        """Close the idle connections."""
        self._adapter.close()

    def get(self, target: str, stop: threading.Event, read: Callable[[Answer], T], attempts: int | None = None) -> T:
        """GET one answer and have it read, in as many attempts as that takes.

        Args:
            target: path and query below the base URL, encoded; sent as it is.
            stop: set to give up waiting.
            read: makes sense of an answer; raises Unusable for one that had better be asked for again.
            attempts: how many at most; by default as many as the client's patience allows.

        Raises:
            ApiError: no usable answer after all attempts.
            RequestsSpentError: `max_requests` are used up.
            Stopped: `stop` was set.
        """

        def sleep(seconds: float) -> None:
            self._count(retries=1)
            if stop.wait(seconds):
                raise Stopped

        patience = self._patience
        most = min(attempts or patience.max_attempts, patience.max_attempts)
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Unusable),
            wait=tenacity.wait_exponential(patience.first_backoff, patience.longest_backoff)
            + tenacity.wait_random(0, patience.first_backoff),
            stop=tenacity.stop_after_attempt(most),
            sleep=sleep,
            reraise=True,
        )
        problem = ""
        try:
            return retrying(lambda: read(self._get_once(target, stop)))
        except _NoAnswer as error:
            problem = f"Could not reach the Console API at {self.host}: {error}"
        except Unusable as error:
            problem = f"The Console API at {self.host} gave no usable answer: {error}"
        raise ApiError(f"{problem} ({most} attempts). {_KEPT}")

    def _get_once(self, target: str, stop: threading.Event) -> Answer:
        """One attempt; one that the API puts off (429) counts as the same attempt, made later."""
        waited = 0.0
        while True:
            self._spend_request()
            try:
                sent_at = self._limiter.acquire(stop)
            except Stopped:
                self._count(requests=-1)  # it never left: another may be sent in its place
                raise
            answer = self._send(target)
            self.has_answered = True
            if not answer.asks_to_wait:
                break
            self._count(rate_limited=int(answer.status == TOO_MANY_REQUESTS))
            if waited >= self._patience.longest_pause:
                raise ApiError(
                    f"The Console API at {self.host} still answers {answer.status} after {waited / 60:.0f} min: "
                    f"something else may be using up this project's rate limit. {_KEPT}"
                )
            waited += self._limiter.pause(sent_at, answer.retry_after)
            self._count(retries=1)
        self._limiter.note_success(sent_at)
        if answer.status >= _SERVER_ERRORS:
            raise Unusable(f"it answers {answer.status}")
        return answer

    def _send(self, target: str) -> Answer:
        request = self._request.copy()
        request.url = self._base_url + target  # not through `prepare`, which would take `%2E%2E` for a parent folder
        patience = self._patience
        problem = ""
        try:
            response = self._adapter.send(
                request,
                stream=True,
                timeout=(patience.connect_timeout, patience.read_timeout),
                verify=self._verify,
                proxies=self._proxies,
            )
            try:
                body = self._read_body(response)
            finally:
                response.close()
            headers = response.headers
            return Answer(
                url=request.url,
                status=response.status_code,
                body=body.removeprefix(BOM_UTF8),  # JSON has none, and some servers write one
                location=headers.get("Location", ""),
                retry_after=parse_retry_after(headers.get("Retry-After", ""), headers.get("Date", "")),
                received_at=datetime.now(UTC),
            )
        except (OSError, urllib3.exceptions.HTTPError) as error:
            problem = self.scrub(find_reason(error))
        raise _NoAnswer(problem)

    def _read_body(self, response: requests.Response) -> bytes:
        """Read what comes, as it comes: `read1` returns after every piece, so that a bomb is noticed."""
        chunks: list[bytes] = []
        size = 0
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_BODY:
                self.has_answered = True
                raise AnswerTooLongError(
                    f"An answer of {self.host} is longer than {MAX_BODY >> 20} MiB; it was refused."
                )
        return b"".join(chunks)

    def _spend_request(self) -> None:
        with self._usage_lock:
            if self._max_requests is not None and self._usage.requests >= self._max_requests:
                raise RequestsSpentError(f"All {self._max_requests} requests that were allowed have been made.")
            self._usage = replace(self._usage, requests=self._usage.requests + 1)

    def _count(self, requests: int = 0, retries: int = 0, rate_limited: int = 0) -> None:
        with self._usage_lock:
            usage = self._usage
            self._usage = replace(
                usage,
                requests=usage.requests + requests,
                retries=usage.retries + retries,
                rate_limited=usage.rate_limited + rate_limited,
            )
