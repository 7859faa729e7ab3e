"""A PostgreSQL server of Debian's, on a port and in a directory of its own."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from tests.support.servers import free_port

INSTALLED = Path("/usr/lib/postgresql")
SERVER_USER = "postgres"
"""Who runs it where the tests are root's, whom PostgreSQL refuses."""


def programs() -> Path | None:
    """The newest installed version's directory of programs, if there is one."""
    found = sorted(INSTALLED.glob("*/bin/postgres"), key=lambda file: int(file.parts[4]))
    return found[-1].parent if found else None


class PostgreSQL:
    """A server with one user, who has a password and a database."""

    user = "mlflow"
    database = "mlflow"

    def __init__(self) -> None:
        bin_directory = programs()
        assert bin_directory is not None
        self.port = free_port()
        self.password = secrets.token_hex(24)
        self._directory = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
        self._as: dict[str, Any] = {"cwd": self._directory}
        password_file = self._directory / "password"
        password_file.write_text(self.password)
        if os.geteuid() == 0:
            self._as |= {"user": SERVER_USER, "group": SERVER_USER, "extra_groups": []}
            for path in (self._directory, password_file):
                shutil.chown(path, SERVER_USER, SERVER_USER)
        data = str(self._directory / "data")
        initialize = [str(bin_directory / "initdb"), "-D", data, "-U", self.user, "--no-sync"]
        initialize += ["--auth=scram-sha-256", f"--pwfile={password_file}", "--locale=C.UTF-8"]
        subprocess.run(initialize, **self._as, check=True, capture_output=True, timeout=120)
        # Only 127.0.0.1: no socket in a directory.
        serve = [str(bin_directory / "postgres"), "-D", data, "-p", str(self.port), "-k", ""]
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*serve, "-h", "127.0.0.1"], stdout=log, stderr=log, **self._as
            )
        self._wait()
        self.query(f"CREATE DATABASE {self.database}", database="postgres")

    def environment(self) -> dict[str, str]:
        """What a client needs that is given a URI without host, user and password."""
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
        }

    def query(self, sql: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Rows of a statement; none of one that has none."""
        with psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=self.user,
            password=self.password,
            dbname=database or self.database,
            autocommit=True,
        ) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def end(self) -> None:
        """Stop it at once, and remove its data."""
        self._process.send_signal(signal.SIGINT)  # fast: without waiting for clients
        self._process.wait(60)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _wait(self) -> None:
        until = time.monotonic() + 60
        while True:
            try:
                self.query("SELECT 1", database="postgres")
            except psycopg.OperationalError:
                log = (self._directory / "log").read_text()
                assert self._process.poll() is None, log
                assert time.monotonic() < until, log
                time.sleep(0.1)
            else:
                return
