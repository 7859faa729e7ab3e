"""A sweep whose trials another sweep of the same object store has finished."""

import json
from pathlib import Path

import pytest

from gan import checkpoint
from orchestrator.store.object_store import ObjectStore
from orchestrator.sweep.trials import Trial
from tests.support.cli_flags import call
from tests.support.copied_sweep import copied, copy_of_pictures, taken_by
from tests.support.tasks import run_here, task_of
from tests.support.tracked_trials import logged, run_of, store_of

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_evaluations", "workplace")]

NAMES = "[baseline, seed=1], [baseline, seed=2]"
LINE = f"2 trials are taken over from tiny: {NAMES}"


@pytest.fixture
def trials(small_npz: Path, uri: str) -> list[Trial]:
    """Trials of a copy of a sweep that another machine has finished in the store."""
    copy_of_pictures(small_npz)
    Path("tiny.yaml").write_text(
        "settings: {steps: 3, base_channels: 4, batch_size: 8, eval_images: 12, log_every: 2, "
        "evaluate_every: 3, dataset: npz, dataset_path: mine.npz}\npoints: [{seed: 1}, {seed: 2}]\n"
    )
    trials = copied()
    for trial in trials:
        task = task_of(trial.config, Path("nowhere"), storage=uri, path=f"sweeps/tiny/{trial.key}")
        assert run_here(task) == ("finished", "")
    return trials


def objects(uri: str, sweep: str) -> dict[str, bytes]:
    store = ObjectStore(uri)
    return {name: store.read(f"sweeps/{sweep}/{name}") for name in store.entries(f"sweeps/{sweep}")}


def test_a_copy_of_a_finished_sweep_trains_nothing(uri: str, trials: list[Trial]) -> None:
    before = objects(uri, "tiny")
    planned = call("--storage", uri, "launch", "copy.yaml", "--dry-run")
    assert LINE in planned.stdout.splitlines()
    assert objects(uri, "copy") == {}
    result = call("--storage", uri, "launch", "copy.yaml")
    assert (result.exit_code, result.stderr) == (0, "")
    assert LINE in result.stdout.splitlines()
    assert "Starting Ray" not in result.stdout
    assert objects(uri, "tiny") == before
    copies = objects(uri, "copy")
    kept = {name: v for name, v in before.items() if "/attempts/" not in name}
    assert {name: copies.get(name) for name in kept} == kept
    # On another machine, which has neither sweep.
    elsewhere = ("--runs", "elsewhere", "--storage", uri)
    rows = json.loads(call(*elsewhere, "status", "copy", "--json").stdout)["trials"]
    assert [(row["phase"], row["taken_over_from"]) for row in rows] == [("finished", "tiny")] * 2
    assert call(*elsewhere, "launch", "copy.yaml").exit_code == 0
    client = store_of(Path("elsewhere"))
    run = run_of(client, "copy", trials[0].key)
    assert run.data.tags["colorsweep.taken_over_from"] == "tiny"
    assert logged(client, run)["eval/mae"][-1][0] == 3


def test_a_longer_trial_goes_on_from_the_copy(uri: str, trials: list[Trial]) -> None:
    trials = copied(steps=6)
    assert taken_by(trials, storage=uri).lines == [LINE]
    first, from_steps = trials[0], []
    path = f"sweeps/copy/{first.key}"
    task = task_of(first.config, Path("nowhere"), storage=uri, path=path)
    assert run_here(task, lambda p: from_steps.append(p.step)) == ("finished", "")
    assert from_steps[0] == 3
    assert call("--storage", uri, "launch", "copy.yaml", "--dry-run", "--json").exit_code == 0
    Path("copy.yaml").write_text(Path("copy.yaml").read_text().replace(", {seed: 2}", ""))
    assert call("--storage", uri, "launch", "copy.yaml").exit_code == 0
    (row,) = json.loads(call("--storage", uri, "status", "copy", "--json").stdout)["trials"]
    assert (row["step"], row["taken_over_from"]) == (6, "tiny, to step 3")


def test_a_damaged_generator_is_not_taken_over(uri: str, trials: list[Trial]) -> None:
    store = ObjectStore(uri)
    path = f"sweeps/tiny/{trials[0].key}/checkpoints/step-00000003/{checkpoint.GENERATOR}"
    inside = store.read(path)
    store.write(path, inside[:-1] + bytes([inside[-1] ^ 1]))
    taken = taken_by(trials, storage=uri)
    assert taken.lines == ["1 trial is taken over from tiny: [baseline, seed=2]"]
    assert taken.refusals == [
        "not taken over from tiny, where its checkpoint is damaged: [baseline, seed=1]"
    ]
    assert store.entries(f"sweeps/copy/{trials[0].key}") == {}
