"""What `check --notify` has told: nobody hears the same every hour, and everybody hears that it is over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from statsig_runs.readers.check import Result
from statsig_runs.readers.told import Check, News, find_news, read_told, write_told
from tests.support.written_runs import at

NOW = at("2024-03-15T09:00:00")
LATE: Check = ("late_runs", None)
OVERDUE: Check = ("overdue_dates", "Web \u202e events")


def result(check: tuple[str, str | None], *, is_met: bool) -> Result:
    return Result(*check, is_met, 1, 0, "")


def news(told: Mapping[Check, datetime], *results: Result, hours: float = 0, repeat_hours: float = 24) -> News:
    return find_news(results, told, NOW + timedelta(hours=hours), repeat_hours)


def names(results: list[Result]) -> list[str]:
    return [each.name for each in results]


def test_what_was_told_is_told_again_after_the_hours_set_and_not_before():
    missed = result(LATE, is_met=False)
    first = news({}, missed)
    assert (names(first.missed), first.known, first.told) == (["late_runs"], 0, {LATE: NOW})
    soon = news(first.told, missed, hours=23.9)
    assert (bool(soon), soon.known, soon.told) == (False, 1, {LATE: NOW})
    later = news(first.told, missed, hours=24)
    assert (names(later.missed), later.told) == (["late_runs"], {LATE: NOW + timedelta(hours=24)})
    assert not news(first.told, missed, hours=999, repeat_hours=-1)
    assert news(first.told, missed, repeat_hours=0)


def test_only_what_is_new_is_told_and_the_rest_counted():
    told = {LATE: NOW}
    found = news(told, result(LATE, is_met=False), result(OVERDUE, is_met=False), hours=1)
    assert (names(found.missed), found.known) == (["overdue_dates"], 1)
    assert found.told == {LATE: NOW, OVERDUE: NOW + timedelta(hours=1)}


def test_what_is_met_again_is_told_once():
    met = result(LATE, is_met=True)
    over = news({LATE: NOW}, met, hours=1)
    assert (names(over.again), over.missed, over.told) == (["late_runs"], [], {})
    assert not news(over.told, met, hours=2)
    assert not news({}, met)


def test_a_check_that_is_not_tried_any_more_is_forgotten_in_silence():
    found = news({LATE: NOW, OVERDUE: NOW}, result(LATE, is_met=False))
    assert (bool(found), found.told) == (False, {LATE: NOW})


def test_what_was_told_by_a_clock_that_was_wrong_is_told_again():
    assert news({LATE: NOW + timedelta(days=300)}, result(LATE, is_met=False)).told == {LATE: NOW}


def test_it_is_remembered_between_processes(tmp_path: Path):
    told = {LATE: NOW, OVERDUE: NOW - timedelta(days=1)}
    write_told(tmp_path / "state" / "told.json", told)
    assert read_told(tmp_path / "state" / "told.json") == told
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["told.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"told": 3}',
        b'{"told": [1]}',
        b'{"told": [{"check": "late_runs", "source": null}]}',
        b'{"told": [{"check": "late_runs", "source": null, "told_at": "yesterday"}]}',
        b'{"told": [{"check": "late_runs", "source": null, "told_at": 5}]}',
        b'{"told": [{"check": "late_runs", "source": [], "told_at": "2024-03-15T09:00:00Z"}]}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_is_one_in_which_nothing_was_told(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    file = tmp_path / "told.json"
    file.write_bytes(content)
    assert read_told(file) == {}
    assert "may be told again" in caplog.text
    write_told(file, {LATE: NOW})
    assert read_told(file) == {LATE: NOW}


def test_a_moment_without_a_zone_is_utc(tmp_path: Path):
    told = [{"check": "late_runs", "source": None, "told_at": "2024-03-15T09:00:00"}]
    (tmp_path / "told.json").write_text(json.dumps({"told": told}))
    assert read_told(tmp_path / "told.json") == {LATE: NOW}


def test_a_state_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "state").write_text("a file")
    write_told(tmp_path / "state" / "told.json", {LATE: NOW})
    assert "the next check tells the same again" in caplog.text
