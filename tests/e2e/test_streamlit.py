"""The example for Streamlit shows what a sync has brought, without a restart, and holds no file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from tests.e2e.conftest import TODAY, YESTERDAY
from tests.support.workplace import Workplace

EXAMPLE = Path(__file__).parents[2] / "examples" / "streamlit_app.py"


def test_the_page_shows_new_data_after_a_sync(
    copy_of_yesterday: Callable[..., Workplace], monkeypatch: pytest.MonkeyPatch
) -> None:
    testing = pytest.importorskip("streamlit.testing.v1")
    workplace = copy_of_yesterday()
    monkeypatch.chdir(workplace.work)
    monkeypatch.setattr("sys.argv", [str(EXAMPLE)])
    # Streamlit puts its page in the place of the main module; what a later test starts would begin with it
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])

    page = testing.AppTest.from_file(str(EXAMPLE), default_timeout=120).run()
    assert not page.exception
    assert page.metric[0].value == str(len(YESTERDAY))
    sources = list(page.dataframe[0].value["source"])
    assert sources == [name for (name,) in workplace.query("select source from statsig.source_status order by source")]

    assert workplace.sync().code == 0
    page.run()
    assert not page.exception
    assert page.metric[0].value == str(len(TODAY))
    with duckdb.connect(str(workplace.published), read_only=True) as connection:  # of this process: it holds no other
        [(runs,)] = connection.execute("select count(*) from statsig.fct_runs").fetchall()
    assert runs == len(TODAY)
