"""The log on stderr: what stands in it is told by us, whatever comes from outside."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from statsig_runs.logs import configure_logging


@pytest.fixture
def _own_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.mark.usefixtures("_own_logging")
def test_no_text_from_outside_passes_for_a_line_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("warning", "text")
    run_id = "bad\n2026-11-27 00:00:00 ERROR faked \x1b[2J\u202e\r\tGröße"
    logging.getLogger("statsig_runs").warning("run %s breaks the contract", run_id)
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith(" WARNING run bad")
    assert second == r"    2026-11-27 00:00:00 ERROR faked \x1b[2J\u202e\r    Größe breaks the contract"
