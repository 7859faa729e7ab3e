"""Launches whose Ray dies, or has no node to train on: they end, and say how to go on."""

import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from ray._raylet import GcsClient  # type: ignore[attr-defined]
from ray.exceptions import AuthenticationError

from gan import checkpoint
from orchestrator.store.lock import is_locked
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import Trial, expand
from tests.support.broken_packages import break_package
from tests.support.processes import SETTINGS, Launch, on_small
from tests.support.ray_cluster import ENVIRONMENT, Cluster, can_unshare
from tests.support.tracked_trials import only_run, store_of

pytestmark = pytest.mark.timeout(600)

SWEEP = f"{SETTINGS}  steps: 100000\n  saturation: 0.75\n"
NO_PICTURES = shutil.ignore_patterns("photos", "example", "__pycache__")
Address = tuple[str, int]


@dataclass(frozen=True)
class Ended:
    """A launch that was to end by itself."""

    launch: Launch
    result: subprocess.CompletedProcess[str]
    seconds: float

    def assert_says_how_to_go_on(self, *lines: str) -> None:
        assert self.result.stderr == ""
        assert self.result.returncode == 1
        *before, counted, to_go_on = self.result.stdout.splitlines()
        assert counted == "0 of 1 trials finished, 1 died"
        assert re.match(r"To go on: colorsweep --runs \S+ launch ", to_go_on)
        for line in lines:
            assert line in before
        assert not [line for line in before if "raylet" in line]
        assert is_locked(self.launch.directory) is False


def ended(launch: Launch) -> Ended:
    since = time.monotonic()
    result = launch.end()
    return Ended(launch, result, time.monotonic() - since)


@pytest.fixture(scope="module")
def sweep(small_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("sweeps") / "endless.yaml"
    told = file.with_name("told")
    file.write_text(on_small(small_npz, f"{SWEEP}notify: cat >> {told} && echo >> {told}\n"))
    return file


@pytest.fixture(scope="module")
def trial(sweep: Path) -> Trial:
    (trial,) = expand(read_sweep(sweep))
    return trial


# A Ray of the launch's own


@dataclass(frozen=True)
class Killed:
    """A launch whose raylet was killed, and what was seen of its Ray before."""

    ended: Ended
    home: Path
    open_at: set[Address]
    """Where its processes listened."""
    without_token: int
    """HTTP status of the dashboard's answer."""
    with_token: int
    refusal: str
    """Of the GCS server, without a token."""
    told: list[str]
    """Messages to the command of the sweep's notify."""


def listening(process: psutil.Process) -> set[Address]:
    with suppress(psutil.NoSuchProcess):
        found = process.net_connections("tcp")
        return {(c.laddr.ip, c.laddr.port) for c in found if c.status == psutil.CONN_LISTEN}
    return set()


def status_of(url: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


@pytest.fixture(scope="module")
def killed(sweep: Path, trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killed]:
    """In a directory with packages of the user's that have names of ours, and of others."""
    here, home = tmp_path_factory.mktemp("here"), tmp_path_factory.mktemp("home")
    for name in ("gan", "numpy", "orchestrator", "pandas", "reports", "torch", "yaml"):
        break_package(here / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        sooner = {"RAY_health_check_period_ms": ENVIRONMENT["RAY_health_check_period_ms"]}
        launch = Launch(here / "runs", sweep, HOME=str(home), **sooner)
    try:
        yield kill_raylet(launch, trial, home, sweep.with_name("told"))
    finally:
        launch.kill()


def kill_raylet(launch: Launch, trial: Trial, home: Path, told: Path) -> Killed:
    launch.wait_for(lambda: launch.step_of(trial) > 0)
    root = psutil.Process(launch.process.pid)
    of_ray = {process.name(): process for process in root.children()}
    open_at = {a for each in (root, *root.children(recursive=True)) for a in listening(each)}
    (dashboard,) = (port for _, port in open_at if 8265 <= port < 8365)
    nodes = f"http://127.0.0.1:{dashboard}/nodes?view=summary"
    token = (home / ".ray" / "auth_token").read_text()
    ((_, gcs),) = listening(of_ray["gcs_server"])
    with pytest.raises(AuthenticationError) as refused:
        GcsClient(address=f"127.0.0.1:{gcs}")
    statuses = status_of(nodes), status_of(nodes, Authorization=f"Bearer {token}")
    of_ray["raylet"].kill()
    end = ended(launch)
    return Killed(end, home, open_at, *statuses, str(refused.value), told.read_text().splitlines())


def test_a_launch_ends_when_its_raylet_is_killed(killed: Killed) -> None:
    killed.ended.assert_says_how_to_go_on("Ray has died on this machine; what is stored is kept.")
    assert killed.ended.seconds < 100


def test_the_end_is_told_with_its_reason(killed: Killed) -> None:
    message = json.loads(killed.told[-1])
    assert (message["event"], message["trials"]) == ("stuck", {"died": 1})
    assert message["reason"] == "Ray has died on this machine"


def test_packages_of_the_current_directory_do_not_reach_the_workers(killed: Killed) -> None:
    assert "is broken" not in killed.ended.result.stdout


def test_nobody_else_reaches_the_ray_of_a_launch(killed: Killed) -> None:
    assert len(killed.open_at) > 5
    assert {ip for ip, _ in killed.open_at} <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    assert (killed.without_token, killed.with_token) == (401, 200)
    assert "InvalidAuthToken" in killed.refusal
    assert (killed.home / ".ray").stat().st_mode & 0o077 == 0


# A cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    cluster.add(1)
    yield cluster
    cluster.kill()


def test_a_stop_ends_a_launch_that_waits_for_a_node(
    cluster: Cluster, sweep: Path, trial: Trial, tmp_path: Path
) -> None:
    launch = Launch(tmp_path, sweep, RAY_ADDRESS=cluster.address, **ENVIRONMENT)
    launch.wait_for(lambda: launch.step_of(trial) > 0)
    cluster.training().kill()
    training = launch.directory / trial.key
    launch.wait_for(lambda: is_locked(training) is False)
    launch.process.terminate()
    ended(launch).assert_says_how_to_go_on("Nothing trains any more; what is stored is kept.")
    *_, message = sweep.with_name("told").read_text().splitlines()
    assert json.loads(message)["event"] == "stopped"


def without_nodes(cluster: Cluster) -> Cluster:
    for node in cluster.nodes:
        if node.alive():
            node.kill()
    return cluster


def test_a_node_that_joins_and_cannot_import_our_packages_is_told_in_one_line(
    cluster: Cluster, sweep: Path, tmp_path: Path
) -> None:
    for name in ("gan", "orchestrator", "reports"):
        break_package(tmp_path / name)
    without_nodes(cluster)
    launch = Launch(tmp_path / "runs", sweep, RAY_ADDRESS=cluster.address, **ENVIRONMENT)
    assert launch.process.stdout is not None
    while "waiting for a larger one to join" not in launch.process.stdout.readline():
        assert launch.process.poll() is None
    cluster.add(1, PYTHONPATH=str(tmp_path))
    result = launch.end()
    assert (result.returncode, result.stderr) == (1, "")
    reason = "the node cannot import colorsweep (RuntimeError: it is broken)"
    assert f"saturation=0.75: {reason}" in result.stdout.splitlines()
    assert "restarting" not in result.stdout


def test_a_node_with_another_colorsweep_is_refused_in_one_line(
    cluster: Cluster, sweep: Path, tmp_path: Path
) -> None:
    for name in ("gan", "orchestrator", "reports"):
        shutil.copytree(Path(__file__).parents[2] / name, tmp_path / name, ignore=NO_PICTURES)
    with (tmp_path / "gan" / "config.py").open("a") as file:
        file.write("\n# edited\n")
    without_nodes(cluster).add(1, PYTHONPATH=str(tmp_path))
    launch = Launch(tmp_path / "runs", sweep, RAY_ADDRESS=cluster.address, **ENVIRONMENT)
    result = launch.end()
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    ours, theirs = re.findall(r"\([0-9a-f]{12}\)", line)
    assert ours != theirs
    assert line.startswith(f"Error: node {cluster.nodes[-1].name} has colorsweep 0.")


@pytest.mark.skipif(not can_unshare(), reason="needs mounts of its own (Linux, root)")
def test_trials_of_a_node_without_the_runs_fail_in_one_line_that_names_remedies(
    cluster: Cluster, sweep: Path, trial: Trial, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    without_nodes(cluster).add(1, hidden=runs)
    launch = Launch(runs, sweep, RAY_ADDRESS=cluster.address, **ENVIRONMENT)
    done = launch.end()
    assert done.returncode == 1
    assert "0 of 1 trials finished, 1 failed" in done.stdout
    line = next(line for line in done.stdout.splitlines() if "does not share" in line)
    for words in (str(launch.directory), "node ", "all nodes", "--storage s3://"):
        assert words in line
    assert checkpoint.newest(launch.directory / trial.key) is None
    run = only_run(store_of(runs), sweep.stem)
    assert run.info.status == "FAILED"
    assert str(launch.directory) in run.data.tags["colorsweep.reason"]
