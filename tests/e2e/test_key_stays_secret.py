"""The key is nowhere but in the request: not in what is printed, not in a log, not in any file that a sync leaves."""

from __future__ import annotations

import gzip
import json
import pickle
import re
import sqlite3
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from statsig_runs.simulator import Simulator
from statsig_runs.simulator.faults import Reply, reply_error
from tests.e2e.conftest import TODAY
from tests.support.workplace import Done, Workplace, bytes_below

KEYS = ("console-Zq7Xw2Lk9Rt4", "zQ7xW2lK9rT4+/=%&'\"$")
"""One as they are meant to be; one that no pattern finds, with characters that are written in several ways."""


def spellings(key: str) -> set[str]:
    """The key's secret part as it is, quoted for an address, and escaped for JSON."""
    secret = key.removeprefix("console-")
    return {secret, secret.replace("%", "%25").replace("+", "%2B").replace("/", "%2F"), secret.replace('"', '\\"')} | {
        secret[:8]
    }


def escaped_somehow(key: str) -> str:
    """A pattern of the key's secret part with any of its characters escaped as JSON, HTML or an address do it."""
    ways = [
        rf"(?:{re.escape(c)}|\\+u{ord(c):04x}|%(?:25)*{ord(c):02x}|&#{ord(c)};)" for c in key.removeprefix("console-")
    ]
    return "".join(ways)


def places(workplace: Workplace, key: str) -> list[str]:
    """Where the key is found below the workplace: file by file, packed or not, and in every text of every database."""
    wanted = [*(re.escape(spelling) for spelling in spellings(key)), escaped_somehow(key)]
    pattern = re.compile("|".join(wanted), re.IGNORECASE)
    binary = re.compile("|".join(wanted).encode(), re.IGNORECASE)
    found = []
    for path, content in bytes_below([workplace.folder]).items():
        raw = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        if binary.search(raw) or pattern.search(str(path)):
            found.append(str(path))
        if path.name == "trace.pickle":
            found += [f"{path}, unpickled"] if pattern.search(_unfold(pickle.loads(raw))) else []  # noqa: S301
        if path.suffix == ".parquet":
            found += [f"{path}, unpacked"] if pattern.search(repr(duckdb.read_parquet(str(path)).fetchall())) else []
        if path.suffix == ".duckdb":
            found += [f"{path}: {name}" for name, text in _texts(path) if pattern.search(text)]
        if path.suffix == ".sqlite":
            with sqlite3.connect(path) as connection:
                found += [str(path) for line in connection.iterdump() if pattern.search(line)]
    return found


def _unfold(value: object) -> str:
    return repr(value) + repr(getattr(value, "__dict__", ""))


def _texts(path: Path) -> list[tuple[str, str]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        tables = connection.execute("select schema_name, table_name from duckdb_tables()").fetchall()
        return [
            (f"{schema}.{table}", repr(connection.execute(f'from "{schema}"."{table}"').fetchall()))
            for schema, table in tables
        ]


def assert_secret(workplace: Workplace, key: str, *ended: Done) -> None:
    for done in ended:
        for spelling in spellings(key):
            assert spelling.lower() not in (done.out + done.err).lower()
    assert places(workplace, key) == []


def test_the_search_finds_a_key_where_there_is_one(synced_yesterday: Workplace) -> None:
    name = TODAY[-1]["sources"][0]
    found = "\n".join(places(synced_yesterday, f"console-{name}"))
    assert "statsig_runs.duckdb: statsig_raw.ingestion_run_sources" in found
    assert "published/statsig_runs.duckdb: statsig.source_status" in found


@pytest.mark.parametrize(("key", "log_format"), [(KEYS[0], "text"), (KEYS[1], "json"), (KEYS[1], "text")])
def test_a_refusal_that_repeats_the_key_leaks_it_nowhere(
    workplace: Workplace, simulator: Simulator, key: str, log_format: str
) -> None:
    workplace.environment["STATSIG_API_KEY"] = key
    done = workplace.sync("--log-level", "debug", "--log-format", log_format)
    assert done.code == 3
    assert "an invalid key was sent" in done.err
    assert simulator.statuses == {401: 1}
    assert_secret(workplace, key, done)


@pytest.mark.parametrize("key", KEYS)
def test_a_redirect_that_repeats_the_key_is_not_followed_and_leaks_it_nowhere(
    workplace: Workplace, simulator: Simulator, key: str
) -> None:
    with Simulator(TODAY) as elsewhere:
        simulator.api_key = workplace.environment["STATSIG_API_KEY"] = key
        simulator.script = lambda path, _: Reply(302, headers={"Location": f"{elsewhere.url}{path}&key={key}"})
        done = workplace.sync("--log-level", "debug")
        assert elsewhere.statuses.total() == 0
    assert done.code == 6
    assert_secret(workplace, key, done)


def test_payloads_and_errors_that_repeat_the_key_are_loaded_without_it(
    copy_of_yesterday: Callable[..., Workplace], simulator: Simulator
) -> None:
    key = simulator.api_key = KEYS[1]
    simulator.runs.add({**TODAY[0], "sources": [f"Events of {key}"], "note": key})
    simulator.runs.add({**TODAY[1], "createdAt": key})
    simulator.runs.add({**TODAY[2], "runID": key})
    simulator.runs.add({**TODAY[3], "runID": "named after a key", "latestStatus": key, key: key})
    refusals = {"teapot": reply_error(418, f"not with {key}"), "gone": reply_error(404, f"{key} not found")}
    simulator.script = lambda path, _: refusals.get(path.rpartition("/")[2])
    workplace = copy_of_yesterday(STATSIG_API_KEY=key)
    workplace.as_installed = True
    done = workplace.run("sync", "--run-id", "teapot", "--run-id", "gone", "--log-level", "debug")
    assert done.code == 4
    assert "run gone does not exist" in done.err
    assert "run teapot could not be read" in done.err
    assert_secret(workplace, key, done)
    sources = workplace.query(
        f"select source from statsig_raw.ingestion_run_sources where run_id = '{TODAY[0]['runID']}'"
    )
    assert sources == [("Events of console-***",)]


def test_a_key_that_comes_back_escaped_or_encoded_is_found_nowhere(
    copy_of_yesterday: Callable[..., Workplace], simulator: Simulator
) -> None:
    key = simulator.api_key = KEYS[0]
    forms = {
        "hyphen": key.replace("-", r"\u002d"),
        "all": "".join(f"\\u{ord(character):04X}" for character in key),
        "twice": "".join(f"\\\\u{ord(character):04x}" for character in key),
        "html": key.replace("Z", "&#90;"),
        "address": key.replace("Z", "%255A"),
        "base64": b64encode(f"user:{key}".encode()).decode(),
    }

    def answer(path: str, _: int) -> Reply | None:
        run_id = path.rpartition("/")[2]
        name, _dot, kind = run_id.partition(".")
        if name not in forms:
            return None
        run = {**TODAY[0], "runID": run_id, "trigger": "KEY", "sources": ["KEY"], "latestStatus": "KEY", "KEY": "KEY"}
        body = {"run": {"data": run}, "refused": {"data": {**run, "createdAt": "KEY"}}, "error": {"message": "KEY"}}[
            kind
        ]
        return Reply(418 if kind == "error" else 200, json.dumps(body).replace("KEY", forms[name]).encode())

    simulator.script = answer
    workplace = copy_of_yesterday(STATSIG_API_KEY=key)
    workplace.as_installed = True
    ids = [f"{name}.{kind}" for name in forms for kind in ("run", "refused", "error")]
    done = workplace.run("sync", *(f"--run-id={each}" for each in ids), "--log-level", "debug")
    assert done.code == 4, done.err
    exported = workplace.run("export", "exported")
    assert exported.code == 0, exported.err
    assert_secret(workplace, key, done, exported)
    assert not re.search(escaped_somehow(key), done.out + done.err, re.IGNORECASE)
    triggers = workplace.query(
        "select run_id, trigger from statsig_raw.ingestion_runs where run_id like '%.run' order by 1"
    )
    assert triggers == [
        ("address.run", "console-***"),
        ("all.run", "console-***"),
        ("base64.run", "dXNlcjconsole-***"),
        ("html.run", "console-***"),
        ("hyphen.run", "console-***"),
        ("twice.run", "console-***"),
    ]
