"""The log of requests is where its user can keep it, under a name that shows no key."""

import os
from pathlib import Path

import pytest

from statsig_runs.api import ConsoleApi
from statsig_runs.api.shared_log import log_directory, log_name

KEY = "console-for-the-limiter"


def test_a_logs_name_depends_on_the_key_and_the_api_and_shows_neither() -> None:
    names = {
        log_name(key, url) for key in ("console-a", "console-b") for url in ("https://a.example", "https://b.example")
    }
    assert len(names) == 4
    assert log_name("console-a", "https://a.example") in names
    assert not any("console-" in name or "example" in name for name in names)


def test_logs_live_in_the_users_state_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert log_directory() == tmp_path / "statsig-runs"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert log_directory() == tmp_path / ".local" / "state" / "statsig-runs"


@pytest.mark.parametrize("home", ["none", "/proc/no/such/home"])
def test_without_a_home_that_can_be_written_logs_live_among_temporary_files_which_is_said(
    home: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if home == "none":
        monkeypatch.setattr(Path, "home", _no_home)
    else:
        monkeypatch.setenv("HOME", home)

    found = log_directory()
    ConsoleApi(KEY, rate_limits="9/1").close()

    assert found.parent == tmp_path
    assert found.stat().st_mode & 0o777 == 0o700
    assert list(found.glob("rate-*.sqlite"))
    assert f"The rate-limit log is in {found}, since " in caplog.text
    assert "cannot be used" not in caplog.text


def _no_home() -> Path:
    raise RuntimeError


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's folder")
def test_another_users_folder_among_the_temporary_files_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(Path, "home", _no_home)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    theirs = tmp_path / f"statsig-runs-{os.geteuid()}"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)

    ConsoleApi(KEY, rate_limits="9/1").close()

    assert list(theirs.iterdir()) == []
    assert "other processes with this key are not taken into account" in caplog.text


@pytest.mark.parametrize("name", ["it's 100%", "a?b#c", "{{ x }}", "file:x?mode=ro"])
def test_the_log_may_be_in_a_folder_of_any_name(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / name
    ConsoleApi(KEY, rate_limits="9/1", limiter_dir=folder).close()
    assert list(folder.glob("rate-*.sqlite"))
    assert caplog.text == ""
