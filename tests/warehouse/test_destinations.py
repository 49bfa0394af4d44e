"""What is said of a destination that cannot be opened, and the dbt profile that follows from dlt's settings."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from statsig_runs.dlt_context import own_names_only
from statsig_runs.errors import ConfigurationError
from statsig_runs.models.dbt_project import DbtProject
from statsig_runs.schemas import Schemas
from statsig_runs.warehouse import destinations
from statsig_runs.warehouse.destinations import NAMES, open_destination

SECRET = "s3cret"
FIELDS = {
    "postgres": {"": f"postgresql://loader:{SECRET}@db.example.com:5432/analytics?sslmode=require"},
    "redshift": {"": f"redshift://loader:{SECRET}@db.example.com:5439/analytics"},
    "snowflake": {"": f"snowflake://loader:{SECRET}@account/analytics?warehouse=small&role=loader"},
    "bigquery": {
        "PROJECT_ID": "analytics",
        "CLIENT_EMAIL": "loader@example.com",
        "PRIVATE_KEY": f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n",
    },
    "databricks": {
        "SERVER_HOSTNAME": "db.example.com",
        "HTTP_PATH": "/sql/1.0/warehouses/w",
        "CATALOG": "analytics",
        "ACCESS_TOKEN": SECRET,
    },
    "motherduck": {"DATABASE": "analytics", "PASSWORD": SECRET},
}


@pytest.fixture(autouse=True)
def empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """No setting of this machine gets in, and dlt sees what the command lets it see."""
    for name in [name for name in os.environ if name.startswith(("DESTINATION__", "CREDENTIALS"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    with own_names_only():
        yield tmp_path


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"no destination 'oracle'.*: duckdb, postgres, ducklake, .*filesystem"
    ):
        open_destination("oracle", tmp_path)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {"duckdb", "ducklake", "motherduck"}])
def test_a_missing_package_is_answered_with_the_extra(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(destinations, "find_spec", lambda _: None)

    with pytest.raises(ConfigurationError, match=rf"pip install 'statsig-runs\[{name}\]'"):
        open_destination(name, tmp_path)


def test_an_address_may_stand_in_fields_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"HOST": "db.example.com", "DATABASE": "analytics", "USERNAME": "loader", "PASSWORD": SECRET}
    for name, value in fields.items():
        monkeypatch.setenv(f"DESTINATION__POSTGRES__CREDENTIALS__{name}", value)

    opened = open_destination("postgres", tmp_path)

    assert "db.example.com" in opened.place
    assert SECRET in opened.secrets


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("postgres", "DESTINATION__POSTGRES__CREDENTIALS__DATABASE"),
        ("filesystem", "DESTINATION__FILESYSTEM__BUCKET_URL"),
    ],
)
def test_missing_settings_are_answered_with_where_to_set_them(name: str, variable: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not configured; missing: ") as raised:
        open_destination(name, tmp_path)

    assert f"under [destination.{name}]" in str(raised.value)
    assert f"such as {variable}." in str(raised.value)


@pytest.mark.parametrize("name", FIELDS)
def test_dbt_takes_the_profile_that_dlts_settings_give(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for field, value in FIELDS[name].items():
        monkeypatch.setenv("__".join(filter(None, ["DESTINATION", name.upper(), "CREDENTIALS", field])), value)

    destination = open_destination(name, tmp_path)
    profile = destination.profile(Schemas.of_project())
    assert profile
    with destination.modelling(Schemas.of_project()):
        DbtProject(tmp_path / "dbt", profile, {}).invoke(["parse"])

    assert "analytics" in json.dumps(profile)
    assert SECRET in "".join(destination.secrets)
    assert SECRET not in destination.place
    assert SECRET not in (tmp_path / "dbt" / "profiles.yml").read_text()
