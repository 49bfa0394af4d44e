"""What goes wrong between the client and the API: tried again, given up with a reason, never with the key."""

import gzip
import math
import socket
import struct
import threading
import time
from collections.abc import Callable

import pytest

from statsig_runs.api import FetchedRun, Patience, Runs, transport
from statsig_runs.api.answers import parse_retry_after
from statsig_runs.api.rate_limit import RateLimiter, Stopped, parse_rate_limits
from statsig_runs.errors import AnswerTooLongError, ApiError
from statsig_runs.simulator import Simulator
from tests.support.clients import BODY, KEY, Open, assert_holds_no_key
from tests.support.wire_server import WireServer, http, send


def reset(connection: socket.socket, _: int) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def close_after(sent: bytes) -> Callable[[socket.socket, int], None]:
    def answer(connection: socket.socket, _: int) -> None:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_RDWR)

    return answer


FAULTS = {
    "500": send(http(500, b"{}")),
    "503 with Retry-After": send(http(503, b"", "Retry-After: 0")),
    "504 with a page": send(http(504, b"<html>")),
    "reset": reset,
    "closed before the first byte": close_after(b""),
    "closed in the body": close_after(http(200, BODY)[:-5]),
    "closed in a chunk": close_after(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{"),
    "closed between chunks": close_after(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"),
    "closed, of no stated length": close_after(b"HTTP/1.1 200 OK\r\n\r\n" + BODY[:-5]),
    "a truncated gzip": send(http(200, gzip.compress(BODY)[:30], "Content-Encoding: gzip")),
    "no gzip": send(http(200, BODY, "Content-Encoding: gzip")),
    "no HTTP": close_after(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "no JSON": send(http(200, b"<!doctype html>")),
    "empty": send(http(200, b"")),
    "no UTF-8": send(http(200, b'{"data": "\xff"')),
    "an empty object": send(http(200, b"{}")),
    "a list": send(http(200, b"[]")),
    "nested too deeply": send(http(200, b'{"data": ' + b"[" * 1_000_000)),
    "429": send(http(429, b"")),
    "429 with seconds": send(http(429, b"slow down", "Retry-After: 0")),
    "429 with a date": send(http(429, b"", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT")),
    "429 with nonsense": send(http(429, b"", "Retry-After: soon")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_goes_wrong_on_the_way_is_tried_again(fault: str, open_api: Open) -> None:
    def answer(connection: socket.socket, before: int) -> None:
        (FAULTS[fault] if before == 0 else send(http(200, BODY)))(connection, before)

    with WireServer(answer) as server:
        api = open_api(server.url)
        assert isinstance(Runs(api).read("r"), FetchedRun)
    assert (api.usage.requests, api.usage.retries) == (2, 1)
    assert api.usage.rate_limited == int(fault.startswith("429"))


def test_an_answer_after_a_429_ends_the_row_of_pauses_that_double(open_api: Open) -> None:
    def answer(connection: socket.socket, before: int) -> None:
        send(http(429, b"") if before < 2 else http(200, BODY))(connection, before)

    with WireServer(answer) as server:
        api = open_api(server.url)
        Runs(api).read("r")
        assert api._limiter.pause(time.monotonic(), 0) <= 0.3125


FOREIGN = ("no JSON", "an empty object", "a list")


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if not fault.startswith("429") and fault not in FOREIGN])
def test_what_goes_on_going_wrong_ends_in_an_error_without_the_key(fault: str, open_api: Open) -> None:
    with WireServer(FAULTS[fault]) as server, pytest.raises(ApiError, match=r"3 attempts.*run sync again") as failure:
        Runs(open_api(server.url, patience=Patience(first_backoff=0.001, max_attempts=3))).read("r")
    assert len(server.requests) == 3
    assert_holds_no_key(failure.value)


def test_a_host_that_refuses_connections_is_named_with_the_reason(open_api: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ApiError) as failure:
        list(Runs(open_api(f"http://127.0.0.1:{port}")).read_many(["a", "b"]))
    assert str(failure.value) == (
        f"Could not reach the Console API at 127.0.0.1:{port}: Connection refused (8 attempts). "
        "Nothing that was loaded is lost; run sync again."
    )
    assert_holds_no_key(failure.value)


@pytest.mark.parametrize(
    ("patience", "told"),
    [
        (Patience(read_timeout=0.05, max_attempts=1), "timed out"),
        (Patience(answer_timeout=0.05, max_attempts=1), "not complete after 0.05 s"),
    ],
)
def test_an_answer_that_does_not_begin_is_given_up(patience: Patience, told: str, open_api: Open) -> None:
    with WireServer(lambda *_: None) as server, pytest.raises(ApiError, match=told):
        Runs(open_api(server.url, patience=patience)).read("r")


@pytest.mark.parametrize(
    "answer",
    [
        http(200, b" " * 3_000_000),
        http(200, gzip.compress(b" " * 500_000_000, 1), "Content-Encoding: gzip"),
        b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 3_000_000,
    ],
    ids=["plain", "a gzip bomb", "of no stated length"],
)
def test_an_answer_of_more_than_a_sane_size_is_refused(
    answer: bytes, open_api: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MAX_BODY", 1 << 20)
    with WireServer(send(answer)) as server, pytest.raises(ApiError, match="longer than 1 MiB"):
        Runs(open_api(server.url)).read("r")
    assert len(server.requests) == 1


def test_an_answer_that_is_too_long_is_an_answer(open_api: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_BODY", 1 << 20)
    with WireServer(send(http(200, b" " * 3_000_000))) as server:
        api = open_api(server.url)
        assert not api.has_answered
        with pytest.raises(AnswerTooLongError):
            Runs(api).read("r")
        assert api.has_answered


@pytest.mark.parametrize(
    "body",
    [
        KEY.encode("utf-16"),
        *(b"".join(f"\\u{ord(sign):04x}".encode() for sign in KEY) * 200 + b" " * cut for cut in (0, 1, 70)),
        *(b"-" * (length - 15) + KEY.encode() for length in (300, 2_000, 20_000, 100_000)),
    ],
)
def test_no_part_of_the_key_is_shown_of_a_refusal_that_is_cut_or_in_another_charset(
    body: bytes, open_api: Open
) -> None:
    with WireServer(send(http(418, body))) as server, pytest.raises(ApiError, match="answered 418") as failure:
        Runs(open_api(server.url)).read("r")
    shown = str(failure.value).partition("answered 418: ")[2]  # the port before it is a number like the key's
    assert len(shown) <= 301
    assert not any(KEY[at : at + 3] in shown.replace(" ", "") for at in range(len("console-"), len(KEY) - 3))
    assert "\\u00" not in shown


def test_a_retry_after_is_told_to_the_limiter(open_api: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def pause(_limiter: RateLimiter, _sent_at: float, seconds: float) -> float:
        asked.append(seconds)
        return seconds

    monkeypatch.setattr(RateLimiter, "pause", pause)
    answers = [
        http(429, b"", "Retry-After: 7"),
        http(429, b"", "Date: Wed, 21 Oct 2015 07:28:00 GMT", "Retry-After: Wed, 21 Oct 2015 07:43:00 GMT"),
    ]

    def answer(connection: socket.socket, before: int) -> None:
        connection.sendall((*answers, http(200, BODY))[before])

    with WireServer(answer) as server:
        assert isinstance(Runs(open_api(server.url)).read("r"), FetchedRun)
    assert asked == [7, 900]


def test_an_api_that_answers_429_through_the_whole_long_window_is_given_up(
    open_api: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RateLimiter, "pause", lambda *_: 300.0)
    with (
        WireServer(send(http(429, b""))) as server,
        pytest.raises(ApiError, match="still answers 429 after 15 min"),
    ):
        Runs(open_api(server.url)).read("r")
    assert len(server.requests) == 4


def test_a_request_that_was_called_off_before_it_left_is_none_of_those_allowed(server: Simulator) -> None:
    stop = threading.Event()
    limiter = RateLimiter(parse_rate_limits("2/60"), on_wait=lambda _: stop.set())
    sender = transport.Transport(KEY, server.url, limiter, Patience(), connections=1, is_direct=True, max_requests=3)

    def get() -> int:
        return sender.get("/", stop, lambda answer: answer.status)

    assert [get(), get()] == [404, 404]
    with pytest.raises(Stopped):
        get()
    assert sender.usage.requests == 2
    stop.clear()
    with pytest.raises(Stopped):  # it waits again: no `RequestsSpentError`
        get()
    sender.close()


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("120", "", 120),
        (" 5 ", "", 5),
        ("1.5", "", 1.5),
        (".25", "", 0.25),
        ("3.", "", 3),
        ("007", "", 7),
        ("0", "", 0),
        ("0.0", "", 0),
        ("Wed, 21 Oct 2015 07:29:00 GMT", "Wed, 21 Oct 2015 07:28:00 GMT", 60),
        ("Wed, 21 Oct 2015 07:28:00 -0000", "Wed, 21 Oct 2015 09:27:00 +0200", 60),
        ("Wednesday, 21-Oct-15 07:29:00 GMT", "Wed Oct 21 07:28:00 2015", 60),
        ("Wed, 21 Oct 2015 07:28:00 GMT", "", 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", "1 Jan 99999999999 0:0:0", 0),
        ("", "", 0),
        ("-5", "", 0),
        ("-1.5", "", 0),
        ("1e3", "", 0),
        ("1,5", "", 0),
        ("5, 7", "", 0),
        ("nan", "", 0),
        ("inf", "", 0),
        ("0x10", "", 0),
        ("\u0665", "", 0),
        ("\xb2", "", 0),
        ("soon", "", 0),
        ("99, 99 XXX 99999 99:99:99 GMT", "", 0),
        ("1 Jan 99999999999 0:0:0", "", 0),
        ("Wed, 21 Oct 2015 07:28:00 +99999999999999", "", 0),
        ("Wed, 21 Oct 2015 07:28:00 -2400", "", 0),
        ("Fri, 31 Dec 9999 23:59:59 -1200", "", 0),
        ("9" * 400, "", math.inf),
        ("9" * 5000, "", math.inf),
    ],
)
def test_a_retry_after_is_read_as_seconds_or_as_a_date(value: str, date: str, seconds: float) -> None:
    assert parse_retry_after(value, date) == seconds


def test_a_proxy_of_the_environment_does_not_see_what_stays_on_this_machine(
    server: Simulator, open_api: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert isinstance(Runs(open_api(server.url)).read("r1"), FetchedRun)


def test_https_goes_through_the_proxy_of_the_environment_without_showing_it_the_key(
    open_api: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with WireServer(close_after(b"HTTP/1.1 502 No\r\n\r\n")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        api = open_api("https://statsig.invalid", patience=Patience(max_attempts=1))
        with pytest.raises(ApiError, match="502"):
            Runs(api).read("r")
    assert proxy.requests[0].startswith("CONNECT statsig.invalid:443 ")
    assert KEY not in proxy.requests[0]
