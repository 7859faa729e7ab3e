"""How natural the colours of a set of images are, and how sure that is.

Numbers of whole sets, beside natural images: of features, of colours, of hues, of the lattice
that transposed convolutions leave. Deterministic: the bootstrap has a seed of its own.
"""

import math
from itertools import product

import torch
from torch import Tensor

from gan.color import AB_SCALE, rgb_to_l_ab
from gan.controls import Statistic, hue_vector

CELLS = 22
"""Cells of a* and of b* over [-110, 110]: 10 units wide."""
NEAR = 0.05
"""Part of a statistic's range within which a natural image counts as having a target's value."""
FEWEST = 30
"""Natural images below which a distance to them would be noise."""
DRAWS = 1000

_IMAGES_AT_A_TIME = 64
_LATTICE = [(i, j) for i, j in product(range(4), repeat=2) if (i, j) != (0, 0)]
"""Frequencies in quarters of a cycle a pixel, down and across."""
_ROUNDING = 0.09
"""Variance of a* and b* together that rounding to 8 bits adds: 0.07 to 0.10, measured."""


def kid(features: Tensor, real: Tensor) -> float:
    """Kernel Inception Distance between two sets of features, times 1000; lower is nearer.

    Binkowski, Sutherland, Arbel, Gretton, "Demystifying MMD GANs" (2018): the unbiased estimate of
    the squared maximum mean discrepancy with the kernel (x.y/d + 1)^3, here over all pairs, not
    over random subsets, in float64. Its expectation does not depend on the number of images, and
    is 0 for two sets of one distribution, so that estimates can be below 0.

    Args:
        features: (n, d), of any network.
        real: (m, d).

    Raises:
        ValueError: fewer than two images in a set.
    """
    _require_pairs(features, real)
    n, m = len(features), len(real)
    same, other = _kernel(features, features), _kernel(real, real)
    within = (same.sum() - same.trace()) / (n * (n - 1))
    within += (other.sum() - other.trace()) / (m * (m - 1))
    return 1000 * float(within - 2 * _kernel(features, real).mean())


def _require_pairs(features: Tensor, real: Tensor) -> None:
    if min(len(features), len(real)) < 2:
        raise ValueError(f"KID needs 2 images of each set, got {len(features)} and {len(real)}")


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x.double() @ y.double().T / x.shape[1] + 1) ** 3


def js_divergence(ab: Tensor, real_ab: Tensor) -> float:
    """Jensen-Shannon divergence of the colours of two sets of images, in bits.

    Lin, "Divergence measures based on the Shannon entropy" (1991), between the joint histograms of
    a* and b* over all pixels, with cells of 10x10 units over [-110, 110].

    Args:
        ab: (N, 2, H, W), scaled colour in [-1, 1]; what lies outside counts into the last cell.
        real_ab: (M, 2, H, W), likewise.

    Returns:
        A number in [0, 1]: 0 for equal histograms, 1 where no cell has pixels of both.
    """
    p, q = _histogram(ab), _histogram(real_ab)
    middle = (p + q) / 2
    divergence = _entropy(middle) - (_entropy(p) + _entropy(q)) / 2
    return min(max(divergence, 0.0), 1.0)  # rounding can take it outside


def _entropy(shares: Tensor) -> float:
    """In bits."""
    return torch.special.entr(shares).sum().item() / math.log(2)


def _histogram(ab: Tensor) -> Tensor:
    """Shares of the pixels: (CELLS * CELLS,) float64."""
    counts = torch.zeros(CELLS**2, dtype=torch.long, device=ab.device)
    for part in torch.split(ab, _IMAGES_AT_A_TIME):
        cell = ((part + 1) * (CELLS / 2)).long().clamp(0, CELLS - 1)
        index = cell[:, 0] * CELLS + cell[:, 1]
        counts += torch.bincount(index.flatten(), minlength=CELLS**2)
    return counts.double() / counts.sum()


def hue_spread(rgb: Tensor) -> float:
    """How much the mean hues of images differ: 1 - resultant length, the circular variance.

    Mardia, Jupp, "Directional Statistics" (2000), of the directions of ``controls.hue_vector``,
    each of length 1. Grey images have no hue and are left out.

    Args:
        rgb: (N, 3, H, W) in [0, 1].

    Returns:
        A number in [0, 1]: 0 for one tint over all images, and where all are grey.
    """
    vectors = torch.stack(hue_vector(rgb), dim=1).double()
    length = vectors.norm(dim=1, keepdim=True)
    # Less than half a shade of 8 bits is shown as grey; grey from Lab has a tint of 2e-4.
    hues = (vectors / length)[length[:, 0] > 0.5 / 255]
    return max(0.0, 1 - float(hues.mean(dim=0).norm())) if len(hues) else 0.0


def lattice(rgb: Tensor, real: Tensor) -> float:
    """Energy of the colours' spectrum at periods of 2 and 4 pixels, over that of real images.

    A transposed convolution of stride 2 leaves a checkerboard there, two of them at 4 too: Odena,
    Dumoulin, Olah, "Deconvolution and checkerboard artifacts" (2016). The energy at the 15
    frequencies of {0, 1/4, 1/2, 3/4}^2 without (0, 0), of a* and b*, averaged over the images.

    It rises with chroma (originals moved to a saturation of 0.75 have 5 times their own energy):
    compare with real images of that saturation. And it cannot see a lattice on colours that are
    smoother than real ones: ``lattice_peak`` can.

    Args:
        rgb: (N, 3, H, W) in [0, 1]; sides are cropped to multiples of 4.
        real: (M, 3, H, W), likewise.

    Returns:
        1 for images like the real ones.
    """
    made, natural = (sum(_at_lattice(_spectrum(x, windowed=False))) for x in (rgb, real))
    return made / natural


def lattice_peak(rgb: Tensor, real: Tensor) -> float:
    """Energy at the frequencies of ``lattice`` over that beside them, over real images' ratio.

    A lattice is a peak of the spectrum, whatever the spectrum's level: neither smooth colours nor
    chroma change the ratio much. The energy beside a frequency is the geometric mean, as spectra
    fall by a power, of what is 2 or 3 cycles an image away, on the axis for one on an axis, where
    images have more energy. A Hann window keeps the images' borders out, which make most of the
    energy of ``lattice`` where colours are smooth. The energy of rounding to 8 bits is added
    everywhere, so that grey images have no peak.

    Measured on photographs of 32 pixels against originals moved to a saturation of 0.75: 0.9 to
    1.05 for originals, moved or not, of two datasets; 0.7 to 1 for blurred colours; 1.24 for moved
    originals with dots of a root mean square of 2 in (a*, b*), just seen in a flat sky; 1.25 and
    2.5 for blurred ones with dots of 1 and 2, where ``lattice`` gives 0.5 and 0.8.

    Args:
        rgb: (N, 3, H, W) in [0, 1]; sides are cropped to multiples of 4.
        real: (M, 3, H, W), likewise; of the same size, since a peak is higher in larger images.

    Returns:
        1 for images like the real ones.

    Raises:
        ValueError: a side is below 20 pixels, where the frequencies are too near each other.
    """
    if min(*rgb.shape[2:], *real.shape[2:]) < 20:
        raise ValueError("lattice_peak needs images of at least 20 pixels a side")
    made, natural = (_prominence(_spectrum(x, windowed=True)) for x in (rgb, real))
    return made / natural


def _spectrum(rgb: Tensor, *, windowed: bool) -> Tensor:
    """Mean energy of a* and b* at each frequency: (H, W) float64, summing to the mean square."""
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


def _at_lattice(energy: Tensor) -> list[float]:
    height, width = energy.shape
    return [energy[i * height // 4, j * width // 4].item() for i, j in _LATTICE]


def _prominence(energy: Tensor) -> float:
    return sum(_at_lattice(energy)) / sum(_beside(energy, i, j) for i, j in _LATTICE)


def _beside(energy: Tensor, i: int, j: int) -> float:
    """Geometric mean of the energy 2 or 3 bins from a frequency; a Hann window's peak has 1."""
    height, width = energy.shape
    rows, columns = torch.meshgrid(torch.arange(-3, 4), torch.arange(-3, 4), indexing="ij")
    chosen = torch.maximum(rows.abs(), columns.abs()) > 1
    chosen &= (rows == 0) if i == 0 else True
    chosen &= (columns == 0) if j == 0 else True
    row = (i * height // 4 + rows[chosen]) % height
    column = (j * width // 4 + columns[chosen]) % width
    return energy[row, column].log().mean().exp().item()


def nearby(values: Tensor, target: float, statistic: Statistic) -> Tensor:
    """Choose the natural images that have a target's value by themselves, for ``kid`` to them.

    Args:
        values: (N,), the statistic of the natural images.
        target: in the statistic's unit.
        statistic: gives the range, and the distance, around the circle for hue.

    Returns:
        (n,) indices, ascending, of the images within 0.05 of the statistic's range of the target;
        empty where there are fewer than 30.
    """
    (indices,) = (statistic.distance(values, target) <= NEAR * statistic.span).nonzero().unbind(1)
    return indices if len(indices) >= FEWEST else indices[:0]


def interval(values: Tensor, photograph: Tensor, draws: int = DRAWS) -> tuple[float, float]:
    """95 % bootstrap interval of a mean over images that are crops of fewer photographs.

    Efron, Tibshirani, "An Introduction to the Bootstrap" (1993), the percentile method; whole
    photographs are drawn, with all of their crops, as crops of one are no independent sample.

    Args:
        values: (n,), one number for each crop.
        photograph: (n,) integers: which photograph each is a crop of.
        draws: resampled sets of photographs.

    Returns:
        Its lower and upper end.

    Raises:
        ValueError: fewer than two photographs.
    """
    of, times = _resampled(photograph, draws)
    sums = torch.zeros_like(times[0]).index_add_(0, of, values.double())
    means = times @ sums / (times @ of.bincount().double())
    return _percentiles(means)


def kid_interval(
    features: Tensor,
    real: Tensor,
    photograph: Tensor,
    real_photograph: Tensor | None = None,
    draws: int = DRAWS,
) -> tuple[float, float]:
    """95 % bootstrap interval of ``kid`` over photographs, by the percentile method.

    A photograph that is drawn twice counts as two, of all of whose crops the pairs count; but not
    pairs between the two: in place of pairs of different photographs these are pairs of the same
    one, and would raise the distance. 0.3 s for 500 crops on one thread.

    Args:
        features: (n, d).
        real: (m, d).
        photograph: (n,) integers: which photograph each image of ``features`` is a crop of.
        real_photograph: (m,), the same of ``real``; ``photograph`` if not given.
        draws: resampled sets of photographs.

    Returns:
        Its lower and upper end, times 1000 like ``kid``.

    Raises:
        ValueError: fewer than two photographs, or two images of a set.
    """
    _require_pairs(features, real)
    real_photograph = photograph if real_photograph is None else real_photograph
    both, times = _resampled(torch.cat([photograph, real_photograph]), draws)
    of, real_of = both.split([len(features), len(real)])
    within = [
        _mean_over_pairs(_kernel(x, x), x_of, x_of, times, distinct=True)
        for x, x_of in ((features, of), (real, real_of))
    ]
    between = _mean_over_pairs(_kernel(features, real), of, real_of, times, distinct=False)
    return _percentiles(1000 * (sum(within) - 2 * between))


def _resampled(photograph: Tensor, draws: int) -> tuple[Tensor, Tensor]:
    """Photograph of each crop from 0 to P - 1, and how often each draw has it: (draws, P)."""
    names, of = photograph.unique(return_inverse=True)
    count = len(names)
    if count < 2:
        raise ValueError("an interval over photographs needs at least two of them")
    drawn = torch.randint(count, (draws, count), generator=torch.Generator().manual_seed(0))
    times = torch.zeros(draws, count, dtype=torch.double)
    times.scatter_add_(1, drawn, torch.ones_like(times))
    return of, times.to(photograph.device)


def _mean_over_pairs(
    kernel: Tensor, of: Tensor, other_of: Tensor, times: Tensor, *, distinct: bool
) -> Tensor:
    """Mean of a kernel over the pairs of each draw: (draws,); of distinct crops if asked."""
    pairs = torch.ones_like(kernel)
    if distinct:
        pairs.fill_diagonal_(0)
    sums, counts = (_over_draws(x, of, other_of, times) for x in (kernel * pairs, pairs))
    return sums / counts


def _over_draws(matrix: Tensor, of: Tensor, other_of: Tensor, times: Tensor) -> Tensor:
    """Sum of a matrix over the pairs of each draw: (draws,)."""
    count = times.shape[1]
    rows = matrix.new_zeros(count, matrix.shape[1]).index_add_(0, of, matrix)
    table = matrix.new_zeros(count, count).index_add_(1, other_of, rows)
    # On the diagonal once for each copy, not for each pair of copies.
    return ((times @ table) * times).sum(dim=1) - (times**2 - times) @ table.diag()


def _percentiles(values: Tensor) -> tuple[float, float]:
    # A draw of one photograph alone has no pairs: 0 / 0.
    values = values[values.isfinite()]
    low, high = values.quantile(values.new_tensor([0.025, 0.975])).tolist()
    return low, high
