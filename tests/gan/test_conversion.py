from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from kornia.color import lab_to_rgb
from kornia.color import linear_rgb_to_rgb as kornia_encoded
from kornia.color import rgb_to_linear_rgb as kornia_decoded
from numpy.typing import NDArray
from skimage.color import lab2rgb, lab2xyz, rgb2lab
from torch import Tensor

from gan.colour.conversion import (
    into_gamut,
    l_ab_to_rgb,
    lightness,
    linear_rgb_to_rgb,
    luminance,
    rgb_to_l_ab,
    rgb_to_linear_rgb,
)

Array = NDArray[np.float64]

# ITU-R BT.709's luminance of linear sRGB.
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


def cube(side: int) -> Tensor:
    """Every colour of an even grid over sRGB, as one (1, 3, side, side^2) image."""
    axis = torch.linspace(0, 1, side)
    return torch.cartesian_prod(axis, axis, axis).T.reshape(1, 3, side, side * side)


def pixels(images: Tensor) -> Array:
    """(N, C, H, W) as scikit-image has it: (N, H, W, C) float64."""
    array: Array = images.detach().double().permute(0, 2, 3, 1).numpy()
    return array


def to_linear(srgb: Array) -> Array:
    """IEC 61966-2-1, the straight part continued below 0."""
    curved = ((np.maximum(srgb, 0) + 0.055) / 1.055) ** 2.4
    return np.where(srgb <= 0.04045, srgb / 12.92, curved)


def out_of_gamut(seed: int = 0) -> Tensor:
    """(1, 3, 64, 64) unclipped sRGB of Lab colours that no screen can show, L* 2 to 98."""
    random = torch.Generator().manual_seed(seed)
    lightness = torch.rand(1, 1, 64, 64, generator=random) * 96 + 2
    angle = torch.rand(1, 1, 64, 64, generator=random) * 2 * torch.pi
    # sRGB reaches a chroma of 134 at most, and only blue does.
    ab = 140 * torch.cat([angle.cos(), angle.sin()], dim=1)
    return lab_to_rgb(torch.cat([lightness, ab], dim=1), clip=False)


def test_lab_is_scikit_images_scaled() -> None:
    rgb = cube(17)
    l, ab = rgb_to_l_ab(rgb)  # noqa: E741
    lab = rgb2lab(pixels(rgb))
    np.testing.assert_allclose(pixels(l)[..., 0], lab[..., 0] / 50 - 1, atol=2e-4)
    np.testing.assert_allclose(pixels(ab), lab[..., 1:] / 110, atol=2e-4)


def test_scaled_lab_of_all_of_srgb_is_within_minus_one_and_one_and_uses_most_of_it() -> None:
    l, ab = rgb_to_l_ab(cube(17))  # noqa: E741
    assert l.min().item() == pytest.approx(-1, abs=1e-5)
    assert l.max().item() == pytest.approx(1, abs=1e-5)
    # The corners of the cube in scikit-image: a* in [-86.18, 98.23], b* in [-107.86, 94.48].
    low, high = ab.amin(dim=(0, 2, 3)) * 110, ab.amax(dim=(0, 2, 3)) * 110
    np.testing.assert_allclose(low.numpy(), [-86.18, -107.86], atol=0.05)
    np.testing.assert_allclose(high.numpy(), [98.23, 94.48], atol=0.05)


def test_rgb_is_scikit_images() -> None:
    lab = rgb2lab(pixels(cube(17)))
    l = torch.from_numpy(lab[..., :1] / 50 - 1).permute(0, 3, 1, 2)  # noqa: E741
    ab = torch.from_numpy(lab[..., 1:] / 110).permute(0, 3, 1, 2)
    np.testing.assert_allclose(pixels(l_ab_to_rgb(l, ab)), lab2rgb(lab), atol=1e-3)


def test_luminance_and_lightness_are_each_others_inverse() -> None:
    values = torch.linspace(0, 1, 1001)
    torch.testing.assert_close(luminance(lightness(values)), values, atol=1e-6, rtol=0)
    greys = np.linspace(0, 1, 101)
    lab = np.stack([100 * greys, 0 * greys, 0 * greys], axis=-1)
    torch.testing.assert_close(
        luminance(torch.from_numpy(2 * greys - 1)),
        torch.from_numpy(lab2xyz(lab[None])[0, :, 1]),
        atol=1e-6,
        rtol=0,
    )


def test_there_and_back_is_the_same_picture() -> None:
    rgb = cube(17)
    assert (l_ab_to_rgb(*rgb_to_l_ab(rgb)) - rgb).abs().max() < 5e-4


def test_no_chroma_is_grey_of_that_lightness() -> None:
    lightness = torch.linspace(-1, 1, 101).view(1, 1, 1, -1)
    rgb = pixels(l_ab_to_rgb(lightness, torch.zeros(1, 2, 1, 101)))
    # kornia's white is (0.95047, 1, 1.08883), the sum of its matrix rows (0.95046, 1, 1.08875).
    assert np.ptp(rgb, axis=-1).max() < 2e-4
    np.testing.assert_allclose(rgb2lab(rgb)[0, 0, :, 0], np.linspace(0, 100, 101), atol=0.02)


def test_any_colour_gives_a_displayable_picture_of_the_lightness_asked_for() -> None:
    random = torch.Generator().manual_seed(1)
    l = torch.rand(4, 1, 64, 64, generator=random) * 2 - 1  # noqa: E741
    ab = torch.rand(4, 2, 64, 64, generator=random) * 2 - 1
    rgb = pixels(l_ab_to_rgb(l, ab))
    assert rgb.min() >= 0
    assert rgb.max() <= 1
    np.testing.assert_allclose(rgb2lab(rgb)[..., 0], (pixels(l)[..., 0] + 1) * 50, atol=0.1)


def test_a_colour_inside_the_gamut_stays_exactly_as_it_is() -> None:
    rgb = cube(17)
    assert torch.equal(into_gamut(rgb), rgb)


def test_a_colour_outside_the_gamut_moves_towards_its_grey_no_further_than_needed() -> None:
    rgb = out_of_gamut()
    before, after = to_linear(pixels(rgb)), to_linear(pixels(into_gamut(rgb)))
    was_outside = ((before < -1e-4) | (before > 1 + 1e-4)).any(axis=-1)
    assert was_outside.mean() > 0.95, "the test is about colours outside"
    before, after = before[was_outside], after[was_outside]
    grey = (before @ LUMINANCE)[:, None]
    # The same luminance ...
    np.testing.assert_allclose((after @ LUMINANCE)[:, None], grey, atol=2e-3)
    # ... on the line between the colour and its grey: a share t of the way ...
    offset, moved = before - grey, after - grey
    t = (moved * offset).sum(axis=-1, keepdims=True) / (offset**2).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(moved, t * offset, atol=2e-3)
    assert t.min() >= 0
    assert t.max() <= 1
    # ... on the gamut's surface: some channel is at its end.
    end = np.minimum(after, 1 - after).min(axis=-1)
    np.testing.assert_allclose(end, 0, atol=1e-5)


def test_any_number_is_mapped_into_the_gamut() -> None:
    random = torch.Generator().manual_seed(2)
    rgb = torch.randn(1, 3, 64, 64, generator=random) * 20
    mapped = into_gamut(rgb)
    assert torch.isfinite(mapped).all()
    assert mapped.min() >= 0
    assert mapped.max() <= 1


def saturation(rgb: Tensor) -> Tensor:
    return 1 - rgb.amin(dim=1) / rgb.amax(dim=1)


def over_saturated(lightness: Sequence[float], chroma: float) -> tuple[Tensor, Tensor]:
    """Scaled L and ab of 12 hues (rows) at some L* (columns): (1, 1, 12, n), (1, 2, 12, n)."""
    angle = (torch.arange(12) * torch.pi / 6)[:, None].expand(12, len(lightness))
    l = torch.tensor(lightness).expand(1, 1, 12, -1) / 50 - 1  # noqa: E741
    return l, torch.stack([angle.cos(), angle.sin()])[None] * chroma / 110


def test_an_over_saturated_colour_comes_back_when_less_saturation_is_asked_for() -> None:
    l, ab = over_saturated([10, 20, 40, 60, 80, 90], chroma=130)  # noqa: E741
    start = saturation(l_ab_to_rgb(l, ab))
    lowest = start
    for _ in range(250):
        ab.requires_grad_(True)
        now = saturation(l_ab_to_rgb(l, ab))
        (grad,) = torch.autograd.grad(now.sum(), ab)
        lowest = torch.minimum(lowest, now.detach())
        # Steps of one length, as Adam takes them: what counts is the direction.
        ab = ab.detach() - 0.01 * grad / grad.norm(dim=1, keepdim=True).clamp(min=1e-12)
    stuck = (lowest > 0.5 * start)[0].int().tolist()
    assert stuck == [[0] * 6] * 12, "rows: Lab hue 0, 30, ... degrees; columns: L* 10 ... 90"


def test_less_saturation_reduces_the_chroma_of_an_over_saturated_colour() -> None:
    l, ab = over_saturated([10, 20, 40], chroma=100)  # noqa: E741
    ab.requires_grad_(True)
    (grad,) = torch.autograd.grad(saturation(l_ab_to_rgb(l, ab)).sum(), ab)
    along_chroma = (grad * ab.detach()).sum(dim=1)[0]
    assert (along_chroma > 0.01).int().tolist() == [[1] * 3] * 12, (
        "rows: Lab hue 0, 30, ... degrees; columns: L* 10, 20, 40"
    )


def radial_push(weight: float) -> Tensor:
    """d(loss)/d(distance from grey, in linear light) for colours outside the gamut."""
    rgb = out_of_gamut().requires_grad_(True)
    (grad,) = torch.autograd.grad(weight * saturation(into_gamut(rgb)).sum(), rgb)
    linear = to_linear(pixels(rgb))
    offset = linear - (linear @ LUMINANCE)[..., None]
    # d(sRGB)/d(linear), by central differences of the decoding.
    h = 1e-5
    slope = 2 * h / (to_linear(pixels(rgb) + h) - to_linear(pixels(rgb) - h))
    away = offset * slope
    away /= np.linalg.norm(away, axis=-1, keepdims=True)
    return torch.from_numpy((pixels(grad) * away).sum(axis=-1))


def test_a_colour_outside_is_pulled_inside_by_less_saturation() -> None:
    assert (radial_push(1.0) > 0).float().mean() > 0.98


def test_a_colour_outside_is_not_pushed_further_out_by_more_saturation() -> None:
    # The map is constant along the way out, so all that is left is rounding.
    assert radial_push(-1.0).abs().max() < 1e-2 * radial_push(1.0).abs().max()
    assert radial_push(-1.0).min() > -1e-2


def test_the_gradient_along_the_surface_is_that_of_the_map() -> None:
    rgb = out_of_gamut(seed=3).double()[..., :8, :8]
    weights = torch.rand(rgb.shape, generator=torch.Generator().manual_seed(4)).double()
    rgb.requires_grad_(True)

    def loss(x: Tensor) -> Tensor:
        return (into_gamut(x) * weights).sum(dim=1, keepdim=True)

    (grad,) = torch.autograd.grad(loss(rgb).sum(), rgb)
    with torch.no_grad():
        outward = rgb - into_gamut(rgb)
        h = 1e-6
        differences = torch.zeros_like(rgb)
        for channel in range(3):
            step = torch.zeros_like(rgb)
            step[:, channel] = h
            differences[:, channel] = ((loss(rgb + step) - loss(rgb - step)) / (2 * h))[:, 0]
    # The pull inside is along ``outward``; across it, nothing is added.
    unit = outward / outward.norm(dim=1, keepdim=True)
    added = grad - differences
    across = added - (added * unit).sum(dim=1, keepdim=True) * unit
    assert differences.abs().max() > 0.1
    # A few colours sit at a kink of the map, where differences mean nothing.
    assert (across.norm(dim=1) > 1e-4).float().mean() < 0.02
    assert ((added * unit).sum(dim=1) > -1e-4).all()


@pytest.mark.parametrize("convert", [lambda rgb: torch.cat(rgb_to_l_ab(rgb), 1), into_gamut])
def test_gradients_are_finite_at_black_white_grey_and_the_primaries(
    convert: Callable[[Tensor], Tensor],
) -> None:
    rgb = cube(3).requires_grad_(True)
    (grad,) = torch.autograd.grad(convert(rgb).sum(), rgb)
    assert torch.isfinite(grad).all()


def test_colour_arithmetic_is_float32_under_autocast() -> None:
    rgb = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(5))
    l, ab = rgb_to_l_ab(rgb)  # noqa: E741
    back = l_ab_to_rgb(l, ab * 2)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(torch.cat(rgb_to_l_ab(rgb), 1), torch.cat([l, ab], 1))
        assert torch.equal(l_ab_to_rgb(l, ab * 2), back)
        from_half = l_ab_to_rgb(l, (ab * 2).bfloat16())
    assert back.dtype == from_half.dtype == torch.float32
    assert (from_half - back).abs().max() < 0.05


@pytest.mark.parametrize(
    ("ours", "kornias"),
    [(rgb_to_linear_rgb, kornia_decoded), (linear_rgb_to_rgb, kornia_encoded)],
)
def test_the_curve_of_srgb_has_kornias_bits_and_gradients(
    ours: Callable[[Tensor], Tensor], kornias: Callable[[Tensor], Tensor]
) -> None:
    random = torch.Generator().manual_seed(0)
    rgb = torch.rand(2, 3, 64, 64, generator=random) * 1.4 - 0.2
    one, other = (rgb.clone().requires_grad_(True) for _ in range(2))
    assert torch.equal(ours(one), kornias(other))
    slopes = [
        torch.autograd.grad(of(x).square().sum(), x)[0] for of, x in ((ours, one), (kornias, other))
    ]
    assert torch.equal(*slopes)
