"""Targets in a config: any, held out, measured; the recipe around them."""

from functools import partial
from typing import Any

import pytest

from gan.config import TrainConfig
from gan.control import TARGET_RANGES, Control, spread_targets
from tests.support import factories

ANY: dict[str, Any] = {"saturation": {"target": "any"}}
BOTH: dict[str, Any] = {**ANY, "hue": {"target": "any"}}


config = partial(factories.config, steps=100)


def saturation(**fields: Any) -> dict[str, Any]:
    return {"controls": {"saturation": fields}}


# Intervals


@pytest.mark.parametrize(
    "hold_out",
    [[[0.4, 0.6]], [[0.0, 0.1]], [[0.9, 1.0]], [[0.6, 0.7], [0.1, 0.3]], [[0.1, 0.2], [0.2, 0.3]]],
)
def test_intervals_inside_the_range_may_be_held_out(hold_out: list[list[float]]) -> None:
    control = config(**saturation(target="any", hold_out=hold_out)).controls["saturation"]
    drawn = control.drawn("saturation")
    assert sum(high - low for low, high in drawn) == pytest.approx(
        1 - sum(high - low for low, high in hold_out)
    )
    for low, high in drawn:
        assert low < high
        assert all(high <= start or low >= end for start, end in hold_out)


# Short forms and defaults


def test_a_range_alone_means_any_target() -> None:
    short = config(**saturation(min=0.05, max=0.9))
    long = config(**saturation(target="any", min=0.05, max=0.9))
    assert short == long
    assert short.key() == long.key()
    assert short.controls["saturation"].is_any
    assert short.conditions == ("saturation",)
    assert short.controls["saturation"].bounds("saturation") == (0.05, 0.9)
    assert config(**saturation(hold_out=[[0.4, 0.6]])).controls["saturation"].is_any


@pytest.mark.parametrize("name", TARGET_RANGES)
def test_any_target_is_of_the_whole_range_unless_it_is_narrowed(name: Any) -> None:
    control = config(controls={name: {"target": "any"}}).controls[name]
    assert control.bounds(name) == TARGET_RANGES[name]
    assert control.drawn(name) == [TARGET_RANGES[name]]


def test_a_control_has_the_weight_of_the_config_unless_it_names_its_own() -> None:
    controls = {"hue": {"target": 0.5}, "saturation": {"target": "any", "weight": 7}}
    of = config(penalty_weight=30, controls=controls)
    assert {name: control.weight for name, control in of.controls.items()} == {
        "hue": 30,
        "saturation": 7,
    }
    assert config(controls=controls).controls["hue"].weight == 100
    assert config(preset="original", controls=controls).controls["hue"].weight == 200


def test_the_recipe_by_default_is_of_colours_with_a_late_penalty() -> None:
    of = config()
    assert (of.distribution_weight, of.l1_weight, of.penalty_weight) == (100, 100, 100)
    assert (of.fit, of.penalty_from_step, of.own_share) == ("both", 0.6, 0.5)
    assert of.distribution_scales == (0, 0.25, 1)


# The key


def test_the_length_counts_only_where_a_penalty_comes_late() -> None:
    def keys(**fields: Any) -> int:
        lengths: tuple[dict[str, Any], ...] = ({"steps": 100}, {"steps": 200})
        lengths += ({"steps": None, "epochs": 3},)
        return len({config(**{**fields, **length}).key() for length in lengths})

    assert keys(**saturation(target=0.5)) == 3
    assert keys(**saturation(target="any")) == 3
    assert keys(**saturation(target=0.5), penalty_from_step=0) == 1
    assert keys(**saturation(target=0.5, weight=0)) == 1
    assert keys(**saturation(target=0.5), penalty_weight=0) == 1
    assert keys(**saturation(target=0.5), preset="original") == 1
    assert keys() == 1
    assert keys(**saturation(target=0.5, weight=0), recolour=True) == 1


def test_what_is_drawn_and_held_out_are_parts_of_the_key() -> None:
    ways: list[dict[str, Any]] = [
        {"target": "any"},
        {"target": 0.5},
        {"min": 0.1},
        {"max": 0.9},
        {"hold_out": [[0.4, 0.6]]},
        {"hold_out": [[0.4, 0.7]]},
    ]
    assert len({config(**saturation(**way)).key() for way in ways}) == len(ways)


# Where it is measured


def test_a_fixed_trial_is_measured_at_its_targets() -> None:
    controls = {"saturation": {"target": 0.3}, "hue": {"target": 0.6}}
    assert config(controls=controls).measured_targets() == [{"hue": 0.6, "saturation": 0.3}]
    assert config().measured_targets() == []


def test_any_target_is_measured_at_nine_evenly_and_in_the_middle_of_what_is_held_out() -> None:
    found = config(controls=ANY).measured_targets()
    assert found == [{"saturation": n / 8} for n in range(9)]
    narrow = config(**saturation(min=0.1, max=0.9, hold_out=[[0.4, 0.52], [0.6, 0.8]]))
    values = [targets["saturation"] for targets in narrow.measured_targets()]
    wanted = [0.1, 0.2, 0.3, 0.4, 0.46, 0.5, 0.6, 0.7, 0.8, 0.9]  # 0.7 is one of the nine
    assert values == pytest.approx(wanted)


def test_any_hue_is_measured_around_the_circle_not_twice_at_red() -> None:
    whole = [
        targets["hue"] for targets in config(controls={"hue": {"target": "any"}}).measured_targets()
    ]
    assert whole == pytest.approx([n / 9 for n in range(9)], abs=1e-6)
    part = [
        of["hue"] for of in config(controls={"hue": {"min": 0.0, "max": 0.5}}).measured_targets()
    ]
    assert part == pytest.approx([n / 16 for n in range(9)])


def test_two_any_targets_are_measured_on_a_grid_of_three_by_three() -> None:
    found = config(controls=BOTH).measured_targets()
    grid = {(round(of["hue"], 3), of["saturation"]) for of in found}
    assert grid == {(h, s) for h in (0, 0.333, 0.667) for s in (0, 0.5, 1)}
    assert len(found) == 9
    held = {**BOTH, "saturation": {"hold_out": [[0.2, 0.4]]}}
    assert len(config(controls=held).measured_targets()) == 12


@pytest.mark.parametrize("count", [3, 4, 6, 10])
def test_many_any_targets_are_measured_at_about_nine_from_end_to_end(count: int) -> None:
    controls = {name: {"target": "any"} for name in list(TARGET_RANGES)[:count]}
    measured = config(controls=controls).measured_targets()
    assert 8 <= len(measured) <= 9
    assert len({tuple(each.items()) for each in measured}) == len(measured)
    for name, (low, high) in list(TARGET_RANGES.items())[:count]:
        of_name = {each[name] for each in measured}
        assert min(of_name) == low
        assert len(of_name) > 1
        assert max(of_name) == (0.5 if name == "hue" else high)


def test_fixed_targets_go_with_each_of_any() -> None:
    controls = {"saturation": {"target": 0.3}, "hue": {"target": "any"}}
    found = config(controls=controls).measured_targets()
    assert {of["saturation"] for of in found} == {0.3}
    assert len({of["hue"] for of in found}) == 9
    given = config(controls=controls, eval_targets=[{"hue": 0.6}, {"hue": 0.1}])
    assert given.measured_targets() == [
        {"hue": 0.6, "saturation": 0.3},
        {"hue": 0.1, "saturation": 0.3},
    ]


def test_values_are_spread_over_a_statistics_own_range() -> None:
    assert spread_targets("chroma", Control(target="any"), 3) == [0, 67, 134]
    assert spread_targets("hue", Control(target="any"), 4) == [0, 0.25, 0.5, 0.75]


# Trials made of others


def test_a_trial_of_any_target_at_numbers_is_that_of_fixed_ones() -> None:
    controls = {
        "saturation": {"min": 0.1, "hold_out": [[0.4, 0.6]], "weight": 20},
        "hue": {"target": 0.6},
    }
    of = config(controls=controls, eval_targets=[{"saturation": 0.3}])
    fixed = of.at({"saturation": 0.45})
    wanted = {"saturation": {"target": 0.45, "weight": 20}, "hue": {"target": 0.6}}
    assert fixed == config(controls=wanted)
    assert fixed.conditions == ()
    assert of.controls["saturation"].is_any, "as it was"


def test_what_is_recoloured_to_any_target_is_measured_at_each_and_given_none() -> None:
    recoloured = config().recoloured_as(config(controls=BOTH))
    assert (recoloured.recolour, recoloured.conditions) == (True, ())
    assert len(recoloured.measured_targets()) == 9
    assert {control.weight for control in recoloured.controls.values()} == {0}
    assert recoloured.without_control() == config()
    again = TrainConfig.model_validate_json(recoloured.model_dump_json())
    assert again == recoloured
    assert again.key() == recoloured.key()
