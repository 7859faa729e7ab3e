import io

import numpy as np
import pytest
from PIL import Image

from gan import samples
from gan.control import ControlName
from gan.samples import Numbers


@pytest.mark.parametrize("size", [32, 64, 96, 128, 256])
@pytest.mark.parametrize("columns", [1, 12])
def test_a_grid_gives_back_the_pictures_that_it_was_drawn_from(size: int, columns: int) -> None:
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (3, columns, size, size, 3), dtype=np.uint8)
    png = samples.draw(pictures)
    assert (samples.cells(png, size) == pictures).all()
    assert min(Image.open(io.BytesIO(png)).size) >= 96
    assert samples.numbers_of(png) == {}


def test_a_grid_keeps_the_numbers_of_its_pictures() -> None:
    pictures = np.zeros((3, 2, 32, 32, 3), dtype=np.uint8)
    numbers: dict[ControlName, Numbers] = {
        "hue": Numbers([0.1, 1 / 3], [0.2, 0.7], [0.6, 0.6]),
        "a": Numbers([-12.5, 3.0], [0.0, 1e-9], [-20.0, -20.0]),
    }
    assert samples.numbers_of(samples.draw(pictures, numbers)) == numbers
