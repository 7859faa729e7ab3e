"""Damaged files of trials: one bit that flipped, or a file that was cut off, anywhere."""

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from rich.console import Console

from gan import checkpoint
from gan.errors import UserError
from orchestrator.commands.dry_run import plan_launch
from orchestrator.driver.sweep_status import read_status
from orchestrator.store.attempts import attempts
from orchestrator.store.local_sweep import LocalSweep
from orchestrator.store.manifest import write_manifest
from orchestrator.store.prune_marker import PruneMarker, pruning_terms, write_marker
from orchestrator.store.trial_state import state_of, states_of
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.sweep_spec import SweepSpec
from orchestrator.sweep.trials import Trial, expand
from reports.phase import TrialPhase
from reports.tracking import RunUpdate
from tests.support.cli import TINY
from tests.support.cli_flags import call
from tests.support.tasks import run_here, task_of
from tests.support.tracked_trials import artifacts, only_run, store_of
from tests.support.trackers import tracker_of

TRIES = 250
USED = {"trial.json", "generator.safetensors", "config.json"}
"""Files without which a trial is not finished; those to train on from are not needed any more."""


@dataclass(frozen=True)
class Story:
    """A finished trial, one half done, and one that was pruned."""

    spec: SweepSpec
    trials: list[Trial]
    runs: Path


@pytest.fixture(scope="module")
def story(
    small_npz: Path, quick_evaluations: None, tmp_path_factory: pytest.TempPathFactory
) -> Story:
    place = tmp_path_factory.mktemp("story")
    file = place / "tiny.yaml"
    file.write_text(
        f"settings: {{steps: 6, {TINY}, dataset: npz, dataset_path: {small_npz}}}\n"
        "points: [{seed: 1}, {seed: 2}, {seed: 3}]\n"
    )
    spec = read_sweep(file)
    trials = expand(spec)
    runs = place / "runs"
    directory = runs / "sweeps" / "tiny"
    directory.mkdir(parents=True)
    write_manifest(directory, trials)
    for trial, steps in zip(trials, (6, 3, 3), strict=True):
        for upto in {3, steps}:
            config = trial.config.model_copy(update={"steps": upto})
            assert run_here(task_of(config, directory / trial.key)) == ("finished", "")
    terms = pruning_terms(spec, trials[2].config)
    write_marker(directory / trials[2].key, PruneMarker(3, "mae", 0.2, 0.2, "asha", terms))
    return Story(spec, trials, runs)


@pytest.fixture
def copied(story: Story, tmp_path: Path) -> Story:
    return replace(story, runs=Path(shutil.copytree(story.runs, tmp_path / "runs")))


def damage(file: Path, rng: random.Random) -> None:
    content = bytearray(file.read_bytes())
    if rng.random() < 0.25:
        content = content[: rng.randrange(len(content))]
    else:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    file.write_bytes(content)


def files_of(trial: Path) -> list[Path]:
    return [file for file in sorted(trial.rglob("*")) if file.is_file() and file.stat().st_size]


@pytest.mark.slow
def test_no_damage_stops_status_or_launch_or_makes_up_a_step(story: Story) -> None:
    rng = random.Random(5)
    console, store = Console(quiet=True), LocalSweep(story.runs, "tiny")
    seen = set()
    for _ in range(TRIES):
        of = rng.randrange(3)
        directory = story.runs / "sweeps" / "tiny" / story.trials[of].key
        file = rng.choice(files_of(directory))
        before = file.read_bytes()
        damage(file, rng)
        checkpoint._tell_damaged.cache_clear()
        status = read_status(story.runs, "tiny").status.trials
        plan = plan_launch(story.spec, story.trials, store, None, console).trials
        states = states_of(story.spec, story.trials, story.runs)
        what = str(file.relative_to(directory))
        newest = what.startswith(f"checkpoints/step-0000000{6 if of == 0 else 3}")
        steps = {6, 3} if of == 0 and newest else {6} if of == 0 else {3, 0} if newest else {3}
        for row in (status[of], plan[of]):
            assert row.step in steps, what
        assert status[of].durable_step == status[of].step, what
        if file.name not in ("generator.safetensors", "config.json", "manifest.json"):
            # A launch looks at the generator, too.
            assert status[of].step == plan[of].step, what
        assert status[of].total_steps == plan[of].steps == 6, what
        if of == 0 and newest and file.name in USED:
            assert states[story.trials[0].key].phase is not TrialPhase.FINISHED, what
            assert states[story.trials[0].key].step == 3, what
            seen.add(file.name)
        for other in {0, 1, 2} - {of}:
            assert status[other].durable_step == (6 if other == 0 else 3)
        file.write_bytes(before)
    assert seen == USED


def flip_in_trial(checkpoint_directory: Path) -> None:
    file = checkpoint_directory / checkpoint.TRIAL
    content = file.read_bytes()
    at = content.index(b'"step": 6') + len(b'"step": ')
    file.write_bytes(content[:at] + b"7" + content[at + 1 :])  # one bit


def flip_in_generator(checkpoint_directory: Path) -> None:
    file = checkpoint_directory / checkpoint.GENERATOR
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("flip", [flip_in_trial, flip_in_generator])
def test_a_finished_trial_that_was_damaged_is_trained_on_from_the_checkpoint_before(
    small_npz: Path, workplace: Path, flip: Callable[[Path], None]
) -> None:
    flags = f"--dataset npz --dataset-path {small_npz} --base-channels 4 --batch-size 8 "
    flags += "--eval-images 12 --log-interval 2 --sample-interval 3 --steps"
    for steps in ("3", "6"):
        result = call("train", *flags.split(), steps)
        assert result.exit_code == 0, result.output
    runs = workplace / "runs"
    (trial,) = (path for path in (runs / "sweeps" / "train").iterdir() if path.is_dir())
    sent = artifacts(store_of(runs), only_run(store_of(runs), "train"))
    newest = trial / "checkpoints" / "step-00000006"
    flip(newest)
    result = call("train", *flags.split(), "6")
    assert result.exit_code == 0, result.output
    assert "Finished at step 6 of 6" in result.stdout
    assert [a.from_step for a in attempts(trial)] == [0, 3, 3]
    assert checkpoint.read(newest) is not None
    run = only_run(store_of(runs), "train")
    assert (run.info.status, run.data.tags["colorsweep.step"]) == ("FINISHED", "6")
    assert artifacts(store_of(runs), run) == sent


@pytest.mark.slow
def test_a_run_is_finished_only_with_the_generator_of_the_last_step(copied: Story) -> None:
    """The report would show it as finished, and ``colorize`` would use it."""
    trial = copied.trials[0]
    directory = copied.runs / "sweeps" / "tiny" / trial.key
    tracker = tracker_of(f"sqlite:///{copied.runs}/mlflow.db", "tiny", copied.runs)
    flip_in_generator(directory / "checkpoints" / "step-00000006")
    update = RunUpdate(trial.key, trial.name, 0, trial.config, directory, TrialPhase.FINISHED)
    with pytest.raises(UserError, match="no sound checkpoint of the last step"):
        tracker.sync(update)
    assert only_run(store_of(copied.runs), "tiny").info.status == "RUNNING"


def test_a_damaged_record_of_an_attempt_or_a_prune_is_none(copied: Story) -> None:
    trial = copied.trials[2]
    directory = copied.runs / "sweeps" / "tiny" / trial.key
    assert state_of(trial, directory).phase is TrialPhase.PRUNED
    for file in [*(directory / "attempts").iterdir(), directory / "pruned.json"]:
        text = file.read_text()
        assert '"step": 3' in text
        file.write_text(text.replace('"step": 3', '"step": 7'))
    state = state_of(trial, directory)
    assert (state.marker, state.attempts) == (None, [])
    for name in ("attempts", "pruned.json"):  # as an earlier version wrote them
        for file in [directory / name] if name != "attempts" else (directory / name).iterdir():
            record = json.loads(file.read_text())
            del record["sha256"]
            file.write_text(json.dumps(record))
    state = state_of(trial, directory)
    assert state.marker is not None
    assert state.attempts
