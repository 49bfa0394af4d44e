"""`statsig-runs check`: which threshold is missed, by what figure, and who is told."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from statsig_runs.errors import ConfigurationError
from statsig_runs.readers import notify
from statsig_runs.readers.check import Result, run_checks
from statsig_runs.readers.check_text import lines, slack_text, summary
from statsig_runs.readers.notify import NotificationError, check_hook, post
from statsig_runs.readers.published import reading
from statsig_runs.readers.told import News
from statsig_runs.settings import Checks, SourceChecks, load_settings
from statsig_runs.warehouse import Warehouse
from tests.support.certificates import Authority
from tests.support.published_runs import HOSTILE, LONG, NOW, PATIENT, begun, failed, publish, run_command
from tests.support.wire_server import WireServer, http, send, trickle

SECRET = "/services/T0123/B4567/sEcReTtOkEn"
HOOK = "RUNTIME__SLACK_INCOMING_HOOK"
TOLD_ERROR = r"QUERY_ERROR: no <b>column</b> `id`; <!channel> \x1b[31m\u202e@here " + 92 * "x" + "…"
CHECKS = "SOURCES__STATSIG_RUNS__CHECKS__"


def check(published: Warehouse, now=NOW, **thresholds) -> list[Result]:
    with reading(published) as connection:
        return run_checks(connection, Checks(**thresholds), now)


def figures(results: list[Result]) -> list[tuple]:
    return [(result.source, result.is_met, result.figure, result.detail) for result in results]


class Webhook(ThreadingHTTPServer):
    """Keeps what is posted and answers with `status`, or not at all while `silence` is held."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.posted: list[tuple[str, dict]] = []
        self.silence: threading.Event | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}{SECRET}"


class _Handler(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append((self.path, json.loads(body)))
        if self.server.silence:
            self.server.silence.wait(60)
        self.send_response(self.server.status)
        self.send_header("Location", f"{self.server.url}/elsewhere")
        self.send_header("Content-Length", str(len(SECRET)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):  # the caller does not read it
            self.wfile.write(SECRET.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_hours_since_the_newest_fetch_are_counted_to_now(published: Warehouse):
    now = NOW + timedelta(hours=26)
    [met] = check(published, now, max_hours_since_load=26)
    [missed] = check(published, now + timedelta(minutes=6), max_hours_since_load=26)
    assert figures([met]) == [(None, True, 26.0, "newest fetch 2024-03-15 09:00 UTC")]
    assert figures([missed]) == [(None, False, 26.1, "newest fetch 2024-03-15 09:00 UTC")]


def test_a_source_that_never_succeeded_has_the_time_since_its_first_run(published: Warehouse):
    assert figures(check(published, max_hours_since_success=30)) == [
        ("Metrics", False, 31.0, "incomplete, last success 2024-03-14 02:00 UTC"),
        ("Events 2", True, 30.0, f"failing, last success 2024-03-14 03:00 UTC; 14 Mar: {TOLD_ERROR}"),
        (HOSTILE, True, 1.0, "not finished yet, never succeeded, first run 2024-03-15 08:00 UTC"),
        (LONG, True, 1.0, "not finished yet, never succeeded, first run 2024-03-15 08:00 UTC"),
        ("Events 1", True, 5.5, "healthy, last success 2024-03-15 03:30 UTC"),
    ]


@pytest.mark.parametrize("created_at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z"])
def test_a_time_that_cannot_be_is_no_first_run(tmp_path: Path, created_at: str):
    run = {**begun(), "createdAt": created_at}
    published = publish(tmp_path / "statsig_runs.duckdb", [(run, NOW)])
    assert figures(check(published, max_hours_since_success=30)) == [
        (HOSTILE, False, None, "not finished yet, never succeeded"),
        (LONG, False, None, "not finished yet, never succeeded"),
    ]


@pytest.mark.parametrize("created_at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z"])
def test_a_run_of_a_time_that_cannot_be_is_found_while_its_fetch_is_young_and_in_no_rate(
    tmp_path: Path, created_at: str
):
    run = {**failed(), "createdAt": created_at}
    published = publish(tmp_path / "statsig_runs.duckdb", [(run, NOW)])
    rate, found = check(published, max_final_error_rate=0, max_findings=0)[::-1]
    assert figures([rate]) == [(None, True, None, "0 failed, at least in part, of 0 finished since 2024-03-08")]
    assert (found.is_met, "1 implausible_time" in found.detail) == (False, True)
    later = check(published, NOW + timedelta(days=8), max_findings=0)
    assert figures(later) == [(None, True, 0, "")]


def test_an_age_that_counts_from_the_future_is_unknown_and_missed(published: Warehouse):
    now = NOW - timedelta(days=250)
    results = check(published, now, max_hours_since_load=26, max_hours_since_success=36)
    assert [result for result in results if result.is_met or result.figure is not None] == []
    told = {result.source: result.detail for result in results}
    assert told[None] == "newest fetch 2024-03-15 09:00 UTC, which is 250 d 0 h in the future: a clock is or was wrong"
    assert told["Events 2"].startswith("failing, last success 2024-03-14 03:00 UTC, which is 248 d 18 h in the future")
    assert told[HOSTILE].startswith(
        "not finished yet, never succeeded, first run 2024-03-15 08:00 UTC, which is 249 d 23 h in"
    )
    assert "-" in {cell for line, _ in lines(results) for cell in line.split("  ")}


def test_a_fetch_in_the_future_leaves_the_ages_of_what_is_past(published: Warehouse):
    results = check(published, NOW - timedelta(hours=5), max_hours_since_load=26, max_hours_since_success=36)
    figures = {result.source: (result.is_met, result.figure) for result in results}
    assert figures[None] == (False, None)
    assert figures["Events 1"] == (True, 0.5)
    assert figures["Metrics"] == (True, 26.0)


def test_a_clock_that_is_a_little_behind_the_one_that_fetched_is_no_fault(published: Warehouse):
    [result] = check(published, NOW - timedelta(minutes=4), max_hours_since_load=26)
    assert (result.is_met, result.figure) == (True, 0.0)


def test_hours_since_success_go_on_while_no_sync_runs(published: Warehouse):
    results = check(published, NOW + timedelta(hours=10), max_hours_since_success=36)
    assert [(result.source, result.figure) for result in results if not result.is_met] == [
        ("Events 2", 40.0),
        ("Metrics", 41.0),
    ]


def test_a_retired_source_can_be_ignored(published: Warehouse):
    results = check(published, max_hours_since_success=30, ignored_sources=("Metrics", HOSTILE))
    assert [result.source for result in results] == ["Events 2", LONG, "Events 1"]


def test_the_final_error_rate_is_that_of_the_runs_of_the_last_days(published: Warehouse):
    assert figures(check(published, max_final_error_rate=0.09)) == [
        (None, False, 0.1, "1 failed, at least in part, of 10 finished since 2024-03-08")
    ]
    assert figures(check(published, max_final_error_rate=0.25, error_rate_days=1)) == [
        (None, True, 0.25, "1 failed, at least in part, of 4 finished since 2024-03-14")
    ]


def test_the_final_error_rate_is_that_of_the_marts(published: Warehouse):
    [result] = check(published, max_final_error_rate=0, error_rate_days=30)
    with reading(published) as connection:
        [(rate,)] = connection.execute(
            "select sum(final_error_rate * finished_count) / sum(finished_count) from agg_daily"
        ).fetchall()
    assert result.figure == pytest.approx(rate)
    assert result.detail == "1 failed, at least in part, of 23 finished since 2024-02-14"


def test_without_a_finished_run_there_is_no_error_rate_to_miss(published: Warehouse):
    assert figures(check(published, NOW + timedelta(days=30), max_final_error_rate=0)) == [
        (None, True, None, "0 failed, at least in part, of 0 finished since 2024-04-07")
    ]


def test_late_runs_are_named(published: Warehouse):
    assert figures(check(published, max_late_runs=0)) == [(None, False, 1, "late")]
    assert figures(check(published, max_late_runs=1)) == [(None, True, 1, "late")]


def test_findings_are_counted_by_kind_about_young_runs_and_without_the_ignored(published: Warehouse):
    assert figures(check(published, max_findings=0)) == [(None, False, 1, "1 contract_drift")]
    assert figures(check(published, max_findings=0, ignored_findings=("contract_drift",))) == [(None, True, 0, "")]
    assert figures(check(published, NOW + timedelta(days=8), max_findings=0)) == [(None, True, 0, "")]


def test_a_copy_without_runs_misses_the_check_of_the_load(without_runs: Warehouse):
    results = check(
        without_runs, max_hours_since_load=26, max_hours_since_success=1, max_final_error_rate=0, max_findings=0
    )
    assert [(result.name, result.is_met, result.detail) for result in results] == [
        ("hours_since_load", False, "no run was ever loaded"),
        ("final_error_rate", True, "0 failed, at least in part, of 0 finished since 2024-03-08"),
        ("findings", True, ""),
    ]


def test_a_negative_threshold_is_off_and_checking_nothing_is_an_error(published: Warehouse):
    results = check(published, max_hours_since_load=-1, max_late_runs=-1, max_findings=5)
    assert [result.name for result in results] == ["findings"]
    with pytest.raises(ConfigurationError, match="Nothing is checked"):
        check(published, max_hours_since_load=-1)
    for days in (0, 1_000_000):
        with pytest.raises(ConfigurationError, match=r"error_rate_days under .* must be from 1 to 36,500"):
            check(published, max_final_error_rate=0.1, error_rate_days=days)


def test_thresholds_of_sources_check_nothing_while_no_source_is_known(without_runs: Warehouse):
    with pytest.raises(ConfigurationError, match="no source is known that has one"):
        check(without_runs, max_hours_since_success=36)


def test_a_threshold_that_is_no_number_is_missed(published: Warehouse):
    assert [result.is_met for result in check(published, max_hours_since_load=float("nan"))] == [False]


def test_the_package_sets_every_threshold():
    assert load_settings().checks == Checks(
        max_hours_since_load=26.0,
        max_hours_since_success=36.0,
        max_overdue_dates=0,
        max_empty_dates=0,
        max_volume_drops=-1,
        ignored_sources=(),
        max_final_error_rate=0.1,
        error_rate_days=7,
        max_late_runs=0,
        max_findings=0,
        ignored_findings=("level_mismatch", "unrequested_date"),
        repeat_hours=24.0,
        sources={},
    )


def test_the_missed_come_first_with_figure_and_threshold(published: Warehouse):
    results = check(published, max_late_runs=1, max_final_error_rate=0.05, max_hours_since_load=26)
    assert list(lines(results)) == [
        ("1 of 3 checks is missed.", "bold red"),
        (
            "MISSED  final error rate  10.0 %  at most 5.0 %   {}".format(
                "1 failed, at least in part, of 10 finished since 2024-03-08"
            ),
            "red",
        ),
        ("met     hours since load   0.0 h  at most 26.0 h  newest fetch 2024-03-15 09:00 UTC", ""),
        ("met     late runs              1  at most 1       late", ""),
    ]
    assert summary(results[1:]) == "All checks are met."


SENTENCE = [("name", "Orders"), ("text", " is in and complete, through 2024-03-14")]


def test_a_hostile_name_formats_nothing_and_calls_nobody_in_slack(published: Warehouse):
    results = check(published, NOW + timedelta(hours=36), max_hours_since_success=36)
    text = slack_text(results, News(missed=results), [("name", HOSTILE), ("text", " is failing")], "shop")
    assert text.splitlines()[:2] == [
        "*statsig-runs check of shop*: 5 of 5 checks are missed.",
        "`[red]\\x1b[31m&lt;!channel&gt; &amp; '@\u200bhere'\\n\\u20…` is failing.",
    ]
    [line] = [line for line in text.splitlines()[2:] if "red" in line]
    assert line == (
        "• hours since success of `[red]\\x1b[31m&lt;!channel&gt; &amp; '@\u200bhere'\\n\\u20…`: "
        "37.0 h, at most 36.0 h; "
        "`not finished yet, never succeeded, first run 2024-03-15 08:00 UTC`"
    )
    [line] = [line for line in text.splitlines() if "of `Events 2`" in line]
    assert line == (
        "• hours since success of `Events 2`: 66.0 h, at most 36.0 h; `failing, last success 2024-03-14 03:00 UTC; "
        "14 Mar: QUERY_ERROR: no &lt;b&gt;column&lt;/b&gt; 'id'; &lt;!channel&gt; \\x1b[31m\\u202e@\u200bhere "
        f"{92 * 'x'}…`"
    )
    assert len(text.splitlines()) == 7
    assert max(map(len, text.splitlines())) < 350


def test_a_message_stays_short_however_much_is_missed():
    results = [Result("hours_since_success", f"Source {n}", False, 40.0, 36.0, "failing") for n in range(300)]
    told = slack_text(results, News(missed=results, known=7), SENTENCE).splitlines()
    assert (len(told), told[-2:]) == (24, ["… and 280 more", "7 more are still missed, as told before."])


def test_an_overdue_date_is_missed_and_says_since_when(published: Warehouse):
    results = check(published, max_overdue_dates=0)
    assert figures(results)[0] == ("Metrics", False, 1, "14 Mar, since 2024-03-15 04:00 UTC")
    assert {result.source: result.figure for result in results[1:]} == {
        "Events 2": 0,
        HOSTILE: 0,
        LONG: 0,
        "Events 1": 0,
    }
    assert all(result.is_met for result in check(published, max_overdue_dates=1))
    assert [r.source for r in check(published, max_overdue_dates=0, ignored_sources=("Metrics",)) if not r.is_met] == []


def test_a_date_without_data_is_missed_and_one_with_far_fewer_rows_where_that_is_asked_for(published: Warehouse):
    results = check(published, max_empty_dates=0, max_volume_drops=0)
    assert [(r.name, r.source, r.figure, r.detail) for r in results if not r.is_met] == [
        ("empty_dates", "Metrics", 1, "10 Mar"),
        ("volume_drops", "Metrics", 1, "13 Mar"),
    ]
    own = {"Metrics": SourceChecks(max_empty_dates=1, max_volume_drops=-1)}
    results = check(published, max_empty_dates=0, max_volume_drops=0, sources=own)
    assert [(r.name, r.threshold) for r in results if r.source == "Metrics"] == [("empty_dates", 1)]
    assert all(result.is_met for result in results)


def test_a_source_has_its_own_thresholds_over_those_of_all(published: Warehouse):
    own = {
        "Metrics": SourceChecks(max_hours_since_success=200, max_overdue_dates=1),
        "Events 2": SourceChecks(max_hours_since_success=-1),
        "Events 1": SourceChecks(max_hours_since_success=5),
    }
    results = check(published, max_hours_since_success=30, max_overdue_dates=0, sources=own)
    assert [(r.source, r.name, r.threshold) for r in results if not r.is_met] == [
        ("Events 1", "hours_since_success", 5)
    ]
    tried = {(result.source, result.name): result.threshold for result in results}
    assert tried["Metrics", "hours_since_success"] == 200
    assert tried["Metrics", "overdue_dates"] == 1
    assert ("Events 2", "hours_since_success") not in tried
    assert tried["Events 2", "overdue_dates"] == 0
    assert tried[LONG, "hours_since_success"] == 30


def test_a_threshold_of_one_source_is_enough_to_check_something(published: Warehouse):
    results = check(published, sources={"Metrics": SourceChecks(max_overdue_dates=0)})
    assert [(result.source, result.is_met) for result in results] == [("Metrics", False)]


def test_a_threshold_for_a_source_that_does_not_exist_says_which_was_meant(
    published: Warehouse, caplog: pytest.LogCaptureFixture
):
    check(published, max_overdue_dates=5, sources={"events 3": SourceChecks(max_overdue_dates=1)})
    assert "name a source that no run names, 'events 3'. Did you mean 'Events " in caplog.text


def test_a_message_is_posted_as_json(webhook: Webhook):
    post(webhook.url, "*é*")
    assert webhook.posted == [(SECRET, {"text": "*é*"})]


@pytest.mark.parametrize("status", [204, 302, 404, 500])
def test_no_redirect_is_followed_and_every_other_answer_than_success_is_an_error(webhook: Webhook, status: int):
    webhook.status = status
    if status == 204:
        post(webhook.url, "x")
    else:
        with pytest.raises(NotificationError, match=f"HTTP {status}"):
            post(webhook.url, "x")
    assert len(webhook.posted) == 1


def test_a_webhook_that_does_not_answer_is_given_up(webhook: Webhook, monkeypatch: pytest.MonkeyPatch):
    webhook.silence = threading.Event()
    monkeypatch.setattr(notify, "_TIMEOUT", (5, 0.2))
    with pytest.raises(NotificationError, match="did not answer in time") as caught:
        post(webhook.url, "x")
    webhook.silence.set()
    assert caught.value.__suppress_context__
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 302 Found\r\nLocation: /"])
def test_a_webhook_whose_answer_trickles_is_given_up(head: bytes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(notify, "_ANSWER_TIMEOUT", 0.2)
    drop = b"a" if head else b"HTTP/1.1 100 Continue\r\n\r\n"
    with WireServer(trickle(head, drop)) as server, pytest.raises(NotificationError, match="did not answer in time"):
        post(f"{server.url}{SECRET}", "x")


def test_a_webhook_is_asked_once_and_only_the_head_of_its_answer_is_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(notify, "_ANSWER_TIMEOUT", 100)
    endless = trickle(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n", b"a")
    with WireServer(endless) as server, pytest.raises(NotificationError, match="HTTP 302"):
        post(f"{server.url}{SECRET}", "x")
    assert len(server.requests) == 1


def test_a_webhook_is_trusted_as_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    authority = Authority(tmp_path)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with WireServer(send(http(200, b"ok")), authority.tls) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.bundle))
        post(f"{server.url}{SECRET}", "x")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nowhere"))
        with pytest.raises(NotificationError, match=r"nowhere, which does not exist.*Nobody was notified\."):
            post(f"{server.url}{SECRET}", "x")


@pytest.mark.parametrize(
    "hook",
    [
        "http://hooks.example.com/sEcReT",
        "ftp://127.0.0.1/sEcReT",
        "sEcReT",
        "https://[sEcReT",
        "https:///sEcReT",
    ],
)
def test_an_address_that_would_show_the_message_to_the_network_is_refused_unseen(hook: str):
    with pytest.raises(ConfigurationError, match="must begin with https://") as caught:
        check_hook(hook)
    assert "sEcReT" not in str(caught.value)


def test_the_command_exits_with_5_and_names_what_is_missed(folder: Path):
    done = run_command(folder, "check", **PATIENT)
    assert (done.code, done.err) == (5, "Error: 1 of 3 checks is missed.\n")
    assert done.out.splitlines()[1].split("  ")[:2] == ["MISSED", "late runs"]
    assert "\x1b" not in done.out


def test_the_command_exits_with_0_when_all_is_met_and_calls_nobody(folder: Path, webhook: Webhook):
    done = run_command(folder, "check", "--notify", **PATIENT, **{f"{CHECKS}MAX_LATE_RUNS": "1", HOOK: webhook.url})
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("All checks are met.\n")
    assert webhook.posted == []


def test_the_command_prints_json_and_exits_with_5_all_the_same(folder: Path, tmp_path: Path):
    database = str(folder / "data" / "statsig_runs.duckdb")
    done = run_command(tmp_path, "check", "--json", "--database", database, **PATIENT)
    assert done.code == 5
    content = json.loads(done.out)
    assert content["is_met"] is False
    assert content["checks"][0] == {
        "name": "late_runs",
        "source": None,
        "is_met": False,
        "figure": 1,
        "threshold": 0,
        "detail": "late",
    }


@pytest.fixture
def own_folder(folder: Path, tmp_path: Path) -> Path:
    """A copy of `folder` with a state of its own, in which nothing was told yet."""
    return Path(shutil.copytree(folder, tmp_path / "own"))


def test_the_command_posts_what_is_missed(own_folder: Path, webhook: Webhook):
    done = run_command(own_folder, "check", "--notify", "--log-level", "debug", **PATIENT, **{HOOK: webhook.url})
    assert done.code == 5
    [(path, posted)] = webhook.posted
    first, sentence, *items = posted["text"].splitlines()
    assert (path, first, items) == (
        SECRET,
        "*statsig-runs check*: 1 of 3 checks is missed.",
        ["• late runs: 1, at most 0; `late`"],
    )
    assert sentence.startswith("1 of 5 sources is in and complete, through 2024-03-14; failing: `Events 2`;")
    assert "sEcReT" not in done.out + done.err


@pytest.mark.parametrize("answer", ["HTTP 404", "a redirect", "nobody", "malformed"])
def test_the_address_is_in_no_output_whatever_becomes_of_the_message(own_folder: Path, webhook: Webhook, answer: str):
    def malformed(connection: socket.socket, _: int) -> None:
        connection.sendall(b"HTTP/1.1 500 no\r\nno header at all\r\nContent-Length: 0\r\n\r\n")

    with WireServer(malformed) as wire:
        hook = webhook.url
        if answer == "malformed":
            hook = wire.url + SECRET
        elif answer == "nobody":
            with socket.create_server(("127.0.0.1", 0)) as closed:
                hook = f"http://127.0.0.1:{closed.getsockname()[1]}{SECRET}"
        webhook.status = 302 if answer == "a redirect" else 404
        done = run_command(own_folder, "check", "--notify", "--log-level", "debug", **PATIENT, **{HOOK: hook})
    assert done.code == 5
    assert "nobody was notified" in done.err
    assert "sEcReT" not in done.out + done.err


def test_the_command_tells_once_what_is_missed_and_once_that_it_is_met_again(own_folder: Path, webhook: Webhook):
    def notify(max_late_runs: int, **environment: str) -> int:
        variables = {**PATIENT, f"{CHECKS}MAX_LATE_RUNS": str(max_late_runs), HOOK: webhook.url, **environment}
        return run_command(own_folder, "check", "--notify", **variables).code

    webhook.status = 500
    assert (notify(0), len(webhook.posted)) == (5, 1)  # not delivered: it is told again
    webhook.status = 200
    assert (notify(0), len(webhook.posted)) == (5, 2)
    assert (notify(0), len(webhook.posted)) == (5, 2)
    assert (notify(0, **{f"{CHECKS}REPEAT_HOURS": "0"}), len(webhook.posted)) == (5, 3)
    assert (notify(1), len(webhook.posted)) == (0, 4)
    first, _, *items = webhook.posted[-1][1]["text"].splitlines()
    assert (first, items) == (
        "*statsig-runs check*: All checks are met.",
        ["• met again: late runs: 1, at most 1"],
    )
    assert (notify(1), len(webhook.posted)) == (0, 4)
    assert (notify(0), len(webhook.posted)) == (5, 5)


def test_that_all_is_met_again_is_no_failure_where_nobody_can_be_told(own_folder: Path, webhook: Webhook):
    variables = {**PATIENT, HOOK: webhook.url}
    run_command(own_folder, "check", "--notify", **variables)
    webhook.status = 404
    done = run_command(own_folder, "check", "--notify", **variables, **{f"{CHECKS}MAX_LATE_RUNS": "1"})
    assert done.code == 0
    assert "nobody was notified" in done.err


def test_notifying_without_an_address_says_where_to_put_it(folder: Path):
    done = run_command(folder, "check", "--notify")
    assert (done.code, done.out) == (2, "")
    assert "RUNTIME__SLACK_INCOMING_HOOK" in done.err
    assert "slack_incoming_hook under [runtime] in .dlt/secrets.toml" in done.err
