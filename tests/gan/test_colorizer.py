import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage.color import lab2rgb, rgb2lab

from gan import checkpoint
from gan.colour.conversion import l_ab_to_rgb, lightness, linear, rgb_to_l_ab, tinted
from gan.errors import UserError
from gan.inference import pixels
from gan.inference.colorizer import Colorizer
from gan.inference.outcomes import outcomes
from gan.inference.seen import SHIFTS, seen_sides
from tests.support.saved_generators import colorizer, config, photograph, save, steered, vivid

Array = NDArray[np.float64]


def resized(channel: Array, sides: tuple[int, int]) -> Array:
    """By Pillow: (H, W) to height and width."""
    image = Image.fromarray(channel.astype(np.float32)).resize(
        sides[::-1], Image.Resampling.BICUBIC
    )
    return np.asarray(image, dtype=np.float64)


def by_hand(generate: Colorizer, picture: NDArray[np.uint8], **targets: float) -> Array:
    """Lab of what is expected, by Pillow and scikit-image, for colours that a screen shows."""
    l = rgb2lab(picture)[..., 0]  # noqa: E741
    sides = seen_sides(picture.shape[:2], 32, 16)
    seen = np.clip(resized(l / 50 - 1, sides), -1, 1)
    made = []
    for down, right in SHIFTS:
        framed = np.pad(seen, ((down, 4 - down), (right, 4 - right)), mode="edge")
        with torch.inference_mode():
            given = {name: torch.tensor([value]) for name, value in targets.items()}
            ab = generate.generator(torch.from_numpy(framed).float()[None, None], given)[0]
        made.append(ab.numpy()[:, down : down + sides[0], right : right + sides[1]])
    enlarged = [resized(channel * 110, picture.shape[:2]) for channel in np.mean(made, axis=0)]
    return np.stack([l, *enlarged], axis=2)


@pytest.mark.parametrize(("height", "width"), [(192, 256), (301, 200), (64, 64), (20, 33)])
def test_a_picture_has_the_networks_colours_and_its_own_lightness(height: int, width: int) -> None:
    # A faint head: all its colours are inside sRGB.
    generate = colorizer(head_gain=0.05)
    picture = photograph(height, width) // 2 + 60
    expected = lab2rgb(by_hand(generate, picture)) * 255
    coloured = generate(picture)
    assert np.ptp(coloured.astype(int), axis=2).max() > 10
    np.testing.assert_allclose(coloured, expected, atol=0.75)


# Half a step of a channel moves L by 0.14 at most in 8 bits, and three channels add up.
@pytest.mark.parametrize(("dtype", "bound"), [(np.uint8, 0.25), (np.uint16, 1e-3)])
def test_lightness_stays_to_the_last_bit(dtype: type[np.uint8 | np.uint16], bound: float) -> None:
    random = np.random.default_rng(0)
    busy = random.integers(0, np.iinfo(dtype).max, (96, 128, 3), dtype=dtype, endpoint=True)
    pictures: list[NDArray[Any]] = [photograph(dtype=dtype), busy]
    for picture in pictures:
        coloured = colorizer()(picture)
        assert coloured.dtype == dtype
        most = np.iinfo(dtype).max
        before, after = (rgb2lab(x.astype(np.float64) / most) for x in (picture, coloured))
        assert np.abs(before[..., 0] - after[..., 0]).max() < bound
        assert np.hypot(after[..., 1], after[..., 2]).mean() > 10


def test_a_picture_of_floats_keeps_its_lightness() -> None:
    picture = (photograph() / 255).astype(np.float32)
    coloured = colorizer()(picture)
    assert coloured.dtype == np.float32
    np.testing.assert_allclose(rgb2lab(coloured)[..., 0], rgb2lab(picture)[..., 0], atol=1e-3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_is_coloured_like_rgb_and_alpha_is_kept(dtype: type[np.uint8 | np.uint16]) -> None:
    grey = photograph(dtype=dtype)[..., 1]
    alpha = photograph(dtype=dtype)[..., 2]
    generate = colorizer()
    expected = generate(np.stack([grey] * 3, axis=2))
    assert expected.shape == (*grey.shape, 3)
    # R = G = B is the same luminance but for the rounding of a sum.
    np.testing.assert_allclose(generate(grey), expected, atol=1)
    expected = generate(grey)
    np.testing.assert_array_equal(generate(grey[..., None]), expected)
    for picture in (np.stack([grey, alpha], 2), np.stack([grey, grey, grey, alpha], 2)):
        coloured = generate(picture)
        np.testing.assert_allclose(coloured[..., :3], expected, atol=1)
        np.testing.assert_array_equal(coloured[..., 3], alpha)


def test_the_grid_of_transposed_convolutions_is_not_in_a_picture() -> None:
    generate = colorizer(upsampling="transposed")
    flat = np.full((60, 60), 140, np.uint8)  # as the generator sees it: one pixel is one
    l = torch.full((1, 1, 64, 64), float(rgb2lab(np.full((1, 1, 3), 140 / 255))[0, 0, 0]) / 50 - 1)  # noqa: E741
    with torch.inference_mode():
        ab = generate.generator(l)
    made = [rgb2lab(generate(flat))[..., 1:].transpose(2, 0, 1), ab[0].double().numpy() * 110]

    def grid(channels: Array) -> float:
        """How far means over pixels at the same place of a grid of 4 are apart."""
        middle = channels[:, 16:48, 16:48].reshape(2, 8, 4, 8, 4)
        return float(middle.mean(axis=(1, 3)).std(axis=(1, 2)).max())

    assert grid(made[1]) > 1
    assert grid(made[0]) < grid(made[1]) / 2


def test_bands_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    generate, picture = colorizer(), photograph(301, 200)
    monkeypatch.setattr(pixels, "BAND_PIXELS", 10**9)
    whole = generate(picture)
    for most in (1, 1000, 7 * 200):
        monkeypatch.setattr(pixels, "BAND_PIXELS", most)
        # Sums of many terms may be taken in another order.
        assert np.abs(generate(picture).astype(int) - whole).max() <= 1


@pytest.mark.parametrize("size", [32, 64, 256])
@pytest.mark.parametrize(
    "sides", [(1, 1), (1, 300), (40, 70), (3000, 4000), (4000, 3000), (100, 100_000), (10**8, 1)]
)
def test_what_the_generator_sees_is_of_its_scale_and_bounded(
    size: int, sides: tuple[int, int]
) -> None:
    stride = size // 2
    seen = tuple(side + 4 for side in seen_sides(sides, size, stride))  # with the frame
    assert all(side % stride == 0 and side >= stride for side in seen)
    assert seen[0] * seen[1] <= 4 * (2 * size) ** 2
    if max(sides) < 2 * min(sides):
        short = min(max(min(sides), size), 2 * size)
        assert abs(min(seen) - short) <= stride / 2
        assert abs(max(seen) - short * max(sides) / min(sides)) <= stride / 2


@pytest.mark.parametrize("sides", [(1, 1), (1, 50), (3, 2000), (2000, 3), (31, 33)])
@pytest.mark.parametrize("image_size", [32, 64])
def test_any_shape_comes_out_as_it_went_in(image_size: int, sides: tuple[int, int]) -> None:
    coloured = colorizer(image_size=image_size)(photograph(*sides))
    assert coloured.shape == (*sides, 3)


def test_an_array_that_is_taken_from_another_is_left_as_it_is() -> None:
    picture = photograph()[::-2, ::3]
    picture.flags.writeable = False
    before = picture.copy()
    np.testing.assert_array_equal(colorizer()(picture), colorizer()(before))
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (np.zeros((4, 4, 3)), "float64: a picture is uint8, uint16, or float32"),
        (np.zeros((4, 4, 3), np.int64), "int64"),
        (np.zeros((4, 4, 5), np.uint8), r"\(4, 4, 5\): a picture is"),
        (np.zeros(4, np.uint8), r"\(4,\): a picture is"),
        (np.zeros((0, 4, 3), np.uint8), r"\(0, 4, 3\)"),
        (np.full((4, 4, 3), 1.5, np.float32), r"in \[0, 1\]"),
        (np.full((4, 4, 3), np.nan, np.float32), r"in \[0, 1\]"),
    ],
)
def test_an_array_that_is_no_picture_is_refused(picture: NDArray[Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        colorizer()(picture)


def test_an_array_that_is_a_view_is_coloured_as_its_copy() -> None:
    generate = colorizer()
    picture = (photograph() / 255).astype(np.float32)[:, ::-1]
    np.testing.assert_array_equal(generate(picture), generate(picture.copy()))


def test_a_long_picture_is_moved_to_its_target() -> None:
    picture = photograph(4, 6000)
    coloured = colorizer(controls={"saturation": {"target": 0.4}})(picture)
    assert outcomes(coloured, {"saturation": 0.4})["saturation"].achieved == pytest.approx(
        0.4, abs=0.005
    )


def test_what_is_no_array_is_refused() -> None:
    image: Any = Image.new("RGB", (4, 4))
    with pytest.raises(TypeError, match=r"Image: a picture is a NumPy array: np.asarray\(image\)"):
        colorizer()(image)


@pytest.mark.parametrize("target", [0.2, 0.4])
@pytest.mark.parametrize(("height", "width"), [(192, 256), (900, 1200)])
def test_a_recoloured_trials_pictures_are_moved_to_its_targets(
    target: float, height: int, width: int
) -> None:
    generate = Colorizer(vivid(steered(recolour=True, saturation=target)))
    coloured = generate(photograph(height, width)).astype(np.float64)
    high, low = coloured.max(axis=2), coloured.min(axis=2)
    assert ((high - low) / np.maximum(high, 1)).mean() == pytest.approx(target, abs=0.01)


def test_a_trials_directory_stands_for_its_newest_sound_checkpoint(tmp_path: Path) -> None:
    trial, seen = tmp_path / "trial", photograph()
    for step, seed in ((3, 5), (6, 7)):
        files = dict.fromkeys(checkpoint.FILES, b"{}") | {
            name: (save(config(seed=seed), tmp_path / "x") / name).read_bytes()
            for name in (checkpoint.GENERATOR, checkpoint.CONFIG)
        }
        newest = checkpoint.write(trial, step, files)
    expected = Colorizer(vivid(config(seed=7)))(seen)
    np.testing.assert_array_equal(Colorizer.load(trial)(seen), expected)
    weights = newest / checkpoint.GENERATOR
    content = bytearray(weights.read_bytes())
    content[-2] ^= 1  # a weight
    weights.write_bytes(content)
    expected = Colorizer(vivid(config(seed=5)))(seen)
    np.testing.assert_array_equal(Colorizer.load(trial)(seen), expected)
    for path in (newest, weights):
        with pytest.raises(UserError, match="a damaged checkpoint"):
            Colorizer.load(path)


def test_an_onnx_file_is_refused_with_what_to_take() -> None:
    with pytest.raises(UserError, match=r"x.onnx: is for other programs; use generator.safetenso"):
        Colorizer.load("x.onnx")


def test_a_generator_is_loaded_from_its_directory_or_its_file(tmp_path: Path) -> None:
    directory = save(config(seed=5), tmp_path / "some where")
    weights = directory / "generator.safetensors"
    renamed = weights.with_name("mine.safetensors")
    renamed.write_bytes(weights.read_bytes())
    expected = Colorizer(vivid(config(seed=5)))(photograph())
    for path in (directory, weights, renamed, str(directory)):
        np.testing.assert_array_equal(Colorizer.load(path)(photograph()), expected)


def test_a_generator_from_before_batches_had_a_distribution_is_loaded(tmp_path: Path) -> None:
    old = config(upsampling="transposed", distribution_weight=0, batch_size=4)
    directory = save(old, tmp_path)
    file = directory / checkpoint.CONFIG
    before = {"upsampling", "distribution_weight", "distribution_scales"}
    settings = {k: v for k, v in json.loads(file.read_text()).items() if k not in before}
    file.write_text(json.dumps(settings))
    found = Colorizer.load(directory)
    assert (found.config.upsampling, found.config.batch_size) == ("transposed", 4)


def test_linear_light_and_lightness_are_scikit_images() -> None:
    grey = torch.linspace(0, 1, 1001)
    lab = rgb2lab(grey.double()[:, None].expand(-1, 3).numpy())
    assert torch.allclose(
        lightness(linear(grey)).double(), torch.tensor(lab[:, 0]) / 50 - 1, atol=1e-4
    )


@pytest.mark.parametrize("chroma", [0.0, 0.2, 1.0])
def test_tinted_luminance_is_what_is_composed_from_lightness(chroma: float) -> None:
    random = torch.Generator().manual_seed(0)
    rgb = torch.rand(2, 3, 64, 64, generator=random)
    rgb[0, :, :2] = torch.tensor([0.0, 1.0])[:, None]  # black and white
    ab = (torch.rand(2, 2, 64, 64, generator=random) * 2 - 1) * chroma
    y = (linear(rgb) * torch.tensor([0.212671, 0.715160, 0.072169])[:, None, None]).sum(1, True)
    expected = l_ab_to_rgb(rgb_to_l_ab(rgb)[0], ab)
    assert torch.allclose(tinted(y, ab), expected, atol=1e-4)
