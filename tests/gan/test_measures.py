import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2hsv, rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from gan.colour.conversion import l_ab_to_rgb
from gan.colour.statistic import Statistic
from gan.colour.statistics import STATISTICS
from gan.config import TrainConfig
from gan.data.batches import held_out
from gan.data.datasets import Dataset
from gan.evaluation import held_out as images_at_once
from gan.evaluation import metrics
from gan.evaluation.held_out import HeldOut
from gan.evaluation.measures import measures

Array = NDArray[np.float64]


@pytest.fixture(scope="module")
def images(photos: Dataset) -> HeldOut:
    """37 crops of photographs: no multiple of a batch."""
    return HeldOut.of(*held_out(photos.test, TrainConfig(steps=1, eval_images=37)))


@pytest.fixture(scope="module")
def colorized(images: HeldOut) -> Tensor:
    """The images, each less saturated than the one before and with another tint; of 8 bits."""
    share = torch.linspace(1, 0, 37).view(-1, 1, 1, 1)
    turn = torch.linspace(0, 2 * math.pi, 37)
    tint = 0.07 * torch.stack([turn.cos(), turn.sin()], dim=1).view(-1, 2, 1, 1)
    return (l_ab_to_rgb(images.l, images.ab * share + tint) * 255).round() / 255


def pixels(images: Tensor) -> Array:
    """(N, C, H, W) as scikit-image has it: (N, H, W, C) float64."""
    array: Array = images.permute(0, 2, 3, 1).double().numpy()
    return array


def by_image(of: Callable[..., Any], *sets: Array) -> Array:
    return np.array([of(*one) for one in zip(*sets, strict=True)])


def hue_vectors(rgb: Array) -> NDArray[np.complex128]:
    """Red, green and blue pull at 0, 120 and 240 degrees: (N, H, W)."""
    pulls: NDArray[np.complex128] = np.exp(2j * np.pi * np.array([0, 1, 2]) / 3)
    return rgb @ pulls


def hue(rgb: Array) -> Array:
    turns: Array = np.angle(hue_vectors(rgb).mean(axis=(1, 2))) / (2 * np.pi) % 1
    return turns


def around(difference: Array | float) -> Array:
    """How far a difference of hues is, around the circle."""
    return np.abs((np.asarray(difference) + 0.5) % 1 - 0.5)


def test_every_number_is_that_of_scikit_image_and_numpy(images: HeldOut, colorized: Tensor) -> None:
    found = measures(colorized, images, {"saturation": 0.6, "hue": 0.97})
    made, real = pixels(colorized), pixels(images.rgb)
    lab, real_lab = rgb2lab(made), rgb2lab(real)
    difference = np.abs(lab - real_lab) / [1, 2.2, 2.2]
    saturation = rgb2hsv(made)[..., 1].mean(axis=(1, 2))
    vectors = hue_vectors(made)
    vectors[np.abs(vectors) < 0.5 / 255] = 0
    hues = hue(made)
    reachable = STATISTICS["saturation"].reachable(images.l, 0.6).double().numpy()

    def peak_ratio(a: Array, b: Array) -> Any:
        return peak_signal_noise_ratio(b, a, data_range=1)  # type: ignore[no-untyped-call]

    def similarity(a: Array, b: Array) -> Any:
        return structural_similarity(  # type: ignore[no-untyped-call]
            a,
            b,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1,
            channel_axis=-1,
        )

    wanted = {
        "mae": np.abs(made - real).mean(),
        "psnr": by_image(peak_ratio, made, real),
        "ssim": by_image(similarity, made, real),
        "ciede2000": deltaE_ciede2000(lab, real_lab),  # type: ignore[no-untyped-call]
        "accuracy_2": (difference <= 2).all(axis=-1),
        "accuracy_5": (difference <= 5).all(axis=-1),
        "hue_resultant": np.abs(vectors.sum(axis=(1, 2))) / np.abs(vectors).sum(axis=(1, 2)),
        "saturation": saturation,
        "saturation_error": np.abs(saturation - 0.6),
        "saturation_reachable": reachable,
        "saturation_reachable_error": np.abs(saturation - reachable),
        "hue_error": around(hues - 0.97),
        "hue_reachable_error": around(hues - 0.97),
        "red": made[..., 0],
        "green_crosstalk": np.abs(made[..., 1].mean(axis=(1, 2)) - real[..., 1].mean(axis=(1, 2))),
    }
    for name, values in wanted.items():
        assert found[name] == pytest.approx(np.mean(values), abs=5e-4, rel=2e-3), name
    for name in ("saturation_error", "saturation_reachable_error", "hue_error"):
        percentile = np.percentile(wanted[name], 90)
        assert found[f"{name}_p90"] == pytest.approx(percentile, abs=5e-4), name
        assert found[f"{name}_p90"] > 1.3 * found[name], "the images differ"
    for percent in (10, 90):
        of_saturation = np.percentile(saturation, percent)
        assert found[f"saturation_p{percent}"] == pytest.approx(of_saturation, abs=5e-4)
        # Seen from the target: what lies beyond red goes on past 1.
        seen = 0.97 + np.percentile((hues - 0.97 + 0.5) % 1 - 0.5, percent)
        assert found[f"hue_p{percent}"] == pytest.approx(seen, abs=5e-4)
    assert found["hue_p10"] < found["hue_p90"]
    for key, end in (("lowest", 0.0), ("highest", 1.0)):
        bound = STATISTICS["saturation"].reachable(images.l, end).double().numpy().mean()
        assert found[f"saturation_{key}"] == pytest.approx(bound, abs=1e-4)
        assert f"hue_{key}" not in found
    assert around(found["hue"] - np.angle(np.exp(2j * np.pi * hues).mean()) / (2 * np.pi)) < 1e-3
    assert found["hue_reachable"] == pytest.approx(0.97)
    assert all(type(value) is float for value in found.values())


def test_the_interval_of_an_error_is_over_photographs_not_crops(images: HeldOut) -> None:
    # Four crops of each of nine photographs, equal within a photograph: nine numbers, not 36.
    rgb, photograph = images.rgb[:9].repeat(4, 1, 1, 1), torch.arange(9).repeat(4)
    crops = HeldOut.of(rgb, photograph)
    assert "saturation_error_low" not in measures(rgb, crops, {"saturation": 0.5})
    found = measures(rgb, crops, {"saturation": 0.5}, intervals=True)
    errors = np.abs(by_image(lambda x: rgb2hsv(x)[..., 1].mean(), pixels(rgb[:9])) - 0.5)
    drawn = np.random.default_rng(7).integers(9, size=(20_000, 9))
    low, high = np.percentile(errors[drawn].mean(axis=1), (2.5, 97.5))
    assert found["saturation_error_low"] == pytest.approx(low, abs=0.01)
    assert found["saturation_error_high"] == pytest.approx(high, abs=0.01)
    assert (
        found["saturation_error_low"] < found["saturation_error"] < found["saturation_error_high"]
    )
    one = HeldOut.of(rgb, torch.zeros(36).long())
    assert "saturation_error_low" not in measures(rgb, one, {"saturation": 0.5}, intervals=True)


def test_crosstalk_is_of_every_statistic_that_was_not_asked_for(
    images: HeldOut, colorized: Tensor
) -> None:
    def crosstalk(found: dict[str, float]) -> dict[str, float]:
        ending = "_crosstalk"
        return {k.removesuffix(ending): v for k, v in found.items() if k.endswith(ending)}

    free = measures(colorized, images, {})
    steered = measures(colorized, images, {"saturation": 0.5, "red": 0.5})
    assert set(crosstalk(free)) == set(STATISTICS), "the floor, without control"
    assert set(crosstalk(steered)) == set(STATISTICS) - {"saturation", "red"}
    assert {n for n in STATISTICS if f"{n}_error" in steered} == {"saturation", "red"}
    for name, value in crosstalk(steered).items():
        assert value == free[f"{name}_crosstalk"]
    moved = around(hue(pixels(colorized)) - hue(pixels(images.rgb)))
    assert free["hue_crosstalk"] == pytest.approx(moved.mean(), abs=1e-4)


def test_the_originals_are_without_fault(images: HeldOut) -> None:
    found = measures(images.rgb, images, {})
    assert found["mae"] == 0
    assert found["psnr"] == 100
    assert found["ssim"] == pytest.approx(1, abs=1e-6)
    assert found["ciede2000"] == 0
    assert found["accuracy_2"] == found["accuracy_5"] == 1
    assert {found[f"{name}_crosstalk"] for name in STATISTICS} == {0}


def test_what_no_colouring_can_reach_is_an_error_against_the_target_only() -> None:
    # A white and a mid-grey image: a white one has no saturation to give.
    l = torch.tensor([1.0, 0.0]).view(2, 1, 1, 1).expand(2, 1, 16, 16)  # noqa: E741
    yellow = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1).expand(2, 2, 16, 16)
    rgb = l_ab_to_rgb(l, yellow)
    images = HeldOut.of(l_ab_to_rgb(l, torch.zeros_like(yellow)), torch.arange(2))
    found = measures(rgb, images, {"saturation": 1.0})
    assert found["saturation_error"] == pytest.approx(0.5, abs=0.02)
    assert found["saturation_error_p90"] == pytest.approx(0.9, abs=0.03)
    assert found["saturation_reachable"] == pytest.approx(0.5, abs=0.02)
    assert found["saturation_reachable_error"] < 0.02
    assert found["saturation_reachable_error_p90"] < 0.03
    grey = measures(images.rgb, images, {"saturation": 1.0})
    assert grey["saturation_reachable_error"] == pytest.approx(0.5, abs=0.02), "it could have been"


@pytest.mark.parametrize("count", [1, 2, 36, 500])
def test_how_much_is_measured_at_once_is_bounded_and_changes_no_number(
    images: HeldOut, colorized: Tensor, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    def seen(rgb: Tensor, real: Tensor, measure: Callable[..., Tensor] = metrics.psnr) -> Tensor:
        sizes.append(len(rgb))
        return measure(rgb, real)

    wanted = measures(colorized, images, {"saturation": 0.6})
    monkeypatch.setattr(metrics, "psnr", seen)
    monkeypatch.setitem(images_at_once._PIXELS_AT_A_TIME, "cpu", count * 32 * 32)
    found = measures(colorized, images, {"saturation": 0.6})
    assert found == pytest.approx(wanted, rel=1e-5)
    assert max(sizes) == min(count, 37)
    assert sum(sizes) == 37


def test_what_no_training_changes_is_measured_once(
    images: HeldOut, colorized: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = HeldOut.of(images.rgb, images.photograph)
    low, high = (measures(colorized, fresh, {"saturation": x}) for x in (0.01, 0.9))
    assert low["saturation_reachable"] != high["saturation_reachable"]

    def unexpected(*_: object) -> Tensor:
        raise AssertionError("looked up again")

    monkeypatch.setattr(Statistic, "reachable", unexpected)
    assert measures(colorized, fresh, {"saturation": 0.9}) == high
    assert measures(colorized, fresh, {"saturation": 0.01}) == low


def test_evaluation_is_float32_under_autocast_too(images: HeldOut, colorized: Tensor) -> None:
    wanted = measures(colorized, images, {"hue": 0.3})
    with torch.autocast("cpu", torch.bfloat16):
        assert measures(colorized, images, {"hue": 0.3}) == wanted
