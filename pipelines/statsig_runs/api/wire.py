"""What carries a request: connections whose answers end by a deadline, and the certificates that are trusted.

The timeouts of requests hold between two bytes: an answer that trickles, in its head or its body, never ends. This
module knows neither the API nor a webhook; both send through it.
"""

from __future__ import annotations

import http.client
import io
import os
import ssl
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter

from statsig_runs.errors import ConfigurationError

if TYPE_CHECKING:
    import socket

_INTERIM = range(102, 200)  # `begin` of http.client skips 100, and takes the others for the answer itself
_SWITCHING_PROTOCOLS = 101
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_FOLDERS = "SSL_CERT_DIR"


class DeadlineAdapter(HTTPAdapter):
    """Sends requests like its base class; each answer, whatever its bytes are for, is read within `answer_timeout`.

    Args:
        answer_timeout: seconds from the moment the request is sent to the last byte; then `TimeoutError` is raised.
        connections: how many are kept open for the next request.
    """

    def __init__(self, answer_timeout: float, connections: int = 1) -> None:
        self._answer_timeout = answer_timeout
        super().__init__(pool_connections=1, pool_maxsize=connections)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """See the base class: the one place where all pools pass, with a proxy or without."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        if not isinstance(pool.ConnectionCls, partial):
            pool.ConnectionCls = partial(_connect, pool.ConnectionCls, self._answer_timeout)
        return pool


def _connect(
    connection_class: type[http.client.HTTPConnection], answer_timeout: float, **options: Any
) -> http.client.HTTPConnection:
    connection = connection_class(**options)
    connection.response_class = partial(_Response, answer_timeout=answer_timeout)  # type: ignore[assignment]
    return connection


class _Response(http.client.HTTPResponse):
    """Reads an answer, or a proxy's to CONNECT, from a socket on which the clock runs."""

    def __init__(self, sock: socket.socket, *args: Any, answer_timeout: float, **kwargs: Any) -> None:
        super().__init__(_Clocked(sock, answer_timeout), *args, **kwargs)  # type: ignore[arg-type]  # only `makefile` is used

    def _read_status(self) -> tuple[str, int, str]:
        """Skip interim answers, such as 103 Early Hints: taken for the answer, they would shift all that come after."""
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]  # private, but the one place for it
            if status == _SWITCHING_PROTOCOLS:
                raise http.client.BadStatusLine(f"{version} {status}, which nobody asked for")
            if status not in _INTERIM:
                return version, status, reason
            http.client.parse_headers(self.fp)


class _Clocked(io.RawIOBase):
    """The bytes of one answer, until its time is over; `makefile` as of a socket."""

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self._socket = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._longest_pause = sock.gettimeout() or seconds
        self._seconds = seconds
        self._ends_at = time.monotonic() + seconds

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return a buffered reader; `mode` is always `rb`."""
        del mode
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """See the base class."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what is there, or wait for it, but never beyond the end.

        Raises:
            TimeoutError: the time is over, or the pause between two bytes was too long.
        """
        left = self._ends_at - time.monotonic()
        if left > 0:
            self._socket.settimeout(min(left, self._longest_pause))
            try:
                return self._raw.readinto(buffer)
            except TimeoutError:
                if left > self._longest_pause:
                    raise
        raise TimeoutError(f"an answer is not complete after {self._seconds:g} s")

    def close(self) -> None:
        """Let go of the socket."""
        self._raw.close()
        super().close()


def find_proxies(url: str) -> dict[str, str]:
    """The proxies that the environment names for an address."""
    # The session is only asked. Its own `send` would add the credentials of .netrc, keep cookies, and read a
    # redirect's whole body.
    return dict(requests.Session().merge_environment_settings(url, {}, None, None, None)["proxies"])


def find_certificates(url: str) -> str | bool:
    """The file or folder of certificates that the environment names; True for those that come with requests.

    requests heeds its own variable and curl's; OpenSSL's, which most other programs heed, come after them.

    Raises:
        ConfigurationError: there is no such file or folder, or no certificate in the file.
    """
    if not url.startswith("https:"):
        return True
    for name in _BUNDLES:
        if bundle := os.environ.get(name):
            _check_certificates(name, Path(bundle))
            return bundle
    if folders := os.environ.get(_FOLDERS):
        for folder in folders.split(os.pathsep):
            if Path(folder).is_dir():
                return folder
        raise ConfigurationError(f"{_FOLDERS} names {folders}, which does not exist. Correct or unset it.")
    return True


def _check_certificates(name: str, bundle: Path) -> None:
    problem = ""
    try:
        if not bundle.is_dir():
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(bundle)
    except FileNotFoundError:
        problem = "does not exist"
    except ssl.SSLError:
        problem = "holds no certificates in PEM form"
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    if problem:
        raise ConfigurationError(f"{name} names {bundle}, which {problem}. Correct or unset it.")
