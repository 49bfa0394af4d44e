"""What a waiting person is told, and what logs look like to a machine."""

import io
import json
import logging
import sys
import time

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from statsig_runs.job.progress import BarWatch, LogWatch, watching
from statsig_runs.logs import JsonFormatter, StderrHandler


def test_a_wait_for_the_rate_limit_is_logged_once_and_a_moment_not_at_all(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    watch = LogWatch()
    until = time.time() + 600
    watch.waiting(time.time() + 0.5)
    watch.waiting(until)
    watch.waiting(until + 0.3)
    assert len([record for record in caplog.records if "waiting for the rate limit until" in record.message]) == 1


def test_the_bar_shows_the_step_the_count_and_the_wait() -> None:
    screen = io.StringIO()
    columns = (TextColumn("{task.description} {task.completed}/{task.total} {task.fields[note]}"),)
    with Progress(*columns, console=Console(file=screen, force_terminal=True, width=100)) as bar:
        watch = BarWatch(bar)
        watch.step("fetching")
        watch.fetched(3, 10)
        watch.waiting(time.time() + 600)
    shown = screen.getvalue()
    assert "fetching 3/10" in shown
    assert "waiting for the rate limit until" in shown


def test_a_log_line_stands_above_the_bar_and_not_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    record = logging.LogRecord("some.logger", logging.WARNING, "file", 1, "news", None, None)
    handler = StderrHandler()
    with watching() as watch:
        watch.step("fetching")
        handler.emit(record)
    [line] = [line for line in screen.getvalue().split("\n") if "news" in line]
    assert line.rpartition("\x1b[2K")[2] == "news"  # on a line that was cleared before


def test_a_json_log_line_is_one_object_with_the_time_in_utc() -> None:
    record = logging.LogRecord("some.logger", logging.WARNING, "file", 1, "two\nlines %s", ("here",), None)
    record.created = 1_700_000_000.5
    entry = json.loads(JsonFormatter().format(record))
    assert entry == {
        "time": "2023-11-14T22:13:20.500+00:00",
        "level": "warning",
        "logger": "some.logger",
        "message": "two\nlines here",
    }
