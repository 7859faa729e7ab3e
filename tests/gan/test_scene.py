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


def film() -> Frames:
    """A photograph at exposures that rise and fall, and a bright car that drives through it."""
    with Image.open(PHOTOS / "test" / "castle-060.jpg") as image:
        still = np.asarray(image.convert("L"), np.float64)
    frames = []
    for n in range(6):
        frame = still * (0.8 + 0.06 * min(n, 6 - n))
        frame[120:170, 45 * n : 45 * n + 45] = 235
        frames.append(frame.round().astype(np.uint8))
    return frames


def saturation(frames: Frames) -> list[float]:
    return [float((np.ptp(x, 2) / x.max(axis=2).clip(1)).mean()) for x in (f / 1.0 for f in frames)]


def flicker(frames: Frames) -> float:
    """Mean change from frame to frame of a* and b* in the sky, where nothing moves."""
    ab = np.stack([rgb2lab(frame[:60] / 255)[..., 1:] for frame in frames])
    return float(np.abs(np.diff(ab.mean(axis=(1, 2)), axis=0)).mean())


def test_one_move_for_all_frames_flickers_less_than_one_for_each() -> None:
    colorize, frames = Colorizer.load(), film()
    scene = Scene(colorize, TARGET, len(frames))
    for frame in frames:
        scene.add(Prepared(frame))
    move = scene.move()
    alike: Frames = [colorize(frame, TARGET, move=move) for frame in frames]
    each: Frames = [colorize(frame, TARGET) for frame in frames]
    raw: Frames = [colorize(frame, TARGET, raw=True) for frame in frames]
    assert abs(np.mean(saturation(alike)) - TARGET["saturation"]) < 0.005
    assert max(saturation(each)) - min(saturation(each)) < 0.005
    assert flicker(alike) < flicker(each)
    assert abs(np.mean(saturation(raw)) - TARGET["saturation"]) > 0.01, "they had to be moved"


def test_a_scene_of_one_frame_is_met_in_it() -> None:
    colorize, frame = Colorizer.load(), film()[0]
    scene = Scene(colorize, TARGET, 1)
    scene.add(Prepared(frame))
    (found,) = saturation([colorize(frame, TARGET, move=scene.move())])
    assert abs(found - TARGET["saturation"]) < 0.005
