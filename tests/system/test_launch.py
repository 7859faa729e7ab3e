"""The main job with nothing replaced: real Ray, real MLflow, processes that are really killed."""

import json
import re
import socket
import subprocess
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow.entities import Run

from gan import checkpoint
from gan.checkpoint import Checkpoint
from gan.config import TrainConfig
from gan.training.progress import Progress, newest_metrics
from gan.training.trainer import Trainer
from orchestrator.store.lock import is_locked
from orchestrator.store.manifest import write_manifest
from orchestrator.store.paths import sweep_directory
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import Trial, expand
from orchestrator.worker.stop_signal import StopReason, StopSignal
from tests.support.processes import SETTINGS, Launch, step_of
from tests.support.tasks import run_here, task_of
from tests.support.tracked_trials import run_of, runs_of, store_of
from tests.support.trainings import assert_same_generator, assert_sent_once, left_alone_meanwhile
from tests.support.webhooks import SECRET, Webhook, webhook

pytestmark = pytest.mark.timeout(900)

SWEEP = (
    SETTINGS
    + """\
  steps: 160
points:
  - {}
  - {saturation: 0.75}
"""
)
BROKEN = "  - {saturation: 0.5, generator_lr: 1.0e+30}\n"


@dataclass(frozen=True)
class Story:
    """One sweep that was begun, through an edit, killed processes and an idle launch."""

    runs: Path
    sweep: Path
    trials: list[Trial]
    """Without control, steered, and the first recoloured to the target of the second."""
    alone: list[Future[Trainer]]
    """The first two, without a death."""
    rival: subprocess.CompletedProcess[str]
    """Beside the next, which was being launched."""
    process: int
    """Of the next."""
    killed: subprocess.CompletedProcess[str]
    idle: subprocess.CompletedProcess[str]
    idle_seconds: float
    files_before_idle: dict[str, float]
    files_after_idle: dict[str, float]
    hook: Webhook
    """Of the file."""

    def run_of(self, trial: Trial) -> Run:
        return run_of(store_of(self.runs), "story", trial.key)

    @property
    def directory(self) -> Path:
        return self.runs / "sweeps" / "story"

    def checkpoint_of(self, trial: Trial) -> Checkpoint:
        newest = checkpoint.newest(self.directory / trial.key)
        assert newest is not None
        return newest


def _files(runs: Path) -> dict[str, float]:
    """When each file was written last, those aside that each launch writes for itself."""
    aside = ("claim.json", "token")
    files = (p for p in (runs / "sweeps").rglob("*") if p.is_file() and p.name not in aside)
    return {str(path): path.stat().st_mtime for path in files}


def begin(trial: Trial, directory: Path) -> int:
    """Train a trial beyond its first evaluation, as a launch that is stopped; returns the step."""
    stop = StopSignal()

    def stop_once_evaluated(progress: Progress) -> None:
        if progress.evaluated_step:
            stop.set(StopReason.USER)

    task = task_of(trial.config, directory / trial.key)
    assert run_here(task, stop_once_evaluated, stop) == ("stopped", "")
    return step_of(directory / trial.key)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    runs = tmp_path_factory.mktemp("runs")
    sweep = tmp_path_factory.mktemp("sweeps") / "story.yaml"
    sweep.write_text(SWEEP)
    trials = expand(read_sweep(sweep))

    directory = sweep_directory(runs, "story")
    directory.mkdir(parents=True)
    write_manifest(directory, trials)
    begun = {trial.key: begin(trial, directory) for trial in trials[:2]}

    direct = {"no_proxy": "127.0.0.1"}
    with webhook() as hook:
        sweep.write_text(f"{SWEEP}{BROKEN}notify: {hook.url}\n")
        launch = Launch(runs, sweep, **direct)
        launch.wait_for(lambda: bool(is_locked(launch.directory)))
        configs = [trial.config for trial in trials[:2]]
        alone = left_alone_meanwhile(configs, tmp_path_factory.mktemp("alone"))
        rival = Launch(runs, sweep, **direct)
        launch.wait_for(lambda: all(launch.step_of(t) > begun[t.key] for t in trials[:2]))
        for victim in (launch.workers()[0], launch.trainings()[-1]):
            victim.kill()
        killed = launch.end()
        refused = rival.end()

        sweep.write_text(f"{SWEEP}notify: {hook.url}\n")
        Launch(runs, sweep, **direct).end()  # takes note of the edit
        before, start = _files(runs), time.monotonic()
        idle = Launch(runs, sweep, **direct).end()
        idle_seconds, after = time.monotonic() - start, _files(runs)
    return Story(
        runs,
        sweep,
        trials,
        alone,
        refused,
        launch.process.pid,
        killed,
        idle,
        idle_seconds,
        before,
        after,
        hook,
    )


def test_a_launch_goes_on_from_the_checkpoints(story: Story) -> None:
    assert "story: 0 of 4 trials finished, 2 waiting, 2 stopped" in story.killed.stdout
    assert "new: [saturation=0.5" in story.killed.stdout, "the file was edited in between"


def test_a_second_launch_is_refused_and_told_of_the_first(story: Story) -> None:
    assert (story.rival.returncode, story.rival.stdout) == (2, "")
    (line,) = story.rival.stderr.splitlines()
    wanted = f"Error: story is launched already: process {story.process} on {socket.gethostname()}"
    assert line.startswith(f"{wanted}, since 20")


def test_a_killed_worker_and_a_killed_training_are_replaced_and_the_sweep_finishes(
    story: Story,
) -> None:
    assert story.killed.stderr == ""
    assert "restarting" in story.killed.stdout
    assert "3 of 4 trials finished, 1 failed" in story.killed.stdout


def test_each_trial_has_one_finished_run_through_all_of_it(story: Story) -> None:
    for trial in story.trials:
        run = story.run_of(trial)
        assert run.info.status == "FINISHED"
        # Apart from a trial that left the file, which had another rate.
        assert run.info.run_name in (trial.name, f"{trial.name}, generator_lr=0.0002")


@pytest.mark.parametrize("index", [0, 1])
def test_an_interrupted_trial_equals_one_left_alone(story: Story, index: int) -> None:
    trial, alone = story.trials[index], story.alone[index].result()
    assert_same_generator(story.directory / trial.key, alone)
    assert_sent_once(store_of(story.runs), story.run_of(trial), alone)


def test_the_baseline_is_recoloured_without_another_training(story: Story) -> None:
    baseline, _, recoloured = story.trials
    of = {trial.key: story.checkpoint_of(trial) for trial in (baseline, recoloured)}
    same = {found.files[checkpoint.GENERATOR] for found in of.values()}
    assert len(same) == 1
    points = of[recoloured.key].trial["history"]
    assert [point["step"] for point in points] == [160]
    metrics = points[0]["metrics"]
    plain = newest_metrics(of[baseline.key].trial["history"])
    assert metrics["eval/saturation_reachable_error"] < 0.5 * abs(plain["eval/saturation"] - 0.75)
    assert story.run_of(recoloured).data.metrics["eval/mae"] == metrics["eval/mae"]


def test_sample_grids_and_generator_are_in_the_run(story: Story) -> None:
    client = store_of(story.runs)
    run = story.run_of(story.trials[1])
    samples = {file.path for file in client.list_artifacts(run.info.run_id, "samples")}
    assert samples == {f"samples/step-{step:08}.png" for step in range(20, 161, 20)}
    generator = {file.path for file in client.list_artifacts(run.info.run_id, "generator")}
    names = ("generator.safetensors", "config.json", "SHA256SUMS")
    assert generator == {f"generator/{name}" for name in names}


def test_a_finished_sweep_has_nothing_to_do(story: Story) -> None:
    assert story.idle.returncode == 0, story.idle.stderr
    assert "story: 3 of 3 trials finished" in story.idle.stdout
    assert "Dashboard" not in story.idle.stdout, "Ray was started for nothing"
    assert story.files_after_idle == story.files_before_idle
    assert story.idle_seconds < 60


def test_a_trial_that_cannot_go_on_is_reported_in_one_line(story: Story) -> None:
    assert story.killed.returncode == 1
    assert re.search(r"loss/\w+ was not finite, or exploded, at step \d+", story.killed.stdout)
    assert "Traceback" not in story.killed.stdout + story.killed.stderr
    failed = [run for run in runs_of(store_of(story.runs), "story") if run.info.status == "FAILED"]
    assert len(failed) == 1
    assert "exploded" in failed[0].data.tags["colorsweep.reason"]


def test_a_failing_trial_is_told_at_once_and_the_end_once(story: Story) -> None:
    """And nothing of a launch that is refused, or has nothing to train."""
    failed, ended = story.hook.messages
    assert (failed["event"], failed["trial"]) == ("failed", "saturation=0.5, generator_lr=1e+30")
    assert "was not finite, or exploded, at step" in failed["reason"]
    assert (ended["event"], ended["sweep"]) == ("incomplete", "story")
    assert ended["trials"] == {"finished": 3, "failed": 1}
    assert "3 of 4 trials finished, 1 failed" in ended["text"]


def test_the_webhooks_path_is_shown_and_kept_nowhere(story: Story) -> None:
    assert f"Notify     {story.hook.url.removesuffix(SECRET)}/***" in story.killed.stdout
    assert SECRET not in story.killed.stdout + story.killed.stderr + json.dumps(story.hook.messages)
    kept = (path.read_bytes() for path in story.runs.rglob("*") if path.is_file())
    assert not any(SECRET.encode() in content for content in kept)


def test_the_terminal_shows_addresses_and_progress_but_none_of_rays_chatter(story: Story) -> None:
    out = story.killed.stdout
    assert re.search(r"Dashboard  http://127.0.0.1:\d+", out)
    assert re.search(r"Tracking   sqlite:///", out)
    assert re.search(r"saturation=0.75:  running  step \d+ of 160, epoch [\d.]+", out)
    assert re.search(r"achieved 0\.\d\d of 0\.75", out)
    assert not re.search(r"tune_controller|Trial name|Logical resource|WARNING|INFO", out)
    assert story.killed.stderr == ""


def test_a_trial_config_travels_to_the_worker_unchanged(story: Story) -> None:
    for trial in story.trials:
        content = story.checkpoint_of(trial).trial
        assert TrainConfig.model_validate(content["config"]) == trial.config
