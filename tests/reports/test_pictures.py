import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan.evaluation import samples
from reports.pictures import PAGE_BYTES, SMALL_BYTES, Encoding, Strips

PHOTOS = Path(__file__).parents[2] / "gan" / "photos" / "test"


def photographs(side: int) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """Strips of 12 photographs each."""
    found = []
    for file in sorted(PHOTOS.iterdir())[: 5 * samples.COLUMNS]:
        with Image.open(file) as image:
            found.append(np.asarray(image.convert("RGB").resize((side, side))))
    return [np.stack(found[i : i + samples.COLUMNS]) for i in range(0, len(found), samples.COLUMNS)]


@pytest.mark.parametrize("side", [32, 64, 256])
@pytest.mark.parametrize(("small", "most"), [(False, PAGE_BYTES), (True, SMALL_BYTES)])
def test_the_pictures_of_many_targets_fit_on_a_page(side: int, small: bool, most: int) -> None:
    strips = photographs(side)
    targets = 48
    count = 4 * targets * samples.COLUMNS
    encoding = Encoding.fitting(side, count, small=small)
    kept = Strips(encoding)
    for strip in strips:
        kept.add(strip)
    taken = sum(len(base64.b64decode(uri.split(",")[1])) for uri in kept.uris)
    assert taken / len(strips) * 4 * targets < 1.5 * most


def test_a_page_that_is_not_small_has_small_pictures_pixel_by_pixel() -> None:
    strip = photographs(32)[0]
    exact, lossy = (Encoding(32, small=small).uri(strip[0]) for small in (False, True))
    assert (shown(exact) == strip[0]).all()
    assert np.abs(shown(lossy).astype(int) - strip[0]).mean() < 10
    assert len(lossy) < len(exact) / 2


def shown(uri: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))) as image:
        return np.asarray(image.convert("RGB"))
