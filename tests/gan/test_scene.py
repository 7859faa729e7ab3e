"""Frames of one scene: what stands still keeps its colours, and all frames meet the target."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.color import rgb2lab

from gan.data.identity import PHOTOS
from gan.inference.colorizer import Colorizer
from gan.inference.prepared import Prepared
from gan.inference.scene import Scene

TARGET = {"saturation": 0.4}
Frames = list[NDArray[np.uint8]]


def still(name: str) -> NDArray[np.float64]:
    with Image.open(PHOTOS / "test" / name) as image:
        return np.asarray(image.convert("L"), np.float64)


def film(name: str) -> Frames:
    """A photograph through which something bright drives."""
    frames = []
    for n in range(5):
        frame = still(name)
        middle = len(frame) // 2
        frame[middle : middle + 60, 45 * n : 45 * n + 60] = 235
        frames.append(frame.astype(np.uint8))
    return frames


def unsteady(name: str) -> Frames:
    """A photograph of slightly different exposures, from a camera that is not quite still."""
    down, right = (0, 3, 1, 4, 2), (2, 0, 4, 1, 3)
    every = enumerate(zip(down, right, strict=True))
    return [
        (still(name)[d : d - 5, r : r - 5] * (0.96 + 0.01 * n)).astype(np.uint8)
        for n, (d, r) in every
    ]


def saturation(frames: Frames) -> list[float]:
    return [float((np.ptp(x, 2) / x.max(axis=2).clip(1)).mean()) for x in (f / 1.0 for f in frames)]


def flicker(frames: Frames) -> float:
    """Mean change from frame to frame of a* and b* in the sky, where nothing moves."""
    sky = [rgb2lab(frame[: len(frame) // 3] / 255)[..., 1:].mean(axis=(0, 1)) for frame in frames]
    return float(np.abs(np.diff(sky, axis=0)).mean())


def moved_alike(colorize: Colorizer, frames: Frames) -> Frames:
    scene = Scene(colorize, TARGET, len(frames))
    for frame in frames:
        scene.add(Prepared(frame))
    move = scene.move()
    return [colorize(frame, TARGET, move=move) for frame in frames]


def test_what_drives_through_a_film_changes_the_rest_less_than_by_a_move_for_each() -> None:
    colorize, frames = Colorizer.load(), film("castle-060.jpg")
    alike = moved_alike(colorize, frames)
    each: Frames = [colorize(frame, TARGET) for frame in frames]
    assert abs(np.mean(saturation(alike)) - TARGET["saturation"]) < 0.005
    assert np.ptp(saturation(each)) < 0.005
    assert flicker(alike) < 0.9 * flicker(each)


def test_a_common_move_adds_no_flicker_to_the_generators_own() -> None:
    colorize, frames = Colorizer.load(), unsteady("windmill-111.jpg")
    alike = moved_alike(colorize, frames)
    raw: Frames = [colorize(frame, TARGET, raw=True) for frame in frames]
    assert abs(np.mean(saturation(alike)) - TARGET["saturation"]) < 0.005
    # More colour flickers in proportion.
    assert flicker(alike) < 1.3 * flicker(raw) * TARGET["saturation"] / np.mean(saturation(raw))


def test_a_scene_of_one_frame_is_met_in_it() -> None:
    colorize, frame = Colorizer.load(), film("castle-060.jpg")[0]
    (found,) = saturation(moved_alike(colorize, [frame]))
    assert abs(found - TARGET["saturation"]) < 0.005
