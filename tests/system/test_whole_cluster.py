"""A whole workplace on one machine, as ``orchestrator/deploy`` sets it up.

PostgreSQL, MLflow with accounts and artifacts in S3, and a Ray cluster whose nodes share only a
bucket: a sweep is submitted, a node dies half way, and somebody else reports from an empty
directory.
"""

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from gan import checkpoint
from gan.training.trainer import Trainer
from orchestrator.store.object_store import ObjectStore
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import Trial, expand
from tests.support.postgresql import PostgreSQL, programs
from tests.support.processes import SETTINGS, Program, on_small
from tests.support.prometheus import PROMETHEUS, Prometheus, Series
from tests.support.ray_cluster import Cluster
from tests.support.ray_token import TOKEN
from tests.support.s3 import Server, stored_steps
from tests.support.servers import free_port
from tests.support.team_server import TeamServer
from tests.support.tracked_trials import run_of
from tests.support.trainings import assert_each_once, assert_same_generator, left_alone_meanwhile

pytestmark = [
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        programs() is None,
        reason="PostgreSQL is not installed (Debian: apt-get install postgresql)",
    ),
    pytest.mark.skipif(
        PROMETHEUS is None,
        reason="Prometheus is not installed (Debian: apt-get install prometheus)",
    ),
]

SWEEP = (
    SETTINGS.replace("evaluate_every: 20", "evaluate_every: 100")
    + """\
  steps: 600
points:
  - {}
  - {saturation: 0.75}
"""
)


STEPS = "max by (sweep, trial, key) (ray_colorsweep_step) > 0"
PHASES = "sum by (sweep) (max by (sweep, phase) (ray_colorsweep_trials))"


@dataclass(frozen=True)
class Workplace:
    """The servers, and the accounts of two people."""

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


@pytest.fixture(scope="module")
def workplace(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    place = tmp_path_factory.mktemp("workplace")
    storage, port = server.new_bucket(), free_port()
    artifacts = f"{server.new_bucket()}/mlflow"
    database = PostgreSQL()
    tracking = TeamServer(database, artifacts, server.environment(), place / "mlflow.log")
    environment = {"HOME": str(place), "RAY_metrics_report_interval_ms": "1000"}
    cluster = Cluster(dashboard_port=port, **environment, **server.environment())
    prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), Path(cluster.directory))
    try:
        cluster.add(2)
        tracking.wait()
        anna, bob = (
            server.environment() | TOKEN | tracking.new_user(name) for name in ("anna", "bob")
        )
        dashboard = f"http://127.0.0.1:{port}"
        yield Workplace(
            database, server, storage, artifacts, cluster, dashboard, prometheus, anna, bob
        )
    finally:
        prometheus.close()
        cluster.kill()
        tracking.end()
        database.end()


@dataclass(frozen=True)
class Story:
    """A sweep of Anna's, one of whose nodes died, and what was seen of it meanwhile and after."""

    trials: list[Trial]
    """Without control, steered, and the first recoloured to the target of the second."""
    alone: list[Future[Trainer]]
    """The first two, on one machine and without a death."""
    status: subprocess.CompletedProcess[str]
    """Of an empty directory, after the death; ``--json``."""
    watching: subprocess.CompletedProcess[str]
    """``status --watch`` of another, from the death to the end."""
    steps: list[Series]
    """Gauges before the death."""
    victim: str
    """Name of the node that died."""
    phases: list[Series]
    submitted: subprocess.CompletedProcess[str]
    report: subprocess.CompletedProcess[str]
    page: Path
    without_account: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def story(workplace: Workplace, small_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    base = tmp_path_factory.mktemp("machines")
    sweep = base / "story.yaml"
    sweep.write_text(on_small(small_npz, SWEEP))
    trials = expand(read_sweep(sweep))
    alone = left_alone_meanwhile([trial.config for trial in trials[:2]], base / "alone")
    paths = [f"sweeps/story/{trial.key}" for trial in trials[:2]]

    def program(runs: str, *words: str | Path, **environment: str) -> Program:
        options = ("--runs", base / runs, "--storage", workplace.storage)
        return Program(*options, *words, **environment)

    address = ("--address", workplace.dashboard)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in workplace.s3.environment().items():
            patch.setenv(name, value)
        follower = program("anna", "submit", sweep, *address, **workplace.anna)
        follower.wait_for(lambda: all(stored_steps(workplace.storage, path) for path in paths))
        steps = workplace.prometheus.wait_for(STEPS, bool)
        phases = workplace.prometheus.wait_for(PHASES, bool)
        victim = next(node for node in workplace.cluster.nodes if node.trains())
        victim.kill()
    watcher = program("watching", "status", "story", "--watch", **workplace.anna)
    status = program("elsewhere", "status", "--json", **workplace.anna).end()
    submitted = follower.end()
    watching = watcher.end()
    page = base / "page"
    report = program("bob", "report", "story", "--out", page, **workplace.bob).end()
    stranger = workplace.bob | {"MLFLOW_TRACKING_PASSWORD": "guessed"}
    without_account = program("stranger", "report", "story", **stranger).end()
    return Story(
        trials,
        alone,
        status,
        watching,
        steps,
        victim.name,
        phases,
        submitted,
        report,
        page,
        without_account,
    )


@pytest.fixture
def client(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """Bob's view of the tracking server."""
    for name, value in workplace.bob.items():
        monkeypatch.setenv(name, value)
    return MlflowClient(workplace.bob["MLFLOW_TRACKING_URI"])


def test_the_job_finishes_although_a_node_died(story: Story) -> None:
    assert story.submitted.returncode == 0, story.submitted.stdout
    assert story.submitted.stderr == ""
    assert "restarting" in story.submitted.stdout
    left = f"node {story.victim} has left; its trials restart elsewhere"
    assert [line for line in story.submitted.stdout.splitlines() if line.endswith(left)]
    assert "3 of 3 trials finished" in story.submitted.stdout


def test_status_follows_from_an_empty_directory(story: Story) -> None:
    assert story.status.returncode == 0, story.status.stderr
    (sweep,) = json.loads(story.status.stdout)
    trained: list[dict[str, Any]] = sweep["trials"][:2]
    assert all(trial["durable_step"] > 0 for trial in trained)
    begun = [trial for trial in trained if trial["phase"] in ("starting", "running", "restarting")]
    assert [trial for trial in begun if trial["durable_step"] < 600], "the one that was interrupted"


def test_it_can_be_watched_until_its_end(story: Story) -> None:
    assert (story.watching.returncode, story.watching.stderr) == (0, "")
    lines = story.watching.stdout.splitlines()
    assert [line for line in lines if "saturation=0.75" in line and "running" in line]
    assert "story: 3 of 3 trials finished" in lines


def test_prometheus_has_its_gauges(story: Story) -> None:
    names = {trial.name for trial in story.trials[:2]}
    assert {series.labels["trial"] for series in story.steps} <= names
    assert all(0 < series.value <= 600 for series in story.steps)
    (phases,) = story.phases
    assert (phases.labels["sweep"], phases.value) == ("story", 3)


@pytest.mark.parametrize("index", [0, 1])
def test_a_trial_equals_one_that_was_left_alone(
    story: Story,
    workplace: Workplace,
    client: MlflowClient,
    index: int,
) -> None:
    trial, alone = story.trials[index], story.alone[index].result()
    at = f"sweeps/story/{trial.key}/checkpoints/{checkpoint.step_name(600)}/{checkpoint.GENERATOR}"
    assert_same_generator(ObjectStore(workplace.storage).read(at), alone)
    run = run_of(client, "story", trial.key)
    assert run.info.status == "FINISHED"
    # Asked for one by one, with a check of the password each time, they take 90 s.
    kept = f"SELECT key, step, value FROM metrics WHERE run_uuid = '{run.info.run_id}'"
    assert_each_once([(k, step, value) for k, step, value in workplace.database.query(kept)], alone)


def test_the_runs_are_in_postgresql_and_their_files_in_s3(
    story: Story, workplace: Workplace, client: MlflowClient
) -> None:
    kept = {run_id for (run_id,) in workplace.database.query("SELECT run_uuid FROM runs")}
    run = run_of(client, "story", story.trials[1].key)
    assert len(kept) == len(story.trials)
    assert run.info.run_id in kept
    files = ObjectStore(workplace.artifacts).entries("")
    samples = {Path(file).name for file in files if f"/{run.info.run_id}/" in f"/{file}"}
    assert "generator.safetensors" in samples
    assert f"step-{600:08}.png" in samples


def test_another_person_cannot_change_the_sweep(story: Story, client: MlflowClient) -> None:
    run = run_of(client, "story", story.trials[0].key)
    with pytest.raises(MlflowException, match="Permission denied"):
        client.set_tag(run.info.run_id, "note", "mine")


def test_another_person_reports_from_an_empty_directory(story: Story) -> None:
    assert story.report.returncode == 0, story.report.stderr
    rows = json.loads((story.page / "rows.json").read_text())
    assert (story.page / "index.html").exists()
    assert {row["phase"] for row in rows} == {"finished"}
    assert {row["key"] for row in rows} == {trial.key for trial in story.trials}


def test_a_stranger_sees_nothing_and_is_told_in_one_line(story: Story) -> None:
    assert story.without_account.returncode == 2
    (line,) = story.without_account.stderr.splitlines()
    assert line.startswith("Error: MLFLOW_TRACKING_URI: http://127.0.0.1:")
    assert "does not accept the account; set MLFLOW_TRACKING_USERNAME" in line
    assert "guessed" not in line
