"""A sync that fails half-way: what it did is told in any case."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from statsig_runs.cli import cli
from statsig_runs.job import refresh, sync
from statsig_runs.models import read_models
from statsig_runs.simulator import API_KEY, STATUS_PATH, Simulator
from statsig_runs.simulator.sample_runs import generate_runs
from statsig_runs.warehouse.known import Known
from statsig_runs.warehouse.loader import Loader

NOON = datetime(2024, 3, 14, 12, tzinfo=UTC)
Sync = Callable[[], Result]


@pytest.fixture
def run_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sync]:
    """`sync --json` in this process, of the runs alone, with a load after every page of the list."""
    monkeypatch.setattr(sync, "BATCH_SIZE", 10)
    with Simulator(generate_runs(30, seed=1, until=NOON), api_key=API_KEY) as simulator:
        monkeypatch.setenv("STATSIG_API_KEY", API_KEY)
        monkeypatch.setenv("SOURCES__STATSIG_RUNS__BASE_URL", simulator.url)
        monkeypatch.setenv("SOURCES__STATSIG_RUNS__RATE_LIMITS", "1000/1")
        arguments = ["sync", "--json", "--no-status", "--database", str(tmp_path / "statsig_runs.duckdb")]
        yield lambda: CliRunner().invoke(cli, arguments)


def refuse(known: Known) -> Any:
    return known._database.query("select no_such_column from statsig_raw.ingestion_runs")


def stumble(_: Known) -> Any:
    raise KeyError("nobody thought of this")


@pytest.mark.parametrize(
    ("fail", "loaded", "published", "told"),
    [(refuse, 10, False, "no_such_column"), (stumble, 10, True, "Something unexpected: KeyError")],
)
def test_an_error_while_known_runs_are_looked_up_after_a_load_leaves_a_summary(
    run_sync: Sync,
    monkeypatch: pytest.MonkeyPatch,
    fail: Callable[[Known], Any],
    loaded: int,
    published: bool,
    told: str,
) -> None:
    look_up = Known.runs
    asked = []

    def runs(known: Known, run_ids: Any, **options: Any) -> Any:
        asked.append(run_ids)
        return fail(known) if len(asked) == 4 else look_up(known, run_ids, **options)  # the list's third page

    monkeypatch.setattr(Known, "runs", runs)
    done = run_sync()
    summary = json.loads(done.stdout)
    assert (done.exit_code, summary["exit_code"]) == (1, 1)
    assert told in summary["error"]
    assert summary["new"] + summary["rejected"] == loaded
    assert (summary["publish_seconds"] is not None) == published
    monkeypatch.setattr(Known, "runs", look_up)
    again = json.loads(run_sync().stdout)
    assert (again["exit_code"], again["new"]) == (0, 20)


def test_an_error_before_the_first_request_leaves_a_summary_too(
    run_sync: Sync, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "statsig_runs.duckdb").write_text("a shopping list\n" * 1000)
    summary = json.loads(run_sync().stdout)
    assert (summary["exit_code"], summary["new"], summary["requests"]) == (1, 0, 0)
    assert "not a valid DuckDB database file" in summary["error"]
    monkeypatch.delenv("STATSIG_API_KEY")
    monkeypatch.chdir(tmp_path)
    summary = json.loads(run_sync().stdout)
    assert (summary["exit_code"], summary["requests"]) == (2, 0)
    assert "No Console API key is set" in summary["error"]


def test_the_models_are_read_while_the_api_is_and_before_anything_is_loaded(
    run_sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    load = Loader.load

    def note_reading(**named: Any) -> None:
        told.append("reading")
        read_models(**named)
        told.append("read by " + threading.current_thread().name)

    def note_load(loader: Loader, *arguments: Any, **named: Any) -> Any:
        told.append("loading")
        return load(loader, *arguments, **named)

    monkeypatch.setattr(refresh, "read_models", note_reading)
    monkeypatch.setattr(Loader, "load", note_load)
    done = run_sync()
    assert (done.exit_code, json.loads(done.stdout)["new"]) == (0, 30)
    assert told == ["reading", "read by read ahead", *["loading"] * 3]


def test_an_api_that_refuses_the_key_is_told_without_a_wait_for_the_models(
    run_sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(refresh, "read_models", lambda **_: told.append("reading"))
    monkeypatch.setenv("STATSIG_API_KEY", "console-wrong")
    summary = json.loads(run_sync().stdout)
    assert (summary["exit_code"], summary["model_seconds"]) == (3, None)
    assert told == []


def test_an_api_without_the_ingestion_status_is_told_once_and_hampers_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sync, "finish", lambda *_, **__: None)  # it is about what is fetched and loaded
    monkeypatch.setenv("STATSIG_API_KEY", API_KEY)
    monkeypatch.setenv("SOURCES__STATSIG_RUNS__RATE_LIMITS", "1000/1")
    runs = generate_runs(30, seed=1, until=datetime.now(UTC))
    with Simulator(runs, api_key=API_KEY, status_shape="off") as simulator:
        command = ["sync", "--json", "--base-url", simulator.url, "--database", str(tmp_path / "statsig_runs.duckdb")]

        def run(*arguments: str) -> tuple[int, int, int, int]:
            """Exit code, messages loaded, how often the endpoint was warned of, and how often it was asked."""
            before = len(simulator.log)
            done = CliRunner().invoke(cli, [*command, *arguments])
            summary = json.loads(done.stdout)
            asked = sum(entry.path.startswith(STATUS_PATH) for entry in list(simulator.log)[before:])
            told = done.stderr.count("the API refuses the ingestion status (404")
            return summary["exit_code"], summary["messages"], told, asked

        assert run() == (0, 0, 1, 1)
        assert run() == (0, 0, 0, 0)
        simulator.status_shape = "envelope"
        assert run("--full", "--no-status") == (0, 0, 0, 0)
        assert run("--no-discover", "--run-id", runs[0]["runID"]) == (0, 0, 0, 0)
        code, messages, told, asked = run("--full")  # which reads everything again, and so asks for this as well
        assert (code, told, asked) == (0, 0, 1)
        assert messages > 100
        assert run() == (0, 0, 0, 1)
