"""A sweep whose trials live on S3: real Ray, a real server, processes that are really killed."""

import json
import subprocess
import tempfile
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import pytest

from gan import checkpoint
from gan.training.trainer import Trainer
from orchestrator.store.object_store import ObjectStore
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import Trial, expand
from tests.support.processes import SETTINGS, Launch, Program, on_small
from tests.support.s3 import Server, stored_steps
from tests.support.tracked_trials import run_of, store_of
from tests.support.trainings import assert_same_generator, assert_sent_once, left_alone_meanwhile

pytestmark = pytest.mark.timeout(900)

SWEEP = (
    SETTINGS
    + """\
  steps: 320
points:
  - {}
  - {saturation: 0.75}
"""
)


@dataclass(frozen=True)
class Story:
    """One sweep through the death of its launch and of its workers, seen by three machines."""

    uri: str
    trials: list[Trial]
    """Without control, steered, and the first recoloured to the target of the second."""
    alone: list[Future[Trainer]]
    """The first two, without a death."""
    finished: subprocess.CompletedProcess[str]
    finished_in: Path
    second: subprocess.CompletedProcess[str]
    """Launched while another was under way."""
    first_process: int
    status: subprocess.CompletedProcess[str]
    elsewhere: subprocess.CompletedProcess[str]
    """Launched on a machine that has nothing."""
    elsewhere_in: Path


def _path(trial: Trial) -> str:
    return f"sweeps/story/{trial.key}"


@pytest.fixture(scope="module")
def story(server: Server, small_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    base = tmp_path_factory.mktemp("machines")
    sweep = base / "story.yaml"
    sweep.write_text(on_small(small_npz, SWEEP))
    trials = expand(read_sweep(sweep))
    alone = left_alone_meanwhile([trial.config for trial in trials[:2]], base / "alone")
    one, two, three = (base / name for name in ("one", "two", "three"))
    # Ray's sockets want a short path.
    scratch = tempfile.TemporaryDirectory(prefix="s3-", ignore_cleanup_errors=True)
    with pytest.MonkeyPatch.context() as patch, scratch as short:
        for name, value in (server.environment() | {"TMPDIR": short}).items():
            patch.setenv(name, value)
        uri = server.new_bucket()

        store, paths = ObjectStore(uri), [_path(trial) for trial in trials[:2]]

        died = Launch(one, sweep, uri)
        died.wait_for(lambda: all(stored_steps(uri, path) for path in paths))
        died.kill()

        first = Launch(one, sweep, uri)
        first.wait_for(lambda: all(len(store.entries(f"{path}/attempts")) > 1 for path in paths))
        for victim in first.workers():
            victim.kill()
        second = Launch(two, sweep, uri).end()
        finished = first.end()

        status = Program("--runs", three, "--storage", uri, "status", "--json").end()
        elsewhere = Launch(three, sweep, uri).end()
        return Story(
            uri, trials, alone, finished, one, second, first.process.pid, status, elsewhere, three
        )


@pytest.fixture
def stored(story: Story, server: Server, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return ObjectStore(story.uri)


def test_the_same_command_goes_on_after_the_death_of_launch_and_workers(story: Story) -> None:
    assert story.finished.returncode == 0, story.finished.stderr
    assert "0 of 3 trials finished, 1 waiting, 2 died" in story.finished.stdout
    assert "restarting" in story.finished.stdout
    assert "3 of 3 trials finished" in story.finished.stdout
    assert story.finished.stderr == ""


def test_a_launch_on_another_machine_is_refused_meanwhile(story: Story) -> None:
    assert story.second.returncode == 2
    (line,) = story.second.stderr.splitlines()
    assert f"story is launched already: process {story.first_process} on " in line


@pytest.mark.parametrize("index", [0, 1])
def test_an_interrupted_trial_equals_one_left_alone(
    story: Story, stored: ObjectStore, index: int
) -> None:
    trial, alone = story.trials[index], story.alone[index].result()
    at = f"{_path(trial)}/checkpoints/{checkpoint.step_name(320)}/{checkpoint.GENERATOR}"
    assert_same_generator(stored.read(at), alone)
    for runs in (story.finished_in, story.elsewhere_in):
        run = run_of(store_of(runs), "story", trial.key)
        assert run.info.status == "FINISHED"
        assert_sent_once(store_of(runs), run, alone)


def test_the_baseline_is_recoloured_without_another_training(
    story: Story, stored: ObjectStore
) -> None:
    baseline, _, recoloured = (
        f"{_path(trial)}/checkpoints/{checkpoint.step_name(320)}" for trial in story.trials
    )
    generators = {stored.read(f"{at}/{checkpoint.GENERATOR}") for at in (baseline, recoloured)}
    assert len(generators) == 1
    history = json.loads(stored.read(f"{recoloured}/{checkpoint.TRIAL}"))["history"]
    assert [point["step"] for point in history] == [320]


def test_sample_grids_and_generator_are_in_the_run(story: Story) -> None:
    for runs in (story.finished_in, story.elsewhere_in):
        client = store_of(runs)
        run = run_of(client, "story", story.trials[1].key)
        samples = {file.path for file in client.list_artifacts(run.info.run_id, "samples")}
        assert samples == {f"samples/step-{step:08}.png" for step in range(20, 321, 20)}
        generator = {file.path for file in client.list_artifacts(run.info.run_id, "generator")}
        names = ("generator.safetensors", "config.json", "SHA256SUMS")
        assert generator == {f"generator/{name}" for name in names}


def test_another_machine_tells_how_every_sweep_is_from_storage_alone(story: Story) -> None:
    assert story.status.returncode == 0, story.status.stderr
    (found,) = json.loads(story.status.stdout)
    assert found["sweep"] == "story"
    trials = found["trials"]
    assert [trial["phase"] for trial in trials] == ["finished"] * 3
    assert [trial["durable_step"] for trial in trials] == [320, 320, 0], "it trains none"
    assert all(trial["restarts"] >= 2 for trial in trials[:2])


def test_another_machine_finds_nothing_to_do(story: Story) -> None:
    assert story.elsewhere.returncode == 0, story.elsewhere.stderr
    assert "story: 3 of 3 trials finished" in story.elsewhere.stdout
    assert "Dashboard" not in story.elsewhere.stdout, "Ray was started for nothing"


def test_the_part_that_only_training_needs_stays_in_the_store(story: Story) -> None:
    for runs in (story.finished_in, story.elsewhere_in):
        assert not list(runs.rglob(checkpoint.TRAINING))
