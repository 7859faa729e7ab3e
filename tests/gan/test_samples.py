import io

import numpy as np
import pytest
from PIL import Image

from gan.evaluation import samples
from gan.evaluation.samples import Numbers, SampleRow


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "count"), [(32, 3), (64, 3), (96, 3), (128, 3), (256, 3), (32, 29), (128, 29)]
)
@pytest.mark.parametrize("columns", [1, 12])
def test_a_grid_gives_back_the_pictures_that_it_was_drawn_from(
    size: int, columns: int, count: int
) -> None:
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (count, columns, size, size, 3), dtype=np.uint8)
    rows = [SampleRow("colorized", f"hue {n}") for n in range(count)]
    png = samples.draw(pictures, rows)
    found = samples.read(png, size)
    assert (found.pictures == pictures).all()
    assert found.rows == rows
    assert min(Image.open(io.BytesIO(png)).size) >= 96


def test_a_grid_keeps_what_its_rows_are_and_the_numbers_of_their_pictures() -> None:
    pictures = np.arange(4, dtype=np.uint8)[:, None, None, None, None]
    pictures = np.broadcast_to(pictures, (4, 2, 32, 32, 3))
    hue = Numbers([0.1, 1 / 3], [0.2, 0.7], [0.6, 0.6])
    a = Numbers([-12.5, 3.0], [0.0, 1e-9], [-20.0, -20.0])
    rows = [
        SampleRow("original"),
        SampleRow("colorized", "a -20 hue 0.6", {"hue": hue, "a": a}),
        SampleRow("colorized", "a 0 hue 0.6", {"hue": a}),
        SampleRow("exact", "a -20 hue 0.6", {"a": hue}),
    ]
    found = samples.read(samples.draw(pictures, rows), 32)
    assert found.rows == rows
    assert found.numbers("colorized", "a -20 hue 0.6") == {"hue": hue, "a": a}
    assert found.numbers("exact", "a -20 hue 0.6") == {"a": hue}
    assert found.numbers("exact") == {}
    for number, row in enumerate(rows):
        shown = found.find(row.kind, row.label)
        assert shown is not None
        assert (shown == number).all()
    assert found.find("exact") is None
