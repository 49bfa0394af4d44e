"""What a terminal gets: colours, unless they are not wanted, and words completed by the shell."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from statsig_runs.simulator import Simulator
from tests.support.workplace import COMMAND, KEY

COLOUR = re.compile(rb"\x1b\[(?:[0-9]*;)*(?:3|4|9|10)[0-9](?:;[0-9]*)*m")
COMMANDS = ("status", "check", "settings", "doctor", "sync")
README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def on_terminal(folder: Path, url: str, *arguments: str, **environment: str) -> bytes:
    """All that a command writes on a terminal; nobody has a key that the API takes."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [COMMAND, *arguments],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm-256color",
            "STATSIG_API_KEY": "console-another-key",
            "SOURCES__STATSIG_RUNS__BASE_URL": url,
            **environment,
        },
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ):
        os.close(theirs)
        written = b""
        try:
            while part := os.read(ours, 65536):
                written += part
        except OSError:  # how Linux says that the other side is closed
            pass
        os.close(ours)
    return written


def test_no_color_switches_off_what_is_coloured_without_it(folder: Path, tmp_path: Path) -> None:
    places = {name: tmp_path if name == "sync" else folder for name in COMMANDS}
    with Simulator(api_key=KEY) as api:
        coloured = {name for name, place in places.items() if COLOUR.search(on_terminal(place, api.url, name))}
        plain = {name: on_terminal(place, api.url, name, NO_COLOR="1") for name, place in places.items()}
    assert coloured >= {"status", "check", "doctor"}
    assert [name for name, written in plain.items() if COLOUR.search(written)] == []
    assert all(plain.values())


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_bash_completes_commands_and_options_after_the_line_of_the_readme(tmp_path: Path) -> None:
    (line,) = re.findall(r"`(eval [^`]+)`", README)
    ask = (
        "COMPREPLY=(); COMP_CWORD={}; COMP_WORDS=(statsig-runs {}); "
        "_statsig_runs_completion statsig-runs; echo ${{COMPREPLY[@]}}"
    )
    script = "\n".join([line, ask.format(1, "rep"), ask.format(2, "sync --max")])
    done = subprocess.run(
        ["bash", "--norc", "-ec", script],
        env={"PATH": f"{COMMAND.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [set(words.split()) for words in done.stdout.splitlines()] == [{"report", "replay"}, {"--max-requests"}]
