"""The tracking server of ``orchestrator/deploy``, without Docker: its command and its variables."""

import os
import re
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import requests
import yaml
from werkzeug.security import generate_password_hash

from tests.support.postgresql import PostgreSQL
from tests.support.servers import free_port

DEPLOY = Path(__file__).parents[2] / "orchestrator" / "deploy"
COMPOSE = DEPLOY / "tracking-server.yaml"
NAME = "mlflow.example.org"
"""Name of the server, as that of a proxy with TLS before it."""
VARIABLE = re.compile(r"\$\{(\w+)(:\?|-)[^}]*\}")


def service(name: str) -> dict[str, Any]:
    """A service of the Compose file."""
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"][name]
    return found


def filled_in(text: str, values: dict[str, str]) -> str:
    """Put values where Compose would; one with ``:?`` must be there and not be empty."""

    def value(match: re.Match[str]) -> str:
        found = values.get(match[1], "")
        assert found or match[2] == "-", f"{match[1]} is missing"
        return found

    return VARIABLE.sub(value, text)


class TeamServer:
    """MLflow with basic authentication on PostgreSQL, with artifacts in an object store."""

    def __init__(self, database: PostgreSQL, artifacts: str, s3: dict[str, str], log: Path) -> None:
        self._database = database
        self._log = log
        self._port = free_port()
        self.uri = f"http://127.0.0.1:{self._port}"
        self._admin_password = secrets.token_hex(12)
        values = s3 | {
            "ARTIFACTS": artifacts,
            "MLFLOW_SERVER_ALLOWED_HOSTS": f"{NAME},127.0.0.1:{self._port}",
            "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": f"https://{NAME}",
            "POSTGRES_PASSWORD": database.password,
            "MLFLOW_AUTH_ADMIN_PASSWORD": self._admin_password,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(16),
        }
        mlflow = service("mlflow")
        # Where Compose's network, volumes and ports would be. The last of an option counts.
        here = database.environment() | {
            "MLFLOW_AUTH_CONFIG_PATH": str(DEPLOY / "tracking-auth.ini")
        }
        program, *words = (filled_in(word, values) for word in mlflow["command"])
        words += ["--host=127.0.0.1", f"--port={self._port}", "--workers=1"]
        environment = {k: filled_in(v, values) for k, v in mlflow["environment"].items()}
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [Path(sys.executable).parent / program, *words],
                stdout=file,
                stderr=file,
                env=os.environ | s3 | environment | here,
                cwd=log.parent,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Until it answers."""
        until = time.monotonic() + 180
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < until, self._log.read_text()
            time.sleep(0.2)

    def new_user(self, name: str) -> dict[str, str]:
        """Make an account; returns the variables of whoever has it."""
        password = secrets.token_hex(12)
        requests.post(
            f"{self.uri}/api/2.0/mlflow/users/create",
            json={"username": name, "password": password},
            auth=("admin", self._admin_password),
            timeout=60,
        ).raise_for_status()
        # The hash that MLflow makes is slow by intent: checks of it took most of the server's time.
        quick = generate_password_hash(password, method="pbkdf2:sha256:1")
        self._database.query(
            f"UPDATE users SET password_hash = '{quick}' WHERE username = '{name}'"
        )
        return {
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_TRACKING_USERNAME": name,
            "MLFLOW_TRACKING_PASSWORD": password,
        }

    def end(self) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(30)

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.uri}/health", timeout=5).ok
        except requests.ConnectionError:
            return False
