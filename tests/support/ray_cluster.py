"""A Ray cluster of several nodes on this machine, each of which can be killed as a whole."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from ray._raylet import GcsClient  # type: ignore[attr-defined]
from ray.core.generated.gcs_pb2 import GcsNodeInfo  # type: ignore[attr-defined]
from ray.exceptions import RaySystemError, RpcError

from tests.support.ray_token import TOKEN
from tests.support.servers import free_port

ENVIRONMENT = TOKEN | {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",
    "RAY_health_check_period_ms": "500",
}
"""The second undoes what a launch within pytest may have set; with the third a death is known in
seconds instead of fifteen."""
TRIES = 5
"""Ray gives a node up that has not started in 30 s, which happens on a busy machine."""
BIN = Path(sys.executable).parent
RAY = BIN / "ray"


def title_of(process: psutil.Process) -> str:
    """Its command line, or the title that it gave itself; nothing of one that has ended."""
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline()).strip()
    return ""


def trains(process: psutil.Process) -> bool:
    """Whether a process is one that Ray named as a trial's."""
    return title_of(process).startswith("ray::colorsweep ")


def is_training(process: psutil.Process) -> bool:
    """Whether a process was forked to train a trial, whose name it bears."""
    return title_of(process).startswith("colorsweep ")


@contextmanager
def paused(trainings: Sequence[psutil.Process]) -> Iterator[None]:
    """Trainings that make no steps while something else is waited for."""
    for training in trainings:
        with suppress(psutil.NoSuchProcess):
            training.suspend()
    try:
        yield
    finally:
        for training in trainings:
            with suppress(psutil.NoSuchProcess):
                training.resume()


def can_unshare() -> bool:
    """Whether processes may have mounts of their own here."""
    try:
        return subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0
    except OSError:
        return False


class Node:
    """What ``ray start --block`` starts."""

    def __init__(
        self,
        name: str,
        log: Path,
        *options: str,
        environment: dict[str, str],
        hidden: Path | None = None,
    ) -> None:
        """Start it; the directory ``hidden`` is empty for it, as on a machine of its own."""
        self.name = name
        mount = f'mount -t tmpfs none {hidden} && exec "$@"'
        within = [] if hidden is None else ["unshare", "-m", "sh", "-c", mount, "sh"]
        options += (f"--node-name={name}", "--node-ip-address=127.0.0.1")
        # Jobs are started by the agent of the head; by default all agents have one port.
        options += (f"--dashboard-agent-listen-port={free_port()}",)
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                # Launches want no lines of a log monitor, of which each node would start one.
                [
                    *within,
                    *(RAY, "start", "--block", "--disable-usage-stats"),
                    "--include-log-monitor=false",
                    *options,
                ],
                env=os.environ | ENVIRONMENT | environment,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def processes(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(self._process.pid)
            return [root, *root.children(recursive=True)]
        return []

    def trainings(self) -> list[psutil.Process]:
        """The processes that were forked to train."""
        return [process for process in self.processes() if is_training(process)]

    def trains(self) -> bool:
        """Whether a trial's process is on it."""
        return any(trains(process) for process in self.processes())

    def kill(self) -> None:
        """As when the machine is gone: every process at once."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait(30)

    def terminate(self) -> None:
        """Give notice, as a cloud does."""
        self._process.send_signal(signal.SIGTERM)

    def alive(self) -> bool:
        return self._process.poll() is None


class Cluster:
    """A head that trains nothing, and nodes that do."""

    def __init__(self, dashboard_port: int | None = None, **environment: str) -> None:
        """Start the head; ``environment`` is the nodes', in addition to ``ENVIRONMENT``."""
        # Ray's sockets are below it: their paths must be short.
        self.directory = tempfile.mkdtemp(prefix="cs", dir="/tmp")
        """Ray's --temp-dir."""
        self._log = Path(self.directory) / "nodes.log"
        self.address = f"127.0.0.1:{free_port()}"
        self.nodes: list[Node] = []
        # As of an activated environment.
        self._environment = environment | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        dashboard = ["--include-dashboard=false"]
        if dashboard_port is not None:
            dashboard = ["--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard_port}"]
        port = self.address.partition(":")[2]
        for _ in range(TRIES):
            self._head = Node(
                "head",
                self._log,
                *("--head", "--port", port, "--num-cpus=0", *dashboard),
                f"--temp-dir={self.directory}",
                environment=self._environment,
            )
            while self._head.alive():
                if self._known():
                    return
        raise AssertionError(f"no head can be started: {self._log.read_text()}")

    def add(self, count: int, hidden: Path | None = None, **environment: str) -> None:
        """Start nodes of one CPU and wait until they have joined.

        One after the other: where four started at once beside other tests, none was there in time.
        """
        for name in range(len(self.nodes), len(self.nodes) + count):
            self.nodes.append(self._added(str(name), hidden, environment))

    def _added(self, name: str, hidden: Path | None, environment: dict[str, str]) -> Node:
        for attempt in range(TRIES):
            options = ("--address", self.address, "--num-cpus=1", "--num-gpus=0")
            name_of_try = f"{name}.{attempt}"
            its = self._environment | environment
            node = Node(name_of_try, self._log, *options, hidden=hidden, environment=its)
            while node.alive():
                if node.name in (self._known() or {}):
                    return node
                time.sleep(0.2)
        raise AssertionError(f"no node can be started: {self._log.read_text()}")

    def _known(self) -> dict[str, str] | None:
        """Ids of the nodes that are alive, the head too, by name; None where it is silent."""
        try:
            known = GcsClient(address=self.address).get_all_node_info(timeout=30)
        except (RaySystemError, RpcError):
            return None
        return {
            node.node_name: node_id.hex()
            for node_id, node in known.items()
            if node.state == GcsNodeInfo.ALIVE
        }

    def trainings(self) -> list[psutil.Process]:
        return [training for node in self.nodes for training in node.trainings()]

    def head_processes(self) -> list[psutil.Process]:
        return self._head.processes()

    def training(self) -> Node:
        """The node that a trial is on."""
        (found,) = (node for node in self.nodes if node.trains())
        return found

    def drain(self, node: Node, seconds: int) -> None:
        """Give notice that a node will be taken away."""
        known = self._known()
        assert known is not None
        command = [str(RAY), "drain-node", "--address", self.address]
        command += ["--node-id", known[node.name]]
        command += ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "a test"]
        command += ["--deadline-remaining-seconds", str(seconds)]
        environment = os.environ | ENVIRONMENT
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)

    def gcs(self) -> psutil.Process:
        """The GCS server's process."""
        (found,) = (p for p in self.head_processes() if p.name() == "gcs_server")
        return found

    def kill_head(self) -> None:
        self._head.kill()

    def kill(self) -> None:
        """All of it."""
        for node in [self._head, *self.nodes]:
            node.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
