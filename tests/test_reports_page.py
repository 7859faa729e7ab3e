import csv
import io
import json
import re
import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from generators import config, steered, track
from PIL import Image
from reported import BASELINE, COLUMNS, HUNG, MEASURED, TRIALS, Page, Told, cut, decoded
from skimage.color import rgb2hsv

from gan import checkpoint
from gan.control import Control
from gan.datasets import Dataset
from gan.errors import UserError
from gan.samples import draw
from gan.trainer import Trainer
from reports.command import train_command
from reports.page import write_report
from reports.store import Launched, default_uri
from reports.tracking import SweepTracker


@pytest.fixture(scope="module")
def runs(photos: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a sweep, and the directories of its trials."""
    runs = tmp_path_factory.mktemp("runs")
    tracker = SweepTracker(default_uri(runs), "mixed", runs)
    tracker.note_launch(Launched("colorsweep launch mixed.yaml", len(TRIALS) + 2))
    SweepTracker(default_uri(runs), "empty", runs)
    for index, trial in enumerate(TRIALS):
        directory = runs / "sweeps" / trial.config.key()
        if trial.steps:
            config = trial.config.model_copy(update={"steps": trial.steps})
            assert Trainer(config, photos, torch.device("cpu")).fit(directory)
        tracker.sync(
            key=trial.config.key(),
            name=trial.name,
            index=index,
            config=trial.config,
            directory=directory,
            status=trial.status,
            reason=trial.reason,
        )
    begun = SweepTracker(default_uri(runs), "begun", runs)
    begun.sync(
        key="0123456789",
        name="baseline",
        index=0,
        config=BASELINE,
        directory=runs / "nothing",
        status="RUNNING",
    )
    return runs


@pytest.fixture(scope="module")
def report(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the sweep's report."""
    out = tmp_path_factory.mktemp("report") / "new" / "deep"
    assert write_report(default_uri(runs), ["mixed"], out) == out / "index.html"
    return out


@pytest.fixture(scope="module")
def page(report: Path) -> Page:
    return Page((report / "index.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def readme(report: Path) -> str:
    return (report / "README.md").read_text(encoding="utf-8")


def evaluated(runs: Path, trial: Told) -> dict[str, float]:
    """The last evaluation of a trial, from its own directory."""
    file = runs / "sweeps" / trial.config.key() / "checkpoints" / f"step-{trial.steps:08}"
    history = json.loads((file / "trial.json").read_text())["history"]
    point: dict[str, float] = [p["metrics"] for p in history if "eval/mae" in p["metrics"]][-1]
    return point


def sample(runs: Path, trial: Told) -> bytes:
    directory = runs / "sweeps" / trial.config.key()
    return (directory / "samples" / f"step-{trial.steps:08}.png").read_bytes()


def test_the_page_needs_nothing_but_itself(report: Path, page: Page) -> None:
    text = (report / "index.html").read_text(encoding="utf-8")
    for tag, attributes in page.tags:
        assert tag not in ("iframe", "object", "embed", "base")
        for name in ("src", "href", "srcset", "data", "poster", "background", "xlink:href"):
            assert attributes.get(name, "data:").startswith(("data:", "#"))
        assert "url(" not in attributes.get("style", "").replace("url(#", "")
    style = "".join(re.findall(r"<style>(.*?)</style>", text, re.DOTALL))
    assert style
    assert "@import" not in style
    assert "url(" not in style


def test_each_column_is_a_trials_colorization_of_the_same_pictures(
    runs: Path, report: Path
) -> None:
    text = (report / "index.html").read_text(encoding="utf-8")
    (body,) = re.findall(r'<table class="wall".*?<tbody>(.*?)</tbody>', text, re.DOTALL)
    lines = [Page(line).pictures() for line in body.split("</tr>")[:-1]]
    grids = [cut(sample(runs, trial)) for trial in HUNG]
    assert len(lines) == len(grids[0][0]) == 12
    for i, line in enumerate(lines):
        wanted = [grids[0][1][i], grids[0][0][i], *(grid[2][i] for grid in grids)]
        assert len(line) == len(wanted)
        for shown, picture in zip(line, wanted, strict=True):
            assert (shown == picture).all()


def test_the_way_there_and_the_recoloured_are_at_hand(runs: Path, report: Path) -> None:
    text = (report / "index.html").read_text(encoding="utf-8")
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text)
    (columns,) = json.loads(data)
    assert [column["name"] for column in columns] == [trial.name for trial in HUNG]
    beside = decoded(columns[1]["recoloured"])
    (recoloured,) = (trial for trial in TRIALS if trial.config.recolour)
    assert (beside == np.concatenate(cut(sample(runs, recoloured))[2], axis=1)).all()
    assert [column["recoloured"] != "" for column in columns] == [False, True, True, False, False]
    (stage,) = columns[1]["stages"]
    early = (runs / "sweeps" / HUNG[1].config.key() / "samples" / "step-00000003.png").read_bytes()
    assert stage["step"] == 3
    assert (decoded(stage["strip"]) == np.concatenate(cut(early)[2], axis=1)).all()


def test_the_numbers_of_a_picture_are_its_own(runs: Path, report: Path) -> None:
    text = (report / "index.html").read_text(encoding="utf-8")
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text)
    (columns,) = json.loads(data)
    _, originals, made = cut(sample(runs, HUNG[1]))
    for i, (number,) in enumerate(columns[1]["numbers"]):
        for shown, picture in (("achieved", made[i]), ("original", originals[i])):
            saturation = rgb2hsv(picture)[..., 1].mean()
            assert float(number[shown]) == pytest.approx(saturation, abs=5e-3)
        assert (number["control"], number["wanted"]) == ("saturation", "0.500")
        difference = np.abs(made[i].astype(float) - originals[i]).mean() / 255
        assert columns[1]["mae"][i] == pytest.approx(difference)


def test_every_trial_is_in_the_table_with_its_state(page: Page, report: Path, readme: str) -> None:
    text = (report / "index.html").read_text(encoding="utf-8")
    counted = "4 of 9 trials finished, 3 not begun, 1 stopped, 1 failed"
    for shown in (page.text, readme):
        assert counted in " ".join(shown.split())
    for trial in TRIALS:
        (line,) = re.findall(rf'<tr id="t-mixed-{trial.config.key()}".*?</tr>', text)
        assert trial.name in Page(line).text
        assert trial.state in Page(line).text
        state = re.findall('data-state="([a-z ]*)"', line)
        assert state == ([] if trial.state == "finished" else [trial.state])


def test_a_reason_is_shown_as_text(page: Page, report: Path) -> None:
    assert "failed at step 3 of 3: loss/<script>l1</script> became nan" in page.text
    assert "<script>l1" not in (report / "index.html").read_text(encoding="utf-8")


def test_markdown_takes_no_name_and_no_reason_for_markup(readme: str) -> None:
    assert r"hue=0 \| \$\_\*\`\[x\]" in readme
    assert r"loss/\<script\>l1\</script\> became nan" in readme
    assert not re.search(r"(?<!\\)<", readme)


def test_the_best_of_a_target_is_marked(page: Page, readme: str, runs: Path) -> None:
    rivals = TRIALS[1:3]
    errors = [evaluated(runs, trial)["eval/saturation_error"] for trial in rivals]
    best, other = sorted(rivals, key=lambda trial: errors[rivals.index(trial)])
    for shown in (page.text, readme):
        assert f"{best.name} ★" in shown
        assert f"{other.name} ★" not in shown


def test_how_it_was_made_can_be_told_and_done_again(page: Page, readme: str) -> None:
    for shown in (page.text, readme):
        assert f"torch {torch.__version__.split('+')[0]}" in shown
        assert "colorsweep launch mixed.yaml" in shown
        commands = re.findall(r"colorsweep train .*$", shown, re.MULTILINE)
        assert commands == [train_command(trial.config, "mixed-again") for trial in TRIALS]


def test_the_readme_has_a_heading_for_each_trial_with_its_targets(readme: str) -> None:
    headings = [line.removeprefix("### ") for line in readme.splitlines() if line[:4] == "### "]
    assert [set(heading.split(", ")) for heading in headings] == [
        {"Without control"},
        {r"$\sigma_S = 0.5$", "λ 200"},
        {r"$\sigma_S = 0.5$", "λ 1"},
        {r"$\sigma_S = 0.5$", "recoloured after training"},
        {r"$\sigma_H = 0$"},
        {r"$\sigma_S = 0.75$", r"$\sigma_H = 0.6$"},
    ]


def test_every_picture_of_the_readme_is_there_and_sound(
    runs: Path, report: Path, readme: str
) -> None:
    named = re.findall(r"!\[(?:\\.|[^\]\\])*\]\(([^)]*)\)", readme)
    plots = [name for name in named if re.search("/(achieved|trade-off|curve)-", name)]
    assert len(named) - len(plots) == 6 + 1, "a grid for each evaluated trial, and the overview"
    assert len(plots) == 2 + 1 + 1 + 1 + 3, "controls, trade-off, an error, MAE, losses"
    assert set(named) == {f"images/{p.name}" for p in (report / "images").iterdir()}
    grids = {sample(runs, trial) for trial in MEASURED}
    for name in named:
        content = (report / name).read_bytes()
        picture = Image.open(io.BytesIO(content))
        picture.load()
        assert (picture.format, min(picture.size) > 90) == ("PNG", True)
        grids.discard(content)
    assert not grids


def test_the_readmes_tables_are_tables(readme: str) -> None:
    blocks = [b for b in readme.split("\n\n") if b.strip().startswith("|")]
    tables = [block.strip().splitlines() for block in blocks]
    # Two lines of head each: a row for each control; for each trial; for each that is shown.
    assert [len(table) for table in tables] == [2 + 7, 2 + 7, 2 + 5]
    for table in tables:
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {table[0].count("|")}
        assert all(line.startswith("|") for line in table)


def test_the_rows_say_what_each_trial_wanted_and_measured(
    runs: Path, report: Path, photos: Dataset
) -> None:
    with (report / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) >= COLUMNS
    by_trial = {(row["trial"], row["control"]): row for row in rows}
    assert len(by_trial) == len(rows) == 8
    for trial in TRIALS:
        controls: list[tuple[str, Control | None]] = [*trial.config.controls.items()]
        for name, control in controls or [("", None)]:
            row = by_trial[trial.name, name]
            assert int(row["steps"]) == trial.steps
            assert row["target"] == ("" if control is None else str(control.target))
            weighs = control is not None and not trial.config.recolour
            assert row["weight"] == (str(control.weight) if control and weighs else "")
            if not trial.steps:
                assert (row["achieved"], row["mae"]) == ("", "")
                continue
            metrics = evaluated(runs, trial)
            assert float(row["mae"]) == metrics["eval/mae"]
            assert float(row["epochs"]) == pytest.approx(trial.steps * 8 / len(photos.train))
            speed = trial.steps * 8 / float(row["seconds"])
            assert float(row["images_per_second"]) == pytest.approx(speed)
            for column, key in (("achieved", ""), ("error", "_error"), ("reachable", "_reachable")):
                if control is not None:
                    assert float(row[column]) == metrics[f"eval/{name}{key}"]


def test_the_page_and_the_readme_show_the_rows(report: Path, page: Page, readme: str) -> None:
    with (report / "rows.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            shown = ("target", "achieved", "error", "error_p90", "reachable", "reachable_error")
            for column in (*shown, "mae", "ssim", "accuracy_2", "accuracy_5"):
                if row[column]:
                    assert f"{float(row[column]):.3f}" in page.text
                    assert f" {float(row[column]):.3f} " in readme


def test_a_report_can_be_written_again(runs: Path, report: Path, tmp_path: Path) -> None:
    shutil.copytree(report, tmp_path, dirs_exist_ok=True)
    (tmp_path / "index.html").write_text("an older page")
    write_report(default_uri(runs), ["mixed"], tmp_path)
    for file in report.rglob("*"):
        if file.is_file():
            assert (tmp_path / file.relative_to(report)).read_bytes() == file.read_bytes()


def test_a_sweep_without_an_evaluation_has_a_page_without_pictures(
    runs: Path, tmp_path: Path
) -> None:
    page = Page(write_report(default_uri(runs), ["begun"], tmp_path).read_text(encoding="utf-8"))
    assert "No trial has pictures yet" in page.text
    assert page.pictures() == []
    assert not list((tmp_path / "images").iterdir())


def test_what_is_not_shown_is_said(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for seed in range(3):
        trial = steered(saturation=0.5).model_copy(update={"seed": seed})
        sample = checkpoint.sample_file(runs / "sweeps" / "seeds" / trial.key(), 6)
        sample.parent.mkdir(parents=True)
        sample.write_bytes(draw(np.zeros((3, 2, 32, 32, 3), np.uint8), {}))
        metrics = {"eval/mae": 0.1, "eval/images": 144.0, "eval/pictures": 36.0}
        track(runs, "seeds", f"seed={seed}", trial, metrics=metrics)
    out = tmp_path / "out"
    page = Page(write_report(default_uri(runs), ["seeds"], out).read_text(encoding="utf-8"))
    for text in (page.text, (out / "README.md").read_text(encoding="utf-8")):
        assert "measured on 144 held-out images (crops of 36 photographs)." in text
        assert "Pictures of 1 of 3 trials: of those that differ in their seed alone" in text


def test_trials_that_a_search_chose_do_not_hide_one_that_waits(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    SweepTracker(default_uri(runs), "searched", runs).note_launch(Launched("", 3))
    for index in (0, 1, 3):
        trial = steered(saturation=0.5).model_copy(update={"seed": index})
        # As an earlier version wrote it, which did not count the photographs.
        metrics = {"eval/mae": 0.1, "eval/images": 144.0}
        track(runs, "searched", f"seed={index}", trial, metrics=metrics, index=index)
    page = write_report(default_uri(runs), ["searched"], tmp_path / "out")
    text = Page(page.read_text(encoding="utf-8")).text
    assert "3 of 4 trials finished, 1 not begun; all: " in text
    assert "measured on 144 held-out images." in text


def test_trials_without_control_are_compared_too(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for batch_size, beta1, seed in product((8, 16), (0.0, 0.5), (0, 1)):
        trial = config(batch_size=batch_size, beta1=beta1, seed=seed)
        track(runs, "plain", f"seed={seed}, beta1={beta1:g}, batch_size={batch_size}", trial)
    tracker = SweepTracker(default_uri(runs), "plain", runs)
    tracker.note_launch(Launched("", 9))
    tracker.leave_out(config(batch_size=8, beta1=0.0, seed=0).key())
    page = write_report(default_uri(runs), ["plain"], tmp_path / "out", left_out=True)
    text = Page(page.read_text(encoding="utf-8")).text
    assert "7 of 9 trials finished, 2 not begun, 1 that left the file; all: " in text
    assert "2 not begun, without a run yet" in text
    assert "Over seeds" in text
    assert "beta1 by batch_size (without control)" in text


def test_a_sweep_without_a_trial_is_refused(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="empty: no trial has started yet"):
        write_report(default_uri(runs), ["empty"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_sweep_is_refused_with_those_that_are(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there are: begun, empty, mixed"):
        write_report(default_uri(runs), ["mxed"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_is_refused(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="--out: cannot write to"):
        write_report(default_uri(runs), ["begun"], tmp_path / "file" / "out")
