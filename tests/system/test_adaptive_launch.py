"""A search with a scheduler through Ray, stopped half way and launched again."""

import re
import shlex
import signal
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow.entities import Run

from gan import checkpoint
from orchestrator.store.attempts import Attempt, attempts, wasted_steps
from orchestrator.store.manifest import read_manifest
from orchestrator.store.paths import STOP, sweep_directory
from orchestrator.store.trial_state import TrialState, states_of
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.sweep_spec import SweepSpec
from orchestrator.sweep.trials import Trial
from orchestrator.worker.run import LOOK_SECONDS
from reports.phase import TrialPhase
from tests.support.cli_flags import call
from tests.support.processes import SETTINGS, Launch, on_small, step_of
from tests.support.ray_cluster import paused
from tests.support.tracked_trials import logged, made, run_of, runs_of, store_of

pytestmark = pytest.mark.timeout(600)

SWEEP = (
    SETTINGS
    + """\
  steps: 80
points:
  - {}
  - {saturation: 0.75}
objective:
  metric: saturation_error
  subject_to: {mae: 0.5}
search:
  trials: 4
  over:
    saturation: 0.75
    saturation.weight: {low: 1, high: 1000, log: true}
    generator_lr: {low: 1.0e-5, high: 1.0e-2, log: true}
scheduler: {name: asha, grace_steps: 20, reduction_factor: 2}
"""
)


@dataclass(frozen=True)
class Story:
    """Two trials, a recoloured one, and a search for four: stopped, and launched again."""

    runs: Path
    spec: SweepSpec
    stopped: subprocess.CompletedProcess[str]
    status_when_stopped: str
    """The counts that ``status`` prints."""
    trials_when_stopped: list[Trial]
    done_when_stopped: set[str]
    """Keys."""
    files_when_stopped: dict[str, float]
    statuses_when_stopped: dict[str, str]
    """Of the runs, by key."""
    interrupted: dict[str, tuple[Attempt, int]]
    """By key, where there was any: the attempt, and the step of the newest checkpoint after it."""
    again: subprocess.CompletedProcess[str]

    @property
    def directory(self) -> Path:
        return sweep_directory(self.runs, self.spec.name)

    @property
    def trials(self) -> list[Trial]:
        return read_manifest(self.directory)

    @property
    def states(self) -> dict[str, TrialState]:
        return states_of(self.spec, self.trials, self.runs)

    def run_of(self, trial: Trial) -> Run:
        return run_of(store_of(self.runs), "story", trial.key)


def _files(directory: Path, keys: set[str]) -> dict[str, float]:
    files = (p for key in keys for p in (directory / key).rglob("*") if p.is_file())
    return {str(path): path.stat().st_mtime for path in files}


@pytest.fixture(scope="module")
def story(small_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    runs = tmp_path_factory.mktemp("runs")
    sweep = tmp_path_factory.mktemp("sweeps") / "story.yaml"
    sweep.write_text(on_small(small_npz, SWEEP))
    spec = read_sweep(sweep)
    directory = sweep_directory(runs, "story")

    def done() -> set[str]:
        states = states_of(spec, read_manifest(directory), runs)
        return {key for key, state in states.items() if state.phase.is_done}

    def latest() -> dict[str, Attempt]:
        found = {t.key: attempts(directory / t.key) for t in read_manifest(directory)}
        return {key: history[-1] for key, history in found.items() if history}

    def is_half_way() -> bool:
        training = [each for each in latest().values() if not each.ended and 20 <= each.step <= 40]
        return bool(training) and len(done()) >= 2 and len(read_manifest(directory)) >= 4

    def is_paused_half_way() -> bool:
        """Look again while nothing is trained, and leave it so if it still is half way."""
        if not is_half_way():
            return False
        with ExitStack() as look:
            look.enter_context(paused(first.trainings()))
            if found := is_half_way():
                trainings.push(look.pop_all())
        return found

    first = Launch(runs, sweep)
    with ExitStack() as trainings:
        first.wait_for(is_paused_half_way)
        first.process.send_signal(signal.SIGINT)
        first.wait_for((directory / STOP).exists)
        # Each looks for it as soon as it goes on; else it might be at its end before it looks.
        time.sleep(LOOK_SECONDS)
    stopped = first.end()
    status = call("--runs", str(runs), "status", "story").stdout
    (counts,) = (line for line in status.splitlines() if line.startswith("story: "))
    trials, ended = read_manifest(directory), done()
    files = _files(directory, ended)
    statuses = {
        run.data.tags["colorsweep.key"]: run.info.status for run in runs_of(store_of(runs), "story")
    }
    interrupted = {
        key: (each, step_of(directory / key))
        for key, each in latest().items()
        if each.ended is None or not each.ended.is_done
    }
    again = Launch(runs, sweep).end()
    return Story(runs, spec, stopped, counts, trials, ended, files, statuses, interrupted, again)


def test_a_search_that_is_stopped_says_how_to_go_on(story: Story) -> None:
    assert story.stopped.returncode == 1, story.stopped.stderr
    said = story.stopped.stdout
    assert "0 of 3 trials finished, 3 waiting; 4 more to be chosen by the search" in said
    summary = re.search(r"^\d of \d trials finished.*(?=; \d more to be)", said, re.MULTILINE)
    assert summary is not None, "those that nobody knows yet are counted"
    assert summary[0] == story.status_when_stopped.removeprefix("story: ")
    (hint,) = re.findall(r"To go on: (.+)", story.stopped.stdout)
    typed = ["colorsweep", "--runs", str(story.runs), "launch", str(story.spec.path)]
    assert shlex.split(hint) == typed
    assert len(story.trials_when_stopped) < 7, "stopped half way"


def test_a_stopped_trial_is_killed_in_the_store_and_not_running(story: Story) -> None:
    left = story.statuses_when_stopped.keys() - story.done_when_stopped
    trained = left & story.interrupted.keys()
    assert trained, "none was being trained"
    assert {story.statuses_when_stopped[key] for key in trained} == {"KILLED"}
    # One that was only starting waits.
    assert {story.statuses_when_stopped[key] for key in left - trained} <= {"SCHEDULED"}


def test_ctrl_c_takes_a_checkpoint_of_the_last_step(story: Story) -> None:
    assert any(20 <= attempt.step < 80 for attempt, _ in story.interrupted.values())
    for attempt, durable_step in story.interrupted.values():
        assert attempt.ended == "stopped"
        assert attempt.step == durable_step


def test_the_same_command_goes_on_to_exactly_as_many_trials_as_asked(story: Story) -> None:
    assert story.again.returncode == 0, story.again.stderr + story.again.stdout
    known = len(story.trials_when_stopped)
    assert re.match(rf"story: \d of {known} trials finished", story.again.stdout)
    assert f"; {7 - known} more to be chosen by the search" in story.again.stdout
    assert [t.key for t in story.trials[:known]] == [t.key for t in story.trials_when_stopped]
    assert len({trial.key for trial in story.trials}) == len(story.trials) == 7
    directories = {path.name for path in story.directory.iterdir() if path.is_dir()}
    assert directories == {trial.key for trial in story.trials}
    assert all(state.phase.is_done for state in story.states.values())


def test_nothing_is_trained_twice(story: Story) -> None:
    assert _files(story.directory, story.done_when_stopped) == story.files_when_stopped
    for trial in story.trials:
        history = attempts(story.directory / trial.key)
        assert sum(wasted_steps(history)) == 0
        ends = [attempt.ended for attempt in history]
        assert set(ends[:-1]) <= {"stopped"}
        assert len(ends) <= 2


def test_a_trial_that_is_behind_is_killed_and_not_failed(story: Story) -> None:
    pruned = [trial for trial in story.trials if story.states[trial.key].marker]
    assert pruned, "none was"
    for trial in pruned:
        state = story.states[trial.key]
        assert state.marker is not None
        assert state.phase is TrialPhase.PRUNED
        assert state.marker.step <= state.step <= 80
        assert checkpoint.newest(story.directory / trial.key) is not None
        run = story.run_of(trial)
        assert run.info.status == "KILLED"
        reason = f"stopped by the scheduler (asha) at step {state.marker.step}"
        assert run.data.tags["colorsweep.reason"] == reason
    finished = [trial for trial in story.trials if trial not in pruned]
    assert {story.run_of(trial).info.status for trial in finished} == {"FINISHED"}
    counted = f"{len(finished)} of 7 trials finished, {len(pruned)} pruned"
    assert counted in story.again.stdout


def test_the_baseline_is_trained_to_its_end_and_recoloured(story: Story) -> None:
    baseline, _, recoloured, *_ = story.trials
    assert [baseline.name, recoloured.name] == ["baseline", "recoloured, saturation=0.75"]
    for trial in (baseline, recoloured):
        assert story.states[trial.key].phase is TrialPhase.FINISHED


def test_each_trial_has_one_run_with_each_point_once(story: Story) -> None:
    client = store_of(story.runs)
    assert len(runs_of(client, "story")) == 7
    for index, trial in enumerate(story.trials):
        run = story.run_of(trial)
        assert logged(client, run) == made(story.directory / trial.key)
        tags = run.data.tags
        assert (tags["colorsweep.name"], tags["colorsweep.index"]) == (trial.name, str(index))


def test_the_terminal_has_none_of_rays_or_optunas_chatter(story: Story) -> None:
    assert story.again.stderr == ""
    assert not re.search(r"WARNING|INFO|Trial \d|\[I ", story.again.stdout)


def test_a_search_that_is_done_starts_nothing(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    before = _files(story.directory, {trial.key for trial in story.trials})
    idle = call("--runs", str(story.runs), "launch", str(story.spec.path))
    assert idle.exit_code == 0, idle.output
    assert "Dashboard" not in idle.stdout
    assert _files(story.directory, {trial.key for trial in story.trials}) == before


def test_status_dry_run_and_report_tell_pruned_from_failed(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    pruned = sum(state.marker is not None for state in story.states.values())
    options = ("--runs", str(story.runs))
    assert f"{7 - pruned} of 7 trials finished, {pruned} pruned" in (
        call(*options, "status", "story").stdout
    )
    plan = call(*options, "launch", str(story.spec.path), "--dry-run").stdout
    assert f"{7 - pruned} of 7 trials finished, {pruned} pruned" in plan
    assert "0 more to be chosen by the search, over" in plan
    assert "saturation.weight: 1 to 1000 (log)" in plan
    page = Path(call(*options, "report", "story").stdout.strip()).read_text()
    assert f"{7 - pruned} of 7 trials finished, {pruned} pruned" in page
    assert ": stopped by the scheduler (asha) at step" in page


def test_without_the_scheduler_those_that_it_stopped_are_to_go_on(
    story: Story, tmp_path: Path
) -> None:
    without, text = tmp_path / "story.yaml", story.spec.path.read_text()
    without.write_text(text.partition("scheduler:")[0].replace("trials: 4", "trials: 6"))
    pruned = [state for state in story.states.values() if state.marker is not None]
    plan = call("--runs", str(story.runs), "launch", str(without), "--dry-run").stdout
    assert f"{7 - len(pruned)} of 7 trials finished, " in plan
    # Ctrl-C may have stopped a trial before it saw that it was pruned.
    ends = ["stopped" if s.attempts[-1].ended is TrialPhase.STOPPED else "waiting" for s in pruned]
    for end in set(ends):
        assert f" {ends.count(end)} {end}" in plan
    assert "2 more to be chosen by the search, over" in plan
