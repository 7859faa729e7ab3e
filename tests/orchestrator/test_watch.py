"""A sweep that is watched from its files, in a process of its own, while it trains here."""

import json
import signal
from pathlib import Path

import pytest

from gan import checkpoint
from gan.training.progress import newest_metrics
from orchestrator.store.lock import lock
from orchestrator.store.manifest import read_manifest, write_manifest
from orchestrator.store.object_sweep import ObjectSweep
from orchestrator.store.sealed import sealed, unsealed
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import expand
from tests.support.cli import TINY, assert_refused
from tests.support.cli_flags import call
from tests.support.processes import Program
from tests.support.tasks import run_here, task_of
from tests.support.tiny_sweep import record, train

pytestmark = pytest.mark.usefixtures("quick_evaluations", "workplace")


def watching(*options: str) -> tuple[Program, str]:
    """Start to watch the sweep; returns the process and its first line."""
    program = Program(*options, "status", "tiny", "--watch", PYTHONUNBUFFERED="1")
    assert program.process.stdout is not None
    return program, program.process.stdout.readline()


@pytest.mark.slow
def test_changes_are_lines_and_the_last_state_is_shown(workplace: Path, small_npz: Path) -> None:
    sweep = record(workplace, 6, small_npz)
    with lock(sweep, "it is launched"):
        program, first = watching()
        assert first == "tiny: 0 of 2 trials finished, 2 waiting\n"
        train(sweep, 0)
    ended = program.end()
    assert (ended.returncode, ended.stderr) == (0, "")
    *lines, counts, goodput, checkpoints = ended.stdout.splitlines()
    assert [line for line in lines if "baseline, seed=1:  finished  step 6 of 6" in line]
    assert counts == "tiny: 1 of 2 trials finished, 1 waiting"
    assert goodput.startswith("goodput ")
    assert checkpoints.startswith("checkpoints took ")


@pytest.mark.slow
def test_ctrl_c_ends_watching_and_not_the_sweep(workplace: Path, small_npz: Path) -> None:
    sweep = record(workplace, 6, small_npz)
    with lock(sweep, "it is launched"):
        program, _ = watching()
        program.process.send_signal(signal.SIGINT)
        ended = program.end()
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.endswith("tiny: 0 of 2 trials finished, 2 waiting\n")
        assert not (sweep / "stop").exists()


@pytest.mark.slow
def test_what_nothing_runs_is_shown_once(workplace: Path, small_npz: Path) -> None:
    record(workplace, 6, small_npz)
    program, _ = watching()
    ended = program.end()
    assert ended.returncode == 0
    assert ended.stdout.count("baseline, seed=1") == 1


@pytest.mark.slow
def test_a_training_that_outlives_its_launch_is_watched_to_its_end(
    workplace: Path, small_npz: Path
) -> None:
    sweep = record(workplace, 6, small_npz)
    train(sweep, 1, steps=3)
    trial = sweep / read_manifest(sweep)[1].key
    (file,) = (trial / "attempts").iterdir()
    file.write_bytes(sealed(unsealed(file.read_bytes()) | {"ended": None, "step": 5}))
    with lock(trial, "it is trained"):
        program, first = watching()
        assert first == "tiny: 0 of 2 trials finished, 1 waiting, 1 running\n"
        assert program.process.stdout is not None
        assert "baseline, seed=2:  running  step 5 of 6" in program.process.stdout.readline()
    assert "tiny: 0 of 2 trials finished, 1 waiting, 1 died" in program.end().stdout


@pytest.mark.slow
def test_a_sweep_in_an_object_store_is_watched_from_another_machine(
    uri: str, tmp_path: Path, small_npz: Path
) -> None:
    here = tmp_path / "here"
    sweep = ObjectSweep(uri, tmp_path / "driver", "tiny")
    sweep.directory.mkdir(parents=True)
    trials = read_manifest(record(here, 6, small_npz))
    with sweep.hold("tiny is launched", lambda line: None):
        write_manifest(sweep.directory, trials)
        sweep.publish("trials.json")
        program, first = watching("--runs", str(tmp_path / "other"), "--storage", uri)
        assert first == "tiny: 0 of 2 trials finished, 2 waiting\n"
        key, fields = trials[0].key, sweep.task_fields(trials[0].key)
        assert run_here(task_of(trials[0].config, sweep.directory / key, **fields))[0] == "finished"
    ended = program.end()
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "baseline, seed=1:  finished  step 6 of 6" in ended.stdout
    assert ended.stdout.splitlines()[-3] == "tiny: 1 of 2 trials finished, 1 waiting"


def test_watching_takes_a_name_and_no_json(workplace: Path, small_npz: Path) -> None:
    record(workplace, 6, small_npz)
    assert_refused(call("status", "--watch"), "--watch: takes the name of a sweep")
    assert_refused(call("status", "tiny", "--watch", "--json"), "no --json")
    assert_refused(call("status", "tinny", "--watch"), "did you mean 'tiny'?")


@pytest.mark.slow
def test_status_has_what_the_newest_checkpoint_says(workplace: Path, small_npz: Path) -> None:
    Path("tiny.yaml").write_text(
        f"settings: {{steps: 6, {TINY}, dataset: npz, dataset_path: {small_npz}}}\n"
        "points: [{saturation: 0.5, hue: 0.25}, {}]\n"
    )
    sweep = workplace / "runs" / "sweeps" / "tiny"
    sweep.mkdir(parents=True)
    write_manifest(sweep, expand(read_sweep(Path("tiny.yaml")))[:2])
    train(sweep, 0)
    newest = checkpoint.newest(sweep / read_manifest(sweep)[0].key, checkpoint.TRIAL)
    assert newest is not None
    metrics = newest_metrics(newest.trial["history"])
    steered, waiting = json.loads(call("status", "tiny", "--json").stdout)["trials"]
    assert steered["metrics"] == metrics
    assert steered["controls"] == [
        {
            "name": name,
            "wanted": wanted,
            "achieved": metrics[f"eval/{name}"],
            "error": metrics[f"eval/{name}_error"],
        }
        for name, wanted in (("saturation", 0.5), ("hue", 0.25))
    ]
    assert steered["discriminator_loss"] == metrics["loss/discriminator"]
    assert (steered["epoch"], steered["images_per_second"]) == (newest.trial["epoch"], None)
    assert (waiting["metrics"], waiting["generator_loss"]) == ({}, None)
    heading, first, second, *_ = call("status", "tiny").stdout.splitlines()
    assert heading.split() == [
        *("Trial", "Phase", "Step", "Achieved", "Error", "Loss", "G", "D", "Seen"),
    ]
    of_saturation, of_hue = steered["controls"]
    assert f"{of_saturation['achieved']:.2f} of 0.50 {of_saturation['error']:.3f}" in first
    assert f"{of_hue['achieved'] % 1:.2f} of 0.25 {of_hue['error']:.3f}" in second
    assert f"{steered['discriminator_loss']:.2f}" in first
