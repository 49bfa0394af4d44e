"""What the client makes of the API's answers: whole runs, missing ones, refusals, pages of the list."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import pytest

from statsig_runs.api import FetchedRun, RunPage, Runs
from statsig_runs.contract import MissingRun
from statsig_runs.errors import ApiError, ApiRequestError, ConfigurationError, NotAuthorisedError, NotTheApiError
from statsig_runs.simulator import Reply, Simulator
from tests.support.clients import BODY, KEY, Open, assert_holds_no_key
from tests.support.wire_server import WireServer, http, send


def test_a_run_is_handed_on_as_the_api_sent_it(open_api: Open) -> None:
    with WireServer(send(http(200, BODY))) as server:
        before = datetime.now(UTC)
        run = Runs(open_api(server.url)).read("r")
    assert isinstance(run, FetchedRun)
    assert (run.run_id, run.body) == ("r", b'{"runID": "r", "n": 1.0}')
    assert before <= run.fetched_at <= datetime.now(UTC)


def test_each_request_names_the_key_the_version_and_the_program_and_nothing_else_of_the_user(
    open_api: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with WireServer(send(http(200, BODY, "Set-Cookie: crumb=1"))) as server:
        api = open_api(server.url)
        Runs(api).read("r")
        Runs(api).read("r")
    head = server.requests[1].split("\r\n")
    assert head[0] == "GET /console/v1/ingestion/runs/r HTTP/1.1"
    names = {line.partition(":")[0] for line in head[1:]}
    assert f"STATSIG-API-KEY: {KEY}" in head
    assert "STATSIG-API-VERSION: 20240601" in head
    assert any(line.startswith("User-Agent: statsig-runs/") for line in head)
    assert not names & {"Authorization", "Cookie"}


@pytest.mark.parametrize(
    "answer",
    [
        http(200, BODY),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY),
        http(200, gzip.compress(BODY), "Content-Encoding: gzip"),
        http(404, b'{"status": 404, "message": "not found"}'),
    ],
    ids=["plain", "chunked", "gzip", "404"],
)
def test_connections_are_kept_for_the_next_request(answer: bytes, open_api: Open) -> None:
    with WireServer(send(answer)) as server:
        api = open_api(server.url)
        for _ in range(5):
            Runs(api).read("r")
    assert (len(server.requests), server.connections) == (5, 1)


@pytest.mark.parametrize(
    "run_id",
    [
        "../x",
        "..",
        ".",
        "%2e%2e",
        "a/b?c=1#d",
        "a b\r\nHost: x",
        "<é>",
        "x" * 10_000,
        "runs?page=1",
        "\u202e\U0001f980",
    ],
)
def test_a_hostile_id_is_one_request_for_exactly_that_id(run_id: str, open_api: Open) -> None:
    with WireServer(send(http(404, b'{"status": 404, "message": "not found"}'))) as server:
        result = Runs(open_api(server.url)).read(run_id)
    assert isinstance(result, MissingRun)
    assert result.run_id == run_id
    assert len(server.requests) == 1
    method, path, protocol = server.requests[0].split("\r\n")[0].split(" ")
    assert (method, protocol) == ("GET", "HTTP/1.1")
    assert path.startswith("/console/v1/ingestion/runs/")
    segment = path.removeprefix("/console/v1/ingestion/runs/")
    assert unquote(segment) == run_id
    assert not set(segment) & set("/?#")


def test_the_empty_id_is_refused_without_a_request(server: Simulator, open_api: Open) -> None:
    with pytest.raises(ConfigurationError, match="empty"):
        Runs(open_api(server.url)).read("")
    assert len(server.log) == 0


def test_an_unknown_id_is_a_missing_run(server: Simulator, open_api: Open) -> None:
    missing = Runs(open_api(server.url)).read("nobody")
    assert isinstance(missing, MissingRun)
    assert (missing.run_id, missing.message) == ("nobody", "runID nobody not found")


def test_a_404_of_another_server_is_no_missing_run(open_api: Open) -> None:
    with (
        WireServer(send(http(404, b"<html>nginx</html>"))) as server,
        pytest.raises(ApiRequestError, match="answered 404: <html>nginx</html>") as refusal,
    ):
        Runs(open_api(server.url)).read("r")
    assert refusal.value.status == 404


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_tried_once_only_and_shown_nowhere(status: int, open_api: Open) -> None:
    body = json.dumps({"status": status, "message": f"an invalid key was sent. Key: {KEY}"}).encode()
    with (
        WireServer(send(http(status, body))) as server,
        pytest.raises(NotAuthorisedError, match=r"Key: console-\*\*\*.*STATSIG_API_KEY") as refusal,
    ):
        list(Runs(open_api(server.url)).read_many(f"r{number}" for number in range(100)))
    assert_holds_no_key(refusal.value)
    assert len(server.requests) == 1


def test_another_refusal_names_the_status_and_the_message_on_one_short_line(open_api: Open) -> None:
    body = json.dumps({"status": 422, "message": f"bad\nid\x1b[31m for {KEY} " + "x" * 5000}).encode()
    with (
        WireServer(send(http(422, body))) as server,
        pytest.raises(ApiRequestError) as refusal,
    ):
        Runs(open_api(server.url)).read("r")
    assert refusal.value.status == 422
    assert "answered 422: bad id [31m for console-*** xxx" in str(refusal.value)
    assert len(str(refusal.value)) < 400
    assert_holds_no_key(refusal.value)
    assert len(server.requests) == 1


def test_a_redirect_is_not_followed(open_api: Open) -> None:
    with WireServer(send(http(200, BODY))) as elsewhere:
        location = f"Location: {elsewhere.url.replace('127.0.0.1', 'localhost')}/steal?key={KEY}"
        with (
            WireServer(send(http(302, b"x" * 1000, location))) as server,
            pytest.raises(ApiRequestError, match="answered 302, a redirect to localhost") as refusal,
        ):
            Runs(open_api(server.url)).read("r")
    assert elsewhere.connections == 0
    assert refusal.value.status == 302
    assert_holds_no_key(refusal.value)


def test_pages_are_read_to_the_end_of_the_list(server: Simulator, open_api: Open) -> None:
    server.page_size = 80
    runs = Runs(open_api(server.url))
    pages = [runs.read_page()]
    while pages[-1].has_next:
        pages.append(runs.read_page(pages[-1].next_link))
    assert [(len(page.runs), page.items_per_page) for page in pages] == [(80, 80), (80, 80), (40, 80)]
    assert {json.loads(run)["runID"] for page in pages for run in page.runs} == {f"r{n}" for n in range(200)}
    assert [request.path for request in server.log] == [f"/console/v1/ingestion/runs?page={n}" for n in (1, 2, 3)]


def page_of(open_api: Open, body: bytes) -> RunPage:
    with WireServer(send(http(200, body))) as server:
        return Runs(open_api(server.url)).read_page()


@pytest.mark.parametrize(
    "pagination",
    [b"", b', "pagination": null', b', "pagination": 7', b', "pagination": {}', b', "pagination": {"nextPage": ""}',
     b', "pagination": {"nextPage": false}'],
)  # fmt: skip
def test_a_list_without_a_next_page_ends(pagination: bytes, open_api: Open) -> None:
    page = page_of(open_api, b'{"message": "ok", "data": [{"runID": "a"}, 5]' + pagination + b"}")
    assert (page.runs, page.has_next, page.items_per_page) == ([b'{"runID": "a"}', b"5"], False, None)


@pytest.mark.parametrize(
    "odd",
    [
        b'"x": "\\ud800"',
        b'"x": NaN',
        b'"x": ' + b"[" * 2_000 + b"]" * 2_000,
        b'"message": "\xff\xfe"',
        b'"message": {"no": "text"}',
        b'"x": ' + b"9" * 5_000,
    ],
)
def test_what_nobody_uses_of_an_envelope_makes_no_page_unusable(odd: bytes, open_api: Open) -> None:
    pagination = b'"pagination": {' + odd + b', "nextPage": "?page=2", "itemsPerPage": "10", "pageNumber": -1}'
    page = page_of(open_api, b"{" + odd + b', "data": [{"runID": "a"}], ' + pagination + b"}")
    assert (page.runs, page.has_next, page.next_link, page.items_per_page) == ([b'{"runID": "a"}'], True, "?page=2", 10)


@pytest.mark.parametrize(
    ("size", "read"),
    [(b"10", 10), (b"10.0", 10), (b'" 10 "', 10), (b"0", None), (b"-1", None), (b"1e99", None), (b"null", None),
     (b'"ten"', None), (b"[10]", None), (b"NaN", None), (b'"\\ud800"', None)],
)  # fmt: skip
def test_the_size_of_a_page_is_read_however_it_is_written(size: bytes, read: int | None, open_api: Open) -> None:
    body = b'{"data": [], "pagination": {"itemsPerPage": ' + size + b', "nextPage": 2}}'
    page = page_of(open_api, body)
    assert (page.items_per_page, page.has_next, page.next_link) == (read, True, "")


@pytest.mark.parametrize(
    "element", [b"NaN", b'{"runID": "x", "trigger": "\\ud800"}', b"[" * 5_000 + b"]" * 5_000, b'{"a": "\n"}', b"null"]
)
def test_an_element_that_cannot_be_decoded_is_one_element(element: bytes, open_api: Open) -> None:
    page = page_of(open_api, b'{"data": [{"runID": "before"}, ' + element + b', {"runID": "after"}]}')
    assert page.runs == [b'{"runID": "before"}', element, b'{"runID": "after"}']


def test_the_data_of_a_run_is_handed_on_though_it_cannot_be_decoded(open_api: Open) -> None:
    with WireServer(send(http(200, b'{"x": NaN, "data": {"runID": "\\ud800"}}'))) as server:
        run = Runs(open_api(server.url)).read("r")
    assert isinstance(run, FetchedRun)
    assert run.body == b'{"runID": "\\ud800"}'


@pytest.mark.parametrize(
    ("link", "followed"),
    [
        ("/console/v1/ingestion/runs?page=3&limit=10", True),
        ("?cursor=abc", True),
        ("?page=2", False),
        ("?page=4", False),
        ("?page=1&page=3", False),
        ("", False),
    ],
)
def test_the_apis_link_is_followed_unless_it_names_another_page_than_the_next(link: str, *, followed: bool) -> None:
    page = RunPage([], has_next=True, next_link=link, items_per_page=None, fetched_at=datetime.now(UTC))
    assert page.link_to(3) == (link if followed else "?page=3")


def test_a_link_to_another_host_is_not_asked_for(open_api: Open) -> None:
    runs = Runs(open_api("https://statsigapi.net"))
    assert runs.leads_home("https://statsigapi.net/console/v1/ingestion/runs?page=2")
    assert not runs.leads_home("https://evil.example/console/v1/ingestion/runs?page=2")
    with pytest.raises(ApiError, match="another place"):
        runs.read_page("https://evil.example/console/v1/ingestion/runs?page=2")


FOREIGN = {
    b"<!doctype html>": "a web page",
    b" \n<html>": "a web page",
    b"[]": "a JSON array",
    b'"ok"': "a JSON text",
    b"null": "a JSON `null`",
    b"It works!": "a text that is no JSON",
    b"{}": "a JSON object without `data`",
    b'{"data": null}': "a JSON object whose `data` is no list",
    b'{"data": {}}': "a JSON object whose `data` is no list",
}


@pytest.mark.parametrize("body", FOREIGN)
def test_an_answer_of_somebody_else_is_named_after_two_attempts(body: bytes, open_api: Open) -> None:
    with WireServer(send(http(200, body))) as server:
        host = server.url.removeprefix("http://")
        with pytest.raises(NotTheApiError) as refusal:
            Runs(open_api(server.url)).read_page()
    assert str(refusal.value) == (
        f"What answers at {host} is not the Console API: it sends {FOREIGN[body]}. "
        "Check the setting base_url: Statsig's own address is https://statsigapi.net."
    )
    assert refusal.value.exit_code == 2
    assert len(server.requests) == 2
    assert_holds_no_key(refusal.value)


def test_an_answer_of_somebody_else_after_good_ones_is_no_fault_of_the_setting(open_api: Open) -> None:
    answers = [BODY, b"<html>", b"<html>"]
    with WireServer(lambda connection, before: send(http(200, answers[before]))(connection, before)) as server:
        runs = Runs(open_api(server.url))
        runs.read("r")
        with pytest.raises(NotTheApiError, match="answered with a web page, twice") as refusal:
            runs.read("r")
    assert refusal.value.exit_code == 6


def test_the_client_does_not_show_its_key(open_api: Open) -> None:
    api = open_api("https://statsigapi.net")
    assert repr(api) == "ConsoleApi('https://statsigapi.net')"


def test_no_log_line_of_any_library_holds_the_key(
    server: Simulator, open_api: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    Runs(open_api(server.url)).read("r1")
    assert caplog.records
    assert KEY not in caplog.text


def test_an_answer_may_begin_with_a_byte_order_mark(server: Simulator, open_api: Open) -> None:
    bodies = {
        "/r1": (200, b'\xef\xbb\xbf{"data": {"runID": "r1"}}'),
        "/r2": (404, b'\xef\xbb\xbf{"message": "no such run"}'),
    }
    server.script = lambda path, _: next((Reply(*bodies[end]) for end in bodies if path.endswith(end)), None)
    runs = Runs(open_api(server.url))
    found, missing = runs.read("r1"), runs.read("r2")
    assert isinstance(found, FetchedRun)
    assert json.loads(found.body) == {"runID": "r1"}
    assert isinstance(missing, MissingRun)
    assert missing.message == "no such run"
