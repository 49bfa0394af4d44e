"""`fct_source_date_reports`: what the ingestion status has said of each source and date, from the raw messages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import median

from tests.oracle.facts import Row
from tests.oracle.measures import is_plausible, is_plausible_date
from tests.oracle.runs import Run, by_source
from tests.oracle.vocabulary import Settings

WEEK = timedelta(days=7)
BEFORE_ALL = datetime.min.replace(tzinfo=UTC)
LARGEST_COUNT = 1e18
CLASSES = {
    "IMPORT_SUCCESSFUL": "success",
    "BULK_LOAD_SUCCESSFUL": "success",
    "ROWS_INSERTED": "success",
    "LOADED_EMPTY_DATA": "empty",
    "IMPORT_SCHEDULED": "progress",
    "IMPORT_RESCHEDULED": "progress",
    "IMPORT_STARTED": "progress",
    "BACKFILL_REQUESTED": "progress",
    "BACKFILL_STARTED": "progress",
    "FILE_CREATED": "progress",
    "DOWNLOAD_COMPLETED": "progress",
    "INTERNAL_WRITE_ERROR_METRICS": "error",
    "INTERNAL_WRITE_ERROR_EVENTS": "error",
    "INTERNAL_WRITE_ERROR_EXPOSURES": "error",
}


@dataclass(frozen=True)
class Report:
    """One message about a source and a date, `row` as it stands in `ingestion_status_messages`."""

    source: str
    is_of_runs: bool
    row: Row

    @property
    def day(self) -> date:
        return self.row["date_stamp"]

    @property
    def status_class(self) -> str:
        return class_of(self.row["status"])

    @property
    def has_odd_date(self) -> bool:
        return not is_plausible_date(self.day, self.row["first_fetched_at"])

    @property
    def has_odd_time(self) -> bool:
        at = self.row["status_at"]
        return at is not None and not is_plausible(at, self.row["first_fetched_at"])

    @property
    def ordered_at(self) -> datetime:
        """Choice: a time that is implausible, or none at all, is older than every other."""
        at = self.row["status_at"]
        return BEFORE_ALL if at is None or self.has_odd_time else at

    @property
    def place(self) -> tuple[datetime, str]:
        return self.ordered_at, self.row["message_hash"]


def class_of(status: str | None) -> str:
    if status is None:
        return "unknown"
    return CLASSES.get(status) or ("error" if status.endswith("ERROR") else "unknown")


def fold(name: str) -> str:
    return name.strip(" \t\n\v\f\r").lower()


def read_reports(messages: Iterable[Row], runs: list[Run]) -> list[Report]:
    """Choices: two names that are one source's, by case or outer white space, are one source; an empty text is none."""
    sources = {source for run in runs for source in run.sources} | set(by_source(runs))
    folded: dict[str, list[str]] = {}
    for source in sources:
        folded.setdefault(fold(source), []).append(source)
    reports = []
    for message in messages:
        row = {column: None if value == "" else value for column, value in message.items()}
        name = row["source_name"]
        if name is None or row["date_stamp"] is None:
            continue
        alike = [name] if name in sources else folded.get(fold(name), [])
        reports.append(Report(alike[0], True, row) if len(alike) == 1 else Report(name, False, row))
    return reports


def newest_value(newest_first: list[Report], column: str) -> object:
    """Of the newest message that has one."""
    return next((r.row[column] for r in newest_first if r.row[column] is not None), None)


def is_count(row: Row) -> bool:
    """Choice: what is negative, endless or a part of one counts no rows, and nothing is expected by it."""
    count = row["row_count"]
    return count is not None and (count == 0 or 1 <= count <= LARGEST_COUNT)


def fct_source_date_reports(reports: list[Report], settings: Settings) -> list[Row]:
    by_date: dict[tuple[str, date], list[Report]] = {}
    for report in sorted(reports, key=lambda r: r.place, reverse=True):
        by_date.setdefault((report.source, report.day), []).append(report)
    rows = {key: report_row(newest_first) for key, newest_first in by_date.items()}
    counts = {
        key: row["row_count"]
        for key, row in rows.items()
        if is_count(row) and not any(r.has_odd_date for r in by_date[key])
    }
    for (source, day), row in rows.items():
        expected = None
        if not any(r.has_odd_date for r in by_date[source, day]):
            known = [counts[source, day - n * WEEK] for n in range(1, 9) if (source, day - n * WEEK) in counts]
            expected = median(known) if len(known) >= 3 else None
        ratio = counts[source, day] / expected if expected and (source, day) in counts else None
        row["expected_row_count"] = expected
        row["row_count_ratio"] = ratio
        row["is_volume_drop"] = None if ratio is None else ratio < settings.volume_drop_ratio
    return list(rows.values())


def report_row(newest_first: list[Report]) -> Row:
    newest = newest_first[0]
    final = next((r.status_class for r in newest_first if r.status_class in ("success", "empty", "error")), None)
    error = next((r for r in newest_first if r.status_class == "error"), None)
    after = newest_first[: newest_first.index(error)] if error else []
    row_count = newest_value(newest_first, "row_count")
    return {
        "source": newest.source,
        "date_stamp": newest.day,
        "ingestion_dataset": newest_value(newest_first, "ingestion_dataset"),
        "source_type": newest_value(newest_first, "ingestion_source"),
        "message_count": len(newest_first),
        "load_count": sum(1 for r in newest_first if r.status_class == "success"),
        "reported_status": newest.row["status"],
        "reported_at": newest.row["status_at"],
        "status_class": newest.status_class,
        "row_count": row_count,
        "metric_count": newest_value(newest_first, "metric_count"),
        "is_empty": final == "empty" or row_count == 0,
        "error_status": error.row["status"] if error else None,
        "error_message": error.row["error_message"] if error else None,
        "error_at": error.row["status_at"] if error else None,
        "is_error_open": error is not None and not any(r.status_class in ("success", "empty") for r in after),
    }


def newest_open_errors(reports: list[Report], rows: list[Row]) -> dict[str, Row]:
    """By source, the newest error message of a date that was not loaded after it."""
    is_open = {(row["source"], row["date_stamp"]) for row in rows if row["is_error_open"]}
    errors = [r for r in reports if r.status_class == "error" and (r.source, r.day) in is_open]
    errors.sort(key=lambda r: (r.ordered_at, r.day, r.row["message_hash"]))
    return {r.source: r.row for r in errors}


def report_findings(reports: list[Report], rows: list[Row]) -> set[tuple[str, None, str, date | None]]:
    found: set[tuple[str, None, str, date | None]] = set()
    found |= {("unmatched_report_source", None, r.source, None) for r in reports if not r.is_of_runs}
    found |= {("implausible_time", None, r.source, r.day) for r in reports if r.has_odd_date or r.has_odd_time}
    found |= {("empty_load", None, row["source"], row["date_stamp"]) for row in rows if row["is_empty"]}
    found |= {("volume_drop", None, row["source"], row["date_stamp"]) for row in rows if row["is_volume_drop"]}
    return found
