from statistics import fmean, stdev
from typing import Any

import pytest

from gan.control import Control
from reports.phase import TrialPhase
from reports.runs import TrialRun
from reports.verdict import Verdict, verdict
from reports.views import views
from tests.support.measured_trials import of_any, rival, steered
from tests.support.trial_runs import run


def of(*trials: TrialRun) -> Verdict:
    return verdict(views(trials))


NARROW = {
    (0.25, 0): (0.10, 40),
    (0.25, 1): (0.12, 44),
    (0.75, 0): (0.20, 50),
    (0.75, 1): (0.22, 54),
}
"""Error and KID by target and seed."""


def two_sweeps(*, better: float, kid: float) -> list[TrialRun]:
    """Two sweeps over targets, weights and seeds; the second has one setting changed."""
    return [
        steered(
            (error - weight / 10_000) - better * (channels == 12),
            of_kid + kid * (channels == 12),
            target=target,
            seed=seed,
            weight=weight,
            base_channels=channels,
            sweep=sweep,
            name=f"saturation={target}, weight={weight}, seed={seed}",
        )
        for sweep, channels in (("narrow", 8), ("wide", 12))
        for (target, seed), (error, of_kid) in NARROW.items()
        for weight in (100, 200)
    ]


def test_of_two_sweeps_the_changed_setting_heads_the_verdict_with_its_gain_and_cost() -> None:
    first, second, third = of(*two_sweeps(better=0.05, kid=1)).head
    # By hand: of each seed the mean over targets and weights, then mean and deviation over seeds.
    seeds = [fmean(e - w / 1e4 for (_, s), (e, _) in NARROW.items() if s == k for w in (100, 200))
             for k in (0, 1)]  # fmt: skip
    error, spread = fmean(seeds), stdev(seeds)
    assert first == (
        f"base_channels=12 is nearer to its target than 8: error {error - 0.05:.3f} ± {spread:.3f} "
        f"against {error:.3f} ± {spread:.3f}, beyond the spread over seeds; "
        "KID 48 ± 3 against 47 ± 3, within the spread over seeds."
    )
    assert second.startswith("No clear difference between saturation.weight=200 and 100: error ")
    assert ", within the spread over seeds; " in second
    assert third == (
        "Nearest at 2 of 2 targets: weight=200, base_channels=12, error 0.090 ± 0.014 against "
        "0.100 ± 0.014 of weight=100, base_channels=12, within the spread over seeds."
    )


def test_a_difference_that_seeds_alone_make_is_within_their_spread() -> None:
    (first, *_) = of(*two_sweeps(better=0.005, kid=30)).head
    assert "error 0.140 ± 0.014 against 0.145 ± 0.014, within the spread over seeds;" in first
    assert first.endswith("KID 77 ± 3 against 47 ± 3, beyond the spread over seeds.")


def test_where_means_and_targets_disagree_it_is_said_at_how_many() -> None:
    trials = [
        steered(error, target=target, seed=seed, base_channels=channels)
        for channels, errors in ((8, (0.1, 0.3)), (12, (0.15, 0.1)))
        for target, error in zip((0.2, 0.8), errors, strict=True)
        for seed in (0, 1)
    ]
    (first, *_) = of(*trials).head
    assert "error 0.125 ± 0.000 against 0.200 ± 0.000, lower at 1 of 2 pairs of means" in first
    assert "beyond" not in first


def test_with_one_seed_no_spread_over_seeds_is_claimed() -> None:
    found = of(steered(0.033, 38, (0.001, 60)), rival(0.001, 43))
    assert found.head == [
        "Error of one generator a target at saturation 0.5: 0.033; its raw KID 38 [33, 43] against "
        "43 [38, 48] of the recoloured baseline, within the intervals.",
        "After exact control all are within 0.001 of the target; most natural at saturation 0.5: "
        "the recoloured baseline, KID 43 [38, 48] against 60 [55, 65] of one generator a target, "
        "beyond the intervals.",
    ]
    assert found.basis[-1] == "One seed of each: no spread over seeds is known."
    assert not any("spread over seeds" in line for line in found.head)


def test_over_several_targets_wins_and_sure_ones_are_counted() -> None:
    errors = dict.fromkeys((0.1, 0.5, 0.9), (0.03, 50.0))
    exact = {0.1: (0.0, 30.0), 0.5: (0.001, 30.0), 0.9: (0.016, 40.0)}
    theirs = {0.1: 50.0, 0.5: 37.0, 0.9: 20.0}
    rivals = [rival(exact[t][0], kid, target=t) for t, kid in theirs.items()]
    near, natural = of(of_any(errors, exact), *rivals).head
    assert near == (
        "Error of any-target, mean over 3 targets: 0.030; its raw KID 50 against 36 of the "
        "recoloured baseline, higher at 2 of 3, 2 beyond the intervals."
    )
    assert natural == (
        "After exact control all are within 0.016 of the target; most natural at 2 of 3 targets: "
        "any-target, KID 33 against 36 of the recoloured baseline, lower at 2 of 3, 1 "
        "beyond the intervals."
    )


def test_targets_of_several_controls_are_never_mixed() -> None:
    saturations = [steered(0.1, target=t, weight=w) for t in (0.2, 0.5, 0.8) for w in (100, 200)]
    hues = [steered(0.2, target=t, control="hue") for t in (0.1, 0.6)]
    found = of(*saturations, *hues)
    lines = [*found.head, *found.more]
    assert lines[0] == (
        "No difference between saturation.weight=100 and 200: error 0.100 for both; "
        "JS (its mix of colours alone) 0.100 for both."
    )
    assert "saturation: nearest at 3 of 3 targets: saturation.weight=100, error 0.100." in lines
    assert "hue: error of one generator a target, mean over 2 targets: 0.200." in lines


def test_a_target_that_only_one_method_has_is_no_win() -> None:
    anywhere = of_any(dict.fromkeys((0.1, 0.5, 0.9), (0.03, 50)), {})
    old = steered(0.02, 300, preset="original", name="saturation=0.5, preset=original")
    (text, *_) = of(anywhere, old).head
    assert text.startswith(
        "Nearest at saturation 0.5: one generator a target (preset=original), error 0.020 against "
        "0.030 of any-target."
    )


def test_a_method_is_held_against_the_best_of_those_with_the_same_targets() -> None:
    exact = dict.fromkeys((0.1, 0.5, 0.9), (0.0, 45.0))
    anywhere = of_any(dict.fromkeys(exact, (0.03, 50.0)), exact)
    rivals = [rival(0.0, 20.0, target=target) for target in exact]
    # At its only target, the easiest, it is nearer to the rival than the other is anywhere.
    once = steered(0.02, 60, (0.0, 25.0), preset="original", name="saturation=0.5, preset=original")
    *_, natural = of(anywhere, once, *rivals).head
    assert "the recoloured baseline, KID 20 against 45 of any-target" in natural


def test_errors_that_are_written_alike_are_equal() -> None:
    (text, *_) = of(
        steered(0.10049, weight=1, name="weight=1"), steered(0.1, weight=2, name="weight=2")
    ).head
    assert "error 0.100 for both" in text


@pytest.mark.parametrize("kid", [False, True])
def test_without_kid_the_mix_of_colours_decides_or_nothing_is_said(kid: bool) -> None:
    trial = steered(0.1, 30 if kid else None, (0.0, None))
    known = of(trial, rival(0.0, 30 if kid else None, metrics={"eval/js_divergence": 0.2}))
    assert known.head[-1].endswith(
        "JS (its mix of colours alone) 0.100 against 0.200 of the recoloured baseline."
    )
    for each in (trial, unknown := rival(0.0)):
        for way in ("", "exact/"):
            each.metrics.pop(f"eval/{way}js_divergence", None)
            each.metrics.pop(f"eval/{way}kid", None)
    lines = of(trial, unknown).head
    assert lines[0].endswith("; its cost in naturalness was not measured.")
    assert lines[1].endswith("; how natural they are was not measured.")


def test_settings_that_vary_together_are_one() -> None:
    trials = [
        steered(0.1 if steps == 100 else 0.05, target=t, steps=steps, lr_decay_steps=steps / 2)
        for steps in (100, 200)
        for t in (0.2, 0.8)
    ]
    (first, *_) = of(*trials).head
    assert first.startswith(
        "lr_decay_steps=100, steps=200 is nearer to its target than lr_decay_steps=50, steps=100: "
        "error 0.050 "
    )


def test_of_several_kinds_each_contrast_is_of_one_that_is_named() -> None:
    trials = [
        trial
        for channels, error in ((8, 0.1), (12, 0.2))
        for trial in (
            of_any(dict.fromkeys((0.25, 0.75), (error, 40)), {}, base_channels=channels),
            steered(0.3 - error, base_channels=channels, name=f"saturation=0.5, {channels}"),
        )
    ]
    lines = [line.partition(": error ")[0] for line in of(*trials).head]
    assert "Any-target: base_channels=8 is nearer to its target than 12" in lines
    assert "One generator a target: base_channels=12 is nearer to its target than 8" in lines


def test_pairs_with_different_seeds_are_counted() -> None:
    def first(*seeds: int) -> str:
        """The first sentence, where the pair at each target has a seed of 0 and this one."""
        pairs = [
            steered(error, target=target, seed=its, base_channels=channels)
            for target, seed in zip((0.2, 0.5, 0.8), seeds, strict=False)
            for channels, error, its in ((8, 0.2, 0), (12, 0.1, seed))
        ]
        return of(*pairs).head[0]

    assert "seeds" not in first(0)
    assert first(3).startswith(
        "base_channels=12 is nearer to its target than 8: error 0.100 against 0.200 "
        "(with different seeds)"
    )
    assert " (1 of 3 pairs with different seeds)" in first(0, 3, 0)


def test_a_mean_over_seeds_against_one_of_them_has_different_seeds_and_may_be_the_same() -> None:
    trials = [steered(0.2, seed=seed, base_channels=8) for seed in (0, 1)]
    (line, *_) = of(*trials, steered(0.1, seed=0, base_channels=12)).head
    assert line == (
        "base_channels=12 is nearer to its target than 8: error 0.100 against 0.200 ± 0.000 "
        "(with different seeds); JS (its mix of colours alone) 0.100 for both."
    )


def test_sweeps_that_differ_in_much_are_called_by_their_names() -> None:
    changed: dict[str, Any] = {"steps": 300, "base_channels": 8, "batch_size": 8, "l1_weight": 5}
    (first, *_) = of(steered(0.2, sweep="old"), steered(0.1, sweep="new", **changed)).head
    assert first.startswith("new is nearer to its target than old: error 0.100 against 0.200")


def test_the_same_trial_in_two_sweeps_counts_once() -> None:
    trials = [steered(0.1, 30, seed=s, sweep=sweep) for sweep in "ab" for s in (0, 1)]
    (method,) = of(*trials).methods
    (cell,) = method.cells.values()
    assert cell.error.of_seeds == {0: 0.1, 1: 0.1}


def test_a_baseline_recoloured_to_a_number_and_to_any_is_one_rival() -> None:
    again = of_any(
        {0.5: (0.001, 5)}, {}, recolour=True, weight=0, name="recoloured, saturation=any"
    )
    assert sum(m.is_rival for m in of(steered(0.1, 9), rival(0.001, 5), again).methods) == 1


def test_several_controls_count_in_parts_of_their_ranges() -> None:
    trial = run(
        "chroma=67, hue=0.6",
        {"chroma": Control(target=67), "hue": Control(target=0.6)},
        {"eval/chroma_error": 13.4, "eval/hue_error": 0.3},
    )
    assert of(trial).head == [
        "Error of one generator a target at chroma 67, hue 0.6: 0.200 of the range."
    ]


def test_what_was_measured_on_other_pictures_is_not_compared() -> None:
    found = of(steered(0.1, 30), rival(0.001, 20, image_size=64), steered(0.2, image_size=64))
    assert not any("recoloured" in line for line in found.head[:1])
    assert found.meanings[-1] == (
        "Other pictures",
        "methods that were measured on them are not compared",
    )


def test_only_what_is_finished_counts() -> None:
    found = of(steered(0.1, 9), rival(0.001, 5, phase=TrialPhase.RUNNING))
    assert [m.name for m in found.methods] == ["one generator a target"]
    assert of() == Verdict([], [], [], [], [])
    assert of(run()).head == []


def test_crops_are_said_to_be_of_how_many_photographs() -> None:
    crops = {"eval/images": 304, "eval/pictures": 76}
    found = of(steered(0.1, 30, metrics=crops))
    assert found.basis[0] == "Measured on 304 crops of 76 held-out photographs."
    assert dict(found.meanings)["[ ]"].startswith(
        "interval that holds 95 %, by bootstrap over photographs, not over crops;"
    )
    whole = of(steered(0.1, metrics={"eval/images": 36, "eval/pictures": 36}))
    assert whole.basis[0] == "Measured on 36 held-out photographs."
