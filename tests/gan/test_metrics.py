import cmath
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from gan.colour.conversion import l_ab_to_rgb
from gan.colour.statistics.hue import hue_resultant
from gan.evaluation.metrics import accuracy, ciede2000, psnr, ssim

Array = NDArray[np.float64]
Compare = Callable[[Tensor, Tensor], Tensor]

# Sharma, Wu, Dalal (2005), table 1: L*, a*, b* of two colours, and their difference.
SHARMA = """
50.0000   2.6772 -79.7751  50.0000   0.0000 -82.7485   2.0425
50.0000   3.1571 -77.2803  50.0000   0.0000 -82.7485   2.8615
50.0000   2.8361 -74.0200  50.0000   0.0000 -82.7485   3.4412
50.0000  -1.3802 -84.2814  50.0000   0.0000 -82.7485   1.0000
50.0000  -1.1848 -84.8006  50.0000   0.0000 -82.7485   1.0000
50.0000  -0.9009 -85.5211  50.0000   0.0000 -82.7485   1.0000
50.0000   0.0000   0.0000  50.0000  -1.0000   2.0000   2.3669
50.0000  -1.0000   2.0000  50.0000   0.0000   0.0000   2.3669
50.0000   2.4900  -0.0010  50.0000  -2.4900   0.0009   7.1792
50.0000   2.4900  -0.0010  50.0000  -2.4900   0.0010   7.1792
50.0000   2.4900  -0.0010  50.0000  -2.4900   0.0011   7.2195
50.0000   2.4900  -0.0010  50.0000  -2.4900   0.0012   7.2195
50.0000  -0.0010   2.4900  50.0000   0.0009  -2.4900   4.8045
50.0000  -0.0010   2.4900  50.0000   0.0010  -2.4900   4.8045
50.0000  -0.0010   2.4900  50.0000   0.0011  -2.4900   4.7461
50.0000   2.5000   0.0000  50.0000   0.0000  -2.5000   4.3065
50.0000   2.5000   0.0000  73.0000  25.0000 -18.0000  27.1492
50.0000   2.5000   0.0000  61.0000  -5.0000  29.0000  22.8977
50.0000   2.5000   0.0000  56.0000 -27.0000  -3.0000  31.9030
50.0000   2.5000   0.0000  58.0000  24.0000  15.0000  19.4535
50.0000   2.5000   0.0000  50.0000   3.1736   0.5854   1.0000
50.0000   2.5000   0.0000  50.0000   3.2972   0.0000   1.0000
50.0000   2.5000   0.0000  50.0000   1.8634   0.5757   1.0000
50.0000   2.5000   0.0000  50.0000   3.2592   0.3350   1.0000
60.2574 -34.0099  36.2677  60.4626 -34.1751  39.4387   1.2644
63.0109 -31.0961  -5.8663  62.8187 -29.7946  -4.0864   1.2630
61.2901   3.7196  -5.3901  61.4292   2.2480  -4.9620   1.8731
35.0831 -44.1164   3.7933  35.0232 -40.0716   1.5901   1.8645
22.7233  20.0904 -46.6940  23.0331  14.9730 -42.5619   2.0373
36.4612  47.8580  18.3852  36.2715  50.5065  21.2231   1.4146
90.8027  -2.0831   1.4410  91.1528  -1.6435   0.0447   1.4441
90.9257  -0.5406  -0.9208  88.6381  -0.8985  -0.7239   1.5381
 6.7747  -0.2908  -2.4247   5.8714  -0.0985  -2.2286   0.6377
 2.0776   0.0795  -1.1350   0.9033  -0.0636  -0.5514   0.9082
"""


def pairs(
    count: int = 4, height: int = 32, width: int = 32, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Smooth pictures, and the same with noise, each more than the one before; float64."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 5, 5, generator=random, dtype=torch.float64)
    real = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    noise = torch.randn(real.shape, generator=random, dtype=torch.float64)
    amount = torch.linspace(0.01, 0.4, count).view(-1, 1, 1, 1)
    return (real + amount * noise).clamp(0, 1), real


def pixels(images: Tensor) -> Array:
    """(N, C, H, W) as scikit-image has it: (N, H, W, C)."""
    array: Array = images.permute(0, 2, 3, 1).double().numpy()
    return array


def lab_of(rgb: Tensor) -> Tensor:
    return torch.from_numpy(rgb2lab(pixels(rgb))).permute(0, 3, 1, 2)


def colours(*of: tuple[float, float, float]) -> Tensor:
    """One picture of as many pixels: (1, 3, 1, n)."""
    return torch.tensor(of, dtype=torch.float64).T.reshape(1, 3, 1, -1)


def test_psnr_is_scikit_images_of_each_picture() -> None:
    rgb, real = pairs()
    wanted = [
        peak_signal_noise_ratio(b, a, data_range=1)  # type: ignore[no-untyped-call]
        for a, b in zip(pixels(rgb), pixels(real), strict=True)
    ]
    np.testing.assert_allclose(psnr(rgb, real), wanted, rtol=1e-12)
    assert max(wanted) - min(wanted) > 20, "the pictures differ"


def test_psnr_of_equal_pictures_is_finite() -> None:
    black = torch.zeros(2, 3, 16, 16)
    black[1] += 1e-7
    assert psnr(black, torch.zeros_like(black)).tolist() == [100, 100]


@pytest.mark.parametrize("size", [(32, 32), (11, 11), (48, 97)])
def test_ssim_is_scikit_images_with_a_gaussian_window(size: tuple[int, int]) -> None:
    rgb, real = pairs(4, *size)
    wanted = [
        structural_similarity(  # type: ignore[no-untyped-call]
            a,
            b,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1,
            channel_axis=-1,
        )
        for a, b in zip(pixels(rgb), pixels(real), strict=True)
    ]
    np.testing.assert_allclose(ssim(rgb, real), wanted, atol=1e-6)
    np.testing.assert_allclose(ssim(rgb.float(), real.float()), wanted, atol=1e-4)
    assert max(wanted) - min(wanted) > 0.3, "the pictures differ"


def test_ssim_of_equal_pictures_is_one_and_of_a_negative_below_zero() -> None:
    rgb, _ = pairs()
    np.testing.assert_allclose(ssim(rgb, rgb), 1, atol=1e-6)
    assert ssim(1 - rgb, rgb).max() < 0


def test_the_layout_in_memory_changes_nothing() -> None:
    rgb, real = (x.float() for x in pairs())
    other = rgb.contiguous(memory_format=torch.channels_last)
    assert torch.equal(ssim(other, real), ssim(rgb, real))


def test_ciede2000_is_the_published_table() -> None:
    table = np.array([line.split() for line in SHARMA.split("\n") if line], dtype=np.float64)
    assert table.shape == (34, 7)
    first, second = (torch.from_numpy(table[:, i : i + 3])[..., None, None] for i in (0, 3))
    np.testing.assert_allclose(ciede2000(first, second), table[:, 6], atol=5e-5)
    np.testing.assert_allclose(ciede2000(second, first), table[:, 6], atol=5e-5)


def test_ciede2000_is_scikit_images_over_all_of_srgb() -> None:
    random = np.random.default_rng(0)
    a, b = (torch.from_numpy(random.random((2000, 3, 1, 1))) for _ in range(2))
    a[:200] = b[:200] + 0.02 * (a[:200] - 0.5)  # colours that are alike
    a[200:300] = a[200:300, :1]  # greys
    b[250:350] = b[250:350, :1]
    a, b = lab_of(a), lab_of(b)
    one, other = pixels(a)[:, 0, 0], pixels(b)[:, 0, 0]
    wanted = deltaE_ciede2000(one, other)  # type: ignore[no-untyped-call]
    np.testing.assert_allclose(ciede2000(a, b), wanted, rtol=0, atol=1e-9)
    np.testing.assert_allclose(ciede2000(a.float(), b.float()), wanted, rtol=0, atol=1e-3)


def test_ciede2000_of_a_picture_is_the_mean_over_its_pixels() -> None:
    rgb, real = pairs(3, 8, 12)
    a, b = lab_of(rgb), lab_of(real)
    wanted = deltaE_ciede2000(pixels(a), pixels(b)).mean(axis=(1, 2))  # type: ignore[no-untyped-call]
    np.testing.assert_allclose(ciede2000(a, b), wanted, rtol=1e-9)


def test_ciede2000_of_equal_pictures_is_zero() -> None:
    lab = lab_of(pairs()[0]).float()
    assert ciede2000(lab, lab).tolist() == [0] * len(lab)


@pytest.mark.parametrize("percent", [2, 5])
def test_accuracy_counts_pixels_with_every_channel_within_its_bound(percent: float) -> None:
    rgb, real = pairs()
    a, b = lab_of(rgb), lab_of(real)
    wanted = []
    for one, other in zip(pixels(a), pixels(b), strict=True):
        right = 0
        for (l1, a1, b1), (l2, a2, b2) in zip(
            one.reshape(-1, 3), other.reshape(-1, 3), strict=True
        ):
            bounds = percent, 2.2 * percent, 2.2 * percent
            differences = abs(l1 - l2), abs(a1 - a2), abs(b1 - b2)
            right += all(d <= bound for d, bound in zip(differences, bounds, strict=True))
        wanted.append(right / one[..., 0].size)
    np.testing.assert_allclose(accuracy(a, b, percent), wanted, rtol=1e-6)
    assert max(wanted) - min(wanted) > 0.5, "the pictures differ"


def test_accuracy_looks_at_each_channel_and_both_ways() -> None:
    centre = (50, 10, -10)
    near = [(51.9, 10, -10), (48.1, 10, -10), (50, 14.3, -10), (50, 5.7, -10), (50, 10, -5.7)]
    far = [(52.1, 10, -10), (47.9, 10, -10), (50, 14.5, -10), (50, 5.5, -10), (50, 10, -5.5)]
    assert accuracy(colours(*near), colours(*[centre] * 5), 2).item() == 1
    assert accuracy(colours(*far), colours(*[centre] * 5), 2).item() == 0
    assert accuracy(colours(*far), colours(*[centre] * 5), 5).item() == 1
    assert accuracy(colours(*near, *far), colours(*[centre] * 10), 2).item() == 0.5


def test_hue_resultant_is_its_definition() -> None:
    random = torch.Generator().manual_seed(0)
    rgb = torch.rand(3, 3, 4, 6, generator=random, dtype=torch.float64)
    rgb[1, 0] = 1  # reddish
    wanted = []
    for picture in rgb.numpy():
        # Red, green and blue pull at 0, 120 and 240 degrees.
        pulls = [cmath.exp(2j * math.pi * turn) for turn in (0, 1 / 3, 2 / 3)]
        vectors = [
            sum(x * pull for x, pull in zip(pixel, pulls, strict=True))
            for pixel in picture.reshape(3, -1).T.tolist()
        ]
        wanted.append(abs(sum(vectors)) / sum(abs(v) for v in vectors))
    np.testing.assert_allclose(hue_resultant(rgb), wanted, rtol=1e-12)
    assert max(wanted) > 2 * min(wanted), "the pictures differ"


def test_one_hue_agrees_with_itself_at_any_saturation_and_brightness() -> None:
    orange = colours((1, 0.5, 0), (0.5, 0.25, 0), (0.6, 0.5, 0.4), (0.3, 0.3, 0.3)).float()
    assert hue_resultant(orange).item() == pytest.approx(1, abs=1e-6)
    assert hue_resultant(orange).item() <= 1


def test_opposite_hues_cancel_by_their_chroma() -> None:
    assert hue_resultant(colours((1, 0, 0), (0, 1, 1))).item() == pytest.approx(0, abs=1e-12)
    red_and_half_cyan = colours((1, 0, 0), (0.5, 1, 1))
    assert hue_resultant(red_and_half_cyan).item() == pytest.approx(0.5 / 1.5)
    assert hue_resultant(colours((1, 0, 0), (0, 1, 0))).item() == pytest.approx(0.5)


def test_a_grey_picture_has_no_hue_to_agree_on_also_as_converted_from_lab() -> None:
    l = torch.linspace(-1, 1, 64).view(1, 1, 8, 8)  # noqa: E741
    grey = l_ab_to_rgb(l, torch.zeros(1, 2, 8, 8))
    assert hue_resultant(grey).item() == 0
    assert hue_resultant(torch.rand(2, 1, 8, 8).expand(2, 3, 8, 8)).tolist() == [0, 0]
    # One step of 8 bits is a colour.
    assert hue_resultant(grey + torch.tensor([1 / 255, 0, 0]).view(3, 1, 1)).item() > 0.99


@pytest.mark.parametrize(
    "metric",
    [
        psnr,
        ssim,
        lambda a, b: ciede2000(lab_of(a).float(), lab_of(b).float()),
        lambda a, b: accuracy(lab_of(a).float(), lab_of(b).float(), 5),
        lambda a, _: hue_resultant(a),
    ],
)
def test_every_metric_is_float32_one_number_a_picture_and_the_same_under_autocast(
    metric: Compare,
) -> None:
    rgb, real = (x.float() for x in pairs())
    plain = metric(rgb, real)
    assert plain.dtype == torch.float32
    assert plain.shape == (4,)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(metric(rgb, real), plain)
    alone = torch.cat([metric(a[None], b[None]) for a, b in zip(rgb, real, strict=True)])
    np.testing.assert_allclose(plain, alone, rtol=1e-5)
