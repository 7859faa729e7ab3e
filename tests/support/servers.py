"""Servers on this machine that tests start, kill and start again."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path


def free_port() -> int:
    """One below those that the system gives to whoever asks for any, before a server has it."""
    while True:
        port = secrets.choice(range(20000, 32768))
        with socket.socket() as free, suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port


class TrackingServer:
    """A real MLflow server with a SQLite store; keeps its port and data when started again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{self.directory}/mlflow.db"]
        command += ["--artifacts-destination", str(self.directory / "artifacts")]
        environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self.directory / "log").open("a") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, start_new_session=True
            )

    def wait(self) -> None:
        """Until it answers."""
        until = time.monotonic() + 180
        while not self._answers():
            assert time.monotonic() < until, (self.directory / "log").read_text()
            time.sleep(0.2)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        os.killpg(self._process.pid, number)
        self._process.wait(30)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False
