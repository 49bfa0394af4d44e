"""Hypothesis strategies for runs as the Console API could send them, likely ones and odd ones.

A *world* is a list of (payload, fetched_at). Its histories are short and its alphabets small on purpose: what
breaks a definition is the order of three events, not their number.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

Payload = dict[str, Any]
World = list[tuple[Payload, datetime]]

KNOWN = [
    "enqueued",
    "started",
    "download_started",
    "download_error",
    "download_complete",
    "metrics_started",
    "metrics_complete",
    "pulse_started",
    "pulse_complete",
]
BY_PATTERN = [
    "metrics_error",
    "pulse_failed",
    "download_completed",
    "export_started",
    "export_failed",
    "export_complete",
    "queue_started",
    "queue_error",
    "enqueued_completed",
    "a_b_started",
    "download_started_error",
]
UNKNOWN = [
    "cancelled",
    "empty data",
    "download",
    "queue",
    "error",
    "completed",
    "_started",
    "downloadXstarted",
    "Download_Started",
    "download_started ",
    "download_started\n",
    "%_error%",
    "download_erro\u0155",
    "",
]
ONE_STAGE = [
    "download_started",
    "download_error",
    "download_complete",
    "download_failed",
    "download_completed",
]
SOURCES = ["Events 1", "Events 2", "Metrics", "a", "b", "a,b", 'it\'s "é"', ""]
TRIGGERS = ["scheduled", "backfill", "api"]
FIRST_DAY = date(2023, 12, 10)
HOUR_MS = 3_600_000
GAPS_MS = [0, 0, 1, 999, 12_421, 60_000, HOUR_MS, 27 * HOUR_MS, -1, -15_000]
FETCH_GAPS_MS = [0, HOUR_MS, 24 * HOUR_MS - 1, 24 * HOUR_MS, 24 * HOUR_MS + 1, 15 * 24 * HOUR_MS, -HOUR_MS]

statuses = st.one_of(
    st.sampled_from(ONE_STAGE),
    st.sampled_from(KNOWN),
    st.sampled_from(KNOWN + BY_PATTERN),
    st.sampled_from(KNOWN + BY_PATTERN + UNKNOWN),
)
steps = st.one_of(
    st.lists(st.tuples(st.sampled_from(ONE_STAGE), st.sampled_from(GAPS_MS)), min_size=2, max_size=9),
    st.lists(st.tuples(statuses, st.sampled_from(GAPS_MS)), max_size=9),
)
created = st.builds(
    lambda day, ms: datetime(2023, 12, 10, tzinfo=UTC) + timedelta(days=day, milliseconds=ms),
    st.sampled_from([0, 0, 1, 1, 2, 5]),
    st.sampled_from([0, 1, 8_999_123, 12 * HOUR_MS, 24 * HOUR_MS - 1]),
)


def write_timestamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_history(start: datetime, path: list[tuple[str, int]]) -> list[Payload]:
    """Newest first by position; a negative gap makes the position lie, as clocks do."""
    moment = start
    events: list[Payload] = []
    for status, gap_ms in path:
        moment += timedelta(milliseconds=gap_ms)
        events.append({"statusTimestamp": write_timestamp(moment), "status": status})
    return events[::-1]


def write_date(offset: int) -> str:
    return (FIRST_DAY + timedelta(days=offset)).isoformat()


@st.composite
def odd_runs(draw: st.DrawFn, run_id: str) -> tuple[Payload, datetime]:
    """A run whose histories have nothing to do with each other."""
    created_at = draw(created)
    history = write_history(created_at, draw(steps))
    days = draw(st.lists(st.tuples(st.sampled_from(SOURCES), st.integers(-1, 2), steps), max_size=3))
    granular: list[Payload] = [
        {
            "source": source,
            "latestSourceStatus": path[-1][0] if path else "enqueued",
            "statusByDate": [{"dateStamp": write_date(offset), "statuses": write_history(created_at, path)}],
        }
        for source, offset, path in days
    ]
    latest = history[0]["status"] if history and bool(draw(st.booleans())) else draw(statuses)
    payload: Payload = {
        "runID": run_id,
        "latestStatus": latest,
        "lastUpdatedAt": write_timestamp(created_at + timedelta(seconds=7)),
        "createdAt": write_timestamp(created_at + timedelta(milliseconds=draw(st.sampled_from([0, 0, 0, 1, -1])))),
        "trigger": draw(st.sampled_from(TRIGGERS)),
        "sources": draw(st.lists(st.sampled_from([*SOURCES, "listed only"]), max_size=3)),
        "dateStamps": [write_date(o) for o in draw(st.lists(st.integers(-1, 2), max_size=3))],
        "runHistory": history,
        "granularHistory": granular,
    }
    for place in (payload, *history[:1], *granular[:1]):
        if draw(st.integers(0, 30)) == 30:
            place["fieldOfTomorrow"] = 1
    events = history + [e for g in granular for d in g["statusByDate"] for e in d["statuses"]]
    last = max((datetime.fromisoformat(e["statusTimestamp"]) for e in events), default=created_at)
    own_last = datetime.fromisoformat(history[-1]["statusTimestamp"]) if history else last
    fetched_at = draw(st.sampled_from([last, own_last])) + timedelta(milliseconds=draw(st.sampled_from(FETCH_GAPS_MS)))
    return payload, fetched_at


@st.composite
def ordinary_runs(draw: st.DrawFn, run_id: str, sources: list[str]) -> tuple[Payload, datetime]:
    """A run that works, or is cut short at any point; with a retry or a late recovery at times."""
    created_at = draw(created)
    gaps = st.sampled_from([1, 12_421, 60_000, 600_123])
    path = [("enqueued", 0), *((status, draw(gaps)) for status in KNOWN[1:] if status != "download_error")]
    if draw(st.integers(0, 3)) == 3:
        path[3:3] = [("download_error", 51_764)]
        if draw(st.booleans()):
            path[4:4] = [("download_started", 0), ("download_started", 31)]
    path = path[: draw(st.sampled_from([len(path)] * 5 + [1, 2, 3, 4, 5]))]
    late = [("download_error", 5), ("download_complete", 27 * HOUR_MS)]
    is_late = draw(st.integers(0, 5)) == 5
    bucket = [*path[:3], *late] if is_late else path
    history = write_history(created_at, path[:3] + late[:1] if is_late else path)
    fetched_at = created_at + timedelta(
        milliseconds=draw(st.sampled_from([90_000, 2 * HOUR_MS, 30 * HOUR_MS, 60 * HOUR_MS]))
    )
    payload = {
        "runID": run_id,
        "latestStatus": history[0]["status"],
        "lastUpdatedAt": history[0]["statusTimestamp"],
        "createdAt": write_timestamp(created_at),
        "trigger": "scheduled",
        "sources": draw(st.permutations(sources)),
        "dateStamps": [write_date(0)],
        "runHistory": history,
        "granularHistory": [
            {
                "source": source,
                "latestSourceStatus": bucket[-1][0],
                "statusByDate": [{"dateStamp": write_date(0), "statuses": write_history(created_at, bucket)}],
            }
            for source in sources
        ],
    }
    return payload, fetched_at


@st.composite
def worlds(draw: st.DrawFn, odd: int = 50, ordinary: int = 24) -> World:
    """So many runs of each sort, each also as it looks in a fetch a day later, under another id.

    The ordinary ones share a few sets of sources, so that expectations arise. More than this does not fit into one
    example of hypothesis.
    """
    numbers = draw(st.permutations(range(odd + ordinary)))
    ids = [f"run {n:03}" for n in numbers]
    groups = [["Events 1", "Events 2"], ["a,b"], ["a", "b"]]
    runs = [
        *(draw(odd_runs(run_id)) for run_id in ids[:odd]),
        *(draw(ordinary_runs(run_id, groups[i % 3])) for i, run_id in enumerate(ids[odd:])),
    ]
    a_day_later = timedelta(days=draw(st.sampled_from([1, 15])), milliseconds=draw(st.integers(-1, 1)))
    twins = [(p | {"runID": f"{p['runID']} later"}, fetched_at + a_day_later) for p, fetched_at in runs]
    return runs + twins
