"""Taking over what another sweep has finished: real Ray, processes that are really killed."""

import json
import random
import signal
import subprocess
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gan.training.trainer import Trainer
from orchestrator.store.attempts import attempts
from orchestrator.store.manifest import write_manifest
from orchestrator.store.paths import sweep_directory
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import Trial, expand
from tests.support.cli import TINY, Files, files
from tests.support.cli_flags import call
from tests.support.copied_sweep import take_copy
from tests.support.forks import forked
from tests.support.processes import SETTINGS, Launch, on_small
from tests.support.s3 import content
from tests.support.tasks import run_here, task_of
from tests.support.tracked_trials import logged, made, run_of, store_of
from tests.support.trainings import assert_same_generator, left_alone_meanwhile
from tests.support.trial_copies import copy_as

pytestmark = pytest.mark.timeout(900)

SWEEP = (
    f"{SETTINGS}  penalty_from_step: 0\n  steps: 40\npoints:\n  - {{}}\n  - {{saturation: 0.75}}\n"
)
COPY = SWEEP.replace("steps: 40", "steps: 60") + "  - {saturation: 0.5}\n"
"""Longer, and with one trial more."""


@dataclass(frozen=True)
class Story:
    """A copy of a finished sweep, launched, killed as soon as it had taken over, and launched."""

    runs: Path
    trials: list[Trial]
    """Without control, two that are steered, and the first recoloured to their targets."""
    alone: list[Future[Trainer]]
    """The first three, each trained in one go."""
    original: tuple[Files, Files]
    """Files of the other sweep, before and after."""
    killed: list[dict[str, Any]]
    """Status after the death of the first launch."""
    again: subprocess.CompletedProcess[str]

    def directory(self, trial: Trial) -> Path:
        return sweep_directory(self.runs, "copy") / trial.key


@pytest.fixture(scope="module")
def story(small_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    base, runs = tmp_path_factory.mktemp("sweeps"), tmp_path_factory.mktemp("runs")
    for name, text in (("first", SWEEP), ("copy", COPY)):
        (base / f"{name}.yaml").write_text(on_small(small_npz, text))
    first = sweep_directory(runs, "first")
    for trial in expand(read_sweep(base / "first.yaml")):
        assert run_here(task_of(trial.config, first / trial.key)) == ("finished", "")
    trials = expand(read_sweep(base / "copy.yaml"))
    alone = left_alone_meanwhile([trial.config for trial in trials[:3]], base / "alone")
    before = files(first)
    launch = Launch(runs, base / "copy.yaml")
    launch.wait_for(lambda: (launch.directory / "trials.json").exists())
    launch.kill()
    status = call("--runs", str(runs), "status", "copy", "--json")
    again = Launch(runs, base / "copy.yaml").end()
    rows = json.loads(status.stdout)["trials"]
    return Story(runs, trials, alone, (before, files(first)), rows, again)


def test_a_launch_that_died_has_taken_over_all_the_same(story: Story) -> None:
    found = [(row["phase"], row["step"], row["taken_over_from"]) for row in story.killed]
    taken, new = ("waiting", 40, "first"), ("waiting", 0, None)
    assert found[:3] == [taken, taken, new]
    # A recoloured trial has no steps of its own.
    assert [row["taken_over_from"] for row in story.killed] == [
        "first",
        "first",
        None,
        "first",
        None,
    ]


def test_the_next_launch_trains_the_difference(story: Story) -> None:
    assert story.again.returncode == 0, story.again.stderr
    assert "5 of 5 trials finished" in story.again.stdout
    begun = [attempts(story.directory(trial))[-1].from_step for trial in story.trials[:3]]
    assert begun == [40, 40, 0]


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_trial_that_was_taken_over_equals_one_left_alone(story: Story, index: int) -> None:
    assert_same_generator(story.directory(story.trials[index]), story.alone[index].result())


def test_the_store_has_its_whole_history_once_and_its_origin(story: Story) -> None:
    client = store_of(story.runs)
    for trial, origin in zip(story.trials, ["first", "first", None, "first", None], strict=True):
        run = run_of(client, "copy", trial.key)
        assert logged(client, run) == made(story.directory(trial))
        assert run.data.tags.get("colorsweep.taken_over_from") == origin


def test_the_other_sweep_is_left_alone(story: Story) -> None:
    before, after = story.original
    assert after == before


@pytest.mark.usefixtures("quick_evaluations")
def test_a_take_over_killed_at_any_moment_is_complete_or_goes_on(
    small_npz: Path, workplace: Path
) -> None:
    seeds = [*range(96)]
    text = f"settings: {{steps: 3, {TINY}, dataset: npz, dataset_path: {small_npz}}}\n"
    for name in ("many", "copy"):
        Path(f"{name}.yaml").write_text(f"{text}axes: {{seed: {seeds}}}\n")
    trials = expand(read_sweep(Path("copy.yaml")))
    many, copy = (sweep_directory(Path("runs"), name) for name in ("many", "copy"))
    first = many / trials[0].key
    assert run_here(task_of(trials[0].config, first)) == ("finished", "")
    for trial in trials[1:]:
        copy_as(trial.config, first, many / trial.key)
    copy.mkdir()
    write_manifest(copy, trials)
    chance = random.Random(0)

    def life(*, killed: bool) -> None:
        process = forked(take_copy, 2 if killed else None, chance.uniform(0, 0.01))
        process.join()
        assert process.exitcode == (-signal.SIGKILL if killed else 0)

    def told() -> set[tuple[str, int, str | None]]:
        rows = json.loads(call("status", "copy", "--json").stdout)["trials"]
        return {(row["phase"], row["step"], row["taken_over_from"]) for row in rows}

    for _ in range(4):
        life(killed=True)
        assert told() == {("finished", 3, "many"), ("waiting", 0, None)}
    life(killed=False)
    assert told() == {("finished", 3, "many")}
    for trial in trials:
        for part in ("checkpoints/step-00000003", "samples"):
            assert content(copy / trial.key / part) == content(many / trial.key / part)
