"""An S3 server in a process of its own, and a network between it and the tests that can fail."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import requests

from gan import checkpoint
from gan.training.progress import EVALUATION
from orchestrator.store.object_store import ObjectStore
from orchestrator.worker.stop_signal import StopSignal
from orchestrator.worker.upload import UploadedTrial
from tests.support.servers import free_port

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "somebody",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "no_proxy": "127.0.0.1",
}
TRIAL = "sweeps/some/0123abcd"


def wait_for(condition: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.05)


class Server:
    """moto's server of S3: real requests, signatures looked at only after ``refuse``."""

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
                env=os.environ | {"INITIAL_NO_AUTH_ACTION_COUNT": str(10**9)},
                stdout=file,
                stderr=file,
            )
        wait_for(self._answers)

    def _answers(self) -> bool:
        assert self.process.poll() is None, "the server did not start"
        try:
            return requests.get(f"{self.address}/moto-api/", timeout=5).ok
        except requests.ConnectionError:
            return False

    def environment(self) -> dict[str, str]:
        """What a process needs to use it."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.address}

    def new_bucket(self) -> str:
        """Make a bucket; returns its URI, with the endpoint in the environment."""
        name = f"bucket-{secrets.token_hex(4)}"
        requests.put(f"{self.address}/{name}", timeout=30).raise_for_status()
        return f"s3://{name}/a/prefix"

    def refuse(self) -> None:
        """From now on nobody has access."""
        self._allow(0)

    def allow(self) -> None:
        """From now on everybody has."""
        self._allow(10**9)

    def _allow(self, count: int) -> None:
        at = f"{self.address}/moto-api/reset-auth"
        requests.post(at, data=str(count), timeout=30).raise_for_status()

    def pause(self) -> None:
        """Answer nothing any more."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Answer again, what was asked meanwhile too."""
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


class Wire:
    """Passes connections on to a server, up to a request whose first line has some words."""

    def __init__(self, port: int, stops_at: bytes) -> None:
        self.held = threading.Event()
        self._to = port
        self._stops_at = stops_at
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open = [self._listening]
        self.port = self._listening.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._to))
            self._open += [client, server]
            self._start(self._pass_on, client, server, self._stops_at)
            self._start(self._pass_on, server, client, None)

    def _pass_on(self, source: socket.socket, target: socket.socket, until: bytes | None) -> None:
        try:
            while content := source.recv(1 << 16):
                if until is not None and until in content:
                    target.sendall(content[: len(content) // 2])
                    self.held.set()
                    return  # and nobody hears of it
                target.sendall(content)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self) -> None:
        for end in self._open:
            with suppress(OSError):  # it may be closed from the other side
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join()


def make_checkpoint(trial: Path, step: int, size: int = 1000) -> Path:
    """Write a checkpoint of made-up content, with an evaluation."""
    history = [{"step": step, "time": 0, "metrics": {EVALUATION: 0.5}}]
    trial_json = {"step": step, "total_steps": 100, "history": history}
    return checkpoint.write(
        trial,
        step,
        {
            checkpoint.GENERATOR: bytes([step % 256]) * size,
            checkpoint.TRAINING: bytes([step % 255]) * (2 * size),
            checkpoint.CONFIG: b"{}",
            checkpoint.TRIAL: json.dumps(trial_json).encode(),
        },
    )


def send(uri: str, *steps: int, path: str = TRIAL) -> None:
    """Bring checkpoints of made-up content to a store, as a worker does."""
    with UploadedTrial(uri, path, "token", StopSignal()) as uploads:
        for step in steps:
            make_checkpoint(uploads.directory, step)
            wait_for(partial(_has, uploads, step))


def _has(uploads: UploadedTrial, step: int) -> bool:
    assert not uploads._failure
    return uploads.durable_step == step


def stored_steps(uri: str, path: str = TRIAL) -> set[str]:
    names = ObjectStore(uri).entries(f"{path}/checkpoints")
    return {name.partition("/")[0] for name in names if name.endswith(checkpoint.MANIFEST)}


def content(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*.*")}
