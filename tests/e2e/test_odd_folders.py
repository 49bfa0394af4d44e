"""Every command of the installed program works in folders that a path, SQL, a URI or a format string stumbles over."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from statsig_runs.cli import cli
from statsig_runs.simulator import Simulator
from tests.e2e.conftest import TODAY
from tests.support.workplace import KEY, Done, Workplace

FOLDERS = ("it's 100%/a%20b", "Größe und mehr/new\nline {{ x }} {% if")
"""In the first dlt cannot work, so another folder stands for it; in the second it has to."""

RUNS = [{"runs": len(TODAY)}]


class OddPlace:
    """A user who lives and works in an odd folder, and writes into more of them."""

    def __init__(self, workplace: Workplace, name: str) -> None:
        self.workplace = workplace
        self.name = name.replace("/", " ")
        self.into = workplace.work / f"into {self.name}"
        self.into.mkdir()
        self.ran: set[str] = set()

    def run(self, *arguments: str, code: int = 0) -> Done:
        done = self.workplace.run(*arguments)
        assert (done.code, "Traceback" in done.err) == (code, False), (arguments, done.out, done.err)
        self.ran.add(arguments[0])
        return done

    def write(self, ending: str, text: str) -> str:
        file = self.into / f"{self.name} {ending}"
        file.write_text(text)
        return str(file)


@pytest.fixture(scope="module", params=FOLDERS)
def place(
    request: pytest.FixtureRequest, synced_yesterday: Workplace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OddPlace]:
    """A copy of the workplace that synced yesterday; the tests follow one another in it."""
    temporary = tmp_path_factory.mktemp("temporary")  # for the folder that stands for the odd one
    with Simulator(TODAY, api_key=KEY) as simulator:
        workplace = synced_yesterday.copy(tmp_path_factory.mktemp("odd") / request.param)
        workplace.environment |= {"SOURCES__STATSIG_RUNS__BASE_URL": simulator.url, "TMPDIR": str(temporary)}
        workplace.as_installed = True
        yield OddPlace(workplace, request.param)


def test_a_sync_works_there_and_draws_the_page(place: OddPlace) -> None:
    done = place.run("sync", "--json")
    assert (done.summary["new"] > 0, done.summary["error"]) == (True, None)
    assert "WARNING" not in done.err
    assert place.workplace.query("select count(*) from statsig.fct_runs") == [(len(TODAY),)]


def test_a_sync_takes_its_ids_from_a_file_there(place: OddPlace) -> None:
    ids = place.write("ids.txt", f"{TODAY[0]['runID']}\n")
    summary = place.run("sync", "--json", "--no-discover", "--no-status", "--run-ids-file", ids).summary
    assert (summary["new"], summary["requests"] > 0, summary["error"]) == (0, True, None)


def test_an_archive_there_is_replayed(place: OddPlace) -> None:
    archive = place.write("archive.ndjson", "\n".join(map(json.dumps, TODAY)))
    summary = place.run("replay", "--json", "--from", archive).summary
    assert (summary["requests"], summary["unchanged"]) == (0, len(TODAY))


def test_the_models_are_built_there_and_documented(place: OddPlace) -> None:
    place.run("transform", "--full-refresh")
    docs = place.into / f"{place.name} docs.html"
    place.run("docs", "--output", str(docs))
    assert docs.stat().st_size > 100_000


def test_people_and_schedulers_are_answered_there(place: OddPlace) -> None:
    assert place.run("status").out
    assert json.loads(place.run("check", "--json", code=5).out)  # runs of 2024
    waited = place.workplace.query(
        "select source, date_stamp from statsig.fct_source_dates where outcome = 'succeeded' limit 1"
    )[0]
    place.run("wait-for", "--source", waited[0], "--date", str(waited[1]), "--timeout", "0s", "--no-sync")
    findings = json.loads(place.run("doctor", "--json").out)["findings"]
    [copy] = [finding for finding in findings if finding["name"] == "published copy"]
    assert (copy["state"], str(place.workplace.published) in copy["told"]) == ("ok", True)
    assert KEY not in place.run("settings").out


def test_a_query_writes_there_and_reads_what_it_wrote(place: OddPlace) -> None:
    parquet = str(place.into / f"{place.name}.parquet")
    place.run("query", "select run_id from fct_runs", "--parquet", parquet)
    escaped = parquet.replace("'", "''")
    again = place.run("query", "--allow-files", "--json", f"select count(*) as runs from '{escaped}'")
    assert json.loads(again.out) == RUNS


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_every_mart_is_exported_there(place: OddPlace, kind: str) -> None:
    folder = place.into / f"{place.name} {kind}"
    place.run("export", "--format", kind, str(folder))
    assert (folder / f"fct_runs.{kind}").exists()
    assert json.loads((folder / "manifest.json").read_text())


def test_the_page_and_its_picture_are_drawn_there(place: OddPlace) -> None:
    page, picture = (place.into / f"{place.name} page.{ending}" for ending in ("html", "png"))
    place.run("report", "--output", str(page))
    assert page.read_text(encoding="utf-8").count("<h1") == 1
    place.run("report", "--png", str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_no_command_was_left_out_there(place: OddPlace) -> None:
    assert place.ran == set(cli.commands) - {"demo", "simulate"}


def test_a_folder_that_cannot_be_is_refused_before_the_first_request(
    workplace: Workplace, simulator: Simulator
) -> None:
    for command, name in (("sync", "why?"), ("sync", "C#"), ("sync", "{# x #}"), ("replay", "C#"), ("status", "C#")):
        database = workplace.work / name / "runs.duckdb"
        done = workplace.run(command, "--database", str(database))
        assert done.code == 2, (command, done.out, done.err)
        assert "take a ? or # in " in done.err
        assert "Choose another --database" in done.err
        assert not database.parent.exists()
    assert simulator.statuses.total() == 0
