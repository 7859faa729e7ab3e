"""A sweep whose trials live on S3: real Ray, a real server, processes that are really killed."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import Run
from stores import Server, stored_steps, wait_for
from trainings import assert_sent_once

from gan import checkpoint
from gan.datasets import load
from gan.trainer import Trainer
from orchestrator.plan import Trial, expand
from orchestrator.spec import read_sweep
from orchestrator.storage import Storage

pytestmark = pytest.mark.timeout(900)

SWEEP = """
settings:
  dataset: photos
  base_channels: 4
  batch_size: 8
  steps: 240
  log_every: 7
  evaluate_every: 20
  eval_images: 12
points:
  - {}
  - {saturation: 0.75}
"""


@dataclass(frozen=True)
class Story:
    """One sweep through the death of its launch and of its workers, seen by three machines."""

    uri: str
    trials: list[Trial]
    """Without control, steered, and the first recoloured to the target of the second."""
    finished: subprocess.CompletedProcess[str]
    finished_in: Path
    second: subprocess.CompletedProcess[str]
    """Launched while another was under way."""
    first_process: int
    status: subprocess.CompletedProcess[str]
    elsewhere: subprocess.CompletedProcess[str]
    """Launched on a machine that has nothing."""
    elsewhere_in: Path


class Machine:
    """Runs commands with a directory of its own for everything that is written."""

    def __init__(self, runs: Path, scratch: str, uri: str, server: Server) -> None:
        self.runs = runs
        self._uri = uri
        self._environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
        self._environment |= server.environment() | {"COLUMNS": "120", "TMPDIR": scratch}

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        program = (sys.executable, "-m", "orchestrator.cli")
        return subprocess.Popen(
            [*program, "--runs", self.runs, "--storage", self._uri, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment,
        )

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return _end(self.start(*arguments))


def _end(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    out, err = process.communicate(timeout=400)
    return subprocess.CompletedProcess([], process.returncode, out, err)


def _path(trial: Trial) -> str:
    return f"sweeps/story/{trial.key}"


def _wait_for_step(
    process: subprocess.Popen[str], uri: str, trials: list[Trial], step: int
) -> None:
    def reached() -> bool:
        assert process.poll() is None, _end(process).stderr
        return all(
            max(stored_steps(uri, _path(trial)), default="") >= checkpoint.step_name(step)
            for trial in trials
        )

    wait_for(reached, 400)


def _workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    below = psutil.Process(process.pid).children(recursive=True)
    return [p for p in below if "".join(p.cmdline()).startswith("ray::ImplicitFunc")]


@pytest.fixture(scope="module")
def story(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Story:
    base = tmp_path_factory.mktemp("machines")
    sweep = base / "story.yaml"
    sweep.write_text(SWEEP)
    trials = expand(read_sweep(sweep))
    # Ray's sockets want a short path.
    scratch = tempfile.TemporaryDirectory(prefix="s3-", ignore_cleanup_errors=True)
    with pytest.MonkeyPatch.context() as patch, scratch as short:
        for name, value in server.environment().items():
            patch.setenv(name, value)
        uri = server.new_bucket()
        one, two, three = (
            Machine(base / name, short, uri, server) for name in ("one", "two", "three")
        )

        died = one.start("launch", sweep)
        _wait_for_step(died, uri, trials[:2], 20)
        died.kill()
        died.communicate()

        first = one.start("launch", sweep)
        _wait_for_step(first, uri, trials[:2], 60)
        for victim in _workers(first):
            victim.kill()
        second = two.run("launch", sweep)
        finished = _end(first)

        status = three.run("status", "story", "--json")
        elsewhere = three.run("launch", sweep)
        return Story(
            uri, trials, finished, one.runs, second, first.pid, status, elsewhere, three.runs
        )


@pytest.fixture
def stored(story: Story, server: Server, monkeypatch: pytest.MonkeyPatch) -> Storage:
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return Storage(story.uri)


def _run_of(runs: Path, trial: Trial) -> Run:
    client = MlflowClient(f"sqlite:///{runs}/mlflow.db")
    experiment = client.get_experiment_by_name("story")
    assert experiment is not None
    key = f"tags.`colorsweep.key` = '{trial.key}'"
    (run,) = client.search_runs([experiment.experiment_id], key)
    return run


def test_the_same_command_goes_on_after_the_death_of_launch_and_workers(story: Story) -> None:
    assert story.finished.returncode == 0, story.finished.stderr
    assert "1 new, 2 to go on with, 0 finished" in story.finished.stdout
    assert "restarting" in story.finished.stdout
    assert "3 of 3 trials finished" in story.finished.stdout
    assert story.finished.stderr == ""


def test_a_launch_on_another_machine_is_refused_meanwhile(story: Story) -> None:
    assert story.second.returncode == 2
    (line,) = story.second.stderr.splitlines()
    assert f"story is launched already: process {story.first_process} on " in line


@pytest.mark.parametrize("index", [0, 1])
def test_an_interrupted_trial_equals_one_left_alone(
    story: Story, stored: Storage, index: int, tmp_path: Path
) -> None:
    trial = story.trials[index]
    torch.set_num_threads(1)  # as many as a trial has by default
    alone = Trainer(trial.config, load(trial.config), torch.device("cpu"))
    assert alone.fit(tmp_path)
    at = f"{_path(trial)}/checkpoints/{checkpoint.step_name(240)}/{checkpoint.GENERATOR}"
    weights = checkpoint.unpack(stored.read(at))
    for name, tensor in alone.gan.generator.state_dict().items():
        assert torch.equal(weights[name], tensor), name
    for runs in (story.finished_in, story.elsewhere_in):
        run = _run_of(runs, trial)
        assert run.info.status == "FINISHED"
        assert_sent_once(MlflowClient(f"sqlite:///{runs}/mlflow.db"), run, alone)


def test_the_baseline_is_recoloured_without_another_training(story: Story, stored: Storage) -> None:
    baseline, _, recoloured = (
        f"{_path(trial)}/checkpoints/{checkpoint.step_name(240)}" for trial in story.trials
    )
    generators = {stored.read(f"{at}/{checkpoint.GENERATOR}") for at in (baseline, recoloured)}
    assert len(generators) == 1
    history = json.loads(stored.read(f"{recoloured}/{checkpoint.TRIAL}"))["history"]
    assert [point["step"] for point in history] == [240]


def test_sample_grids_and_generator_are_in_the_run(story: Story) -> None:
    for runs in (story.finished_in, story.elsewhere_in):
        client = MlflowClient(f"sqlite:///{runs}/mlflow.db")
        run = _run_of(runs, story.trials[1])
        samples = {file.path for file in client.list_artifacts(run.info.run_id, "samples")}
        assert samples == {f"samples/step-{step:08}.png" for step in range(20, 241, 20)}
        generator = {file.path for file in client.list_artifacts(run.info.run_id, "generator")}
        assert generator == {"generator/generator.safetensors", "generator/config.json"}


def test_another_machine_tells_how_the_sweep_is_from_storage_alone(story: Story) -> None:
    assert story.status.returncode == 0, story.status.stderr
    trials = json.loads(story.status.stdout)["trials"]
    assert [trial["state"] for trial in trials] == ["finished"] * 3
    assert [trial["durable_step"] for trial in trials] == [240] * 3
    assert all(trial["restarts"] >= 2 for trial in trials[:2])


def test_another_machine_finds_nothing_to_do(story: Story) -> None:
    assert story.elsewhere.returncode == 0, story.elsewhere.stderr
    assert "0 new, 0 to go on with, 3 finished" in story.elsewhere.stdout
    assert "Dashboard" not in story.elsewhere.stdout, "Ray was started for nothing"


def test_the_part_that_only_training_needs_stays_in_the_store(story: Story) -> None:
    for runs in (story.finished_in, story.elsewhere_in):
        assert not list(runs.rglob(checkpoint.TRAINING))
