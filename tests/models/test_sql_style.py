"""The models' SQL as dbt compiled it, by sqlfluff's rules; `.sqlfluff` says which and why."""

import subprocess
import sys
from pathlib import Path

from statsig_runs.warehouse import Warehouse


def test_the_compiled_models_keep_the_rules(published: Warehouse) -> None:
    compiled = published.state / "dbt" / "target" / "compiled" / "statsig_runs" / "models"
    assert len(list(compiled.rglob("*.sql"))) > 20
    config = Path(__file__).parents[2] / ".sqlfluff"
    command = [str(Path(sys.executable).with_name("sqlfluff")), "lint", "--config", str(config), str(compiled)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
