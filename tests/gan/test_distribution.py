import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import kstest, wasserstein_distance
from torch import Tensor
from torch.nn.functional import avg_pool2d

from gan.config import TrainConfig
from gan.training.batch import Draws
from gan.training.distribution import (
    PIXELS,
    _means_of_reshaped,
    distribution_distance,
    draw_directions,
    draw_pixels,
    sliced_wasserstein,
)

Array = NDArray[np.float64]
SCALES = (0.0, 0.25, 1.0)
EVERY = torch.arange(6 * 16 * 16)


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def uniform(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=random(seed), dtype=torch.double) * 2 - 1


@pytest.fixture
def pictures() -> tuple[Tensor, Tensor, Tensor]:
    """L, and two colourings of it, 6 pictures of 16x16 pixels, in float64."""
    real = uniform(6, 2, 16, 16, seed=2) * 0.5 + uniform(6, 2, 1, 1, seed=3) * 0.5
    return uniform(6, 1, 16, 16), uniform(6, 2, 16, 16, seed=1) * 0.3, real


def by_scipy(clouds: Sequence[Array], directions: Array) -> float:
    """Mean Wasserstein-1 distance of two sets of points (n, 3), projected onto (3, k)."""
    x, y = clouds
    return float(np.mean([wasserstein_distance(x @ d, y @ d) for d in directions.T]))


def means(picture: Array, side: int) -> Array:
    """Mean of every window of a picture (3, H, W), as points (n, 3)."""
    found = [
        picture[:, i : i + side, j : j + side].mean(axis=(1, 2))
        for i in range(0, picture.shape[1], side)
        for j in range(0, picture.shape[2], side)
    ]
    return np.array(found)


def test_the_sliced_distance_is_scipys_mean_over_projections() -> None:
    x, y = uniform(100, 3), uniform(100, 3, seed=1) * 0.4 + 0.3
    directions = draw_directions(1, random())[0].double()
    wanted = by_scipy([x.numpy(), y.numpy()], directions.numpy())
    assert sliced_wasserstein(x, y, directions).item() == pytest.approx(wanted)
    assert wanted > 0.1


@pytest.mark.parametrize(("scale", "side"), [(0.0, 1), (0.25, 4), (1.0, 16)])
def test_the_distance_at_a_scale_is_that_of_means_over_windows_by_numpy(
    pictures: tuple[Tensor, Tensor, Tensor], scale: float, side: int
) -> None:
    l, ab, real = pictures  # noqa: E741
    directions = draw_directions(1, random()).double()
    found = distribution_distance(l, ab, real, [scale], directions, EVERY)
    clouds = [
        np.concatenate(
            [means(np.concatenate([0.3 * l[n], of[n]]), side) for n in range(6)]  # (0.3 L, a, b)
        )
        for of in (ab.numpy(), real.numpy())
    ]
    assert len(clouds[0]) == 6 * (16 // side) ** 2
    assert found.item() == pytest.approx(by_scipy(clouds, directions[0].numpy()))


def test_the_distance_is_the_mean_over_its_scales(
    pictures: tuple[Tensor, Tensor, Tensor],
) -> None:
    directions = draw_directions(3, random()).double()
    together = distribution_distance(*pictures, SCALES, directions, EVERY)
    alone = [
        distribution_distance(*pictures, [scale], vectors[None], EVERY).item()
        for scale, vectors in zip(SCALES, directions, strict=True)
    ]
    assert together.item() == pytest.approx(np.mean(alone))
    assert len(set(alone)) == 3


def test_only_the_chosen_pixels_are_compared(pictures: tuple[Tensor, Tensor, Tensor]) -> None:
    l, ab, real = pictures  # noqa: E741
    directions = draw_directions(1, random()).double()
    pixels = torch.tensor([3, 700, 701, 1535])
    found = distribution_distance(l, ab, real, [0.0], directions, pixels)
    clouds = [
        torch.cat([0.3 * l, of], 1).permute(0, 2, 3, 1).reshape(-1, 3)[pixels].numpy()
        for of in (ab, real)
    ]
    assert found.item() == pytest.approx(by_scipy(clouds, directions[0].numpy()))


def test_where_colours_are_does_not_matter_to_pixels_but_to_windows() -> None:
    # The left half of one is the right half of the other, at the same lightness.
    l = torch.zeros(2, 1, 16, 16)  # noqa: E741
    real = torch.zeros(2, 2, 16, 16)
    real[..., :8] = torch.tensor([0.5, -0.3])[:, None, None]
    directions = draw_directions(1, random())
    pixel, window, whole = (
        distribution_distance(l, moved, real, [scale], directions, torch.arange(512)).item()
        for scale, moved in (
            (0.0, real.flip(3)),
            (0.25, real.roll(2, 3)),  # 2 of a window's 4 columns
            (1.0, real.flip(3)),
        )
    )
    assert pixel == pytest.approx(0, abs=1e-7)
    assert window > 0.01
    assert whole == pytest.approx(0, abs=1e-7), "the mean of a picture is the same"


def test_colours_at_other_lightnesses_are_other_colours() -> None:
    l = torch.linspace(-1, 1, 16).expand(2, 1, 16, 16)  # noqa: E741
    real = torch.stack([l[:, 0], -l[:, 0]], dim=1) * 0.5
    found = distribution_distance(
        l, real.flip(3), real, [0.0], draw_directions(1, random()), torch.arange(512)
    )
    assert found > 0.05


def test_a_tint_over_all_is_far_from_colours_of_the_same_mean() -> None:
    # What L1 at its best does: the mean. Half of the pixels are 0.5 away from it, all of them.
    l = torch.zeros(1, 1, 16, 16)  # noqa: E741
    real = torch.zeros(1, 2, 16, 16)
    real[:, 0, ::2], real[:, 0, 1::2] = 0.5, -0.5
    along_a = torch.tensor([0.0, 1.0, 0.0])[None, :, None]
    found = distribution_distance(l, real * 0, real, [0.0], along_a, torch.arange(256))
    assert found.item() == pytest.approx(0.5)


@pytest.mark.parametrize("scales", [(0.0,), (0.25,), SCALES])
def test_its_gradient_is_that_of_finite_differences(
    pictures: tuple[Tensor, Tensor, Tensor], scales: tuple[float, ...]
) -> None:
    l, ab, real = (x[:2, :, :8, :8] for x in pictures)  # noqa: E741
    directions = draw_directions(len(scales), random()).double()
    pixels = torch.arange(128)
    torch.autograd.gradcheck(
        lambda x: distribution_distance(l, x, real, scales, directions, pixels),
        ab.clone().requires_grad_(True),
    )


# What is drawn


def test_directions_are_unit_vectors_of_every_direction() -> None:
    directions = torch.cat([draw_directions(3, random(seed)) for seed in range(40)])
    assert directions.shape == (120, 3, 12)
    np.testing.assert_allclose(directions.norm(dim=1), 1, atol=1e-6)
    # Archimedes: each coordinate of a point on the sphere is uniform.
    for axis in range(3):
        assert kstest(directions[:, axis].flatten(), "uniform", args=(-1, 2)).pvalue > 1e-3


@pytest.mark.parametrize(
    ("count", "part"), [(100, 1), (8192, 2), (128 * 32 * 32, 32), (11 * 32 * 32, 3)]
)
def test_one_pixel_of_each_part_of_a_batch_is_drawn(count: int, part: int) -> None:
    pixels = draw_pixels(count, random())
    assert count - part < len(pixels) * part <= count, "all of it but less than a part"
    assert PIXELS / 2 < len(pixels) <= PIXELS or len(pixels) == count
    assert (pixels // part).tolist() == list(range(len(pixels)))
    if part > 1:
        assert set((pixels % part).tolist()) == set(range(part)), "any of the part"


def test_what_is_drawn_follows_from_seed_and_step() -> None:
    config = TrainConfig(steps=9, batch_size=16, seed=3)
    torch.manual_seed(5)
    first = Draws.of(config, 7)
    torch.manual_seed(6)
    assert all(
        torch.equal(a, b)
        for a, b in zip(first.tensors(), Draws.of(config, 7).tensors(), strict=True)
    )
    for other in (Draws.of(config, 8), Draws.of(config.model_copy(update={"seed": 4}), 7)):
        assert not torch.equal(first.directions, other.directions)
        assert not torch.equal(first.pixels, other.pixels)


def test_nothing_is_drawn_for_a_distance_of_weight_0() -> None:
    drawn = Draws.of(TrainConfig(steps=1, distribution_weight=0), 0)
    assert [len(tensor) for tensor in drawn.tensors()] == [0, 0]
    assert math.prod(Draws.of(TrainConfig(steps=1), 0).directions.shape) == 3 * 3 * 12


@pytest.mark.parametrize(("height", "width", "side"), [(32, 32, 32), (32, 32, 8), (10, 15, 4)])
def test_the_window_means_of_a_gpu_are_those_of_pooling(height: int, width: int, side: int) -> None:
    x = uniform(2, 3, height, width)
    torch.testing.assert_close(_means_of_reshaped(x, side), avg_pool2d(x, side))
