"""The lattice of dots that transposed convolutions leave in the colours.

Odena, Dumoulin, Olah, "Deconvolution and checkerboard artifacts" (2016): where strides do not
divide the kernel evenly, and at the start of a training always, pixels differ by their place in
the stride. With a stride of 2 the pattern has a period of 2 pixels, after two layers of 4.
"""

import math
from itertools import product

import torch
from torch import Tensor

from gan.colour.conversion import AB_SCALE, rgb_to_l_ab

_FREQUENCIES = [(i, j) for i, j in product(range(4), repeat=2) if (i, j) != (0, 0)]
"""Of the lattice, in quarters of a cycle a pixel, down and across."""
_SMALLEST = 20
"""Side at which 3 bins from a frequency are still 2 from the next, pixels."""
_ROUNDING = 0.09
"""Variance of a* and b* together that rounding to 8 bits adds: 0.07 to 0.10, measured."""
_IMAGES_AT_A_TIME = 64


def lattice(rgb: Tensor, real: Tensor) -> float:
    """Energy of the colours' spectrum at periods of 2 and 4 pixels, over that of real images.

    The energy of a* and b* at the 15 frequencies of {0, 1/4, 1/2, 3/4}^2 without (0, 0), averaged
    over the images. It rises with chroma (originals moved to a saturation of 0.75 have 5 times
    their own), and is nearly all of edges and of what the borders add: dots are seen long before
    they rise above it on colours that are smoother than real ones. ``lattice_amplitude`` has
    neither fault.

    Args:
        rgb: (N, 3, H, W) in [0, 1]; sides are cropped to multiples of 4.
        real: (M, 3, H, W), likewise, best of the same chroma.

    Returns:
        0 or more; 1 for images like the real ones.
    """
    made, natural = (_at_lattice(_spectrum(x, windowed=False)) for x in (rgb, real))
    return made / natural


def lattice_amplitude(rgb: Tensor, real: Tensor) -> float:
    """Root mean square of the lattice in (a*, b*), as a colour difference; seen from 1.5.

    The energy at the frequencies of ``lattice`` above what is foreseen there: the energy beside
    them times the ratio of the two in real images. So neither edges nor chroma count as a
    lattice, and no smoothness hides one. Beside a frequency is 2 or 3 cycles an image away (on
    the axis for one on an axis, where images have more energy), by the geometric mean, as spectra
    fall by a power. A Hann window keeps the images' borders out.

    Measured at 32 pixels: 0 to 0.7 for photographs, their originals moved to a saturation of 0.75
    and blurred colours; 1.6 and 3.3 with dots of 2 and 4 added, be the colours sharp or blurred;
    0.9 for outputs in which no dots are seen, 1.5 to 1.7 for faint ones, 3.2 and 4.4 for clear
    ones, of which ``lattice`` is 1.1 and 1.0 (beside originals moved to a saturation of 0.75).

    Args:
        rgb: (N, 3, H, W) in [0, 1]; sides are cropped to multiples of 4.
        real: (M, 3, H, W), likewise, of the same size.

    Returns:
        0 or more, in units of a* and b*; 0 for images like the real ones.

    Raises:
        ValueError: a side is below 20 pixels, where the frequencies are too near each other.
    """
    if min(*rgb.shape[2:], *real.shape[2:]) < _SMALLEST:
        raise ValueError(f"the lattice's amplitude needs sides of {_SMALLEST} pixels or more")
    made, natural = (_spectrum(x, windowed=True) for x in (rgb, real))
    foreseen = _beside(made) * _at_lattice(natural) / _beside(natural)
    # Of a wave's energy the window leaves mean(w)^2 / mean(w^2) = 2/3 along each axis.
    return 1.5 * math.sqrt(max(_at_lattice(made) - foreseen, 0.0))


def _spectrum(rgb: Tensor, *, windowed: bool) -> Tensor:
    """Mean energy of a* and b* at each frequency: (H, W) float64, summing to the mean square.

    With the energy of rounding: the ratio of two grey images would be of nothing to nothing.
    """
    height, width = (side - side % 4 for side in rgb.shape[2:])
    window = torch.ones(height, width, device=rgb.device)
    if windowed:
        down, across = (torch.hann_window(x, device=rgb.device) for x in (height, width))
        window = torch.outer(down, across)
        window = window / window.square().mean().sqrt()
    total = torch.zeros(height, width, dtype=torch.double, device=rgb.device)
    for part in torch.split(rgb[..., :height, :width], _IMAGES_AT_A_TIME):
        ab = rgb_to_l_ab(part)[1] * AB_SCALE
        energy = torch.fft.fft2(ab * window, norm="forward").abs().square()
        total += energy.double().sum(dim=(0, 1))
    return (total / len(rgb) + _ROUNDING / (height * width)).cpu()


def _at_lattice(energy: Tensor) -> float:
    height, width = energy.shape
    return sum(energy[i * height // 4, j * width // 4].item() for i, j in _FREQUENCIES)


def _beside(energy: Tensor) -> float:
    """Sum over the lattice's frequencies of the energy beside each; its own is in 1 bin from it."""
    height, width = energy.shape
    rows, columns = torch.meshgrid(torch.arange(-3, 4), torch.arange(-3, 4), indexing="ij")
    total = 0.0
    for i, j in _FREQUENCIES:
        chosen = torch.maximum(rows.abs(), columns.abs()) > 1
        if i == 0:
            chosen &= rows == 0
        if j == 0:
            chosen &= columns == 0
        row = (i * height // 4 + rows[chosen]) % height
        column = (j * width // 4 + columns[chosen]) % width
        total += energy[row, column].log().mean().exp().item()
    return total
