import math
from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.signal.windows import hann
from scipy.stats import gmean
from skimage.color import lab2rgb, rgb2lab
from torch import Tensor, nn

from gan.evaluation.lattice import lattice, lattice_amplitude

Array = NDArray[np.float64]
QUARTERS = [(i, j) for i, j in product(range(4), repeat=2) if (i, j) != (0, 0)]


def photographs(count: int = 6, side: int = 32, blur: int = 0, seed: int = 0) -> Tensor:
    """Colours as (count, 2, side, side) a*, b*, whose spectrum falls as natural ones do."""
    random = np.random.default_rng(seed)
    noise = np.fft.fft2(random.normal(size=(count, 2, 2 * side, 2 * side)))
    along = np.fft.fftfreq(2 * side)
    distance = np.hypot(*np.meshgrid(along, along)) + 1 / (2 * side)
    noise *= np.exp(-blur * (along[:, None] ** 2 + along**2)) / distance
    colours = np.fft.ifft2(noise).real[..., :side, :side]
    return torch.from_numpy(12 * colours / colours.std())


def shown(ab: Tensor) -> Tensor:
    """As pictures of L* = 60, rounded to 8 bits."""
    lab = torch.cat([torch.full_like(ab[:, :1], 60), ab], dim=1).permute(0, 2, 3, 1)
    rgb = torch.from_numpy(lab2rgb(lab.numpy())).permute(0, 3, 1, 2)
    return ((rgb * 255).round() / 255).float()


def colours_of(rgb: Tensor) -> Array:
    array: Array = rgb2lab(rgb.double().permute(0, 2, 3, 1).numpy())[..., 1:]
    return array


def dots(side: int, period: int) -> Tensor:
    """One pixel of period^2, of mean 0 and mean square 1."""
    row = torch.arange(side) % period == 0
    pattern = torch.outer(row.double(), row.double())
    return (pattern - pattern.mean()) / pattern.std(correction=0)


def energy(rgb: Tensor) -> float:
    """At periods of 2 and 4, by Fourier's sum written out."""
    total = 0.0
    ab = colours_of(rgb)
    y, x = np.mgrid[: ab.shape[1], : ab.shape[2]]
    for i, j in QUARTERS:
        wave = np.exp(-2j * np.pi * (i * y + j * x) / 4)[..., None]
        total += np.square(np.abs((ab * wave).mean(axis=(1, 2)))).sum() / len(ab)
    return total


def test_lattice_is_the_ratio_of_fouriers_sums_at_periods_2_and_4() -> None:
    made, real = shown(photographs(5)[..., :24] + dots(32, 4)[:, :24]), shown(photographs(70))
    wanted = energy(made) / energy(real)
    assert lattice(made, real) == pytest.approx(wanted, rel=2e-3)
    assert lattice(real, real) == 1
    larger = nn.functional.pad(made, (0, 3, 0, 1), value=0.3)
    assert lattice(larger, real) == pytest.approx(wanted, rel=2e-3), "cropped to multiples of 4"


@pytest.mark.parametrize("period", [2, 4])
@pytest.mark.parametrize("blur", [0, 60])
def test_the_amplitude_is_that_of_the_dots_on_sharp_and_on_smooth_colours(
    period: int, blur: int
) -> None:
    real = shown(photographs(40))
    for amount in (2, 4):
        added = amount / math.sqrt(2) * dots(32, period)  # to a* and to b*
        made = shown(photographs(40, blur=blur, seed=1) + added)
        assert lattice_amplitude(made, real) == pytest.approx(amount, abs=0.3)


def test_a_lattice_on_smooth_colours_can_have_less_energy_than_real_edges() -> None:
    real, smooth = shown(2 * photographs()), photographs(blur=60)
    dotted = shown(smooth + 1.5 * dots(32, 2))
    assert lattice(dotted, real) < 0.8
    assert lattice_amplitude(dotted, real) > 1.8


def test_neither_chroma_nor_edges_nor_other_patterns_are_a_lattice() -> None:
    real = shown(photographs(40))
    natural = 0.7
    assert lattice_amplitude(real, real) == 0
    assert lattice_amplitude(shown(photographs(40, seed=1)), real) < natural
    assert lattice_amplitude(shown(2 * photographs(40)), real) < natural
    assert lattice_amplitude(shown(photographs(40) + 3 * dots(32, 3)), real) < natural
    assert lattice(shown(2 * photographs(40)), real) > 3


def test_grey_pictures_have_no_lattice() -> None:
    real, grey = shown(photographs()), shown(torch.zeros(2, 2, 32, 32))
    assert lattice(grey, real) < 0.01
    assert lattice(grey, grey) == 1
    assert lattice_amplitude(grey, real) < 0.1


def at_and_beside(rgb: Tensor) -> tuple[float, float]:
    """Energy at the lattice's frequencies and 2 or 3 bins away, with SciPy's window."""
    side = rgb.shape[2]
    window = np.outer(hann(side, sym=False), hann(side, sym=False))
    spectrum = np.square(np.abs(np.fft.fft2(colours_of(rgb) * window[..., None], axes=(1, 2))))
    mean = spectrum.sum(axis=3).mean(axis=0) / np.square(window).mean() / side**4
    mean = mean + 0.09 / side**2
    at, beside = 0.0, 0.0
    for i, j in QUARTERS:
        at += mean[i * side // 4, j * side // 4]
        near = [
            mean[(i * side // 4 + y) % side, (j * side // 4 + x) % side]
            for y, x in product(range(-3, 4), repeat=2)
            if max(abs(y), abs(x)) >= 2 and (i != 0 or y == 0) and (j != 0 or x == 0)
        ]
        beside += gmean(near)
    return at, beside


def test_the_amplitude_is_what_real_images_and_the_frequencies_beside_do_not_explain() -> None:
    made, real = shown(photographs(70, seed=1) + dots(32, 4)), shown(photographs())
    (at, beside), (real_at, real_beside) = at_and_beside(made), at_and_beside(real)
    foreseen = beside * real_at / real_beside
    wanted = 1.5 * math.sqrt(at - foreseen)
    assert 0.2 < foreseen / at < 0.8, "both count"
    assert lattice_amplitude(made, real) == pytest.approx(wanted, rel=2e-3)


def test_pictures_too_small_for_the_amplitude_are_refused() -> None:
    with pytest.raises(ValueError, match="20 pixels"):
        lattice_amplitude(torch.rand(2, 3, 32, 16), torch.rand(2, 3, 32, 32))
