from dataclasses import replace

import pytest

from gan.control import Control
from gan.evaluation.metric_names import label_of
from reports.compare import (
    best_of_targets,
    best_suited,
    differences,
    evenly,
    in_order,
    recoloured_beside,
    shown_trials,
)
from reports.folds import grids, over_seeds
from reports.phase import TrialPhase
from reports.runs import TrialRun
from reports.views import at_targets, label, metric_of, middle, views
from tests.support.trial_runs import any_target, run, steered

ANY = any_target({0.1: 0.02, 0.5: 0.03, 0.9: 0.09}, exact=0.001)


def test_a_trial_of_any_target_is_one_view_for_each_that_was_measured() -> None:
    low, half, high = views([ANY])
    assert [view.name for view in (low, half, high)] == [
        *("saturation=any at 0.1", "saturation=any at 0.5", "saturation=any at 0.9")
    ]
    assert half.config.controls["saturation"].target == 0.5
    assert half.metrics["eval/saturation_error"] == 0.03
    assert half.metrics["eval/exact/saturation_error"] == 0.001
    assert half.metrics["loss/l1"] == 9.0, "the training is one"
    assert not any("saturation 0.1" in name for name in half.metrics)
    assert (half.key, half.run_id, half.origin) == (ANY.key, ANY.run_id, ANY)


def test_other_trials_are_their_own_views() -> None:
    others = [run(), steered(0.5, 0.1)]
    assert views(others) == others
    assert [label(each) for each in others] == ["", ""]


def test_under_way_it_is_shown_where_it_was_measured_and_else_as_it_is() -> None:
    begun = replace(ANY, metrics={})
    assert views([begun]) == [begun]
    some = {k: v for k, v in ANY.metrics.items() if "saturation 0.5" not in k}
    assert [
        v.config.controls["saturation"].target for v in views([replace(ANY, metrics=some)])
    ] == [*(0.1, 0.9)]
    assert middle(begun) is begun


def test_a_view_knows_its_metrics_and_rows_by_the_names_that_the_evaluation_gave_them() -> None:
    both = run(
        "hue=any, saturation=0.5",
        {"hue": Control(target="any"), "saturation": Control(target=0.5)},
        {"eval/hue 0.333333 saturation 0.5/mae": 0.2},
        eval_targets=[{"hue": 1 / 3}],
    )
    (view,) = at_targets(both)
    assert (
        label(view) == label_of(both.config.measured_targets()[0]) == "hue 0.333333 saturation 0.5"
    )
    assert metric_of(view, "eval/mae") in both.metrics
    assert metric_of(view, "loss/l1") == "loss/l1"
    assert view.name == "hue=any, saturation=0.5 at 0.333"


def test_at_its_targets_it_is_a_rival_of_trials_of_those() -> None:
    near, far = steered(0.5, 0.01), steered(0.9, 0.2)
    every = views([ANY, near, far])
    assert best_of_targets(every) == [near, every[2]]


def test_what_was_recoloured_to_any_target_stands_beside_each() -> None:
    moved = any_target({0.1: 0.0, 0.5: 0.0, 0.9: 0.0}, name="recoloured", weight=0, recolour=True)
    fixed = steered(0.5, 0.1)
    every = in_order(views([ANY, fixed, moved]))
    names = [view.name for view in every]
    assert names == [
        *("saturation=any at 0.1", "recoloured at 0.1", "saturation=any at 0.5"),
        *("saturation=any at 0.9", "recoloured at 0.9", "saturation=0.5", "recoloured at 0.5"),
    ]
    beside = recoloured_beside(fixed, every)
    assert beside is not None
    assert beside.name == "recoloured at 0.5"
    elsewhere = recoloured_beside(steered(0.5, 0.1, l1_weight=1.0), every)
    assert elsewhere is not None, "of another baseline, as there is none of its own"
    assert recoloured_beside(steered(0.5, 0.1, image_size=64), every) is None


def test_it_takes_one_place_among_the_trials_that_are_shown() -> None:
    baseline, half = run(), steered(0.5, 0.1)
    best = best_of_targets(views([half, ANY, baseline]))
    assert shown_trials([half, ANY, baseline], best, 9) == [baseline, ANY, half]


def test_its_seeds_are_folded_at_each_target_and_not_with_other_trials() -> None:
    seeds = [
        any_target({0.1: error, 0.5: 0.2}, exact=0.0, seed=i, name=f"saturation=any, seed={i}")
        for i, error in enumerate((0.1, 0.3))
    ]
    fixed = replace(seeds[0], config=seeds[0].config.at({"saturation": 0.1}), name="saturation=0.1")
    folded = over_seeds(views([*seeds, fixed]))
    assert [(each.name, each.target, each.seeds) for each in folded] == [
        *(("saturation=any at 0.1", 0.1, 2), ("saturation=any at 0.5", 0.5, 2)),
    ]
    assert folded[0].error is not None
    assert folded[0].error.mean == pytest.approx(0.2)
    assert folded[0].exact_error is not None
    assert folded[0].exact_error.mean == 0


def test_its_targets_are_a_grid_with_another_setting_and_not_mixed_with_fixed_ones() -> None:
    trials = [any_target({0.1: 0.1, 0.5: w / 1000}, weight=w) for w in (10.0, 20.0)]
    fixed = [steered(0.5, 0.9, weight=10.0)]
    (grid,) = grids(views([*trials, *fixed]))
    assert grid.title == "λ of saturation by wanted saturation (saturation, any target)"
    assert [[cell and cell.error for cell in cells] for _, cells in grid.lines] == [
        *([0.1, 0.01], [0.1, 0.02])
    ]
    assert grids(views([replace(ANY, metrics={})])) == []


def test_trials_of_any_target_are_told_apart_by_their_ranges() -> None:
    held = run("x", {"saturation": Control(target="any", hold_out=((0.4, 0.6),))})
    short = run("x", {"saturation": Control(target="any", max=0.8)})
    assert differences([held, short]) == [
        "range 0 to 1, saturation held out: 0.4 to 0.6",
        "range 0 to 0.8, saturation held out: none",
    ]


def test_the_best_suited_is_finished_and_the_most_natural_after_exact_control() -> None:
    def natural(kid: float, phase: TrialPhase = TrialPhase.FINISHED) -> TrialRun:
        trial = any_target({0.5: 0.1}, phase=phase)
        return replace(trial, metrics={"eval/exact/kid": kid})

    worse, better, failed = natural(50), natural(40), natural(10, phase=TrialPhase.FAILED)
    assert best_suited([run(), worse, failed, better]) is better
    assert best_suited([run(), steered(0.5, 0.1)]) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "chosen"),
    [
        (9, [0, 2, 4, 6, 8]),
        (6, [0, 1, 2, 3, 4, 5]),
        (1, [0]),
        (11, [0, 2, 4, 6, 8, 10]),
        (12, [0, 2, 4, 7, 9, 11]),
    ],
)
def test_an_even_choice_of_at_most_six_has_both_ends(count: int, chosen: list[int]) -> None:
    assert evenly(range(count), 6) == chosen
