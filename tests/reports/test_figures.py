import io
import os
import re
import subprocess
import sys
from dataclasses import replace
from typing import Any, cast

import pytest
from PIL import Image

from gan.control import Control
from reports import achieved, figures
from reports.drawing import Plot
from reports.marks import parts
from reports.phase import TrialPhase
from reports.rows import Row, anchor, rows
from reports.views import views
from tests.support.trial_runs import any_target, run


def hues(sweep: str, **changes: Any) -> list[Row]:
    """Three hues that were met, steered and recoloured."""
    return [
        replace(row, **changes)
        for target in (0.0, 0.3, 0.6)
        for recolour in (False, True)
        for row in rows(
            [
                run(
                    f"hue={target:g}",
                    {"hue": Control(target=target, weight=0 if recolour else 200)},
                    {"eval/hue": target, "eval/hue_p10": target - 0.1, "eval/hue_p90": target},
                    recolour=recolour,
                    sweep=sweep,
                )
            ]
        )
    ]


def links(svg: str) -> list[tuple[str, str]]:
    return re.findall(r'<a href="#([^"]*)" tabindex="-1"><title>([^<]*)</title><use', svg)


@pytest.mark.parametrize("sweeps", [1, 5])
def test_every_trial_is_a_point_that_leads_to_it(sweeps: int) -> None:
    table = [row for i in range(sweeps) for row in hues(f"sweep {i}")]
    (plot,) = achieved.achieved_against_wanted(table, [f"sweep {i}" for i in range(sweeps)], [])
    found = links(plot.svg)
    assert sorted(link for link, _ in found) == sorted(row.anchor for row in table)
    titles = {row.anchor: row.trial for row in table}
    for link, title in found:
        assert title.startswith(titles[link])


def saturations() -> list[Row]:
    trial = any_target({0.1: 0.02, 0.5: 0.03, 0.9: 0.05}, exact=0.001, sweep="one")
    exact = {f"eval/saturation {t:g}/exact/saturation": t for t in (0.1, 0.5, 0.9)}
    return rows(views([replace(trial, metrics=trial.metrics | exact)]))


def test_a_trial_of_any_target_is_a_curve_and_a_thin_one_after_exact_control() -> None:
    (plot,) = achieved.achieved_against_wanted(saturations(), ["one"], [])
    found = links(plot.svg)
    assert len(found) == 6
    assert (
        sum(title.startswith("saturation=any at 0.5 after exact control: ") for _, title in found)
        == 1
    )
    assert ">any target<" in plot.svg
    assert ">any target, exact<" in plot.svg
    widths = re.findall(r"stroke: #009e73; stroke-width: ([\d.]+)", plot.svg)
    dashed = re.findall(r"stroke-dasharray: [^;]*; stroke-dashoffset: 0; stroke: #009e73", plot.svg)
    assert "2" in widths
    assert len(dashed) == 1
    # A fixed target has no curve, and is not shown again after exact control, which meets it.
    fixed = [replace(row, any_target=False) for row in saturations()]
    (plain,) = achieved.achieved_against_wanted(fixed, ["one"], [])
    assert len(links(plain.svg)) == 3
    assert "stroke: #009e73" not in plain.svg


def test_two_trainings_of_any_target_have_colours_and_names_of_their_own() -> None:
    free = [replace(row, training="saturation=any, saturation.weight=0") for row in saturations()]
    drawn = parts([*saturations(), *free], ["one"])
    raw = [part for part in drawn if part.kind == "any target"]
    assert [part.label for part in raw] == ["any target", "any target (saturation.weight=0)"]
    assert len({part.mark["color"] for part in raw}) == 2
    (alone,) = (part for part in parts(free, ["one"]) if part.kind == "any target")
    assert alone.label == "any target"


def test_each_way_to_meet_a_target_has_a_mark_and_a_name_of_its_own() -> None:
    (row, *_) = hues("one")
    table = [
        replace(row, any_target=any_target, way=way, kid=9.0)
        for any_target in (False, True)
        for way in ("raw", "exact")
    ]
    table.append(replace(row, recoloured=True, way="exact", kid=9.0))
    costs = [figures.Cost(each, 0.1 * i, "H") for i, each in enumerate(table)]
    plot = figures.trade_off(costs, "kid", "KID", ["one"], [])
    for name in ("steered", "steered, exact", "any target", "any target, exact", "recoloured"):
        assert plot.svg.count(f">{name}<") == 1
    assert len(links(plot.svg)) == 5


def test_an_unfinished_trial_says_so_in_its_point_and_in_the_legend() -> None:
    (plot,) = achieved.achieved_against_wanted(hues("one", phase=TrialPhase.STOPPED), ["one"], [])
    assert all("(stopped): " in title for _, title in links(plot.svg))
    assert ">steered, unfinished<" in plot.svg


def test_a_hue_that_rounds_to_one_is_red() -> None:
    (plot,) = achieved.achieved_against_wanted(hues("one", achieved=0.9998), ["one"], [])
    assert {title.rpartition(": ")[2] for _, title in links(plot.svg)} == {
        *("0.000 for 0", "0.000 for 0.3", "0.000 for 0.6")
    }


def test_names_are_shown_as_they_are() -> None:
    names = ["dataset_path=$HOME/a_{b$", "_draft", "<b>&amp;"]
    plot = figures.curves("x", "y", {i: (n, [(1, 1.0), (2, 2.0)]) for i, n in enumerate(names)})
    for shown in ("dataset_path=$HOME/a_{b$", " _draft", "&lt;b&gt;&amp;amp;"):
        assert f">{shown}<" in plot.svg
    Image.open(io.BytesIO(plot.png)).verify()


def test_a_curve_below_zero_is_seen() -> None:
    plot = figures.curves("x", "adversarial term", {0: ("one", [(1, -0.9), (2, -0.5)])})
    ticks = re.findall(r">(−?\d+\.\d+)<", plot.svg)
    assert min(float(tick.replace("−", "-")) for tick in ticks if tick[0] == "−") < -0.8


def test_a_plot_is_part_of_a_page_in_its_colours() -> None:
    (plot,) = achieved.achieved_against_wanted(
        hues("one"), ["one"], [run(metrics={"eval/hue": 0.2}, sweep="one")]
    )
    assert plot.svg.startswith("<svg ")
    assert "currentColor" in plot.svg
    assert "#010203" not in plot.svg
    ids = re.findall(r' id="([^"]*)"', plot.svg)
    assert len(ids) == len(set(ids))
    assert all(name.startswith("achieved-hue-") for name in ids)
    for reference in re.findall(r'url\(#([^)]*)\)|xlink:href="#([^"]*)"', plot.svg):
        assert "".join(reference) in ids


def test_places_on_the_page_are_those_of_one_trial() -> None:
    sweeps = ["hue", "hue-1", "hue_1", "hue 1", "hue.1", "hué", "hue-2d-1"]
    assert len({anchor(sweep, "0123456789") for sweep in sweeps}) == len(sweeps)


def test_each_sweeps_trials_without_control_are_lines() -> None:
    sweeps = ["_one", "two", "without a hue"]
    table = [*hues("_one"), *hues("two")]
    free = [run(metrics={"eval/hue": 0.2}, sweep=sweep) for sweep in ("_one", *sweeps)]
    costs = [figures.Cost(row, 0.1, "H") for row in table[:1]]
    for plot in (
        *achieved.achieved_against_wanted(table, sweeps, free),
        figures.trade_off(costs, "mae", "MAE", sweeps, free),
    ):
        for sweep in (" _one", "two", "without a hue"):
            assert plot.svg.count(f">{sweep}: without control<") == 1
    (plot,) = achieved.achieved_against_wanted(hues("two"), ["two"], free)
    assert ">without control<" in plot.svg


@pytest.mark.parametrize("names", [1, 40])
def test_a_points_name_is_beside_it_where_there_is_room(names: int) -> None:
    table = hues("one")[:1] * names
    costs = [
        figures.Cost(replace(row, key=str(i)), 0.1 + i / 1e4, f"H {i}")
        for i, row in enumerate(table)
    ]
    plot = figures.trade_off(costs, "mae", "MAE", ["one"], [])
    shown = re.findall(r">H (\d+)<", plot.svg)
    assert 1 <= len(shown) <= 4
    assert len(set(shown)) == len(shown)
    assert "var(--page)" in plot.svg, "a line does not strike it through"


def edges(plot: Plot) -> list[tuple[int, int]]:
    """Darkest and lightest of the left, right and lower edge of a plot."""
    image = Image.open(io.BytesIO(plot.png)).convert("L")
    width, height = image.size
    sides = [(0, 0, 4, height), (width - 4, 0, width, height), (0, height - 4, width, height)]
    return [cast("tuple[int, int]", image.crop(side).getextrema()) for side in sides]


def test_a_long_legend_is_below_its_plot_and_whole() -> None:
    name = "learning_rate=0.00012, saturation.weight=200, base_channels=32, seed=7, beta1=0.9"
    plot = figures.curves("x", "y", {0: (name, [(1, 1.0), (2, 2.0)]), 1: ("b", [(1, 1.0)])})
    assert edges(plot) == [(255, 255)] * 3, "nothing is cut off"


@pytest.mark.parametrize("value", [0.00123, 1.0, 123456.0])
def test_an_axis_has_room_for_its_numbers_and_its_name(value: float) -> None:
    plot = figures.curves("x", "error of hue", {0: ("a", [(10000, value), (78125, value / 2)])})
    assert edges(plot) == [(255, 255)] * 3


def test_a_home_that_cannot_be_written_to_is_not_complained_of() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import reports.page"],
        env=os.environ | {"MPLCONFIGDIR": "/proc/nowhere"},
        stderr=subprocess.PIPE,
        check=True,
        text=True,
    )
    assert done.stderr == ""
