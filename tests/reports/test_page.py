import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage.color import rgb2hsv

from gan.errors import UserError
from reports.command import train_command
from reports.page import write_report
from reports.phase import TrialPhase
from reports.store import default_uri
from tests.support.reported_sweep import (
    ANY,
    ANY_TARGETS,
    MEASURED,
    SIDE_BY_SIDE,
    TRIALS,
    Page,
    cut,
    decoded,
    evaluated,
    mixed_report,
    mixed_runs,
    sample,
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a sweep, and the directories of its trials."""
    return mixed_runs(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the sweep's report."""
    return mixed_report(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def page(report: Path) -> Page:
    return Page((report / "index.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def readme(report: Path) -> str:
    return (report / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
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
    (body,) = re.findall(r'<table class="images".*?<tbody>(.*?)</tbody>', text, re.DOTALL)
    photographs = re.findall(r'<tr class="photo">.*?</tr>', body, re.DOTALL)
    lines = [Page(line).pictures() for line in photographs]
    grids = [cut(sample(runs, trial)) for trial in SIDE_BY_SIDE]
    first, second = (grids[0][kind, ""] for kind in ("original", "grayscale"))
    # Of any target the one in the middle comes first.
    middle = {ANY.key(): "saturation 0.75"}
    made = [
        grid["colorized", middle.get(trial.config.key(), "")]
        for trial, grid in zip(SIDE_BY_SIDE, grids, strict=True)
    ]
    assert len(lines) == len(first) == 12
    for i, line in enumerate(lines):
        wanted = [first[i], second[i], *(pictures[i] for pictures in made)]
        assert len(line) == len(wanted)
        for shown, picture in zip(line, wanted, strict=True):
            assert (shown == picture).all()


def data_of(report: Path) -> dict[str, Any]:
    """What the script of the page has of its one image_table."""
    text = (report / "index.html").read_text(encoding="utf-8")
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text)
    (image_table,) = json.loads(data)
    found: dict[str, Any] = image_table
    return found


def test_each_target_has_its_outputs_the_rival_and_the_fitted_originals(
    runs: Path, report: Path
) -> None:
    image_table = data_of(report)
    assert list(image_table["kinds"]) == ["colorized", "exact"]
    assert list(image_table["beside"]) == ["recoloured", "fitted"]
    keys = [column["anchor"].rpartition("-")[2] for column in image_table["columns"]]
    assert keys == [trial.config.key() for trial in SIDE_BY_SIDE]
    of_any = image_table["columns"][[trial.name for trial in SIDE_BY_SIDE].index("saturation=any")]
    shots = of_any["shots"]
    assert [shot["aims"][0]["target"] for shot in shots] == list(ANY_TARGETS)
    grids = {trial.name: cut(sample(runs, trial)) for trial in MEASURED}
    own, moved = grids["saturation=any"], grids["recoloured, saturation=any"]
    for target, shot in zip(ANY_TARGETS, shots, strict=True):
        label = f"saturation {target:g}"
        wanted = {"exact": own["exact", label]}
        if target != 0.75:  # which the table's cells have
            wanted |= {
                "colorized": own["colorized", label],
                "recoloured": moved["colorized", label],
                "fitted": own["fitted", label],
            }
        for kind, pictures in wanted.items():
            strip = decoded(image_table["strips"][shot["strips"][kind]])
            assert (strip == np.concatenate(pictures, axis=1)).all(), (label, kind)
    strips = image_table["strips"]
    assert len(set(strips)) == len(strips), "equal ones are kept once"


def test_the_way_there_and_the_recoloured_are_at_hand(runs: Path, report: Path) -> None:
    image_table = data_of(report)
    (shot,) = image_table["columns"][2]["shots"]
    (recoloured,) = (trial for trial in TRIALS if trial.name == "recoloured, saturation=0.5")
    own = cut(sample(runs, SIDE_BY_SIDE[2]))
    beside = {
        "recoloured": cut(sample(runs, recoloured))["colorized", ""],
        "fitted": own["fitted", ""],
    }
    text = (report / "index.html").read_text(encoding="utf-8")
    for kind, pictures in beside.items():
        rows = re.findall(rf'<tr class="companion" data-kind="{kind}">.*?</tr>', text, re.DOTALL)
        assert len(rows) == 12
        for row, picture in zip(rows, pictures, strict=True):
            cells = row.split("<td>")[1:]
            assert (Page(cells[2]).pictures()[0] == picture).all()
            assert Page(cells[0]).pictures() == [], "without control there is no target"
    has = ["recoloured" in column["shots"][0]["strips"] for column in image_table["columns"]]
    assert has == [False, True, True, True, False, False]
    (stage,) = shot["stages"]
    samples = runs / "sweeps" / SIDE_BY_SIDE[2].config.key() / "samples"
    early = (samples / "step-00000003.png").read_bytes()
    assert stage["step"] == 3
    strip = np.concatenate(cut(early)["colorized", ""], axis=1)
    assert (decoded(stage["strip"]) == strip).all()


def test_the_numbers_of_a_picture_are_its_own(runs: Path, report: Path) -> None:
    (shot,) = data_of(report)["columns"][2]["shots"]
    grid = cut(sample(runs, SIDE_BY_SIDE[2]))
    originals, made, moved = (grid[kind, ""] for kind in ("original", "colorized", "exact"))
    for i, (number,) in enumerate(shot["numbers"]):
        of = (("achieved", made), ("original", originals), ("exact", moved))
        for shown, pictures in of:
            saturation = rgb2hsv(pictures[i])[..., 1].mean()
            assert float(number[shown]) == pytest.approx(saturation, abs=5e-3)
        assert (number["control"], number["wanted"]) == ("saturation", "0.500")
        difference = np.abs(made[i].astype(float) - originals[i]).mean() / 255
        assert shot["mae"][i] == pytest.approx(difference)


def test_every_trial_is_in_the_table_with_its_state(page: Page, report: Path, readme: str) -> None:
    text = (report / "index.html").read_text(encoding="utf-8")
    counted = "6 of 12 trials finished, 2 waiting, 2 starting, 1 stopped, 1 failed"
    for shown in (page.text, readme):
        assert counted in " ".join(shown.split())
    for trial in TRIALS:
        (line,) = re.findall(rf'<tr id="t-mixed-{trial.config.key()}".*?</tr>', text)
        assert trial.name in Page(line).text
        assert trial.phase in Page(line).text
        phase = re.findall('data-phase="([a-z ]*)"', line)
        assert phase == ([] if trial.phase is TrialPhase.FINISHED else [trial.phase])


def test_a_reason_is_shown_as_text(page: Page, report: Path) -> None:
    assert "failed at step 3 of 3: loss/<script>l1</script> became nan" in page.text
    assert "<script>l1" not in (report / "index.html").read_text(encoding="utf-8")


def test_the_best_of_a_target_is_marked(page: Page, readme: str, runs: Path) -> None:
    errors = {t.name: evaluated(runs, t)["eval/saturation_error"] for t in TRIALS[1:3]}
    of_any = evaluated(runs, TRIALS[4])
    errors["saturation=any at 0.5"] = of_any["eval/saturation 0.5/saturation_error"]
    best, *others = sorted(errors, key=lambda name: errors[name])
    for shown in (page.text, readme):
        assert f"{best} ★" in shown
        for other in others:
            assert f"{other} ★" not in shown


def test_how_it_was_made_can_be_told_and_done_again(page: Page, readme: str) -> None:
    for shown in (page.text, readme):
        assert f"torch {torch.__version__.split('+')[0]}" in shown
        assert "colorsweep launch mixed.yaml" in shown
        commands = re.findall(r"colorsweep train .*$", shown, re.MULTILINE)
        assert commands == [train_command(trial.config, "mixed-again") for trial in TRIALS]


@pytest.mark.slow
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


def test_a_sweep_without_a_trial_is_refused(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="empty: no trial has started yet"):
        write_report(default_uri(runs), ["empty"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_sweep_is_refused_with_those_that_are(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There are: begun, empty, mixed"):
        write_report(default_uri(runs), ["mxed"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_is_refused(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="--out: cannot write to"):
        write_report(default_uri(runs), ["begun"], tmp_path / "file" / "out")
