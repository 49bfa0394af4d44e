"""Whatever the OpenAPI document allows is loaded or refused with a reason, and then modelled, published and shown.

`schema-valid-runs.ndjson.xz` holds 800 random runs, drawn from the document's own schema by three programs that know
nothing of this one: schemathesis 4.32 (300), jsf 0.11 (250) and polyfactory 3.5 (250, for types written from the
schema). Two in three have date stamps that are dates, or none could be loaded. Lists are cut to four elements.
"""

from __future__ import annotations

import lzma
import re
from collections import Counter
from pathlib import Path

import jsonschema
import msgspec
import pytest
import yaml

from tests.support.workplace import Workplace

DATA = Path(__file__).parents[1] / "data"
REASONS = {
    r"no date: neither `2023-12-11`, nor `20231211`, nor a date-time - at `\$\.dateStamps\[\d\]`": "a date stamp",
    r"no date: neither .* - at `\$\.granularHistory\[\d\]\.statusByDate\[\d\]\.dateStamp`": "a date stamp",
    r"Expected `str` of length >= 1 - at `\$\.runID`": "no id",
    r"a text holds the character U\+0000, which no database stores": "U+0000",
}


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return lzma.decompress((DATA / "schema-valid-runs.ndjson.xz").read_bytes()).splitlines()


@pytest.fixture(scope="module")
def loaded(lines: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A workplace that has replayed the runs, in a zone in which the first moment of UTC is in the year before 1."""
    workplace = Workplace(tmp_path_factory.mktemp("odd"), "http://127.0.0.1:9", TZ="America/New_York")
    workplace.as_installed = True
    (workplace.work / "runs.ndjson").write_bytes(b"\n".join(lines))
    done = workplace.run("replay", "--from", "runs.ndjson", "--json")
    assert done.code == 4, done.err
    return workplace


def test_the_runs_are_what_the_document_allows(lines: list[bytes]) -> None:
    document = yaml.safe_load((DATA / "read-ingestion-run.openapi.yaml").read_text())
    valid = jsonschema.Draft7Validator(document["components"]["schemas"]["IngestionRunDataContractDto"])
    assert len(lines) == 800
    for line in lines:
        valid.validate(msgspec.json.decode(line))


def test_each_is_loaded_or_refused_by_a_rule_of_our_own(lines: list[bytes], loaded: Workplace) -> None:
    (accepted,) = loaded.query("select count(*) from statsig_raw.run_payloads")[0]
    refused = [reason for (reason,) in loaded.query("select reason from statsig_raw.rejected_runs")]
    assert accepted + len(refused) == len({bytes(line) for line in lines})
    assert accepted > 350
    kinds = Counter(
        next((kind for pattern, kind in REASONS.items() if re.fullmatch(pattern, reason)), reason) for reason in refused
    )
    assert kinds.keys() == {"a date stamp", "no id", "U+0000"}


def test_all_that_was_loaded_is_modelled_and_published(loaded: Workplace) -> None:
    (runs,) = loaded.query("select count(*) from statsig.fct_runs")[0]
    assert loaded.query("select count(distinct run_id) from statsig_raw.run_payloads") == [(runs,)]
    quiet = "select created_date from statsig.agg_daily group by 1 having sum(run_count) = 0"
    assert loaded.query(f"select count(*) from ({quiet}) where created_date < date '2015-01-01'") == [(0,)]


@pytest.mark.parametrize("command", [["status"], ["check"], ["report"], ["export", "marts"]])
def test_every_command_shows_them(command: list[str], loaded: Workplace) -> None:
    done = loaded.run(*command)
    assert done.code in ({5} if command == ["check"] else {0}), done.err
    assert "Traceback" not in done.err
    assert "could not be written" not in done.err
