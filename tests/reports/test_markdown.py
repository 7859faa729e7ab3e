import csv
import io
import re
from collections.abc import Iterator
from html import unescape
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan.control import ControlName
from gan.data.datasets import Dataset
from gan.evaluation.metric_names import label_of
from reports.words import plain_in_markdown
from tests.support.reported_sweep import (
    ANY_TARGETS,
    COLUMNS,
    MEASURED,
    SIDE_BY_SIDE,
    TRIALS,
    Page,
    Told,
    cut,
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
def test_the_overview_is_of_the_trial_of_any_target(runs: Path, report: Path) -> None:
    image = np.asarray(Image.open(report / "images" / "overview.png").convert("RGB"))
    own, free = cut(sample(runs, SIDE_BY_SIDE[1])), cut(sample(runs, SIDE_BY_SIDE[0]))
    wanted = [free["grayscale", ""], free["original", ""], free["colorized", ""]]
    rival = cut(sample(runs, TRIALS[5]))
    for target in ANY_TARGETS:
        label = f"saturation {target:g}"
        wanted += [own["exact", label], rival["colorized", label], own["fitted", label]]
    assert image.shape[0] == 100 * len(wanted) - 4
    left = image.shape[1] - (100 * 12 - 4)
    for i, pictures in enumerate(wanted):
        for k, picture in enumerate(pictures):
            x, y = left + 100 * k, 100 * i
            assert (image[y : y + 96 : 3, x : x + 96 : 3] == picture).all()


def test_the_head_says_which_method_is_nearest_and_most_natural(
    runs: Path, report: Path, page: Page, readme: str
) -> None:
    two = {weight: evaluated(runs, TRIALS[i]) for weight, i in ((100, 1), (1, 2))}
    errors = {weight: each["eval/saturation_error"] for weight, each in two.items()}
    near, far = sorted(errors, key=lambda weight: errors[weight])
    said = re.sub(r" \[[^]]*\]", "", page.text)
    names = f"saturation.weight={near}", str(far)
    numbers = f": error {errors[near]:.3f} against {errors[far]:.3f}, "
    clear = f"{names[0]} is nearer to its target than {names[1]}{numbers}beyond the intervals"
    unclear = f"no clear difference between {' and '.join(names)}{numbers}within the intervals"
    kind = "One generator a target: "  # there is one of any target, too
    assert (kind + clear in said) != (kind + unclear in said)
    assert "Measured on 12 held-out photographs." in page.text
    assert "One seed of each: no spread over seeds is known." in page.text
    text = (report / "index.html").read_text(encoding="utf-8")
    sentences = re.findall(r'<p class="verdict">(.*?)</p>', text)
    measure = "KID" if "eval/kid" in two[1] else "JS"
    assert f"; its raw {measure} " in said
    assert ("KID was not measured" in page.text) == (measure == "JS")
    assert 2 <= len(sentences) <= 4
    for sentence in sentences:
        assert f"- {plain_in_markdown(unescape(sentence))}\n" in readme


def test_markdown_takes_no_name_and_no_reason_for_markup(readme: str) -> None:
    assert r"loss/\<script\>l1\</script\> became nan \| \$\_\*\`\[x\]" in readme
    assert set(re.findall(r"(?<!\\)</?\w+", readme)) == {
        "<details",
        "</details",
        "<summary",
        "</summary",
    }


def test_the_readme_has_a_heading_for_each_trial_with_its_targets(readme: str) -> None:
    headings = [line.removeprefix("### ") for line in readme.splitlines() if line[:4] == "### "]
    assert [set(heading.split(", ")) for heading in headings] == [
        {"Without control"},
        {r"$\sigma_S = 0.5$", "λ 100"},
        {r"$\sigma_S = 0.5$", "λ 1"},
        {r"$\sigma_S = 0.5$", "recoloured after training"},
        *(
            {rf"$\sigma_S = {target:g}$", "any target", *after}
            for after in ((), ("recoloured after training",))
            for target in ANY_TARGETS
        ),
        {r"$\sigma_H = 0$"},
        {r"$\sigma_S = 0.75$", r"$\sigma_H = 0.6$"},
    ]


def test_every_picture_of_the_readme_is_there_and_sound(
    runs: Path, report: Path, readme: str
) -> None:
    trades = 1 + ("KID raw" in readme)
    named = re.findall(r"!\[(?:\\.|[^\]\\])*\]\(([^)]*)\)", readme)
    plots = [name for name in named if re.search("/(achieved|trade-off|curve)-", name)]
    assert len(named) - len(plots) == 6 + 8 + 1, (
        "a grid for each trial and target, and the overview"
    )
    assert len(plots) == 2 + trades + 1 + 1 + 4, "controls, trade-off, error, MAE, losses"
    assert set(named) == {f"images/{p.name}" for p in (report / "images").iterdir()}
    grids = {sample(runs, t) for t in MEASURED if not t.config.any_controls}
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
    # Two lines of head each: a row for each control and target; for each control, target and way;
    # for each trial; for each that is shown.
    ways = 1 + 2 * 2 + 1 + 4 * 2 + 4 + 2 + 2 * 2 + 2
    # At 0.5 two weights, any target, each raw and exact, and the rival; at three the last three.
    judged = 7 + 3 * 3
    assert [len(table) for table in tables] == [2 + judged, 2 + 16, 2 + ways, 2 + 10, 2 + 6]
    for table in tables:
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {table[0].count("|")}
        assert all(line.startswith("|") for line in table)


def measured_as(trial: Told) -> Iterator[tuple[str, ControlName | None, float | None, str, str]]:
    """Name, control, target and way of each row of a trial, and where its metrics begin."""
    ways = {"raw": "eval/", "exact": "eval/exact/"} if trial.config.controls else {"raw": "eval/"}
    ways = {"exact": "eval/"} if trial.config.recolour else ways
    for targets in trial.config.measured_targets() or [{}]:
        for (way, start), control in product(ways.items(), trial.config.controls or [None]):
            name, at = trial.name, start
            if trial.config.any_controls:
                name += f" at {targets['saturation']:g}"
                at = start.replace("eval/", f"eval/{label_of(targets)}/")
            yield name, control, targets[control] if control else None, way, at


def test_the_rows_say_what_each_trial_wanted_and_measured(
    runs: Path, report: Path, photos: Dataset
) -> None:
    with (report / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) >= COLUMNS
    places = [(row["trial"], row["control"], row["way"]) for row in rows]
    assert len(set(places)) == len(rows)
    by_place = dict(zip(places, rows, strict=True))
    for trial in MEASURED:
        metrics = evaluated(runs, trial)
        for name, control, target, way, start in measured_as(trial):
            row = by_place.pop((name, control or "", way))
            steps = 0 if trial.config.recolour else trial.steps  # its baseline's, if anybody's
            assert (row["training"], int(row["steps"])) == (trial.name, steps)
            assert row["target"] == ("" if target is None else str(target))
            assert float(row["epochs"]) == pytest.approx(steps * 8 / len(photos.train))
            if steps:
                with_evaluations = steps * 8 / float(row["seconds"])
                assert float(row["images_per_second"]) > with_evaluations
            else:
                assert (row["images_per_second"], float(row["seconds"])) == ("", 0)
            assert float(row["mae"]) == metrics[f"{start}mae"]
            assert float(row["js_divergence"]) == metrics[f"{start}js_divergence"]
            if control is None:
                assert (row["weight"], row["achieved"], row["error"]) == ("", "", "")
                continue
            weight = trial.config.controls[control].weight
            assert row["weight"] == ("" if trial.config.recolour else str(weight))
            for column, key in (("achieved", ""), ("error", "_error"), ("reachable", "_reachable")):
                assert float(row[column]) == metrics[f"{start}{control}{key}"]
    # The others have not begun: a row each, with nothing measured.
    assert [*by_place] == [("red=1", "red", "raw"), ("hue=any", "hue", "raw")]
    assert {(row["achieved"], row["mae"], row["steps"]) for row in by_place.values()} == {
        ("", "", "0")
    }
    assert [row["target"] for row in by_place.values()] == ["1.0", ""]


def test_the_page_and_the_readme_show_the_rows(report: Path, page: Page, readme: str) -> None:
    with (report / "rows.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            shown = ("target", "achieved", "error", "reachable", "reachable_error")
            for column in (*shown, "mae", "ssim", "accuracy_2", "js_divergence"):
                if row[column]:
                    assert f"{float(row[column]):.3f}" in page.text
                    assert f" {float(row[column]):.3f} " in readme
            if row["kid"]:
                kid = f"{float(row['kid']):.0f} [{float(row['kid_low']):.0f},\N{NO-BREAK SPACE}"
                assert kid in page.text
                assert kid.replace("[", r"\[").replace("\N{NO-BREAK SPACE}", " ") in readme
