"""A workplace of several people: a sweep is submitted, left, stopped, killed, and reported."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from gan import checkpoint
from orchestrator.store.object_store import ObjectStore
from tests.support.postgresql import programs
from tests.support.processes import SETTINGS, on_small
from tests.support.prometheus import PROMETHEUS
from tests.support.s3 import Server
from tests.support.shared_sweep import STEPS, Story, story
from tests.support.team_server import NAME
from tests.support.tracked_trials import run_of, store_of
from tests.support.trainings import assert_each_once, assert_same_generator, assert_sent_once
from tests.support.workplace import Workplace, started_workplace

pytestmark = [
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        programs() is None or PROMETHEUS is None,
        reason="needs PostgreSQL and Prometheus (Debian: apt-get install postgresql prometheus)",
    ),
]
FOLLOW = "RAY_AUTH_MODE=token ray job logs --follow"


@pytest.fixture(scope="module")
def place(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    # The driver of a job is the head's child; the head is not started in its home.
    machines, home = tmp_path_factory.mktemp("machines"), tmp_path_factory.mktemp("home")
    assert Path.cwd() != home
    with started_workplace(server, machines, home) as started:
        yield started


@pytest.fixture(scope="module")
def seen(place: Workplace, small_npz: Path) -> Story:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in place.s3.environment().items():
            patch.setenv(name, value)
        return story(place, small_npz)


@pytest.fixture
def client(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """Bob's view of the tracking server."""
    for name, value in place.bob.items():
        monkeypatch.setenv(name, value)
    return MlflowClient(place.bob["MLFLOW_TRACKING_URI"])


def newest(seen: Story, place: Workplace, index: int, file: str) -> bytes:
    """A file of the last checkpoint of a trial."""
    at = f"sweeps/shared/{seen.trials[index].key}/checkpoints/{checkpoint.step_name(STEPS)}"
    return ObjectStore(place.storage).read(f"{at}/{file}")


# The first job, which is left and stopped


def test_prometheus_has_its_gauges(seen: Story) -> None:
    names = {trial.name for trial in seen.trials[:2]}
    assert {series.labels["trial"] for series in seen.steps} == names
    assert all(0 < series.value < STEPS for series in seen.steps)
    (phases,) = seen.phases
    assert (phases.labels["sweep"], phases.value) == ("shared", 3)


def test_actors_and_processes_name_what_they_train(seen: Story) -> None:
    of_trials = [a for a in seen.actors if a["class_name"] == "colorsweep shared"]
    assert [actor["repr_name"] for actor in of_trials] == ["shared", "shared"]
    wanted = sorted(f"colorsweep shared: {trial.name}" for trial in seen.trials[:2])
    # Other tests may train beside.
    found = sorted(title for title in seen.titles if title.startswith("colorsweep shared: "))
    assert found == wanted


def test_ctrl_c_leaves_the_job_and_says_how_to_go_on_with_it(seen: Story, place: Workplace) -> None:
    assert (seen.detached.returncode, seen.detached.stderr) == (0, "")
    *log, goes_on, follow, status, stop = seen.detached.stdout.splitlines()
    job = log[0].split()[1]
    assert [line for line in log if "shared: 0 of 3 trials finished, 3 waiting" in line]
    assert goes_on == "The job goes on."
    assert follow == f"Follow     {FOLLOW} {job} --address {place.dashboard}"
    options = f"--runs {place.machines / 'anna'} --storage {place.storage}"
    assert status == f"Status     colorsweep {options} status shared"
    assert stop == f"Stop       colorsweep {options} stop shared --address {place.dashboard}"


def test_a_second_job_of_a_running_sweep_is_refused(seen: Story) -> None:
    (line,) = seen.second.stderr.splitlines()
    assert seen.second.returncode == 2
    assert line.startswith("Error: shared: job colorsweep-shared-")
    assert f"runs it already; to follow it: {FOLLOW} colorsweep-shared-" in line


def test_a_launch_on_another_machine_is_refused_meanwhile(seen: Story) -> None:
    assert seen.beside.returncode == 2
    (line,) = seen.beside.stderr.splitlines()
    assert "shared is launched already: process " in line


def test_the_jobs_page_names_the_sweep(seen: Story, place: Workplace) -> None:
    assert seen.metadata["colorsweep.sweep"] == "shared"
    assert seen.metadata["colorsweep.store"] == place.storage
    assert seen.metadata["job_name"] == "colorsweep shared"


def test_a_stop_from_elsewhere_takes_a_checkpoint(seen: Story) -> None:
    assert seen.stopping.stdout.startswith("asked to stop: shared, job colorsweep-shared-")
    assert [state.phase for state in seen.stopped] == ["stopped", "stopped", "waiting"]
    for state in seen.stopped[:2]:
        (attempt,) = state.attempts
        assert 0 < state.step == attempt.step < STEPS


def test_the_launchs_exit_code_is_the_submits(seen: Story, place: Workplace) -> None:
    assert seen.other.returncode == 2
    assert str(place.home / "absent.npz") in seen.other.stdout


def test_a_sweep_without_a_bucket_trains_in_the_directory_that_the_nodes_share(
    seen: Story, place: Workplace
) -> None:
    """On pictures that it names from the home of the cluster's processes."""
    assert seen.own.returncode == 0, seen.own.stdout
    assert "1 of 1 trials finished" in seen.own.stdout
    runs = place.machines / "runs"
    assert seen.own_metadata["colorsweep.store"] == str(runs)
    assert json.loads(seen.told_of_own)["report"] == f"colorsweep --runs {runs} report own"


# The second, whose driver is killed, and the third, which loses a node


def test_a_submit_goes_on_where_the_job_before_was_stopped_and_killed(seen: Story) -> None:
    assert seen.died.returncode == 1, seen.died.stdout
    assert "shared: 0 of 3 trials finished, 1 waiting, 2 stopped" in seen.died.stdout
    assert seen.submitted.returncode == 0, seen.submitted.stdout
    assert seen.submitted.stderr == ""
    counts = r"shared: 0 of 3 trials finished, 1 waiting, (2|1 stopped, 1) died"
    assert re.search(counts, seen.submitted.stdout)
    assert "3 of 3 trials finished" in seen.submitted.stdout


def test_the_job_finishes_although_a_node_died(seen: Story) -> None:
    assert "restarting" in seen.submitted.stdout
    left = f"node {seen.victim} has left; its trials restart elsewhere"
    assert [line for line in seen.submitted.stdout.splitlines() if line.endswith(left)]


def test_jobs_notify_of_their_ends(seen: Story, place: Workplace) -> None:
    told = [json.loads(line)["event"] for line in seen.told_of_first]
    assert told == ["stopped"], "a killed driver cannot tell, and --notify wins"
    message = json.loads(seen.told)
    assert (message["event"], message["trials"]) == ("finished", {"finished": 3})
    assert message["report"] == f"colorsweep --storage {place.storage} report shared"
    assert f"submit {seen.sweep} --address {place.dashboard} --notify " in message["again"]


def test_status_follows_from_an_empty_directory(seen: Story) -> None:
    assert seen.status.returncode == 0, seen.status.stderr
    (sweep,) = json.loads(seen.status.stdout)
    trained: list[dict[str, Any]] = sweep["trials"][:2]
    assert all(trial["durable_step"] > 0 for trial in trained)
    assert any(trial["restarts"] >= 1 for trial in trained), "that of the killed driver"
    begun = [trial for trial in trained if trial["phase"] in ("starting", "running", "restarting")]
    assert [trial for trial in begun if trial["durable_step"] < STEPS], "that of the dead node"


def test_status_of_a_finished_sweep_needs_the_bucket_alone(seen: Story) -> None:
    (sweep,) = json.loads(seen.finished.stdout)
    assert [trial["phase"] for trial in sweep["trials"]] == ["finished"] * 3
    assert [trial["durable_step"] for trial in sweep["trials"]] == [STEPS, STEPS, 0]
    assert sum(trial["restarts"] for trial in sweep["trials"]) >= 2, "the driver's and the node's"


def test_it_can_be_watched_until_its_end(seen: Story) -> None:
    assert (seen.watching.returncode, seen.watching.stderr) == (0, "")
    lines = seen.watching.stdout.splitlines()
    assert [line for line in lines if "saturation=0.75" in line and "running" in line]
    assert "shared: 3 of 3 trials finished" in lines


# What is there in the end


@pytest.mark.parametrize("index", [0, 1])
def test_a_trial_equals_one_that_was_left_alone(
    seen: Story, place: Workplace, client: MlflowClient, index: int
) -> None:
    trial, alone = seen.trials[index], seen.alone[index].result()
    assert_same_generator(newest(seen, place, index, checkpoint.GENERATOR), alone)
    run = run_of(client, "shared", trial.key)
    assert run.info.status == "FINISHED"
    # Asked for one by one, the points are hundreds of requests.
    kept = f"SELECT key, step, value FROM metrics WHERE run_uuid = '{run.info.run_id}'"
    assert_each_once([(k, step, value) for k, step, value in place.database.query(kept)], alone)


@pytest.mark.usefixtures("client")
def test_the_baseline_is_recoloured_without_another_training(seen: Story, place: Workplace) -> None:
    of_both = {newest(seen, place, index, checkpoint.GENERATOR) for index in (0, 2)}
    assert len(of_both) == 1
    history = json.loads(newest(seen, place, 2, checkpoint.TRIAL))["history"]
    assert [point["step"] for point in history] == [STEPS]


def test_the_runs_are_in_postgresql_and_their_files_in_s3(
    seen: Story, place: Workplace, client: MlflowClient
) -> None:
    kept = {run_id for (run_id,) in place.database.query("SELECT run_uuid FROM runs")}
    run = run_of(client, "shared", seen.trials[1].key)
    assert len(kept) == len(seen.trials) + 1, "that of the sweep without a bucket"
    assert run.info.run_id in kept
    files = ObjectStore(place.artifacts).entries("")
    samples = {Path(file).name for file in files if f"/{run.info.run_id}/" in f"/{file}"}
    assert "generator.safetensors" in samples
    assert f"step-{STEPS:08}.png" in samples


def test_another_person_cannot_change_the_sweep(seen: Story, client: MlflowClient) -> None:
    run = run_of(client, "shared", seen.trials[0].key)
    with pytest.raises(MlflowException, match="Permission denied"):
        client.set_tag(run.info.run_id, "note", "mine")


def test_another_machine_has_nothing_to_train_and_tracks_it_all(
    seen: Story, place: Workplace
) -> None:
    assert seen.elsewhere.returncode == 0, seen.elsewhere.stderr
    assert "shared: 3 of 3 trials finished" in seen.elsewhere.stdout
    assert "Dashboard" not in seen.elsewhere.stdout, "Ray was started for nothing"
    runs = place.machines / "elsewhere"
    for mirror in (runs, place.home):
        assert not list(mirror.rglob(checkpoint.TRAINING)), "what only training needs"
    client = store_of(runs)
    for trial, alone in zip(seen.trials[:2], seen.alone, strict=True):
        run = run_of(client, "shared", trial.key)
        assert run.info.status == "FINISHED"
        assert_sent_once(client, run, alone.result())
        samples = {file.path for file in client.list_artifacts(run.info.run_id, "samples")}
        assert samples == {f"samples/step-{step:08}.png" for step in range(40, STEPS + 1, 40)}
        generator = {file.path for file in client.list_artifacts(run.info.run_id, "generator")}
        names = ("generator.safetensors", "config.json", "SHA256SUMS")
        assert generator == {f"generator/{name}" for name in names}


def test_another_person_reports_from_an_empty_directory(seen: Story) -> None:
    assert seen.report.returncode == 0, seen.report.stderr
    rows = json.loads((seen.page / "rows.json").read_text())
    assert (seen.page / "index.html").exists()
    assert {row["phase"] for row in rows} == {"finished"}
    assert {row["key"] for row in rows} == {trial.key for trial in seen.trials}


def test_a_stranger_sees_nothing_and_is_told_in_one_line(seen: Story) -> None:
    assert seen.without_account.returncode == 2
    (line,) = seen.without_account.stderr.splitlines()
    assert line.startswith("Error: MLFLOW_TRACKING_URI: http://127.0.0.1:")
    assert "does not accept the account; set MLFLOW_TRACKING_USERNAME" in line
    assert "guessed" not in line


def test_the_server_answers_to_its_names_alone(place: Workplace) -> None:
    page = f"https://{NAME}"
    codes: list[tuple[dict[str, str], int]] = [
        ({}, 200),
        ({"Host": NAME}, 200),
        ({"Host": "other.example.org"}, 403),
        ({"Host": NAME, "Origin": page}, 200),
        ({"Host": NAME, "Origin": "https://other.example.org"}, 403),
    ]
    user = place.bob["MLFLOW_TRACKING_USERNAME"], place.bob["MLFLOW_TRACKING_PASSWORD"]
    at = f"{place.bob['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/experiments/search"
    for headers, code in codes:
        search: dict[str, Any] = {"json": {"max_results": 1}, "headers": headers}
        assert requests.post(at, **search, auth=user, timeout=60).status_code == code, headers


def test_a_wrong_token_is_told_in_one_line(
    place: Workplace, small_npz: Path, tmp_path: Path
) -> None:
    sweep = tmp_path / "mine.yaml"
    sweep.write_text(on_small(small_npz, f"{SETTINGS}  steps: 20\n"))
    wrong = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "f" * 64}
    done = place.on_jobs("submit", sweep, **wrong).end()
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: {place.dashboard}: refuses the token of RAY_AUTH_TOKEN;")
    assert len(done.stderr.splitlines()) == 1
    assert wrong["RAY_AUTH_TOKEN"] not in done.stderr
