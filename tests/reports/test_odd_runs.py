"""Runs whose tags or metrics no trial can have: named and left out, or shown as absent."""

import csv
import io
import json
import math
import re
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric

from gan import checkpoint
from gan.errors import UserError
from gan.evaluation.samples import SampleRow, draw
from reports import trial_generators
from reports.page import write_report
from reports.phase import TrialPhase
from reports.runs import TrialRun, tags_of
from reports.store import default_uri, find_run, opened
from reports.tracking import RunUpdate
from tests.support.reported_sweep import Page
from tests.support.saved_generators import config, steered, track
from tests.support.trackers import tracker_of

SOUND, ODD = steered(saturation=0.5), steered(saturation=0.75)
METRICS = {
    **{"eval/mae": 0.1, "eval/saturation": 0.4, "eval/saturation_error": 0.123},
    **{"eval/images": 144.0, "eval/psnr": 20.0, "loss/l1": 9.0},
}
VALUES: list[tuple[str, str | None]] = [
    *((tag, None) for tag in ("key", "index", "config", "step", "total_steps", "epoch", "seconds")),
    *((tag, None) for tag in ("device", "versions", "dataset_digest", "restarts", "goodput")),
    *((tag, "many") for tag in ("index", "phase", "config", "versions", "restarts", "goodput")),
    *((tag, "nan") for tag in ("step", "epoch", "seconds", "goodput")),
    *((tag, "1e308") for tag in ("total_steps", "epoch", "seconds", "goodput")),
    *((tag, "-3") for tag in ("index", "step", "seconds")),
    ("step", "9" * 5000),
    ("config", '{"steps": 5, "gone": 1}'),
    ("versions", "[1]"),
    ("key", '"><script>\n'),
]
"""Tags, each with a value that it cannot have; None for a missing tag."""


def trial(seed: int, name: str) -> TrialRun:
    """A finished trial as a tracker would send it."""
    config = ODD.model_copy(update={"seed": seed})
    run = TrialRun("", config.key(), name, seed, "FINISHED", TrialPhase.FINISHED, "", config)
    return replace(run, step=6, total_steps=6, epoch=1.0, seconds=1.0, device="cpu")


@pytest.fixture(scope="module")
def store(tracking_store: tuple[str, Path]) -> tuple[Path, dict[str, str]]:
    """A sweep of a sound trial and odd runs, and what is to be told of each, by its id."""
    _, runs = tracking_store
    track(runs, "mine", "saturation=0.5", SOUND)
    tracker = tracker_of(default_uri(runs), "mine", runs)
    odd = {}
    for seed, (tag, value) in enumerate(VALUES, start=1):
        name = f"odd-{seed}"
        tags = tags_of(trial(seed, name))
        run = tracker.client.create_run(tracker.experiment_id, tags=tags, run_name=name)
        run_id = run.info.run_id
        if value is None:
            tracker.client.delete_tag(run_id, f"colorsweep.{tag}")
        else:
            tracker.client.set_tag(run_id, f"colorsweep.{tag}", value)
        odd[run_id] = f"{name} (run {run_id}): its tag colorsweep.{tag} "
    # No trials: the report's own run, and one that somebody made by hand.
    tracker.client.create_run(tracker.experiment_id, tags={"colorsweep.report": "yes"})
    tracker.client.create_run(tracker.experiment_id, tags={"note": "x"})
    return runs, odd


def files_of(runs: Path, sweep: str, out: Path) -> dict[str, str]:
    write_report(default_uri(runs), [sweep], out)
    texts = {p.name: p.read_text(encoding="utf-8") for p in out.iterdir() if p.is_file()}
    without_script = re.sub(r"<script>.*?</script>", "", texts["index.html"], flags=re.DOTALL)
    return texts | {"index.html": Page(without_script).text}


def strictly(text: str) -> Any:
    """The content of JSON as the standard has it, without NaN and Infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def assert_told(lines: list[str], odd: dict[str, str]) -> None:
    assert len(lines) == len(odd)
    for told in odd.values():
        (line,) = (line for line in lines if told in line)
        assert line.isprintable()
        assert len(line) < 300


@pytest.mark.slow
def test_odd_runs_are_named_in_the_report_which_has_the_others(
    store: tuple[Path, dict[str, str]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runs, odd = store
    texts = files_of(runs, "mine", tmp_path / "out")
    assert_told(caplog.messages, {**odd, SOUND.key(): "saturation=0.5: has no pictures"})
    for line in caplog.messages:
        assert line in texts["index.html"]
    for run_id in odd:
        assert texts["README.md"].count(run_id) == 1
    assert [row["trial"] for row in strictly(texts["rows.json"])] == ["saturation=0.5"]
    assert "1 of 1 trials finished" in texts["README.md"]


def test_odd_runs_are_left_out_by_colorize_and_export(
    store: tuple[Path, dict[str, str]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runs, odd = store
    (found,) = trial_generators.by_targets(
        default_uri(runs), "mine", [{"saturation": 0.75}], tmp_path / "a"
    )
    assert found.run.key == SOUND.key()
    assert_told(caplog.messages, odd)
    with opened(default_uri(runs)) as client:
        for run_id, told in odd.items():
            with pytest.raises(UserError, match=told.partition("): its ")[2]):
                find_run(client, run_id)


def test_a_launch_knows_nothing_of_odd_runs_and_tracks_their_trials_anew(
    tracking_store: tuple[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    uri, runs = tracking_store
    run_id = track(runs, "anew", "saturation=0.75", ODD)
    MlflowClient(uri).set_tag(run_id, "colorsweep.step", "many")
    tracker = tracker_of(uri, "anew", runs)
    assert tracker.runs() == []
    assert_told(caplog.messages, {run_id: f"saturation=0.75 (run {run_id}): its tag "})
    directory = runs / "sweeps" / "anew" / ODD.key()
    tracker.sync(RunUpdate(ODD.key(), "saturation=0.75", 0, ODD, directory, TrialPhase.FINISHED))
    again = tracker_of(uri, "anew", runs).run_of(ODD.key())
    assert again is not None
    assert (again.step, again.metrics["eval/mae"], again.run_id == run_id) == (6, 0.1, False)


def test_the_count_of_a_launch_that_is_no_number_is_not_believed(
    store: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    runs, _ = store
    tracker = tracker_of(default_uri(runs), "mine", runs)
    for value in ("many", "9" * 400):
        tracker.client.set_experiment_tag(tracker.experiment_id, "colorsweep.trials", value)
        assert "1 of 1 trials finished" in files_of(runs, "mine", tmp_path / "out")["index.html"]


@pytest.mark.slow
def test_a_metric_that_cannot_have_been_measured_is_absent(
    tracking_store: tuple[str, Path], tmp_path: Path
) -> None:
    _, runs = tracking_store
    tracker = tracker_of(default_uri(runs), "odd", runs)
    lacking = {}
    values = (math.nan, math.inf, -math.inf, 1e308)
    for seed, (metric, value) in enumerate(product(METRICS, values)):
        name = f"saturation=0.75, seed={seed}"
        tags = tags_of(trial(seed, name))
        run = tracker.client.create_run(tracker.experiment_id, tags=tags, run_name=name)
        metrics = [Metric(k, v, 1, 6) for k, v in {**METRICS, metric: value}.items()]
        tracker.client.log_batch(run.info.run_id, metrics=metrics)
        lacking[name] = metric
    texts = files_of(runs, "odd", tmp_path / "out")
    rows = {row["trial"]: row for row in strictly(texts["rows.json"])}
    cells = {row["trial"]: row for row in csv.DictReader(io.StringIO(texts["rows.csv"]))}
    assert rows.keys() == lacking.keys()
    columns = {"mae": "eval/mae", "achieved": "eval/saturation", "error": "eval/saturation_error"}
    for name, (column, metric) in product(lacking, (columns | {"psnr": "eval/psnr"}).items()):
        shown = None if metric == lacking[name] else METRICS[metric]
        assert rows[name][column] == shown
        assert cells[name][column] == ("" if shown is None else str(shown))
    for text in (texts["index.html"], texts["README.md"]):
        assert not re.search(r"\b(nan|inf|infinity)\b|e\+?308|0{9}", text, re.IGNORECASE)


def test_a_trial_of_which_only_some_metrics_are_numbers_is_reported(
    tracking_store: tuple[str, Path], tmp_path: Path
) -> None:
    _, runs = tracking_store
    # Raw is not a number, exact is; with pictures, which the page shows with their values.
    sample = checkpoint.sample_file(runs / "sweeps" / "partly" / SOUND.key(), 6)
    sample.parent.mkdir(parents=True)
    rows = [SampleRow(kind) for kind in ("grayscale", "original", "colorized", "exact")]
    sample.write_bytes(draw(np.zeros((4, 2, 32, 32, 3), np.uint8), rows))
    exact = {"eval/exact/saturation": 0.456, "eval/exact/mae": 0.1}
    metrics = {**METRICS, **exact, "eval/saturation": math.nan}
    track(runs, "partly", "saturation=0.5", SOUND, metrics=metrics)
    # No MAE at any target, but errors, of raw and exact outputs.
    control = {"saturation": {"target": "any"}}
    any_target = config(controls=control, eval_targets=[{"saturation": t} for t in (0.2, 0.8)])
    metrics = {"eval/mae": math.nan, "eval/saturation_error": 0.2, "eval/exact/mae": math.nan}
    for target in ("0.2", "0.8"):
        metrics |= {f"eval/saturation {target}/mae": math.nan}
        metrics |= {f"eval/saturation {target}/saturation_error": 0.1}
    track(runs, "partly", "saturation=any", any_target, metrics=metrics)
    texts = files_of(runs, "partly", tmp_path / "out")
    for text in (texts["index.html"], texts["README.md"]):
        assert "2 of 2 trials finished" in text
    assert "0.456" in texts["index.html"]
    assert {row["trial"]: row["mae"] for row in strictly(texts["rows.json"])} == {
        "saturation=0.5, saturation.weight=200": 0.1,
        "saturation=any, saturation.weight=100": None,
    }


def test_a_file_among_the_sample_grids_that_is_none_stops_no_report(
    tracking_store: tuple[str, Path], tmp_path: Path
) -> None:
    _, runs = tracking_store
    run_id = track(runs, "grids", "saturation=0.5", SOUND, metrics=METRICS)
    client = MlflowClient(default_uri(runs))
    client.log_text(run_id, "no picture", "samples/notes.txt")
    client.log_text(run_id, "no picture", "samples/step-00000003.png")
    assert "1 of 1 trials finished" in files_of(runs, "grids", tmp_path / "out")["index.html"]
