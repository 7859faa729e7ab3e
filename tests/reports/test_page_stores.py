"""Reports of stores that tests make up: of seeds, searches, settings, and earlier versions."""

import csv
import io
import re
import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gan import checkpoint
from gan.config import TrainConfig
from gan.errors import UserError
from gan.evaluation.samples import SampleRow, draw
from reports.page import write_report
from reports.phase import TrialPhase
from reports.runs import tags_of
from reports.store import Launched, default_uri
from reports.trial_generators import by_name
from tests.support.reported_sweep import Page
from tests.support.saved_generators import config, steered, track
from tests.support.tracked_trials import sync
from tests.support.trackers import tracker_of


def any_target(*targets: float, **settings: Any) -> TrainConfig:
    given = [{"saturation": target} for target in targets]
    return config(controls={"saturation": {"target": "any"}}, eval_targets=given, **settings)


@pytest.mark.slow
def test_what_is_not_shown_is_said(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for seed in range(3):
        trial = steered(saturation=0.5).model_copy(update={"seed": seed})
        sample = checkpoint.sample_file(runs / "sweeps" / "seeds" / trial.key(), 6)
        sample.parent.mkdir(parents=True)
        rows = [SampleRow("grayscale"), SampleRow("original"), SampleRow("colorized")]
        sample.write_bytes(draw(np.zeros((3, 2, 32, 32, 3), np.uint8), rows))
        metrics = {"eval/mae": 0.1, "eval/images": 144.0, "eval/pictures": 36.0}
        track(runs, "seeds", f"seed={seed}", trial, metrics=metrics)
    out = tmp_path / "out"
    page = Page(write_report(default_uri(runs), ["seeds"], out).read_text(encoding="utf-8"))
    for text in (page.text, (out / "README.md").read_text(encoding="utf-8")):
        assert "Measured on 144 crops of 36 held-out photographs." in text
        assert "Pictures of 1 of 3 trials: of those that differ in their seed alone" in text
        assert "Pictures are of seed 0 of 0, 1, 2." in text
    (shot,) = re.findall(r'"sentence": "([^"]*)"', (out / "index.html").read_text(encoding="utf-8"))
    assert shot == "saturation: wanted 0.5 (seed 0)"


@pytest.mark.slow
def test_a_store_of_an_earlier_version_and_trials_under_way_are_shown_as_they_are(
    tmp_path: Path,
) -> None:
    runs = tmp_path / "runs"
    old = {"eval/mae": 0.1, "eval/saturation": 0.4, "eval/saturation_error": 0.1}
    trials = [
        ("saturation=0.5", steered(saturation=0.5), old),
        ("saturation=any", any_target(0.1, 0.9), {"eval/mae": 0.1}),
        ("saturation=any, seed=1", any_target(0.1, 0.9, seed=1), {"loss/l1": 9.0}),
        (
            "saturation=any, seed=2",
            any_target(0.1, 0.9, seed=2),
            {"eval/mae": 0.1, "eval/saturation 0.9/mae": 0.1234},
        ),
    ]
    for name, trial, metrics in trials:
        sample = checkpoint.sample_file(runs / "sweeps" / "older" / trial.key(), 6)
        sample.parent.mkdir(parents=True)
        grid = Image.open(io.BytesIO(draw(np.zeros((3, 2, 32, 32, 3), np.uint8))))
        info = PngInfo()
        info.add_text("colorsweep", '{"saturation": {"achieved": []}}')  # rows had no names
        grid.save(sample, pnginfo=info)
        track(runs, "older", name, trial, TrialPhase.RUNNING, metrics)
    out = tmp_path / "out"
    page = Page(write_report(default_uri(runs), ["older"], out).read_text(encoding="utf-8"))
    text = (out / "README.md").read_text(encoding="utf-8")
    for shown in (page.text, text):
        assert "0 of 4 trials finished, 4 running" in shown
        assert "KID was not measured: " in shown
        for name in ("saturation=0.5", "saturation=any", "saturation=any, seed=1"):
            assert name in shown
        assert "saturation=any, seed=2, saturation.weight=100 at 0.9" in shown
        assert "0.123" in shown
    assert "No trial has pictures yet" in page.text
    rows = list(csv.DictReader(io.StringIO((out / "rows.csv").read_text(), newline="")))
    assert [row["target"] for row in rows] == ["0.5", "", "", "0.9"]


@pytest.mark.slow
def test_trials_that_a_search_chose_do_not_hide_one_that_waits(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    tracker_of(default_uri(runs), "searched", runs).note_launch(Launched("", 3))
    for index in (0, 1, 3):
        trial = steered(saturation=0.5).model_copy(update={"seed": index})
        # As an earlier version wrote it, which did not count the photographs.
        metrics = {"eval/mae": 0.1, "eval/images": 144.0}
        track(runs, "searched", f"seed={index}", trial, metrics=metrics, index=index)
    page = write_report(default_uri(runs), ["searched"], tmp_path / "out")
    text = Page(page.read_text(encoding="utf-8")).text
    assert "3 of 4 trials finished, 1 waiting; all: " in text
    assert "Measured on 144 held-out images." in text


@pytest.mark.slow
def test_trials_without_control_are_compared_too(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for batch_size, beta1, seed in product((8, 16), (0.0, 0.5), (0, 1)):
        trial = config(batch_size=batch_size, beta1=beta1, seed=seed)
        track(runs, "plain", f"seed={seed}, beta1={beta1:g}, batch_size={batch_size}", trial)
    tracker = tracker_of(default_uri(runs), "plain", runs)
    tracker.note_launch(Launched("", 9))
    tracker.leave_out(config(batch_size=8, beta1=0.0, seed=0).key())
    page = write_report(default_uri(runs), ["plain"], tmp_path / "out", left_out=True)
    text = Page(page.read_text(encoding="utf-8")).text
    assert "7 of 9 trials finished, 2 waiting, 1 that left the file; all: " in text
    assert "2 waiting, without a run yet" in text
    assert "Over seeds" in text
    assert "beta1 by batch_size (without control)" in text


@pytest.mark.slow
def test_trials_of_other_pictures_are_marked_with_a_note(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    measured = {"eval/mae": 0.1, "eval/saturation": 0.4, "eval/saturation_error": 0.1}
    for target, digest in ((0.25, "now"), (0.5, "before"), (0.75, "now")):
        trial = steered(saturation=target)
        track(runs, "mixed", f"saturation={target}", trial, metrics=measured, digest=digest)
    out = tmp_path / "out"
    page = Page(write_report(default_uri(runs), ["mixed"], out).read_text(encoding="utf-8"))
    text = (out / "README.md").read_text(encoding="utf-8")
    for shown in (page.text, text):
        assert "saturation=0.5 †" in shown
        assert "saturation=0.25 †" not in shown
        assert "saturation=0.75 †" not in shown
        assert "†: trained and measured on other pictures than most trials of the same" in shown
    rows = list(csv.DictReader(io.StringIO((out / "rows.csv").read_text(), newline="")))
    assert [row["other_pictures"] for row in rows] == ["False", "True", "False"]


@pytest.mark.slow
def test_there_is_no_mark_where_all_have_the_same_pictures(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for target in (0.25, 0.5):
        track(runs, "same", f"saturation={target}", steered(saturation=target), digest="now")
    page = write_report(default_uri(runs), ["same"], tmp_path / "out")
    assert "†" not in page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_pictures_that_are_damaged_in_the_store_are_named_and_left_out(
    finished: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runs, out = tmp_path / "runs", tmp_path / "out"
    tracker = tracker_of(default_uri(runs), "mine", runs)
    sync(tracker, finished)
    (stored,) = runs.glob("mlartifacts/**/artifacts/samples")
    newest = stored / "step-00000006.png"
    sound = newest.read_bytes()

    def told() -> str:
        caplog.clear()
        write_report(default_uri(runs), ["mine"], out)
        for name in ("index.html", "README.md"):
            text = Page((out / name).read_text(encoding="utf-8")).text.replace("\\", "")
            assert all(line in text for line in caplog.messages), name
        (line,) = caplog.messages
        return line

    flipped = bytearray(sound)
    flipped[len(sound) // 2] ^= 64
    for content in (b"no picture " * 30, bytes(flipped)):
        newest.write_bytes(content)
        assert told().endswith("its pictures of step 6, which are damaged in the store")
        assert content not in [file.read_bytes() for file in (out / "images").iterdir()]
    shutil.rmtree(stored)
    assert told().endswith("has no pictures in the tracking store")


def test_a_report_names_trials_that_are_longer_than_their_sweep_asks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runs, out = tmp_path / "runs", tmp_path / "out"
    track(runs, "mine", "long", steered(saturation=0.5), metrics={"eval/mae": 0.1})
    tracker = tracker_of(default_uri(runs), "mine", runs)
    (run,) = tracker.runs()
    shorter = run.config.model_copy(update={"steps": 2})
    tags = tags_of(replace(run, config=shorter))
    for name, value in tags.items():
        tracker.client.set_tag(run.run_id, name, value)
    write_report(default_uri(runs), ["mine"], out)
    line = "trained longer than the sweep asks now: long (6 steps); their numbers are of that"
    assert line in caplog.messages
    assert line in Page((out / "index.html").read_text()).text
    (row,) = csv.DictReader((out / "rows.csv").read_text().splitlines())
    assert "--steps 6 " in row["command"]


@pytest.mark.parametrize("name", ["README.md", "index.html"])
def test_a_report_replaces_no_file_that_no_report_wrote(tmp_path: Path, name: str) -> None:
    runs, out = tmp_path / "runs", tmp_path / "out"
    track(runs, "mine", "baseline", config())
    out.mkdir()
    (out / name).write_text("mine")
    with pytest.raises(UserError, match=f"--out: .*/{name} is not a report's"):
        write_report(default_uri(runs), ["mine"], out)
    assert (out / name).read_text() == "mine"
    (out / name).unlink()
    for _ in range(2):
        write_report(default_uri(runs), ["mine"], out)


@pytest.mark.slow
def test_trials_of_an_edited_file_and_of_two_sweeps_are_told_apart(tmp_path: Path) -> None:
    runs, uri = tmp_path / "runs", default_uri(tmp_path / "runs")
    measured = {"eval/mae": 0.1, "eval/saturation": 0.4, "eval/saturation_error": 0.1}
    for sweep, widths in (("grid", (8, 12)), ("wide", (16,))):
        for base_channels, seed in product(widths, (0, 1)):
            trial = steered(saturation=0.5).model_copy(
                update={
                    "base_channels": base_channels,
                    "seed": seed,
                    "lr_decay_steps": 5.0 * base_channels,
                }
            )
            track(runs, sweep, f"saturation=0.5, seed={seed}", trial, metrics=measured)
            if base_channels == 8:
                tracker_of(uri, sweep, runs).leave_out(trial.key())

    def reported(*sweeps: str) -> tuple[list[dict[str, str]], str, str]:
        page = write_report(uri, sweeps, tmp_path / "out", left_out=True)
        rows = (page.parent / "rows.csv").read_text()
        text = (page.parent / "README.md").read_text(encoding="utf-8")
        shown = Page(page.read_text(encoding="utf-8")).text
        return list(csv.DictReader(io.StringIO(rows, newline=""))), text, shown

    rows, readme, page = reported("grid")
    names = [f"saturation=0.5, seed={s}, base_channels={c}" for c in (12, 8) for s in (0, 1)]
    assert sorted(row["trial"] for row in rows) == sorted(names)
    assert {(r["base_channels"], r["lr_decay_steps"]) for r in rows} == {
        ("8", "40.0"),
        ("12", "60.0"),
    }
    for shown in (readme.replace("\\", ""), page):
        assert "The sweeps differ in" not in shown
        assert all(name in shown for name in names)
        for column in ("base_channels", "lr_decay_steps", "seed"):
            assert re.search(rf"(^|\W){column}(\W|$)", shown.replace(f"{column}=", ""))
    _, readme, page = reported("grid", "wide")
    line = (
        "The sweeps differ in base_channels (12, 8 in grid; 16 in wide), "
        "lr_decay_steps (60, 40 in grid; 80 in wide)."
    )
    assert line in page
    assert line in readme.replace("\\", "")
    found = by_name(uri, "grid", names[0], tmp_path / "generator")
    assert (found.run.config.base_channels, found.run.config.seed) == (12, 0)
