"""A whole workplace on one machine, as ``orchestrator/deploy`` sets it up.

PostgreSQL, MLflow with accounts and artifacts in S3, Prometheus, and a Ray cluster whose nodes
share only a bucket.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests

from tests.support.postgresql import PostgreSQL
from tests.support.processes import Program
from tests.support.prometheus import Prometheus
from tests.support.ray_cluster import RAY, Cluster, title_of
from tests.support.ray_token import TOKEN
from tests.support.s3 import Server
from tests.support.servers import free_port
from tests.support.team_server import TeamServer

DRIVER = "colorsweep submitted"


@dataclass(frozen=True)
class Workplace:
    """The servers, and the accounts of two people."""

    machines: Path
    """Directories of people's, in place of machines of their own."""
    home: Path
    """Of the cluster's processes."""
    database: PostgreSQL
    s3: Server
    storage: str
    artifacts: str
    cluster: Cluster
    dashboard: str
    prometheus: Prometheus
    anna: dict[str, str]
    """Variables of who submits."""
    bob: dict[str, str]
    """Variables of who only reads."""

    def start(self, machine: str, *words: str | Path, **environment: str) -> Program:
        """Start a command on a machine that shares nothing but the bucket."""
        options = ("--runs", self.machines / machine, "--storage", self.storage)
        return Program(*options, *words, **environment)

    def on_jobs(self, command: str, sweep: str | Path, *words: str, **environment: str) -> Program:
        """Start Anna's ``submit`` or ``stop``."""
        address = ("--address", self.dashboard)
        return self.start("anna", command, sweep, *address, *words, **(self.anna | environment))

    def jobs(self) -> list[dict[str, Any]]:
        headers = {"Authorization": f"Bearer {TOKEN['RAY_AUTH_TOKEN']}"}
        answer = requests.get(f"{self.dashboard}/api/jobs/", headers=headers, timeout=60)
        jobs: list[dict[str, Any]] = answer.json()
        return jobs

    def is_busy(self) -> bool:
        return any(job["status"] in ("PENDING", "RUNNING") for job in self.jobs())

    def actors(self) -> list[dict[str, Any]]:
        """What ``ray list actors`` has of those that live."""
        options = ["--address", self.dashboard, "--format", "json", "--detail"]
        options += ["--filter", "state=ALIVE"]
        listed = subprocess.run(
            [RAY, "list", "actors", *options],
            env=os.environ | TOKEN,
            capture_output=True,
            check=True,
            text=True,
        )
        actors: list[dict[str, Any]] = json.loads(listed.stdout)
        return actors

    def driver(self) -> psutil.Process:
        """The launch that a job is."""
        (found,) = (p for p in self.cluster.head_processes() if title_of(p).endswith(DRIVER))
        return found


@contextmanager
def started_workplace(s3: Server, machines: Path, home: Path) -> Iterator[Workplace]:
    """Start all of it, and two nodes, and end it."""
    storage, port = s3.new_bucket(), free_port()
    artifacts = f"{s3.new_bucket()}/mlflow"
    database = PostgreSQL()
    tracking = TeamServer(database, artifacts, s3.environment(), home / "mlflow.log")
    environment = {"HOME": str(home), "RAY_metrics_report_interval_ms": "5000"}
    cluster = Cluster(dashboard_port=port, **environment, **s3.environment())
    kept = home / "prometheus"
    kept.mkdir()
    prometheus = Prometheus(kept, Path(cluster.directory))
    try:
        cluster.add(2)
        tracking.wait()
        anna, bob = (s3.environment() | TOKEN | tracking.new_user(name) for name in ("anna", "bob"))
        yield Workplace(
            machines,
            home,
            database,
            s3,
            storage,
            artifacts,
            cluster,
            f"http://127.0.0.1:{port}",
            prometheus,
            anna,
            bob,
        )
    finally:
        prometheus.close()
        cluster.kill()
        tracking.end()
        database.end()
