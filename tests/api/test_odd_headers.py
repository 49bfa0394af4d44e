"""No header, however odd, stops the client: it has the answer, or says in its own words why not."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from statsig_runs.api import ConsoleApi, FetchedRun, Patience, Runs
from statsig_runs.api.answers import parse_retry_after
from statsig_runs.errors import ApiError, NotAuthorisedError
from tests.support.clients import BODY, opening
from tests.support.wire_server import WireServer, http

FRAMING = ("Content-Length", "Transfer-Encoding", "Content-Encoding")
HEADERS = (
    *FRAMING,
    *("Retry-After", "Date", "Location", "Set-Cookie", "Content-Type", "Connection", "Keep-Alive", "Expires", "Link"),
    *("WWW-Authenticate", "Warning", "Age", "Upgrade", "Trailer", "Refresh", "Server", "X-\xe9", "X Y", ""),
)
ODD = (
    "1 Jan 99999999999 0:0:0",
    "Wed, 21 Oct 2015 07:28:00 +99999999999999",
    "Fri, 31 Dec 9999 23:59:59 -1200",
    "Mon, 01 Jan 0001 00:00:00 +1200",
    "0000-00-00T00:00:00Z",
    "9" * 5000,
    "-1",
    "1.5",
    "1e999",
    "0x10",
    "\u0661\u0662",
    "gzip, gzip, gzip, gzip, gzip, gzip, gzip",
    "identity",
    "br",
    "zstd",
    "chunked, chunked",
    "text/html; charset=\x00; charset=utf-7",
    "http://[::1",
    "//\u2100.example:99999999/",
    "a=b; expires=1 Jan 99999999999 0:0:0; max-age=99999999999999999999; domain=.",
    "=?utf-8?b?/////?=",
    "\t\x0b\x85",
)
LINE = st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])
VALUES = st.sampled_from(ODD) | st.text(LINE, max_size=40) | st.integers().map(str) | st.datetimes().map(str)
DATES = st.builds(
    "{} {} {} {}:{}:{} {}".format,
    *(st.integers(), st.sampled_from(["Jan", "Dec", "", "13"]), st.integers(-10, 10**12)),
    *(st.integers(-1, 99), st.integers(-1, 99), st.floats().map(str)),
    st.integers().map("{:+}".format) | st.text(max_size=4),
)


class OddServer(WireServer):
    """Answers with whatever `next_answer` is, and hangs up."""

    next_answer = b""

    def __init__(self) -> None:
        super().__init__(self._reply)

    def _reply(self, connection: socket.socket, _: int) -> None:
        connection.sendall(self.next_answer)
        connection.shutdown(socket.SHUT_RDWR)

    def give(self, api: ConsoleApi, answer: bytes) -> bytes | str:
        """What a client makes of an answer: the run's body, or the words of its error."""
        self.next_answer = answer
        try:
            run = Runs(api).read("r")
        except (ApiError, NotAuthorisedError) as error:
            return str(error)
        assert isinstance(run, FetchedRun)
        return run.body


@pytest.fixture(scope="module")
def server() -> Iterator[OddServer]:
    with OddServer() as running:
        yield running


@pytest.fixture(scope="module")
def api(server: OddServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleApi]:
    # a second attempt, because the server may hang up just when the client sends the next request
    patience = Patience(max_attempts=2, first_backoff=0.001, longest_backoff=0.002, longest_pause=0)
    with opening(tmp_path_factory.mktemp("limits")) as open_one:
        yield open_one(server.url, patience=patience)


@settings(deadline=None)
@given(
    status=st.sampled_from([200, 204, 301, 401, 418, 429, 500, 503]),
    headers=st.lists(st.tuples(st.sampled_from(HEADERS), VALUES), min_size=1, max_size=4),
)
@example(status=200, headers=[("Retry-After", "1 Jan 99999999999 0:0:0")])
@example(status=200, headers=[("Set-Cookie", value) for value in ODD])
@example(status=301, headers=[("Location", value) for value in ODD])
def test_no_header_however_odd_is_more_than_one_answer_lost(
    status: int, headers: list[tuple[str, str]], server: OddServer, api: ConsoleApi
) -> None:
    made = server.give(api, http(status, BODY, *(f"{name}: {value}" for name, value in headers)))
    if status == 200 and not {name for name, _ in headers} & {*FRAMING, ""}:
        assert made == b'{"runID": "r", "n": 1.0}'
    elif status != 200:
        assert "Console API at 127.0.0.1:" in str(made)


@settings(deadline=None)
@given(head=st.binary(max_size=60), status=st.binary(max_size=8) | st.just(b"200"))
def test_no_bytes_in_the_place_of_headers_raise_anything_but_our_errors(
    head: bytes, status: bytes, server: OddServer, api: ConsoleApi
) -> None:
    assert server.give(api, b"HTTP/1.1 " + status + b" OK\r\n" + head + b"\r\n\r\n" + BODY)


@given(st.text(max_size=40) | DATES, st.text(max_size=40) | DATES)
def test_no_retry_after_raises_or_asks_for_less_than_nothing(value: str, date: str) -> None:
    assert parse_retry_after(value, date) >= 0


@pytest.mark.parametrize("headers", [["Content-Length: 41", "Content-Length: 7"], ["Content-Length: 7, 41"]])
def test_two_lengths_are_no_length(headers: list[str], server: OddServer, api: ConsoleApi) -> None:
    assert "Could not reach" in str(server.give(api, http(200, BODY, *headers)))
