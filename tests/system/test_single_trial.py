"""One trial without Ray: the flags, and real processes that are stopped and killed."""

import shlex
import signal
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import Result

from gan.config import TrainConfig
from orchestrator.commands.train import name_of
from orchestrator.store.paths import PICTURES
from tests.support.cli_flags import call, config, parse
from tests.support.processes import Program, step_of
from tests.support.tracked_trials import only_run, run_of, runs_of, store_of
from tests.support.trainings import assert_same_generator, assert_sent_once, left_alone

SMALL = "--base-channels 4 --batch-size 8 --eval-images 6 --log-interval 7 --sample-interval 20"


@dataclass(frozen=True)
class Story:
    """One trial, stopped, killed and finished by the same command; then a second beside it.

    When it is finished, the store is away.
    """

    runs: Path
    config: TrainConfig
    stopped: subprocess.CompletedProcess[str]
    status_when_stopped: str
    step_when_stopped: int
    killed: subprocess.CompletedProcess[str]
    finished: subprocess.CompletedProcess[str]
    idle: Result
    files_before_idle: dict[Path, int]
    files_after_idle: dict[Path, int]
    second: Result

    @property
    def directory(self) -> Path:
        return self.runs / "sweeps" / "train" / self.config.key()


@pytest.fixture(scope="module")
def story(small_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    runs = tmp_path_factory.mktemp("runs")
    flags = f"--dataset npz --dataset-path {small_npz} --steps 200 --desired-saturation 0.75"
    trial, _ = parse(f"{flags} {SMALL}")
    command = ["train", "--checkpoints-path", str(runs), *shlex.split(f"{flags} {SMALL}")]
    directory = runs / "sweeps" / "train" / trial.key()

    first = Program(*command, "--acc-thresh", "2", OMP_NUM_THREADS="1")
    first.wait_for(lambda: step_of(directory) >= 20)
    first.process.send_signal(signal.SIGTERM)
    stopped = first.end()
    run = only_run(store_of(runs), "train")
    step = step_of(directory)

    second = Program(*command, OMP_NUM_THREADS="1")
    second.wait_for(lambda: step_of(directory) > step)
    second.process.kill()
    killed = second.end()
    step_when_killed = step_of(directory)

    third = Program(*command, OMP_NUM_THREADS="1")
    third.wait_for(lambda: step_of(directory) > step_when_killed)
    with closing(sqlite3.connect(runs / "mlflow.db", isolation_level=None)) as store:
        store.execute("BEGIN EXCLUSIVE")
        finished = third.end()
        store.execute("ROLLBACK")

    def files() -> dict[Path, int]:
        found = (path for path in (runs / "sweeps").rglob("*") if path.is_file())
        return {path: path.stat().st_mtime_ns for path in found}

    before = files()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        idle = call(*command)
        after = files()
        beside = call(*command, "--seed", "1", "--steps", "5")
    return Story(
        runs,
        trial,
        stopped,
        run.info.status,
        step,
        killed,
        finished,
        idle,
        before,
        after,
        beside,
    )


def test_sigterm_takes_a_checkpoint_and_says_how_to_go_on(story: Story) -> None:
    assert story.stopped.returncode == 1, story.stopped.stderr
    assert 20 <= story.step_when_stopped < 200
    assert f"Stopped at step {story.step_when_stopped} of 200" in story.stopped.stdout
    assert "To go on: run the same command again" in story.stopped.stdout
    assert story.status_when_stopped == "KILLED"
    (line,) = story.stopped.stderr.splitlines()
    assert line.startswith("--acc-thresh: no longer used")


def test_the_same_command_finishes_what_was_killed(story: Story) -> None:
    assert story.killed.returncode == -signal.SIGKILL
    assert story.finished.returncode == 0, story.finished.stderr
    assert "Finished at step 200 of 200, epoch 25.0" in story.finished.stdout
    assert "0.75 wanted" in story.finished.stdout
    assert f"Next: colorsweep --runs {story.runs} report train" in story.finished.stdout


def test_a_store_that_goes_away_stops_nothing_and_is_told_later(story: Story) -> None:
    assert "tracking store is away" in story.finished.stdout
    told = "the tracking store lacks the latest results; run this again"
    assert told in story.finished.stdout
    assert told not in story.idle.stdout


def test_a_killed_training_equals_one_left_alone(story: Story, tmp_path: Path) -> None:
    alone = left_alone(story.config, tmp_path)
    assert_same_generator(story.directory, alone)
    client = store_of(story.runs)
    run = run_of(client, "train", story.config.key())
    assert (run.info.status, run.info.run_name) == ("FINISHED", name_of(story.config))
    assert run.data.tags["colorsweep.step"] == "200"
    assert_sent_once(client, run, alone)


def test_a_finished_trial_has_nothing_to_do(story: Story) -> None:
    assert story.idle.exit_code == 0, story.idle.stderr
    assert "Finished at step 200 of 200" in story.idle.stdout
    assert "Device" not in story.idle.stdout, "torch was set up for nothing"
    # The digest of the dataset may be remembered now.
    after = {file: when for file, when in story.files_after_idle.items() if file.name != PICTURES}
    assert after == story.files_before_idle


def test_another_config_of_the_same_name_is_another_trial(story: Story) -> None:
    assert story.second.exit_code == 0, story.second.stderr
    places = {r.data.tags["colorsweep.index"]: r for r in runs_of(store_of(story.runs), "train")}
    assert sorted(places) == ["0", "1"]
    assert places["0"].data.tags["colorsweep.key"] == story.config.key()
    other = story.config.model_copy(update={"seed": 1, "steps": 5})
    assert places["1"].data.tags["colorsweep.key"] == other.key()
    assert places["1"].info.run_name == name_of(other) != name_of(story.config)


def test_the_report_shows_both(story: Story, tmp_path: Path) -> None:
    result = call("--runs", str(story.runs), "report", "train", "--out", str(tmp_path / "page"))
    assert result.exit_code == 0, result.output
    table = (tmp_path / "page" / "rows.csv").read_text().splitlines()
    assert len(table) == 1 + 2 * 2, "each as it is, and after exact control"
    assert all(",saturation,0.75," in row for row in table[1:])


def test_a_training_that_explodes_ends_in_one_line(story: Story, small_npz: Path) -> None:
    flags = f"--dataset npz --dataset-path {small_npz} --steps 100 --lr 1e30 --name hot"
    result = call("--runs", str(story.runs), "train", *shlex.split(f"{flags} {SMALL}"))
    assert (result.exit_code, result.stderr) == (1, "")
    (line,) = (line for line in result.stdout.splitlines() if line.startswith("Failed: "))
    assert "loss/adversarial" in line
    run = only_run(store_of(story.runs), "hot")
    assert run.info.status == "FAILED"
    assert run.data.tags["colorsweep.reason"] in line


def test_a_relative_dataset_path_starts_from_the_current_directory(
    story: Story, workplace: Path, small_npz: Path
) -> None:
    (workplace / "near.npz").symlink_to(small_npz)
    (workplace / "mine").symlink_to(story.runs)
    flags = f"--dataset npz --dataset-path near.npz --steps 2 {SMALL}"
    result = call("--runs", "mine", "train", "--name", "near", *shlex.split(flags))
    assert result.exit_code == 0, result.output
    assert "Next: colorsweep --runs mine report near" in result.stdout
    assert step_of(workplace / "mine" / "sweeps" / "near" / config(flags).key()) == 2
