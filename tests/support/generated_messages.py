"""Made-up messages of the ingestion status about a made-up world: what its sources were told, and oddities.

One number is drawn a world and the rest follows from it, as in `generated_lives`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any

from tests.support.generated_lives import ODD_TIMES, odd_time
from tests.support.generated_runs import World, write_timestamp

DAY = timedelta(days=1)
Told = list[tuple[dict[str, Any], datetime]]
"""Messages of the API, each with the moment of its fetch."""
WORDS = [
    "IMPORT_SUCCESSFUL",
    "IMPORT_SUCCESSFUL",
    "BULK_LOAD_SUCCESSFUL",
    "ROWS_INSERTED",
    "LOADED_EMPTY_DATA",
    "IMPORT_STARTED",
    "DOWNLOAD_COMPLETED",
    "QUERY_ERROR",
    "ERROR",
    "INTERNAL_WRITE_ERROR_EVENTS",
    "import_successful",
    "QUERY_ERROR_AGAIN",
    "",
    None,
]
COUNTS = [None, None, 0, 1, 1000, 900, 1100, 499, 500.0, 501, 0.25, -5, 2**53, 1e300, -1e308, 1e308]
TEXTS = [None, "no such column", "'; drop table runs; --", "<script>alert(1)</script>", "\x01\x1f\u202e", "x" * 100_000]


def messages_about(world: World, seed: int, count: int = 600) -> Told:
    """So many messages about sources and dates of this world; each is fetched after it was made, as a rule."""
    random = Random(seed)  # noqa: S311
    sources = sorted({source for payload, _ in world for source in payload["sources"]})[-12:] or ["nobody"]
    now = max((at for _, at in world), default=datetime(2024, 1, 15, tzinfo=UTC))
    last = now.date() - DAY
    return [message(random, sources, last, now) for _ in range(count)]


def message(random: Random, sources: list[str], last: date, now: datetime) -> tuple[dict[str, Any], datetime]:
    source = random.choice(sources)
    name = random.choice([source] * 6 + [f" {source}\n", source.upper(), "nobody's", f"{source} x", "", None])
    # few dates of one weekday, so that they are told of more than once and have an expectation
    day = last - DAY * (7 * random.randrange(12) if random.random() < 0.8 else random.randrange(20))
    at = datetime.combine(day + DAY, time(), tzinfo=UTC) + timedelta(hours=random.choice([1, 1, 2, 30.5]))
    fetched_at = now
    stamp, timestamp = f"{day}T00:00:00.000Z", write_timestamp(at)
    if random.random() < 0.04:
        odd = random.choice([*(moment.date() for moment in ODD_TIMES), last + 5 * DAY])
        stamp = f"{odd.year:04}-{odd.month:02}-{odd.day:02}"
    if random.random() < 0.04:
        odd_moment = odd_time(random, fetched_at)
        timestamp = write_timestamp(odd_moment) if odd_moment.year > 1 else "0001-01-01T00:00:00Z"
    told: dict[str, Any] = {
        "ds": stamp if random.random() < 0.98 else None,
        "source_name": name,
        "ingestion_dataset": random.choice(["Events", "events", None]),
        "ingestion_source": random.choice(["snowflake-v2", "s3", None]),
        "status": random.choice(WORDS),
        "message": random.choice(TEXTS[:4]),
        "timestamp": timestamp if random.random() < 0.95 else None,
    }
    for field in ("rowCount", "metricCount"):
        if (number := random.choice(COUNTS)) is not None:
            told[field] = number
    if (text := random.choice(TEXTS if random.random() < 0.05 else TEXTS[:5])) is not None:
        told["error_message"] = text
    return told, fetched_at
