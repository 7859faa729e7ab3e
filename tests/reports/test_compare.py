from dataclasses import replace

import pytest

from gan.control import Control
from reports.compare import (
    best_of_targets,
    control_error,
    differences,
    in_order,
    recoloured_beside,
    shown_seed,
    shown_trials,
)
from reports.folds import grids, over_seeds
from reports.phase import TrialPhase
from reports.runs import TrialRun
from reports.views import views
from tests.support.trial_runs import any_target, run, steered

BASELINE = run(metrics={"eval/saturation": 0.31, "eval/hue": 0.1})
HUE = run("hue=0.6", {"hue": Control(target=0.6)}, {"eval/hue_error": 0.02})
PAIR = run(
    "saturation=0.75, hue=0.6",
    {"saturation": Control(target=0.75), "hue": Control(target=0.6)},
    {"eval/saturation_error": 0.05, "eval/hue_error": 0.03},
)
CHROMA = run("chroma=67", {"chroma": Control(target=67)}, {"eval/chroma_error": 13.4})


def test_what_was_recoloured_stands_behind_what_was_steered_to_the_same_targets() -> None:
    weak, strong = steered(0.75, 0.1, weight=1), steered(0.75, 0.1, weight=9)
    same = run("recoloured", {"saturation": Control(target=0.75, weight=0)}, recolour=True)
    other = run("recoloured 1", {"saturation": Control(target=1, weight=0)}, recolour=True)
    assert in_order([BASELINE, weak, HUE, strong, PAIR, other, same]) == [
        *(BASELINE, weak, HUE, strong, same, PAIR, other)
    ]
    assert recoloured_beside(strong, [BASELINE, other, same]) is same
    assert recoloured_beside(PAIR, [BASELINE, other, same]) is None
    assert recoloured_beside(same, [same]) is None


def test_control_error_counts_in_parts_of_each_range_and_is_their_mean() -> None:
    assert control_error(steered(0.5, 0.06)) == 0.06
    assert control_error(CHROMA) == pytest.approx(0.1)
    assert control_error(PAIR) == pytest.approx(0.04)
    assert control_error(BASELINE) is None


def test_the_best_of_a_target_is_the_finished_one_with_the_smallest_error() -> None:
    near, far = steered(0.5, 0.01, weight=300), steered(0.5, 0.02, weight=100)
    nearest = steered(0.5, 0.001, weight=400, phase=TrialPhase.FAILED)
    assert best_of_targets([BASELINE, far, near, nearest, HUE, PAIR]) == [near]


def test_between_equal_errors_the_smaller_distance_from_the_originals_decides() -> None:
    one, other = steered(0.5, 0.01, mae=0.2, weight=1), steered(0.5, 0.01, mae=0.1, weight=2)
    assert best_of_targets([one, other]) == [other]


def test_a_target_that_one_trial_has_needs_no_best() -> None:
    same = run("recoloured", {"saturation": Control(target=0.5, weight=0)}, recolour=True)
    assert best_of_targets([steered(0.5, 0.1), same, steered(0.75, 0.1)]) == []


def test_trials_on_other_pictures_are_no_rivals() -> None:
    here = replace(steered(0.5, 0.1), dataset_digest="one")
    there = replace(steered(0.5, 0.2, weight=3), dataset_digest="other")
    assert best_of_targets([here, there]) == []


def test_seeds_are_folded_into_mean_and_spread() -> None:
    three = [
        steered(0.5, error, name=f"saturation=0.5, seed={seed}", seed=seed)
        for seed, error in enumerate((0.01, 0.02, 0.06))
    ]
    (folded,) = over_seeds([BASELINE, *three, steered(0.75, 0.1), HUE])
    assert (folded.name, folded.control, folded.target) == ("saturation=0.5", "saturation", 0.5)
    assert folded.seeds == 3
    assert folded.error is not None
    assert folded.error.mean == pytest.approx(0.03)
    # By hand: deviations -0.02, -0.01 and 0.03; squares 4, 1, 9 in 1e-4; over n - 1 = 2.
    assert folded.error.deviation == pytest.approx(7e-4**0.5)
    assert folded.mae is not None
    assert folded.mae.deviation == 0


def test_hues_over_seeds_are_folded_around_their_target() -> None:
    three = [
        run("x", {"hue": Control(target=0.0)}, {"eval/hue": hue, "eval/hue_error": 0.1}, seed=seed)
        for seed, hue in enumerate((0.99, 0.01, 0.97))
    ]
    (folded,) = over_seeds(three)
    assert folded.achieved is not None
    assert folded.achieved.mean == pytest.approx(-0.01)
    assert folded.achieved.deviation == pytest.approx(0.02)


def test_an_unfinished_seed_is_not_folded() -> None:
    two = [steered(0.5, 0.1, seed=0), steered(0.5, 0.1, seed=1, phase=TrialPhase.STOPPED)]
    assert over_seeds(two) == []


def test_seeds_of_the_trial_without_control_keep_its_name() -> None:
    two = [run(f"baseline, seed={seed}", seed=seed) for seed in (0, 1)]
    assert [(each.name, each.control, each.seeds) for each in over_seeds(two)] == [
        ("baseline", "", 2)
    ]


def on_others(trial: TrialRun) -> TrialRun:
    return replace(trial, dataset_digest="others", other_pictures=True)


def test_seeds_of_other_pictures_are_folded_apart() -> None:
    four = [steered(0.5, error, seed=seed) for seed, error in enumerate((0.1, 0.2, 0.3, 0.4))]
    folded = over_seeds([*four[:2], *map(on_others, four[2:])])
    assert [each.name for each in folded] == ["saturation=0.5", "saturation=0.5 †"]
    assert [each.error and each.error.mean for each in folded] == pytest.approx([0.15, 0.35])


def test_trials_of_other_pictures_have_a_grid_of_their_own() -> None:
    trials = [steered(t, 0.1, image_size=s) for t in (0.2, 0.8) for s in (32, 64)]
    (grid,) = grids(trials)
    assert {cell.trials for _, cells in grid.lines for cell in cells if cell} == {1}
    both = grids([*trials, *map(on_others, trials)])
    assert [each.of for each in both] == ["saturation", "saturation †"]
    assert [each.lines for each in both] == [grid.lines] * 2


def test_of_seeds_of_other_pictures_both_are_shown() -> None:
    two = steered(0.5, 0.1, seed=0), on_others(steered(0.5, 0.1, seed=1))
    assert shown_trials(two, [], 8) == [*two]


def test_trials_of_the_same_targets_are_told_apart_by_what_differs() -> None:
    def told(*runs: TrialRun) -> list[str]:
        return differences(runs)

    alone = steered(0.25, 0.1, weight=7)
    rivals = steered(0.5, 0.1, weight=50), steered(0.5, 0.1, weight=200, seed=3)
    assert told(alone, *rivals) == ["", "λ 50, seed 0", "λ 200, seed 3"]
    recoloured = run("x", {"saturation": Control(target=0.5, weight=0)}, recolour=True)
    assert told(rivals[0], recoloured) == ["", ""]
    both = [
        run("x", {"saturation": Control(target=0.5), "hue": Control(target=0.6, weight=w)})
        for w in (1, 2.5)
    ]
    assert told(*both) == ["λ of hue 1", "λ of hue 2.5"]
    assert told(BASELINE, run(sweep="another", base_channels=8)) == ["", ""]


def test_two_varied_settings_make_a_grid() -> None:
    trials = [
        steered(target, target / weight, weight=weight)
        for target in (0.75, 0.25)
        for weight in (100, 200)
    ]
    (grid,) = grids([BASELINE, HUE, *trials])
    assert (grid.of, grid.across, grid.down) == (
        "saturation",
        "wanted saturation",
        "λ of saturation",
    )
    assert grid.title == "λ of saturation by wanted saturation"
    assert grid.columns == [0.25, 0.75]
    assert [(weight, [cell and cell.error for cell in cells]) for weight, cells in grid.lines] == [
        (100, [0.0025, 0.0075]),
        (200, [0.00125, 0.00375]),
    ]


def test_a_place_of_a_grid_is_the_mean_over_its_seeds_or_empty() -> None:
    trials = [
        steered(0.25, 0.1, weight=1, seed=0),
        steered(0.25, 0.3, weight=1, seed=1),
        steered(0.75, 0.1, weight=1),
        steered(0.75, 0.1, weight=2),
    ]
    (grid,) = grids(trials)
    ((_, first), (_, second)) = grid.lines
    assert first[0] is not None
    assert first[0].trials == 2
    assert first[0].error == pytest.approx(0.2)
    assert second[0] is None


def test_what_was_trained_longer_or_on_other_targets_has_a_place_of_its_own() -> None:
    late = {"penalty_from_step": 0.5}
    free = steered(0.5, 0.1, weight=0, steps=100)
    assert differences([free, steered(0.5, 0.1, weight=1, steps=100)]) == ["λ 0", "λ 1"]
    lengths = [steered(0.5, 0.1, weight=w, steps=s, **late) for w in (1, 2) for s in (100, 200)]
    (grid,) = grids(lengths)
    assert (grid.across, grid.down) == ("λ of saturation", "steps")
    assert {cell.trials for _, cells in grid.lines for cell in cells if cell} == {1}
    whole = [any_target({0.2: 0.1, 0.8: 0.2}, conditioning=c) for c in ("film", "plane")]
    held = Control(target="any", weight=200, hold_out=((0.4, 0.6),))
    part = [
        replace(w, config=w.config.model_copy(update={"controls": {"saturation": held}}))
        for w in whole
    ]
    assert len(grids(views(whole))) == 1
    assert grids(views([*whole, *part])) == [], (
        "three things vary: target, network, what is held out"
    )


def test_one_or_three_varied_settings_make_no_grid() -> None:
    one = [steered(target, 0.1) for target in (0.25, 0.5)]
    three = [
        steered(target, 0.1, weight=weight, base_channels=channels)
        for target, weight, channels in ((0.1, 1, 4), (0.2, 2, 4), (0.1, 1, 8))
    ]
    assert grids([*one, BASELINE]) == []
    assert grids(three) == []


def test_settings_alone_make_a_grid_of_their_distance_from_the_originals() -> None:
    trials = [
        run(generator_lr=lr, batch_size=size, metrics={"eval/mae": lr * size})
        for lr in (0.001, 0.002)
        for size in (8, 16)
    ]
    (grid,) = grids(trials)
    assert grid.of == "without control"
    assert {grid.across, grid.down} == {"generator_lr", "batch_size"}
    assert {cell.error for _, cells in grid.lines for cell in cells if cell} == {None}


def test_shown_trials_begin_without_control_and_go_on_by_control_and_target() -> None:
    low, high = steered(0.25, 0.1), steered(0.75, 0.1)
    same = run("recoloured", {"saturation": Control(target=0.5, weight=0)}, recolour=True)
    assert shown_trials([PAIR, high, same, HUE, low, BASELINE], [], 9) == [
        *(BASELINE, low, high, HUE, PAIR)
    ]


def test_pictures_side_by_side_are_of_the_seed_that_most_trials_finished() -> None:
    trials = [
        steered(target, 0.3 - seed / 10, seed=seed, weight=weight)
        for target in (0.25, 0.5)
        for weight in (1, 2)
        for seed in (1, 2)
    ]
    # A seed without one of the trials is not chosen, however near its others are.
    lacking = trials[:-1]
    assert shown_seed(lacking) == 1
    assert {run.config.seed for run in shown_trials(lacking, [], 9)} == {1}
    best = best_of_targets(lacking)
    assert {run.config.seed for run in shown_trials(lacking, best, 2)} == {1}
    # Where the seed has no trial, another one is shown.
    odd = steered(0.75, 0.1, seed=2)
    assert [run.config.seed for run in shown_trials([*lacking, odd], [], 9)] == [1] * 4 + [2]


def test_a_seed_that_is_not_finished_is_shown_only_where_there_is_no_other() -> None:
    failed = steered(0.5, 0.2, seed=2, phase=TrialPhase.FAILED)
    first, second = steered(0.5, 0.3, seed=3), steered(0.5, 0.1, seed=4)
    assert shown_trials([failed, first, second], [second], 9) == [first]
    assert shown_trials([failed], [], 9) == [failed]
    assert shown_seed([failed]) is None
    controls = {"saturation": Control(target=0.5, weight=0)}
    assert shown_seed([first, run("x", controls, recolour=True)]) is None, "a rival's do not count"


def test_the_best_settings_are_those_with_the_smallest_error_over_their_seeds() -> None:
    lucky = [steered(0.5, error, seed=s, weight=1) for s, error in enumerate((0.01, 0.5))]
    steady = [steered(0.5, 0.1, seed=s, weight=2) for s in (0, 1)]
    assert best_of_targets([*lucky, *steady]) == steady
    assert best_of_targets(lucky) == [], "of one setting there is no best"


def test_the_rival_of_the_same_seed_is_preferred() -> None:
    trial = steered(0.5, 0.1, seed=1, base_channels=8)
    controls = {"saturation": Control(target=0.5, weight=0)}
    rivals = [run("x", controls, recolour=True, seed=seed, base_channels=4) for seed in (0, 1)]
    assert recoloured_beside(trial, rivals) is rivals[1]


def test_a_grid_is_of_finished_trials() -> None:
    trials = [steered(t, 0.1, weight=w) for t in (0.25, 0.5) for w in (1, 2)]
    under_way = steered(0.5, 0.9, weight=1, seed=7, phase=TrialPhase.RUNNING)
    (grid,) = grids([*trials, under_way])
    assert {cell.error for _, cells in grid.lines for cell in cells if cell} == {0.1}


def test_of_too_many_trials_the_best_of_each_target_are_shown() -> None:
    trials = [steered(0.5, 0.1 / weight, weight=weight) for weight in range(1, 11)]
    best = best_of_targets([*trials, HUE])
    assert best == [trials[-1]]
    assert shown_trials([*trials, HUE], best, 5) == [trials[-1], HUE]
    assert shown_trials([*trials, HUE], best, 1) == [trials[-1]]


def test_of_too_many_targets_an_even_choice_is_shown() -> None:
    trials = [steered(target / 10, 0.1) for target in range(11)]
    assert shown_trials(trials, [], 3) == [trials[0], trials[5], trials[10]]
