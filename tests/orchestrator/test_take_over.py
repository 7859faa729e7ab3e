"""A sweep whose trials another sweep of the same directory has finished."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from gan import checkpoint
from gan.data import datasets
from gan.training.trainer import Trainer
from orchestrator.store.lineage import lineage_of
from orchestrator.store.manifest import read_manifest
from orchestrator.store.paths import TAKEN_OVER
from reports.lineage import Lineage
from reports.phase import TrialPhase
from tests.support.cli import files
from tests.support.cli_flags import call
from tests.support.copied_sweep import copied, copy_of_pictures, directory_of, taken_by
from tests.support.s3 import content
from tests.support.tasks import run_here, task_of
from tests.support.tiny_sweep import record, train
from tests.support.tracked_trials import logged, made, run_of, store_of
from tests.support.trainings import assert_same_generator, left_alone

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_evaluations", "workplace")]

NAMES = "[baseline, seed=1], [baseline, seed=2]"


@pytest.fixture
def tiny(small_npz: Path, workplace: Path) -> Path:
    """The directory of a sweep of two trials, both finished."""
    copy_of_pictures(small_npz)
    directory = record(workplace, 3, Path("mine.npz"))
    train(directory, 0)
    train(directory, 1)
    return directory


def status() -> list[tuple[str, int, str | None]]:
    """Phase, step and origin of each trial of the copy."""
    found = json.loads(call("status", "copy", "--json").stdout)["trials"]
    return [(row["phase"], row["step"], row["taken_over_from"]) for row in found]


def test_a_copy_of_a_finished_sweep_trains_nothing(tiny: Path) -> None:
    call("launch", "tiny.yaml")
    copied()
    before = files(tiny)
    planned = call("launch", "copy.yaml", "--dry-run")
    result = call("launch", "copy.yaml")
    assert (result.exit_code, result.stderr) == (0, "")
    for stdout in (planned.stdout, result.stdout):
        assert f"2 trials are taken over from tiny: {NAMES}" in stdout.splitlines()
    assert "copy: 2 of 2 trials finished" in result.stdout.splitlines()
    assert "Starting Ray" not in result.stdout
    assert files(tiny) == before
    assert status() == [("finished", 3, "tiny")] * 2
    assert "2 trials are taken over from tiny" in call("status", "copy").stdout.splitlines()
    for trial in read_manifest(directory_of()):
        copy, original = directory_of() / trial.key, tiny / trial.key
        for part in ("checkpoints", "samples"):
            assert content(copy / part) == content(original / part)
        client = store_of(Path("runs").absolute())
        run, of = run_of(client, "copy", trial.key), run_of(client, "tiny", trial.key)
        assert logged(client, run) == made(copy) == logged(client, of)
        tags = {name.removeprefix("colorsweep.taken_over_"): v for name, v in run.data.tags.items()}
        assert (tags["from"], tags["step"], tags["run"]) == ("tiny", "3", of.info.run_id)
        assert "colorsweep.taken_over_from" not in of.data.tags
    again = call("launch", "copy.yaml")
    assert "are taken over" not in again.stdout
    assert status() == [("finished", 3, "tiny")] * 2


def test_a_copy_outlives_what_it_was_taken_from(tiny: Path) -> None:
    trials = copied()
    before = {trial.key: content(tiny / trial.key / "checkpoints") for trial in trials}
    assert taken_by(trials).refusals == []
    shutil.rmtree(tiny)
    assert {t.key: content(directory_of() / t.key / "checkpoints") for t in trials} == before
    (first, second) = trials
    lineage = Lineage("tiny", 3)
    assert [lineage_of(directory_of() / t.key) for t in (first, second)] == [lineage, lineage]


def test_a_dry_run_tells_and_copies_nothing(tiny: Path) -> None:
    copied()
    before = files(Path("runs"))
    plan = json.loads(call("launch", "copy.yaml", "--dry-run", "--json").stdout)
    rows = [(row["phase"], row["step"], row["taken_over_from"]) for row in plan["trials"]]
    assert rows == [("finished", 3, "tiny")] * 2
    assert plan["changes"] == [f"2 trials are taken over from tiny: {NAMES}"]
    assert plan["seconds"] == 0
    plan = json.loads(call("launch", "copy.yaml", "--dry-run", "--json", "--fresh").stdout)
    rows = [(row["phase"], row["step"], row["taken_over_from"]) for row in plan["trials"]]
    assert rows == [("waiting", 0, None)] * 2
    assert plan["changes"] == []
    assert files(Path("runs")) == before


def test_fresh_names_what_was_taken_over_before_and_leaves_it(tiny: Path) -> None:
    copied()
    assert call("launch", "copy.yaml").exit_code == 0
    before = content(directory_of())
    result = call("launch", "copy.yaml", "--fresh")
    assert result.exit_code == 0
    (line,) = (line for line in result.stdout.splitlines() if "taken over" in line)
    assert line.startswith(f"taken over by an earlier launch, and kept so: {NAMES}; to train anew")
    assert {name: v for name, v in content(directory_of()).items() if "json" in name} == {
        name: v for name, v in before.items() if "json" in name
    } | {"claim.json": content(directory_of())["claim.json"]}


def test_a_longer_trial_goes_on_from_the_copy(tiny: Path) -> None:
    trials = copied(steps=6)
    planned = json.loads(call("launch", "copy.yaml", "--dry-run", "--json").stdout)
    first = planned["trials"][0]
    assert (first["phase"], first["step"], first["steps"]) == ("waiting", 3, 6)
    assert first["taken_over_from"] == "tiny"
    assert first["seconds"] > 0, "estimated from the steps taken elsewhere"
    taken = taken_by(trials)
    assert {state.phase for state in taken.states.values()} == {TrialPhase.WAITING}
    directory = directory_of() / trials[0].key
    from_steps = []
    task = task_of(trials[0].config, directory)
    assert run_here(task, lambda p: from_steps.append(p.step)) == ("finished", "")
    assert from_steps[0] == 3
    lineage = lineage_of(directory)
    assert lineage is not None
    assert lineage.at(6) == "tiny, to step 3"
    trainer: Trainer = left_alone(trials[0].config, Path("alone"))
    assert_same_generator(directory, trainer)
    assert (tiny / trials[0].key / "checkpoints" / "step-00000003").is_dir()


def test_what_is_further_elsewhere_is_taken_over_by_a_trial_that_has_begun(tiny: Path) -> None:
    trials = copied(steps=6)
    train(directory_of_launched(), 0, steps=6)
    shutil.copy("copy.yaml", "tiny.yaml")
    taken = taken_by(trials, "tiny")
    assert taken.lines == ["1 trial is taken over from copy: [baseline, seed=1]"]
    steps = [checkpoint.newest(tiny / trial.key) for trial in trials]
    assert [found and found.trial["step"] for found in steps] == [6, 3]


def directory_of_launched() -> Path:
    """The directory of the copy, with the manifest of its launch."""
    directory = directory_of()
    directory.mkdir()
    shutil.copy(directory_of("tiny") / "trials.json", directory)
    return directory


def test_one_that_was_trained_longer_is_no_trial_of_this_length(tiny: Path) -> None:
    taken = taken_by(copied(steps=2))
    assert taken.states == {}
    assert taken.refusals == [
        f"not taken over from tiny, where it was trained longer than this file asks: {NAMES}"
    ]


def test_other_pictures_are_another_trial(tiny: Path) -> None:
    trials = copied()
    with np.load("mine.npz") as archive:
        arrays = {name: 255 - archive[name] for name in archive.files}
    np.savez("mine.npz", **arrays)
    datasets._load.cache_clear()  # as in a new process
    for dry_run in (True, False):
        taken = taken_by(trials, dry_run=dry_run)
        assert taken.states == {}
        assert taken.refusals == [
            f"not taken over from tiny, as dataset npz (mine.npz) has other pictures now: {NAMES}"
        ]
    assert not any(directory_of().glob("*/checkpoints"))


@pytest.mark.parametrize("name", [checkpoint.GENERATOR, checkpoint.TRAINING])
def test_a_damaged_checkpoint_is_left_for_a_sound_one(tiny: Path, name: str) -> None:
    shutil.copytree(tiny, directory_of("very-old"))
    trials = copied()
    file = tiny / trials[0].key / "checkpoints" / "step-00000003" / name
    inside = bytearray(file.read_bytes())
    inside[-1] ^= 1
    file.write_bytes(inside)
    for dry_run in (True, False):
        assert taken_by(trials, dry_run=dry_run).lines == [
            "1 trial is taken over from very-old: [baseline, seed=1]",
            "1 trial is taken over from tiny: [baseline, seed=2]",
        ]
    shutil.rmtree(directory_of("very-old"))
    trials = copied(name="another")[:1]
    shutil.rmtree(directory_of())
    taken = taken_by(trials, "another")
    assert taken.lines == []
    assert taken.refusals == [
        "not taken over from tiny, where its checkpoint is damaged: [baseline, seed=1]"
    ]
    assert checkpoint.newest(directory_of("another") / trials[0].key) is None


def test_of_several_sweeps_it_is_the_one_that_trained_it(tiny: Path) -> None:
    for name in ("a-copy", "copy"):
        assert taken_by(copied(name=name), name).lines == [
            f"2 trials are taken over from tiny: {NAMES}"
        ]
    shutil.rmtree(tiny)
    assert taken_by(copied(name="last"), "last").lines == [
        f"2 trials are taken over from a-copy: {NAMES}"
    ]


def test_a_take_over_that_died_half_way_is_a_trial_that_waits(tiny: Path) -> None:
    first, second = copied()
    shutil.copytree(tiny, directory_of(), ignore=shutil.ignore_patterns("checkpoints"))
    for trial in (first, second):
        shutil.rmtree(directory_of() / trial.key / "attempts")
    note = json.dumps({"sweep": "tiny", "step": 3, "began": 5})
    (directory_of() / first.key / TAKEN_OVER).write_text(note)
    leftover = directory_of() / first.key / "checkpoints" / ".step-00000003.1"
    shutil.copytree(tiny / first.key / "checkpoints" / "step-00000003", leftover)
    assert status() == [("waiting", 0, None)] * 2
    shutil.rmtree(tiny)
    assert run_here(task_of(first.config, directory_of() / first.key)) == ("finished", "")
    assert status() == [("finished", 3, None), ("waiting", 0, None)]
