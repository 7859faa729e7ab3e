"""What is said of a coloured picture: wanted, achieved and reachable values."""

import numpy as np
import pytest

from gan.inference.outcomes import outcomes
from tests.support.saved_generators import photograph


def test_outcomes_are_those_of_the_whole_picture_by_numpy() -> None:
    picture = photograph(1500, 2000)
    found = outcomes(picture, {"saturation": 0.9, "red": 0.1, "hue": 0.5})
    rgb = picture.astype(np.float64) / 255
    saturation = ((rgb.max(axis=2) - rgb.min(axis=2)) / np.maximum(rgb.max(axis=2), 1e-3)).mean()
    assert found["saturation"].achieved == pytest.approx(saturation, abs=1e-3)
    assert found["red"].achieved == pytest.approx(rgb[..., 0].mean(), abs=1e-3)
    assert {name: outcome.wanted for name, outcome in found.items()} == {
        "saturation": 0.9, "red": 0.1, "hue": 0.5,
    }  # fmt: skip
    assert found["hue"].reachable == pytest.approx(0.5)
    assert 0.1 < found["red"].reachable < rgb[..., 0].mean()


def test_what_is_transparent_does_not_count() -> None:
    red, grey = np.array([200, 0, 0, 1]), np.array([90, 90, 90, 0])
    picture = np.where(np.arange(40)[:, None, None] < 10, red, grey).astype(np.uint8)
    picture = np.repeat(picture, 40, axis=1)
    assert outcomes(picture, {"saturation": 0.5})["saturation"].achieved == pytest.approx(1)
    picture[..., 3] = 0
    assert outcomes(picture, {"saturation": 0.5})["saturation"].achieved == pytest.approx(0.25)


def test_grey_has_no_hue() -> None:
    picture = np.repeat(photograph()[..., :1], 3, axis=2)
    assert outcomes(picture, {"hue": 0.6})["hue"].achieved is None
    assert outcomes(picture, {"saturation": 0.5})["saturation"].achieved == 0
    picture[0, 0, 0] ^= 255
    assert outcomes(picture, {"hue": 0.6})["hue"].achieved is not None


@pytest.mark.parametrize(("levels", "grey"), [(0, True), (1, True), (2, False)])
def test_what_rounding_leaves_is_no_hue(levels: int, grey: bool) -> None:
    picture = np.full((8, 8, 3), 120, np.uint8)
    picture[::2, :, 0] += np.uint8(levels)
    assert (outcomes(picture, {"hue": 0.3})["hue"].achieved is None) == grey
