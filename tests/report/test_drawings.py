"""Drawings are kept for the next page, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from statsig_runs.report import drawings, write_report
from tests.support.report_runs import opened


def refuse(_chart: object) -> str:
    raise AssertionError("a chart is drawn that was drawn before")


def test_a_page_of_the_same_rows_draws_nothing(troubled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(troubled) as connection:
        first = write_report(connection, tmp_path / "first.html", tmp_path / "charts").read_text()
        monkeypatch.setattr(drawings, "_to_svg", refuse)
        again = write_report(connection, tmp_path / "again.html", tmp_path / "charts").read_text()
    assert "<svg" in first
    assert again == first


@pytest.mark.parametrize("content", [b"", b"half of a fi", b"\x00" * 10_000])
def test_what_is_no_file_of_drawings_is_drawn_over(troubled: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "charts").write_bytes(content)
    with opened(troubled) as connection:
        page = write_report(connection, tmp_path / "page.html", tmp_path / "charts").read_text()
    assert "<svg" in page
    assert len((tmp_path / "charts").read_bytes()) > 10_000
