"""Runs dbt commands on the project in `sql/` inside this process; knows nothing of what the project builds.

Everything dbt writes goes to a folder of the caller's, since an installed package may be read-only. What dbt does is
said here alone, as arguments: no variable of the environment that dbt knows reaches it. dbt is imported by the first
call, not with the module: it takes more than a second.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from statsig_runs.environment import environment
from statsig_runs.errors import ModelsError, StorageError
from statsig_runs.models.manifest import keep_manifest, key_of, read_manifest
from statsig_runs.packaged import packaged
from statsig_runs.whole_files import replacing

PROFILE: Final = "statsig_runs"
_MESSAGES_SHOWN: Final = 5
_ALWAYS: Final = (
    *("--log-level", "none", "--log-level-file", "none", "--no-print", "--no-use-colors"),
    *("--no-send-anonymous-usage-stats", "--no-version-check"),
    "--no-partial-parse",  # `manifest` keeps what dbt has read, and is stricter about when that counts
)
_AFTERMATH: Final = "Current transaction is aborted"
"""What DuckDB says of each model after the one that failed, where a build is one transaction."""
_DBTS_OWN: Final = "DBT_"
"""How the names of all variables begin that dbt and its adapters take settings from."""

log = logging.getLogger("statsig_runs.models")
_manifests: dict[str, Any] = {}


class Secret(str):
    """A text in a profile that is written to no file and no log."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class DbtProject:
    """The project with one profile and one set of variables.

    `state` is the folder that dbt may write to, `profile` one output as dbt's adapters define it, `variables` the
    vars of `dbt_project.yml` that are set.
    """

    state: Path
    profile: Mapping[str, Any]
    variables: Mapping[str, Any]

    def read(self) -> None:
        """Import dbt and let it read the project, which `invoke` then need not do; nothing is connected to.

        Raises:
            ModelsError: dbt could not read it.
            StorageError: the state folder could not be written.
        """
        with environment(secrets_of(self.profile), without=_DBTS_OWN):
            self._write_profile()
            self._read_project()

    def invoke(
        self, command: Sequence[str], *, write_json: bool = False, watch: Callable[[Any], None] | None = None
    ) -> Any:
        """Run one dbt command and return its result; no handle on the database stays open.

        `watch` is given every event that dbt tells of.

        Raises:
            ModelsError: dbt failed, or a model or test did; the text names each.
            StorageError: the database or the state folder could not be opened or written.
        """
        with environment(secrets_of(self.profile), without=_DBTS_OWN), _closing_connections():
            from dbt.cli.main import dbtRunner

            self._write_profile()
            runner = dbtRunner(self._read_project(), callbacks=[_log_event, *([watch] if watch else [])])
            json_files = "--write-json" if write_json else "--no-write-json"
            outcome = runner.invoke([*_ALWAYS, json_files, *command, *self._options()])
            if command[0] == "build":
                self._write_results(outcome.result)
        _raise_failure(outcome)
        return outcome.result

    def _read_project(self) -> Any:
        """Let dbt read the project, unless this process did before, or an earlier one that kept what it read."""
        from dbt.cli.main import dbtRunner

        if self.key not in _manifests:
            is_written = (self.target / "manifest.json").exists()
            manifest = read_manifest(self.state, self.key) if is_written else None
            if manifest is None:
                outcome = dbtRunner().invoke([*_ALWAYS, "--write-json", "parse", *self._options()])
                _raise_failure(outcome)
                manifest = outcome.result
                keep_manifest(self.state, self.key)
            _manifests[self.key] = manifest
        return _manifests[self.key]

    def _write_results(self, results: Any) -> None:
        """Write what became of each model and test, also where some failed, for tools that watch dbt.

        `--write-json` would write the project as well, each time: 1.3 MB, a third of a small build.
        """
        if results is None:  # nothing was run
            return
        try:
            with replacing(self.target / "run_results.json") as draft:
                results.write(str(draft))
        except OSError as error:
            log.warning("%s is an older one: %s", self.target / "run_results.json", error)

    @property
    def target(self) -> Path:
        """The folder of dbt's artifacts: `manifest.json`, `run_results.json`, compiled SQL."""
        return self.state / "target"

    @property
    def key(self) -> str:
        """What the project as dbt reads it depends on, as a hash; no secret is part of it."""
        return key_of(packaged("sql"), _replace_secrets(self.profile, lambda name, _: name), self.variables)

    def _options(self) -> list[str]:
        """All that dbt would otherwise look for in the working directory or in the environment."""
        return [
            *("--project-dir", str(packaged("sql")), "--profiles-dir", str(self.state)),
            *("--profile", PROFILE, "--target", "main", "--vars", json.dumps(self.variables)),
            *("--target-path", str(self.target), "--log-path", str(self.state / "logs")),
        ]

    def _write_profile(self) -> None:
        """Write the profile with its secrets left out: they are variables of this process."""
        output = _replace_secrets(_as_templates(self.profile), lambda name, _: f"{{{{ env_var('{name}') }}}}")
        content = json.dumps({PROFILE: {"target": "main", "outputs": {"main": output}}}, ensure_ascii=False)
        content = re.sub("[^ -~]", lambda found: f"\\U{ord(found[0]):08x}", content)  # so JSON is YAML
        try:
            self.state.mkdir(parents=True, exist_ok=True)
            (self.state / "profiles.yml").write_text(content, encoding="utf-8")
        except OSError as error:
            raise StorageError(f"dbt's folder {self.state} cannot be written: {error.strerror}.") from None


def secrets_of(profile: Mapping[str, Any]) -> dict[str, str]:
    """The secrets of a profile, by the names of the variables that stand for them."""
    secrets: dict[str, str] = {}
    _replace_secrets(profile, secrets.setdefault)
    return secrets


def _as_templates(value: Any) -> Any:
    """A copy whose texts come out of dbt's templates as they are: a folder may be named `{{ x }}`."""
    match value:
        case Mapping():
            return {key: _as_templates(item) for key, item in value.items()}
        case list():
            return [_as_templates(item) for item in value]
        case str() if not isinstance(value, Secret):
            return value.replace("{", "{{ '{' }}")
    return value


def _replace_secrets(value: Any, replace: Callable[[str, str], str], name: str = "DBT_ENV_SECRET_STATSIG_RUNS") -> Any:
    """A copy with every secret replaced; a variable whose name starts so is scrubbed by dbt from whatever it logs."""
    match value:
        case Secret():
            return replace(name, str(value))
        case Mapping():
            return {key: _replace_secrets(item, replace, f"{name}_{key.upper()}") for key, item in value.items()}
        case list():
            return [_replace_secrets(item, replace, f"{name}_{number}") for number, item in enumerate(value)]
    return value


@cache
def fingerprint() -> str:
    """A short hash of the code that makes the rows; the status catalogue is left out, its content counts by itself."""
    digest = hashlib.sha256(version("statsig-runs").encode())
    for file in sorted(packaged("sql").glob("m*/**/*.sql")):  # models and macros
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _closing_connections() -> Iterator[None]:
    """Left to itself, dbt keeps DuckDB's lock on the file until the process ends."""
    try:
        yield
    finally:
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager

        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]


def _log_event(event: Any) -> None:
    """Failures are raised, progress is for those who look closely: only warnings are told."""
    level = {"info": logging.DEBUG, "error": logging.DEBUG, "warn": logging.WARNING}.get(event.info.level)
    if level and log.isEnabledFor(level):
        log.log(level, "%s", event.info.msg)


def _raise_failure(outcome: Any) -> None:
    if outcome.success:
        return
    if outcome.exception is None:
        failed = [r for r in outcome.result.results if r.status in {"error", "fail", "runtime error"}]
        failed = [r for r in failed if _AFTERMATH not in (r.message or "")] or failed
        told = [f"{r.node.resource_type} {r.node.name}: {' '.join((r.message or '').split())}" for r in failed]
    elif isinstance(outcome.exception, Exception):
        told = [str(outcome.exception)]
    else:
        raise outcome.exception  # Ctrl-C
    more = [f"and {len(told) - _MESSAGES_SHOWN} more"] if len(told) > _MESSAGES_SHOWN else []
    text = "\n".join(f"  {line}" for line in told[:_MESSAGES_SHOWN] + more)
    if "IO Error" in text or "No space left" in text:
        raise StorageError(f"The database refused the models; the raw tables are as they were:\n{text}")
    if "permission denied" in text.lower() or "must be owner" in text.lower():
        raise StorageError(
            f"The user of the warehouse lacks a right; the raw tables are as they were:\n{text}\n"
            "Grant it to that user, who must own all that is in the schemas of staging and marts, then run the same "
            "command again."
        )
    raise ModelsError(
        f"The models did not build or did not pass their tests; the raw tables are as they were:\n{text}\n"
        "What was not built is built the next time; if that fails as well, `statsig-runs transform --full-refresh` "
        "makes every mart anew. If a raw table does not exist, load something first: statsig-runs sync."
    )
