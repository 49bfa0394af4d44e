"""Statsig ingestion runs, synced every hour by Airflow 3: copy this file into the folder of the DAGs.

It calls the installed command rather than importing the package: dlt and dbt keep their own pinned versions in a
virtual environment of their own, a crash stays in its process, and the exit codes are documented. Every worker that may
run it needs `COMMAND` and, unless `--destination` names a warehouse, the same disk at `FOLDER`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, AirflowSkipException
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.sensors.bash import BashSensor
from airflow.sdk import DAG, Asset

COMMAND = "/opt/statsig-runs/bin/statsig-runs"
FOLDER = "/var/lib/statsig-runs"
KEY = "{{ conn.statsig.password }}"
"""The Console API key is the password of a connection named `statsig`; Airflow masks it in logs and on its pages."""

SYNC = f"{COMMAND} sync --log-format json"
MARTS = Asset("statsig_marts")
"""Renewed by each sync: a DAG with `schedule=[MARTS]` runs after it."""

UNUSABLE_RUNS, ALREADY_RUNNING = 4, 75
HOPELESS = {2, 3}
"""Usage or configuration, not authorised: another try ends the same way."""

DAY = "{{ macros.ds_add(ds, -1) }}"
"""Airflow 3 calls a run by the day on which it is due; the date that has ended then is the one before."""
WAIT = f"cd {FOLDER} && {COMMAND} wait-for --source 'Web events' --date '{DAY}' --no-sync --timeout 0s"


class SyncOperator(BashOperator):
    """A `BashOperator` that knows what each exit code of a sync asks for."""

    def execute(self, context: Any) -> None:
        """Succeed, skip, fail to be tried again, or fail for good."""
        command = ["bash", "-c", self.bash_command]
        code = self.subprocess_hook.run_command(command, env=self.get_env(context), cwd=self.cwd).exit_code
        if code == ALREADY_RUNNING:
            raise AirflowSkipException("Another sync is running.")
        if code in HOPELESS:
            raise AirflowFailException(f"sync ended with exit code {code}: see the log.")
        if code == UNUSABLE_RUNS:
            self.log.warning("Some runs were rejected, missing or unreadable: see rejected_runs and missing_runs.")
        elif code:
            raise AirflowException(f"sync ended with exit code {code}: see the log.")


with DAG(
    dag_id="statsig_runs",
    description="History, durations, error rates and retries of Statsig ingestion runs",
    schedule="17 * * * *",
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,  # a sync asks for everything that is missing, whenever it runs
    max_active_runs=1,
    tags=["statsig"],
):
    sync = SyncOperator(
        task_id="sync",
        bash_command=SYNC,
        cwd=FOLDER,
        env={"STATSIG_API_KEY": KEY},
        append_env=True,
        outlets=[MARTS],
        retries=2,  # an API that cannot be reached (6) often can a little later
        retry_delay=timedelta(minutes=10),
        execution_timeout=timedelta(hours=6),  # a first sync waits for the rate limit; the next one goes on from there
    )
    check = BashOperator(task_id="check", bash_command=f"{COMMAND} check", cwd=FOLDER)
    sync >> check

with DAG(
    dag_id="after_web_events",
    description="What needs yesterday's Web events: it begins when they are in, however late that is",
    schedule="0 8 * * *",  # Statsig's day ends at 08:00 UTC, all year
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    tags=["statsig"],
):
    landed = BashSensor(
        task_id="web_events_landed",
        bash_command=WAIT,
        retry_exit_code=5,  # not in yet, or failed and perhaps repeated; any other code fails at once
        poke_interval=timedelta(minutes=5),
        timeout=timedelta(hours=6),
        mode="reschedule",  # no worker is kept busy meanwhile
    )
    landed >> BashOperator(task_id="refresh_dashboard", bash_command="echo 'your own step'")
