import json
from pathlib import Path

import pytest
import torch

from gan.data.datasets import Dataset
from gan.model.stored_generator import load_generator
from reports.fetch import samples
from reports.phase import TrialPhase
from reports.runs import of_tags, tags_of
from reports.store import read_sweep
from reports.tracking import SweepTracker
from tests.support import trial_runs
from tests.support.tracked_trials import (
    CONFIG,
    LONGER,
    again,
    artifacts,
    logged,
    made,
    only_run,
    sync,
    train_on,
)


@pytest.mark.slow
def test_a_trial_is_found_again_by_its_key(
    tracker: SweepTracker, tracking_store: tuple[str, Path], sweep: str, trial: Path
) -> None:
    sync(tracker, trial, TrialPhase.RUNNING)
    other = CONFIG.model_copy(update={"seed": 1})
    sync(tracker, trial, TrialPhase.RUNNING, other, key=other.key(), name="seed=1", index=1)
    later = again(tracker, sweep, tracking_store[1])
    for key, name in ((CONFIG.key(), "saturation=0.5"), (other.key(), "seed=1")):
        found = later.run_of(key)
        assert found is not None
        assert (found.key, found.name, found.step) == (key, name, 6)
        assert found.run_id == getattr(tracker.run_of(key), "run_id", None)
    assert later.run_of("another") is None


def test_samples_and_generator_can_be_downloaded_and_used(
    tracker: SweepTracker, sweep: str, trial: Path, tmp_path: Path
) -> None:
    sync(tracker, trial)
    run = only_run(tracker.client, sweep)
    found = artifacts(tracker.client, run)
    newest = trial / "checkpoints" / "step-00000006"
    sums = found.pop("generator/SHA256SUMS").decode().splitlines()
    assert [line.split("  ")[1] for line in sums] == ["config.json", "generator.safetensors"]
    assert found == {
        "samples/step-00000003.png": (trial / "samples" / "step-00000003.png").read_bytes(),
        "samples/step-00000006.png": (trial / "samples" / "step-00000006.png").read_bytes(),
        "generator/generator.safetensors": (newest / "generator.safetensors").read_bytes(),
        "generator/config.json": (newest / "config.json").read_bytes(),
    }
    fetched = tracker.client.download_artifacts(run.info.run_id, "generator", str(tmp_path))
    lightness = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        colours = [load_generator(path)(lightness) for path in (Path(fetched), newest)]
    assert torch.equal(*colours)


def test_a_generator_is_sent_when_the_trial_is_finished(
    tracker: SweepTracker, sweep: str, trial: Path
) -> None:
    sync(tracker, trial, TrialPhase.RUNNING)
    files = artifacts(tracker.client, only_run(tracker.client, sweep))
    assert {Path(name).parent.name for name in files} == {"samples"}


@pytest.mark.slow
@pytest.mark.parametrize("same_tracker", [True, False])
def test_a_generator_is_not_sent_again_for_a_new_name_or_place(
    tracker: SweepTracker,
    tracking_store: tuple[str, Path],
    sweep: str,
    trial: Path,
    *,
    same_tracker: bool,
) -> None:
    def sent() -> dict[Path, int]:
        files = [p for p in tracking_store[1].rglob("*") if p.is_file() and p.suffix != ".db"]
        return {file: file.stat().st_mtime_ns for file in files}

    sync(tracker, trial)
    before = sent()
    assert any(file.name == "generator.safetensors" for file in before)
    tracker = tracker if same_tracker else again(tracker, sweep, tracking_store[1])
    sync(tracker, trial, name="another", run_name="seed=0, another", index=7, restarts=1)
    assert sent() == before
    run = only_run(tracker.client, sweep)
    tags = run.data.tags
    assert run.info.run_name == "seed=0, another"
    assert (tags["colorsweep.name"], tags["colorsweep.index"]) == ("another", "7")
    assert (run.info.status, tags["colorsweep.restarts"]) == ("FINISHED", "1")


def test_samples_are_spread_over_the_training_and_end_with_its_newest(
    tracker: SweepTracker, tracking_store: tuple[str, Path], sweep: str, trial: Path
) -> None:
    sync(tracker, trial)
    (run,) = read_sweep(tracker.client, sweep)
    last = (trial / "samples" / "step-00000006.png").read_bytes()
    assert samples(tracker.client, [(run, 1)]) == [{6: last}]
    first = (trial / "samples" / "step-00000003.png").read_bytes()
    assert samples(tracker.client, [(run, 9), (run, 1)]) == [{3: first, 6: last}, {6: last}]


def test_a_trial_without_a_checkpoint_has_a_run_without_points(
    tracker: SweepTracker, sweep: str, tmp_path: Path
) -> None:
    sync(tracker, tmp_path / "nothing", TrialPhase.RUNNING)
    (run,) = read_sweep(tracker.client, sweep)
    assert (run.status, run.step, run.metrics) == ("RUNNING", 0, {})
    assert samples(tracker.client, [(run, 3)]) == [{}]


@pytest.mark.slow
def test_a_runs_status_follows_the_trials(
    tracker: SweepTracker, tracking_store: tuple[str, Path], sweep: str, trial: Path
) -> None:
    seen = []
    steps = [
        (TrialPhase.STARTING, "", "RUNNING"),
        (TrialPhase.STOPPED, "", "KILLED"),
        (TrialPhase.WAITING, "", "SCHEDULED"),
        (TrialPhase.RUNNING, "", "RUNNING"),
        (TrialPhase.DIED, "", "KILLED"),
        (TrialPhase.FAILED, "loss/l1 became nan", "FAILED"),
        (TrialPhase.PRUNED, "behind at step 20", "KILLED"),
        (TrialPhase.FINISHED, "", "FINISHED"),
    ]
    for phase, reason, _ in steps:
        sync(again(tracker, sweep, tracking_store[1]), trial, phase, reason=reason)
        run = only_run(tracker.client, sweep)
        (read,) = read_sweep(tracker.client, sweep)
        seen.append((read.phase, read.reason, run.info.status))
        assert read.status == run.info.status
    assert seen == steps


@pytest.mark.parametrize(
    ("status", "reason", "phase"),
    [
        ("RUNNING", "", TrialPhase.RUNNING),
        ("FINISHED", "", TrialPhase.FINISHED),
        ("FAILED", "no room", TrialPhase.FAILED),
        ("KILLED", "", TrialPhase.STOPPED),
        ("KILLED", "behind at step 20", TrialPhase.PRUNED),
    ],
)
def test_a_run_from_before_phases_were_tags_is_read(
    status: str, reason: str, phase: TrialPhase
) -> None:
    tags = tags_of(trial_runs.run())
    del tags["colorsweep.phase"]
    tags["colorsweep.reason"] = reason
    assert of_tags(tags, "id", "a trial", status, {}, "").phase is phase


def test_params_say_what_makes_the_trial_and_not_how_long_it_is(
    tracker: SweepTracker, sweep: str, trial: Path
) -> None:
    sync(tracker, trial)
    params = only_run(tracker.client, sweep).data.params
    given = {
        "dataset": "photos",
        "base_channels": "4",
        "batch_size": "8",
        "image_size": "32",
        "seed": "0",
        "saturation.target": "0.5",
        "saturation.weight": "20.0",
    }
    assert given.items() <= params.items()
    assert not {"steps", "epochs", "controls"} & params.keys()


def test_a_run_is_read_back_as_it_was_written(
    tracker: SweepTracker, sweep: str, trial: Path
) -> None:
    sync(tracker, trial, name="a name", index=3)
    (run,) = read_sweep(tracker.client, sweep)
    content = json.loads((trial / "checkpoints/step-00000006/trial.json").read_text())
    assert run.config == CONFIG
    assert (run.key, run.name, run.index) == (CONFIG.key(), "a name", 3)
    assert (run.step, run.total_steps, run.epoch) == (6, 6, content["epoch"])
    assert (run.seconds, run.device) == (content["seconds"], content["device"])
    assert run.metrics == {name: points[-1][1] for name, points in made(trial).items()}


@pytest.mark.slow
def test_a_finished_trial_that_is_trained_further_goes_on_in_the_same_run(
    tracker: SweepTracker,
    tracking_store: tuple[str, Path],
    sweep: str,
    trial: Path,
    photos: Dataset,
) -> None:
    sync(tracker, trial)
    before = only_run(tracker.client, sweep)
    tracker = again(tracker, sweep, tracking_store[1])
    sync(tracker, trial, TrialPhase.RUNNING, LONGER)
    train_on(trial, photos)
    sync(tracker, trial, TrialPhase.FINISHED, LONGER)
    run = only_run(tracker.client, sweep)
    assert (run.info.run_id, run.info.status) == (before.info.run_id, "FINISHED")
    points = logged(tracker.client, run)
    assert points == made(trial)
    assert [step for step, *_ in points["eval/mae"]] == [3, 6, 9, 12]
    files = artifacts(tracker.client, run)
    assert sum(name.startswith("samples/") for name in files) == 4
    newest = trial / "checkpoints" / "step-00000012" / "generator.safetensors"
    assert files["generator/generator.safetensors"] == newest.read_bytes()
    (read,) = read_sweep(tracker.client, sweep)
    assert (read.step, read.total_steps, read.config) == (12, 12, LONGER)
