"""dlt sees this program's names, and none that other programs may have set for themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dlt
import pytest
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.configuration.specs import RuntimeConfiguration
from dlt.pipeline.configuration import PipelineConfiguration

from statsig_runs.dlt_context import is_own, own_names_only
from statsig_runs.settings import load_settings
from tests.support.names_of_dlt import fields, harmful_value, paths, variables_past_the_settings

OWN = {
    "sources.statsig_runs.api_key",
    "sources.statsig_runs.base_url",
    "sources.statsig_runs.destination",
    "sources.statsig_runs.settle_days",
    "runtime.slack_incoming_hook",
    "runtime.dlthub_telemetry",
}


def test_the_names_are_found_in_the_source_of_dlt() -> None:
    assert {"refresh", "dev_mode", "dataset_name_layout", "progress", "pipelines_dir", "naming"} <= set(fields())
    assert len(fields()) > 300
    assert {"DLT_JSON_TYPED_PUA_START", "DLT_DEFAULT_NAMING_MODULE"} <= set(variables_past_the_settings())


def test_of_all_names_that_dlt_knows_only_the_documented_ones_are_own() -> None:
    assert {".".join(path) for path in paths() if is_own(path)} <= OWN
    assert all(is_own(name.split(".")) for name in OWN)


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("destination.postgres.credentials", True),
        ("destination.postgres.credentials.password", True),
        ("destination.ducklake.credentials.storage.bucket_url", True),
        ("destination.filesystem.bucket_url", True),
        ("destination.bigquery.location", True),
        ("credentials", False),
        ("destination.credentials", False),
        ("destination.postgres.dataset_name", False),
        ("destination.filesystem.layout", False),
        ("destination.duckdb.credentials", False),
        ("statsig_runs.destination.postgres.credentials", False),
    ],
)
def test_of_a_destination_its_place_and_the_way_in_are_own(path: str, own: bool) -> None:
    assert is_own(path.split(".")) is own


def test_a_pipeline_has_dlts_defaults_whatever_the_environment_and_the_files_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt/config.toml").write_text(
        'refresh = "drop_data"\n[pipelines.statsig_runs]\ndev_mode = true\n[load]\nworkers = 0\n'
        "[sources.statsig_runs]\nsettle_days = 3\n"
    )
    # the variables are gone before the context is: where an earlier test has used dlt, it starts anew then, with all
    with own_names_only(), monkeypatch.context() as foreign:
        for path in paths():
            if not is_own(path):
                foreign.setenv("__".join(path).upper(), harmful_value(path[-1]))
        found = resolve_configuration(PipelineConfiguration(pipeline_name="p"), sections=("pipelines", "statsig_runs"))
        assert (found.refresh, found.dev_mode, found.dataset_name_layout, found.progress) == (None, False, None, None)
        assert (found.pipelines_dir, found.destination_type, found.staging_type) == (None, None, None)
        assert dlt.config.get("load.workers") is None
        assert dlt.config.get("load.truncate_staging_dataset") is True
        assert load_settings().settle_days == 3


@pytest.mark.parametrize("wanted", [False, True])
def test_telemetry_is_off_unless_a_file_turns_it_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, wanted: bool
) -> None:
    monkeypatch.delenv("RUNTIME__DLTHUB_TELEMETRY", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt/config.toml").write_text("[runtime]\ndlthub_telemetry = true\n" if wanted else "")
    with own_names_only():
        assert resolve_configuration(RuntimeConfiguration()).dlthub_telemetry is wanted


def test_a_secret_of_another_program_is_not_taken_for_a_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS", "postgresql://other:secret@other/db")
    monkeypatch.setenv("PASSWORD", "of something else")
    with own_names_only():
        assert dlt.secrets.get("credentials") is None
        assert dlt.secrets.get("destination.postgres.credentials") is None


def test_a_user_who_has_streamlit_does_not_wait_for_it(tmp_path: Path) -> None:
    code = """
import sys
from statsig_runs.dlt_context import own_names_only
with own_names_only():
    import dlt
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert {"dlt", "streamlit", "pandas"} & set(done.stdout.split()) == {"dlt"}
