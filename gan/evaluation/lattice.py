"""Lattice of dots that transposed convolutions leave in the colours.

Odena, Dumoulin, Olah, "Deconvolution and checkerboard artifacts" (2016): if the stride does not
divide the kernel size, and always at the start of a training, pixels differ by their position in
the stride. A layer of stride 2 gives a pattern with a period of 2 pixels, two layers give 4.
"""

import math
from itertools import product

import torch
from torch import Tensor

from gan.colour.conversion import AB_SCALE, rgb_to_l_ab

_FREQUENCIES = [(i, j) for i, j in product(range(4), repeat=2) if (i, j) != (0, 0)]
"""Frequencies of the lattice in quarters of a cycle per pixel, down and across."""
_SMALLEST = 20
"""Minimum side in pixels: 3 bins from one frequency are then at least 2 from the next."""
_ROUNDING = 0.09
"""Variance that rounding to 8 bits adds to a* and b* together; measured: 0.07 to 0.10."""
_IMAGES_AT_A_TIME = 64


def lattice(rgb: Tensor, real: Tensor) -> float:
    """Return the colours' spectral energy at periods of 2 and 4 pixels, relative to real images.

    Energy of a* and b* at the 15 frequencies of {0, 1/4, 1/2, 3/4}^2 without (0, 0), averaged over
    the images. It rises with chroma (originals moved to a saturation of 0.75 have 5 times their own
    energy) and comes almost entirely from edges and image borders. On colours smoother than real
    ones, dots are visible long before they exceed that. ``lattice_amplitude`` has neither flaw.

    Args:
        rgb: (N, 3, H, W) in [0, 1]; sides are cropped to multiples of 4.
        real: (M, 3, H, W), real images in the same format, ideally of the same chroma.

    Returns:
        0 or more; 1 for images like the real ones.
    """
    made, natural = (_at_lattice(_spectrum(x, windowed=False)) for x in (rgb, real))
    return made / natural


def lattice_amplitude(rgb: Tensor, real: Tensor) -> float:
    """Return the lattice's root mean square as a colour difference in (a*, b*); visible from 1.5.

    Based on the excess of the energy at the frequencies of ``lattice`` over the expected energy:
    that at neighbouring frequencies times the ratio of the two in real images. Therefore neither
    edges nor chroma count as a lattice, and smoothness does not hide one. Neighbours are 2 or 3
    cycles per image away (along the axis for frequencies on an axis, where images have more
    energy). Their mean is geometric, as spectra follow a power law. A Hann window excludes borders.

    Measured at 32 pixels: 0 to 0.7 for photographs, fitted originals at a saturation of 0.75 and
    blurred colours; 1.6 and 3.3 with added dots of 2 and 4, on sharp and blurred colours alike; 0.9
    for outputs without visible dots, 1.5 to 1.7 for faint dots, 3.2 and 4.4 for clear dots, for
    which ``lattice`` is 1.1 and 1.0 (relative to fitted originals at a saturation of 0.75).

    Args:
        rgb: (N, 3, H, W) in [0, 1]; sides are cropped to multiples of 4.
        real: (M, 3, H, W), real images in the same format, of the same size.

    Returns:
        0 or more, in units of a* and b*; 0 for images like the real ones.

    Raises:
        ValueError: a side is below 20 pixels, where the frequencies are too close together.
    """
    if min(*rgb.shape[2:], *real.shape[2:]) < _SMALLEST:
        raise ValueError(f"the lattice's amplitude needs sides of {_SMALLEST} pixels or more")
    made, natural = (_spectrum(x, windowed=True) for x in (rgb, real))
    foreseen = _beside(made) * _at_lattice(natural) / _beside(natural)
    # Along each axis, the window leaves mean(w)^2 / mean(w^2) = 2/3 of a wave's energy.
    return 1.5 * math.sqrt(max(_at_lattice(made) - foreseen, 0.0))


def _spectrum(rgb: Tensor, *, windowed: bool) -> Tensor:
    """Return the mean energy of a* and b* by frequency: (H, W) float64, summing to the mean square.

    Includes the energy of rounding, without which the ratio of two grey images would be 0 / 0.
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
    """Sum the energy near each lattice frequency, whose own energy spreads over 1 bin around it."""
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
