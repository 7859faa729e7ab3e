import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan.color import l_ab_to_rgb
from gan.control import ControlName
from gan.held_out import HeldOut
from gan.reference import Natural, Reference, naturalness

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
    assert found["hue_spread"] == found["fitted_hue_spread"]
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
    near = Reference.of(crops, {"saturation": 0.3}, natural).near
    values = saturation(natural.rgb)
    assert len(near) == (np.abs(values - 0.3) <= 0.05).sum() > 30
    np.testing.assert_allclose(saturation(near), 0.3, atol=0.051)
    assert "natural_hue_resultant" in naturalness(
        crops.rgb, crops, Reference.of(crops, {"saturation": 0.3}, natural)
    )
