"""Clusters that a launch joins: their tokens, nodes that are busy, and a head that dies."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import expand
from tests.support.processes import SETTINGS, Launch, on_small
from tests.support.ray_cluster import ENVIRONMENT, Cluster, paused
from tests.support.ray_token import TOKEN

pytestmark = pytest.mark.timeout(600)

JOIN = """
from rich.console import Console
from gan.errors import UserError
from orchestrator.driver.ray_cluster import find_cluster
try:
    cluster = find_cluster()
    from orchestrator.driver.ray_session import session
    with session(Console(width=200), cluster):
        import os, ray
        @ray.remote(num_cpus=0)
        def here():
            return [os.environ.get(name) for name in ("MLFLOW_X", "AWS_REGION")]
        print("worker", ray.get(here.remote()))
except UserError as error:
    print("Error:", error)
"""
"""What a launch does before and after its training, with a task on a worker between."""
BUSY = """
import time, ray
ray.init()
@ray.remote(num_cpus=1)
class Occupant:
    def here(self): pass
occupant = Occupant.remote()
ray.get(occupant.here.remote())
print("occupied", flush=True)
time.sleep(600)
"""

SLOW_START = """
import time, ray
ray.init()
from ray.util.placement_group import placement_group
from orchestrator.driver.ray_watch import waits_for
share = {"CPU": 1}
group = placement_group([{"CPU": 1}])
ray.get(group.ready())
print(waits_for({"cpu": 1.0, "gpu": 0.0}))  # taken, for nobody of this launch yet

@ray.remote(num_cpus=1)
class Worker:
    def __init__(self):
        time.sleep(600)

worker = Worker.options(placement_group=group).remote()
time.sleep(3)
print(repr(waits_for({"cpu": 1.0, "gpu": 0.0})))
"""
"""A launch whose worker has its share, and is not ready yet."""


def environment(home: Path, cluster: Cluster, **variables: str) -> dict[str, str]:
    """Of a user who has set nothing but the address."""
    kept = {k: v for k, v in os.environ.items() if k not in ENVIRONMENT}
    home.mkdir(exist_ok=True)
    return kept | {"HOME": str(home), "RAY_ADDRESS": cluster.address} | variables


def join(home: Path, cluster: Cluster, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-c", JOIN],
        env=environment(home, cluster, **variables),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.stderr == ""
    return done.stdout


def port_of(cluster: Cluster) -> str:
    return cluster.address.partition(":")[2]


def keep(token: str, home: Path) -> None:
    (home / ".ray").mkdir(parents=True)
    (home / ".ray" / "auth_token").write_text(token)


@pytest.fixture(scope="module")
def guarded() -> Iterator[Cluster]:
    """A cluster that wants a token, with one node."""
    cluster = Cluster()
    cluster.add(1)
    yield cluster
    cluster.kill()


class TestAClusterThatWantsAToken:
    def test_that_of_the_environment_is_shown(self, guarded: Cluster, tmp_path: Path) -> None:
        token = TOKEN["RAY_AUTH_TOKEN"]
        said = join(tmp_path, guarded, RAY_AUTH_TOKEN=token, MLFLOW_X="7", AWS_REGION="mars")
        named, worker = said.splitlines()
        assert named.startswith("Cluster ")
        assert named.endswith(f":{port_of(guarded)} (of RAY_ADDRESS)")
        assert worker == "worker ['7', 'mars']"

    def test_that_of_the_users_file_is_shown(self, guarded: Cluster, tmp_path: Path) -> None:
        keep(TOKEN["RAY_AUTH_TOKEN"], tmp_path)
        assert "\nworker [None, None]\n" in join(tmp_path, guarded)

    def test_that_of_a_named_file_is_shown(self, guarded: Cluster, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text(TOKEN["RAY_AUTH_TOKEN"])
        said = join(tmp_path / "home", guarded, RAY_AUTH_TOKEN_PATH=str(file))
        assert "\nworker [None, None]\n" in said

    def test_without_one_it_is_said_where_to_get_it(self, guarded: Cluster, tmp_path: Path) -> None:
        (line,) = join(tmp_path, guarded).splitlines()
        assert line.startswith("Error: the Ray cluster at ")
        assert line.endswith(
            f":{port_of(guarded)} wants its token; on its head, `ray get-auth-token` prints it; "
            "set RAY_AUTH_TOKEN to it here"
        )

    def test_a_wrong_one_is_named(self, guarded: Cluster, tmp_path: Path) -> None:
        keep("0" * 64, tmp_path)
        (line,) = join(tmp_path, guarded).splitlines()
        file = tmp_path / ".ray" / "auth_token"
        assert f":{port_of(guarded)} refuses the token of {file};" in line


def test_a_cluster_without_tokens_is_joined_also_by_users_who_have_one(tmp_path: Path) -> None:
    cluster = Cluster(RAY_AUTH_MODE="disabled")
    try:
        keep("0" * 64, tmp_path / "other")
        for home in (tmp_path / "none", tmp_path / "other"):
            assert "\nworker [None, None]\n" in join(home, cluster)
    finally:
        cluster.kill()


def test_a_worker_of_its_own_that_starts_is_nothing_that_a_launch_waits_for(
    guarded: Cluster,
) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", SLOW_START],
        env=os.environ | ENVIRONMENT | {"RAY_ADDRESS": guarded.address},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.stdout.splitlines() == ["waiting for 1 CPU; 1 of 1 are in use by others", "''"]


@dataclass(frozen=True)
class Waited:
    """A launch that waited for a busy node, trained there, and lost the cluster's head."""

    said: list[str]
    result: subprocess.CompletedProcess[str]
    seconds: float
    """From the head's death to the end of the launch."""


@pytest.fixture(scope="module")
def waited(
    guarded: Cluster, small_npz: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Waited]:
    sweep = tmp_path_factory.mktemp("sweeps") / "endless.yaml"
    sweep.write_text(on_small(small_npz, f"{SETTINGS}  steps: 100000\n"))
    (trial,) = expand(read_sweep(sweep))
    occupant = subprocess.Popen(
        [sys.executable, "-c", BUSY],
        env=os.environ | ENVIRONMENT | {"RAY_ADDRESS": guarded.address},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert occupant.stdout is not None
    assert occupant.stdout.readline() == "occupied\n"
    runs = tmp_path_factory.mktemp("runs")
    launch = Launch(runs, sweep, RAY_ADDRESS=guarded.address, **ENVIRONMENT)
    assert launch.process.stdout is not None
    try:
        said: list[str] = []
        while not said or not said[-1].startswith("waiting"):
            said.append(launch.process.stdout.readline().rstrip())
            assert said[-1], "the launch has ended"
        occupant.send_signal(signal.SIGKILL)
        launch.wait_for(lambda: launch.step_of(trial) > 0)
        with paused(guarded.trainings()):
            guarded.kill_head()
            since = time.monotonic()
            result = launch.end()
        yield Waited(said, result, time.monotonic() - since)
    finally:
        occupant.kill()
        occupant.communicate()
        launch.kill()


def test_a_launch_says_what_it_waits_for(waited: Waited) -> None:
    assert waited.said[-1] == "waiting for 1 CPU; 1 of 1 are in use by others"


def test_a_launch_ends_soon_after_the_head_has_died(waited: Waited) -> None:
    assert waited.result.stderr == ""
    assert waited.result.returncode == 1
    *before, counted, to_go_on = waited.result.stdout.splitlines()
    pattern = r"The Ray cluster at \S+ does not answer; what is stored is kept\."
    assert len([line for line in before if re.fullmatch(pattern, line)]) == 1
    assert counted == "0 of 1 trials finished, 1 died"
    assert re.match(r"To go on: colorsweep --runs \S+ launch ", to_go_on)
    assert not [line for line in before if "raylet" in line]
    assert waited.seconds < 90
