import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan.colour.conversion import l_ab_to_rgb
from gan.control import ControlName
from gan.evaluation.held_out import HeldOut
from gan.evaluation.reference import Natural, Reference, naturalness

Array = NDArray[np.float64]


def saturation(rgb: Tensor) -> Array:
    pixels = rgb.double().numpy()
    found: Array = (np.ptp(pixels, axis=1) / pixels.max(axis=1).clip(1e-3)).mean(axis=(1, 2))
    return found


@pytest.mark.parametrize("targets", [{"saturation": 0.4}, {"hue": 0.6}, {}], ids=str)
def test_fitted_originals_are_perfectly_natural(
    crops: HeldOut, natural: Natural, targets: dict[ControlName, float]
) -> None:
    reference = Reference.of(crops, targets, natural)
    found = naturalness(reference.rgb, crops, reference)
    assert (found["fitted_mae"], found["fitted_psnr"], found["fitted_ciede2000"]) == (0, 100, 0)
    assert (found["js_divergence"], found["lattice"], found["lattice_amplitude"]) == (0, 1, 0)
    assert found["hue_spread"] == reference.metrics["fitted_hue_spread"]
    # A tint over all is not.
    grey = l_ab_to_rgb(crops.l, torch.zeros_like(crops.ab) + 0.1)
    tinted = naturalness(grey, crops, reference)
    assert tinted["js_divergence"] > 0.3
    assert (
        tinted["fitted_ciede2000_low"]
        < tinted["fitted_ciede2000"]
        < tinted["fitted_ciede2000_high"]
    )
    assert tinted["hue_spread"] < 0.05


def test_natural_pictures_near_the_target_stand_beside(crops: HeldOut, natural: Natural) -> None:
    near = natural.near({"saturation": 0.3})
    values = saturation(natural.near({"saturation": 0.3}))
    assert len(near) > 30
    np.testing.assert_allclose(values, 0.3, atol=0.051)
    assert "natural_hue_resultant" in Reference.of(crops, {"saturation": 0.3}, natural).metrics
    assert "natural_hue_resultant" not in Reference.of(crops, {"saturation": 1.0}, natural).metrics


def test_natural_pictures_are_those_within_reach_of_all_targets_and_cut_once() -> None:
    saturations = torch.arange(0, 1, 0.0025)
    cuts = []

    def cut() -> Tensor:
        cuts.append(1)
        rgb = torch.ones(len(saturations), 3, 4, 4)
        rgb[:, 1:] -= saturations[:, None, None, None]
        return rgb

    several = Natural(cut)
    assert len(several.near({})) == 0
    assert not cuts, "where no target is, nothing is cut"
    assert len(several.near({"saturation": 0.5})) == 41
    assert len(several.near({"saturation": 0.5, "red": 0.2})) == 0, "all are red 1"
    assert len(several.near({"hue": 0.0})) > 390
    assert len(cuts) == 1
