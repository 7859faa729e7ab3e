"""One trial through the death of everything: nodes, driver, tracking server, cluster."""

import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient

from gan.training.trainer import Trainer
from orchestrator.store.attempts import Attempt, attempts
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import Trial, expand
from tests.support.processes import SETTINGS, Launch, on_small
from tests.support.ray_cluster import ENVIRONMENT, Cluster, paused
from tests.support.servers import TrackingServer
from tests.support.tracked_trials import only_run
from tests.support.trainings import assert_same_generator, assert_sent_once, left_alone_meanwhile

pytestmark = pytest.mark.timeout(900)

SWEEP = f"{SETTINGS}  steps: 400\n  saturation: 0.75\n"


@dataclass(frozen=True)
class Story:
    """What was seen of it."""

    trial: Trial
    alone: Future[Trainer]
    """The same without a death."""
    runs: Path
    after_each: list[list[Attempt]]
    """When the trial went on after: the death of its node, a drain, a SIGTERM to its node, the
    death of the driver, that of the cluster."""
    finished: subprocess.CompletedProcess[str]
    client: MlflowClient

    @property
    def directory(self) -> Path:
        return self.runs / "sweeps" / "disasters" / self.trial.key

    def steps_lost(self, disaster: int) -> int:
        before, after = self.after_each[disaster][-2:]
        return before.step - after.from_step


@pytest.fixture(scope="module")
def story(small_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    runs = tmp_path_factory.mktemp("runs")
    sweep = tmp_path_factory.mktemp("sweeps") / "disasters.yaml"
    sweep.write_text(on_small(small_npz, SWEEP))
    (trial,) = expand(read_sweep(sweep))
    directory = runs / "sweeps" / "disasters" / trial.key
    (alone,) = left_alone_meanwhile([trial.config], tmp_path_factory.mktemp("alone"))
    server = TrackingServer(tmp_path_factory.mktemp("server"))
    cluster = Cluster()
    seen = []

    def launched(**environment: str) -> Launch:
        return Launch(runs, sweep, MLFLOW_TRACKING_URI=server.uri, **environment)

    def goes_on(launch: Launch) -> None:
        """Wait until a new process has trained as far as a checkpoint."""
        count = len(attempts(directory))

        def has_saved() -> bool:
            found = attempts(directory)
            if len(found) == count or found[-1].step == found[-1].from_step:
                return False
            return launch.step_of(trial) > found[-1].from_step

        launch.wait_for(has_saved)

    try:
        cluster.add(4)
        server.wait()
        launch = launched(RAY_ADDRESS=cluster.address, **ENVIRONMENT)
        goes_on(launch)

        cluster.training().kill()
        goes_on(launch)
        seen.append(attempts(directory))
        server.stop(signal.SIGKILL)

        with paused(cluster.trainings()):
            cluster.drain(cluster.training(), 60)
        goes_on(launch)
        seen.append(attempts(directory))

        cluster.training().terminate()
        goes_on(launch)
        seen.append(attempts(directory))

        launch.kill()
        server.start()
        server.wait()
        launch = launched(RAY_ADDRESS=cluster.address, **ENVIRONMENT)
        goes_on(launch)
        seen.append(attempts(directory))

        launch.kill()
        cluster.kill()
        finished = launched().end()
        seen.append(attempts(directory))
        yield Story(trial, alone, runs, seen, finished, MlflowClient(server.uri))
    finally:
        cluster.kill()
        server.stop()


def test_the_trial_finishes_through_all_of_it(story: Story) -> None:
    assert story.finished.returncode == 0, story.finished.stderr
    assert "1 of 1 trials finished" in story.finished.stdout
    assert [len(seen) for seen in story.after_each] == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("disaster", [0, 3, 4], ids=["node", "driver", "cluster"])
def test_a_death_costs_no_more_than_the_steps_since_the_last_checkpoint(
    story: Story, disaster: int
) -> None:
    before = story.after_each[disaster][-2]
    assert before.ended is None
    assert 0 <= story.steps_lost(disaster) <= 40


@pytest.mark.parametrize("disaster", [1, 2], ids=["drain", "SIGTERM"])
def test_a_notice_makes_it_cost_no_step(story: Story, disaster: int) -> None:
    before = story.after_each[disaster][-2]
    assert before.ended == "stopped"
    assert story.steps_lost(disaster) == 0


def test_it_equals_a_trial_left_alone_and_is_tracked_once(story: Story) -> None:
    alone = story.alone.result()
    assert_same_generator(story.directory, alone)
    run = only_run(story.client, "disasters")
    assert run.info.status == "FINISHED"
    assert_sent_once(story.client, run, alone)
