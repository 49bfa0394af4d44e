"""Where a command runs: by a user without a home, with streams that are closed or speak ASCII only."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from statsig_runs.warehouse import Warehouse
from tests.support.workplace import COMMAND, PATIENCE, Done, Workplace

NOBODY = """
import pwd, sys

def nobody(uid):
    raise KeyError(uid)

pwd.getpwuid = nobody
sys.argv[0] = "statsig-runs"
from statsig_runs.cli import main
main()
"""
ODD = "select 'Größe 🚀' as \"größe\", 'plain' as b"
WITHOUT_A_HOME = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
HOMES = {"no home": {}, "a home that cannot be written": {"HOME": "/proc/no/such/home"}}


def run_as_nobody(folder: Path, environment: dict[str, str], *arguments: str) -> Done:
    done = subprocess.run(
        [sys.executable, "-c", NOBODY, *arguments],
        cwd=folder,
        env=WITHOUT_A_HOME | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("home", HOMES.values(), ids=HOMES)
def test_readers_need_no_home(folder: Path, tmp_path: Path, home: dict[str, str]) -> None:
    for arguments in (
        ("status",),
        ("query", "select 1"),
        ("export", str(tmp_path / "exported")),
        ("report", "--output", str(tmp_path / "page.html")),
    ):
        done = run_as_nobody(folder, home, *arguments)
        assert done.code == 0, done.err
        assert "home" not in done.err
    assert (tmp_path / "page.html").is_file()
    assert run_as_nobody(folder, home, "check").code in (0, 5)


def test_a_sync_without_a_home_says_once_where_its_rate_limit_log_is(workplace: Workplace, tmp_path: Path) -> None:
    variables = workplace.environment | {"TMPDIR": str(tmp_path)}
    del variables["HOME"]
    done = run_as_nobody(workplace.work, variables, "sync", "--max-requests", "2")
    assert done.code == 0, done.err
    assert done.err.count("The rate-limit log is in ") == 1
    assert len(list(tmp_path.glob("statsig-runs-*/rate-*.sqlite"))) == 1


ENCODINGS = {
    "PYTHONIOENCODING": {"PYTHONIOENCODING": "ascii"},
    "the C locale": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
}


def run_in_ascii(folder: Path, encoding: dict[str, str], *arguments: str) -> bytes:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **encoding}
    done = subprocess.run(
        [COMMAND, *arguments], cwd=folder, env=environment, capture_output=True, timeout=PATIENCE, check=False
    )
    assert done.returncode in (0, 5), done.stderr
    assert b"UnicodeEncodeError" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
def test_where_only_ascii_is_spoken_people_read_escapes_and_machines_utf8(
    folder: Path, encoding: dict[str, str]
) -> None:
    shown = run_in_ascii(folder, encoding, "query", ODD).decode("ascii")
    assert "Gr\\xf6\\xdfe \\U0001f680" in shown
    as_csv = run_in_ascii(folder, encoding, "query", "--csv", ODD).decode()
    assert list(csv.reader(io.StringIO(as_csv))) == [["größe", "b"], ["Größe 🚀", "plain"]]
    as_json = run_in_ascii(folder, encoding, "query", "--json", ODD).decode()
    assert json.loads(as_json) == [{"größe": "Größe 🚀", "b": "plain"}]


@pytest.mark.parametrize("command", ["status", "check"])
def test_every_screen_is_printed_where_only_ascii_is_spoken(folder: Path, command: str) -> None:
    assert run_in_ascii(folder, {"PYTHONIOENCODING": "ascii"}, command).isascii()
    assert json.loads(run_in_ascii(folder, {"PYTHONIOENCODING": "ascii"}, command, "--json"))


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_are_no_reason_to_fail(published: Warehouse, tmp_path: Path, closed: str) -> None:
    page = tmp_path / "page.html"
    command = f'exec "$0" report --database "$1" --output "$2" {closed}'
    done = subprocess.run(
        ["sh", "-c", command, COMMAND, published.database, page], capture_output=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0
    content = page.read_text(encoding="utf-8")
    assert content.startswith("<!")
    assert "Written:" not in content


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--help",), 0),
        (("status", "--json"), 0),
        (("check", "--json"), 5),
        (("export", "exported"), 0),
        (("query", "--csv", "from range(1000000)"), 0),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_a_reader_who_leaves_changes_neither_what_a_command_does_nor_how_it_ends(
    published: Warehouse, tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    left, ours = os.pipe()
    os.close(left)
    place = () if arguments == ("--help",) else ("--database", str(published.database))
    environment = {**os.environ, "SOURCES__STATSIG_RUNS__CHECKS__MAX_HOURS_SINCE_LOAD": "0.001"}
    with open(ours, "wb") as pipe:  # noqa: PTH123  a pipe has no path
        done = subprocess.run(
            [COMMAND, *arguments, *place],
            cwd=tmp_path,
            env=environment,
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "Broken pipe" not in done.stderr
    assert (tmp_path / "exported" / "manifest.json").is_file() == (arguments[0] == "export")
