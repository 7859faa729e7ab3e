"""Launches as jobs of a real cluster of two nodes, with the job server of its dashboard."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from gan import checkpoint
from orchestrator.store.trial_state import state_of
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import Trial, expand
from reports.phase import TrialPhase
from tests.support.processes import SETTINGS, Program, on_small, step_of
from tests.support.ray_cluster import RAY, Cluster
from tests.support.ray_token import TOKEN
from tests.support.servers import free_port

FOLLOW = "RAY_AUTH_MODE=token ray job logs --follow"

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Jobs:
    """The cluster's job server, as seen from a machine that shares one directory with it."""

    address: str
    runs: Path

    def start(self, *words: str | Path, **environment: str) -> Program:
        options = ("--runs", self.runs)
        return Program(*options, *words, "--address", self.address, **(TOKEN | environment))

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return self.start(*words).end()

    def all(self) -> list[dict[str, Any]]:
        headers = {"Authorization": f"Bearer {TOKEN['RAY_AUTH_TOKEN']}"}
        answer = requests.get(f"{self.address}/api/jobs/", headers=headers, timeout=60)
        jobs: list[dict[str, Any]] = answer.json()
        return jobs

    def actors(self) -> list[dict[str, Any]]:
        """What ``ray list actors`` has of those that live."""
        options = ["--address", self.address, "--format", "json", "--detail"]
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

    def directory(self, trial: Trial, sweep: Path) -> Path:
        return self.runs / "sweeps" / sweep.stem / trial.key


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    port = free_port()
    # The driver of a job is the head's child, and its home is where the job starts.
    home = tmp_path_factory.mktemp("home")
    cluster = Cluster(dashboard_port=port, HOME=str(home))
    try:
        cluster.add(2)
        yield Jobs(f"http://127.0.0.1:{port}", tmp_path_factory.mktemp("shared"))
    finally:
        cluster.kill()


def title_of(process: psutil.Process) -> str:
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline()).strip()
    return ""


@dataclass(frozen=True)
class Story:
    """A sweep whose job was followed, left, refused a second time, stopped and submitted again."""

    sweep: Path
    trial: Trial
    actors: list[dict[str, Any]]
    """While the trial trains, like ``titles``."""
    titles: list[str]
    """Of all processes."""
    detached: subprocess.CompletedProcess[str]
    second: subprocess.CompletedProcess[str]
    metadata: dict[str, str]
    stopping: subprocess.CompletedProcess[str]
    phase: TrialPhase
    stopped_at: int
    counted_steps: int
    """Of the first attempt, which none may be lost of."""
    other: subprocess.CompletedProcess[str]
    """A submit of a sweep without its data, beside."""
    again: subprocess.CompletedProcess[str]
    told: str
    """To the command of its --notify, which ran on the cluster."""


@pytest.fixture(scope="module")
def story(jobs: Jobs, small_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    directory = tmp_path_factory.mktemp("sweeps")
    sweep, other = directory / "mine.yaml", directory / "other.yaml"
    sweep.write_text(on_small(small_npz, f"{SETTINGS}  steps: 1500\n"))
    other.write_text(on_small(directory / "absent.npz", f"{SETTINGS}  steps: 20\n"))
    (trial,) = expand(read_sweep(sweep))
    trained = jobs.directory(trial, sweep)
    follower = jobs.start("submit", sweep, PYTHONUNBUFFERED="1")
    follower.wait_for(lambda: step_of(trained) > 0)
    actors = jobs.actors()
    titles = [title_of(process) for process in psutil.process_iter()]
    follower.process.send_signal(signal.SIGINT)
    detached = follower.end()
    second = jobs.run("submit", sweep)
    (job,) = jobs.all()
    stopping = jobs.run("stop", sweep.stem)
    other_done = jobs.run("submit", other)
    while any(job["status"] in ("PENDING", "RUNNING") for job in jobs.all()):
        time.sleep(0.5)
    state = state_of(trial, trained)
    (attempt,) = state.attempts
    stopped_at = step_of(trained)
    told = directory / "told.jsonl"
    again = jobs.run("submit", sweep, "--notify", f"cat >> {told}")
    return Story(
        sweep,
        trial,
        actors,
        titles,
        detached,
        second,
        job["metadata"],
        stopping,
        state.phase,
        stopped_at,
        attempt.step,
        other_done,
        again,
        told.read_text(),
    )


def test_ctrl_c_leaves_the_job_and_says_how_to_go_on_with_it(story: Story, jobs: Jobs) -> None:
    assert story.detached.returncode == 0
    assert story.detached.stderr == ""
    *log, goes_on, follow, status, stop = story.detached.stdout.splitlines()
    job = log[0].split()[1]
    assert [line for line in log if "mine: 0 of 1 trials finished, 1 waiting" in line]
    assert goes_on == "The job goes on."
    assert (
        follow
        == f"Follow     RAY_AUTH_MODE=token ray job logs --follow {job} --address {jobs.address}"
    )
    assert status == f"Status     colorsweep --runs {jobs.runs} status mine"
    assert stop == f"Stop       colorsweep --runs {jobs.runs} stop mine --address {jobs.address}"


def test_actors_and_processes_name_what_they_train(story: Story) -> None:
    of_trials = [a for a in story.actors if a["class_name"] == "colorsweep mine"]
    assert [actor["repr_name"] for actor in of_trials] == ["mine"]
    # Other tests may train beside.
    assert [title for title in story.titles if title.startswith("colorsweep mine: ")] == [
        f"colorsweep mine: {story.trial.name}"
    ]


def test_a_second_job_of_a_running_sweep_is_refused(story: Story) -> None:
    (line,) = story.second.stderr.splitlines()
    assert story.second.returncode == 2
    assert line.startswith("Error: mine: job colorsweep-mine-")
    assert (
        "runs it already; to follow it: RAY_AUTH_MODE=token ray job logs --follow colorsweep-mine-"
        in line
    )


def test_the_jobs_page_names_the_sweep(story: Story, jobs: Jobs) -> None:
    assert story.metadata["colorsweep.sweep"] == "mine"
    assert story.metadata["colorsweep.store"] == str(jobs.runs)
    assert story.metadata["job_name"] == "colorsweep mine"


def test_a_stop_from_elsewhere_takes_a_checkpoint(story: Story) -> None:
    assert story.stopping.stdout.startswith("asked to stop: mine, job colorsweep-mine-")
    assert story.phase is TrialPhase.STOPPED
    assert 0 < story.stopped_at < 1500
    assert story.stopped_at == story.counted_steps


def test_the_launchs_exit_code_is_the_submits(story: Story) -> None:
    assert story.other.returncode == 2
    assert "absent.npz" in story.other.stdout


def test_a_second_submit_goes_on_where_the_first_ended(
    story: Story, jobs: Jobs, small_npz: Path
) -> None:
    assert story.again.returncode == 0, story.again.stdout
    assert story.again.stderr == ""
    assert "mine: 0 of 1 trials finished, 1 stopped" in story.again.stdout
    assert "1 of 1 trials finished" in story.again.stdout
    newest = checkpoint.newest(jobs.runs / "sweeps" / "mine" / story.trial.key)
    assert newest is not None
    assert newest.trial["step"] == 1500


def test_a_job_notifies_of_its_end(story: Story, jobs: Jobs) -> None:
    message = json.loads(story.told)
    assert (message["event"], message["trials"]) == ("finished", {"finished": 1})
    assert message["report"] == f"colorsweep --runs {jobs.runs} report mine"
    assert f"submit {story.sweep} --address {jobs.address} --notify " in message["again"]


def test_a_wrong_token_is_told_in_one_line(jobs: Jobs, small_npz: Path, tmp_path: Path) -> None:
    sweep = tmp_path / "mine.yaml"
    sweep.write_text(on_small(small_npz, f"{SETTINGS}  steps: 20\n"))
    wrong = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "f" * 64}
    done = jobs.start("submit", sweep, **wrong).end()
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: {jobs.address}: refuses the token of RAY_AUTH_TOKEN;")
    assert len(done.stderr.splitlines()) == 1
    assert wrong["RAY_AUTH_TOKEN"] not in done.stderr
