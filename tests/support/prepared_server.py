"""Runs commands in processes that have imported everything: imports, and dbt's reading of the project, are half a sync.

It imports, builds the models once, and then forks for each command. So a command is a process of its own, with its own
folder, environment, locks, output and exit code. Only what a process reads while it starts is the server's. No page is
drawn after a sync: that is a third of what is left of a small one, and few tests look at it.

PYTHONPATH=. python -P tests/support/prepared_server.py SOCKET FOLDER
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path

import duckdb

from statsig_runs.cli import main
from statsig_runs.job import refresh
from statsig_runs.settings import load_settings
from statsig_runs.warehouse import open_warehouse
from tests.support.warehouse_of_runs import load
from tests.support.written_week import all_runs

IMPORTED = (
    *("dbt.cli.main", "dlt.destinations.impl.duckdb.duck", "dlt.sources.helpers.requests", "pandas", "pyarrow.parquet"),
    *("statsig_runs.job.progress", "statsig_runs.job.replay", "statsig_runs.job.sync", "statsig_runs.warehouse.loader"),
)
"""What a command imports when it gets there."""


def prepare(folder: Path) -> None:
    """Do once what every sync does in the same way, but leave no thread: a fork has only the one that forks."""
    for name in IMPORTED:
        import_module(name)
    assert callable(refresh.refresh_page)
    vars(refresh)["refresh_page"] = lambda _warehouse: None
    duckdb.default_connection().close()
    database = folder / "statsig_runs.duckdb"
    pid = os.fork()
    if not pid:  # pyarrow loads with threads, dbt reads a project with threads, and both keep them
        load(database, all_runs())
        refresh.build(open_warehouse(database), load_settings())
        sys.exit()
    assert os.waitpid(pid, 0)[1] == 0
    refresh.build(open_warehouse(database), load_settings())
    gc.collect()
    assert len(list(Path("/proc/self/task").iterdir())) == 1
    gc.freeze()  # what is there stays there: no process looks it through again


def serve(requests: socket.socket) -> None:
    """Fork for each command that is asked for; returns in the process that is to run it."""
    watchers: list[int] = []
    while True:
        message, files, _, _ = socket.recv_fds(requests, 1 << 16, 3)
        while message and not message.endswith(b"\n"):
            message += requests.recv(1 << 16)
        if not message:
            sys.exit()
        if pid := os.fork():
            watchers = [each for each in (*watchers, pid) if os.waitpid(each, os.WNOHANG) == (0, 0)]
        else:
            requests.close()
            become(json.loads(message), *files)
            return
        for file in files:
            os.close(file)


def become(call: dict, out: int, err: int, told: int) -> None:
    """Fork once more: this process tells of the other, which becomes the command."""
    if pid := os.fork():
        os.write(told, f"{pid}\n".encode())
        os.write(told, f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n".encode())
        os._exit(0)
    os.close(told)
    for file, number in ((out, 1), (err, 2)):
        os.dup2(file, number)
        os.close(file)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(call["environment"])
    os.chdir(call["folder"])
    sys.argv = ["statsig-runs", *call["arguments"]]


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for those who use the server
    prepare(Path(sys.argv[2]))
    serve(socket.socket(fileno=int(sys.argv[1])))
    main()
