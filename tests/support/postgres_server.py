"""A throw-away PostgreSQL on loopback, from Debian's package, owned by a user who is not root."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER, PASSWORD = "statsig", "p@ss/wörd"


def find_programs() -> Path | None:
    """The newest installed server's folder of programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: float(file.parts[-3]))
    return found[-1].parent if found else None


@contextmanager
def running(programs: Path) -> Iterator[int]:
    """A cluster that sorts texts as people do, as most installations have it; gives its port."""
    owner = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="statsig-runs-postgres-"))
    data, password = folder / "data", folder / "password"
    password.write_text(PASSWORD)
    if owner:
        entry = pwd.getpwnam(owner)
        for path in (folder, password):
            os.chown(path, entry.pw_uid, entry.pw_gid)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(program: str, *arguments: str) -> None:
        # no pipes: the server inherits them, and waiting for their end would be waiting for its
        with (folder / "output").open("ab") as output:
            command = [str(programs / program), "-D", str(data), *arguments]
            subprocess.run(command, check=True, user=owner, cwd=folder, stdout=output, stderr=output)

    try:
        run("initdb", "-U", USER, f"--pwfile={password}", "-A", "scram-sha-256", "-E", "UTF8", "--no-sync",
            "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US")  # fmt: skip
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        run("pg_ctl", "-w", "-o", options, "start")
        try:
            yield port
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
