"""The commands for whoever sets it up: `settings` and `doctor`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from statsig_runs.cli.common import common, open_project, to_destination
from statsig_runs.cli.surroundings import write_utf8
from statsig_runs.errors import StatsigRunsError

_STYLES: Final = {"ok": "green", "warning": "yellow", "failed": "red"}


def _tell_json(content: dict[str, Any]) -> None:
    from statsig_runs.redact import scrub_known

    write_utf8()
    click.echo(scrub_known(json.dumps(content, ensure_ascii=False)))


def _tell(line: str, **style: Any) -> None:
    from statsig_runs.redact import scrub_known

    click.secho(scrub_known(line), **style)


@click.command("settings", short_help="Every setting: its value, where it came from, what it means.")
@common
@click.option("--json", "as_json", is_flag=True, help="Print them as one JSON object.")
def settings_command(database: Path, *, as_json: bool) -> None:
    """Tell every setting: its value, where that came from and what it means; secrets are masked.

    Names that no setting has are warned about, by this command and by every other.
    """
    from dataclasses import asdict

    from statsig_runs.readers.display import visible
    from statsig_runs.setting_places import read_places
    from statsig_runs.settings_explained import tell_settings

    _, settings = open_project(database, is_reader=True)
    told = tell_settings(settings, read_places())
    if as_json:
        _tell_json({"settings": [asdict(each) for each in told]})
        return
    section = ""
    for each in told:
        above, _, name = each.name.rpartition(".")
        if above != section:
            _tell(f"\n[{above}]" if section else f"[{above}]", bold=True)
            section = above
        value = "" if each.value is None else f" = {visible(json.dumps(each.value, ensure_ascii=False))}"
        _tell(f"{name}{value}    ({visible(each.origin)})", fg="yellow" if each.is_own else None)
        _tell(f"    {each.meaning}", dim=True)


@click.command(short_help="Is everything there that a sync needs?")
@common
@to_destination
@click.option("--base-url", metavar="URL", help="Another API than Statsig's, such as `statsig-runs simulate`.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as one JSON object.")
def doctor(database: Path, base_url: str | None, *, destination: str | None, as_json: bool) -> None:
    """Look at what a sync needs, and tell what to do about each: key, rate-limit log, API, space, lock, last sync.

    Changes nothing and makes one request. The exit code is 0, or that of the first finding that failed.
    """
    from statsig_runs.job.doctor import Finding, examine, worst
    from statsig_runs.readers.display import visible

    def look() -> Iterator[Finding]:
        try:  # what no setting is called is a finding here
            warehouse, settings = open_project(database, tells_unread=False, base_url=base_url, destination=destination)
        except StatsigRunsError as error:
            told, _, remedy = str(error).partition("\n")
            yield Finding("settings", "failed", told, remedy, error.exit_code)
        else:
            yield from examine(warehouse, settings, datetime.now(UTC))

    findings = []
    for each in look():
        findings.append(each)
        if as_json:
            continue
        _tell(f"{each.state:8} {each.name}: {visible(each.told)}", fg=_STYLES[each.state])
        for line in each.remedy.splitlines():
            _tell(f"         {visible(line)}")
    code = worst(findings)
    if as_json:
        _tell_json({"is_well": code == 0, "exit_code": code, "findings": [each.to_json() for each in findings]})
    sys.exit(code)


DIAGNOSIS: Final[tuple[click.Command, ...]] = (settings_command, doctor)
