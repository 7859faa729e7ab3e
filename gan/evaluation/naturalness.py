"""Naturalness of the colours of a set of images, with confidence intervals.

Metrics of whole sets, most of them relative to a set of natural images. Deterministic: the
bootstrap has a fixed random seed.
"""

import math

import torch
from torch import Tensor

from gan.colour.statistic import Statistic
from gan.colour.statistics.hue import hue_vector

CELLS = 22
"""Histogram cells of a* and of b* over [-110, 110]: 10 units wide."""
NEAR = 0.05
"""Fraction of a statistic's range within which a natural image counts as having a target."""
FEWEST = 30
"""Minimum number of natural images; a distance to fewer would be noise."""
DRAWS = 1000

_IMAGES_AT_A_TIME = 64


def kid(features: Tensor, real: Tensor) -> float:
    """Return the Kernel Inception Distance of two sets of features, times 1000; lower is closer.

    Binkowski, Sutherland, Arbel, Gretton, "Demystifying MMD GANs" (2018): the unbiased estimate of
    the squared maximum mean discrepancy with the kernel (x.y/d + 1)^3, here over all pairs instead
    of random subsets, in float64. For independent sets, its expectation does not depend on the
    number of images. It is 0 for equal distributions, so that estimates can be negative.

    Sets of the same photographs are not independent: pairs of an image and its own original lower
    the distance, two crops of one photograph raise it. For 256 pictures of CIFAR-10 against the
    same pictures with other chroma it was 28; without the pairs of the same picture, 56. The effect
    falls as 1/n: compare only values of equally many images.

    Args:
        features: (n, d), from any network.
        real: (m, d), from the same network.

    Raises:
        ValueError: a set has fewer than two images.
    """
    _require_pairs(features, real)
    n, m = len(features), len(real)
    same, other = _kernel(features, features), _kernel(real, real)
    within = (same.sum() - same.trace()) / (n * (n - 1))
    within += (other.sum() - other.trace()) / (m * (m - 1))
    return 1000 * float(within - 2 * _kernel(features, real).mean())


def _require_pairs(features: Tensor, real: Tensor) -> None:
    if min(len(features), len(real)) < 2:
        raise ValueError(f"KID needs 2 images per set, got {len(features)} and {len(real)}")


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x.double() @ y.double().T / x.shape[1] + 1) ** 3


def js_divergence(ab: Tensor, real_ab: Tensor) -> float:
    """Return the Jensen-Shannon divergence of the colours of two sets of images, in bits.

    Lin, "Divergence measures based on the Shannon entropy" (1991), between the joint histograms of
    a* and b* over all pixels, with cells of 10x10 units over [-110, 110].

    Args:
        ab: (N, 2, H, W), scaled colour in [-1, 1]; colours outside count in the outermost cells.
        real_ab: (M, 2, H, W), the other set in the same format.

    Returns:
        A number in [0, 1]: 0 for equal histograms, 1 if no cell has pixels of both sets.
    """
    p, q = _histogram(ab), _histogram(real_ab)
    middle = (p + q) / 2
    divergence = _entropy(middle) - (_entropy(p) + _entropy(q)) / 2
    return min(max(divergence, 0.0), 1.0)  # rounding can leave this range


def _entropy(shares: Tensor) -> float:
    """Return the entropy in bits."""
    return float(torch.special.entr(shares).sum()) / math.log(2)


def _histogram(ab: Tensor) -> Tensor:
    """Return the share of the pixels in each cell: (CELLS * CELLS,) float64."""
    counts = torch.zeros(CELLS**2, dtype=torch.long, device=ab.device)
    for part in torch.split(ab, _IMAGES_AT_A_TIME):
        cell = ((part + 1) * (CELLS / 2)).long().clamp(0, CELLS - 1)
        index = cell[:, 0] * CELLS + cell[:, 1]
        counts += torch.bincount(index.flatten(), minlength=CELLS**2)
    return counts.double() / counts.sum()


def hue_spread(rgb: Tensor) -> float:
    """Return the circular variance of the images' mean hues: 1 - resultant length.

    Mardia, Jupp, "Directional Statistics" (2000), for the directions of ``hue_vector``, each
    scaled to length 1. Grey images have no hue and are left out.

    Args:
        rgb: (N, 3, H, W) in [0, 1].

    Returns:
        A number in [0, 1]: 0 if all images have the same tint, and if all are grey.
    """
    vectors = torch.stack(hue_vector(rgb), dim=1).double()
    length = vectors.norm(dim=1, keepdim=True)
    # Less than half an 8-bit level is shown as grey; grey from Lab has a tint of 2e-4.
    hues = (vectors / length)[length[:, 0] > 0.5 / 255]
    return max(0.0, 1 - float(hues.mean(dim=0).norm())) if len(hues) else 0.0


def nearby(values: Tensor, target: float, statistic: Statistic) -> Tensor:
    """Select the natural images that have a target's value by themselves, for use in ``kid``.

    Args:
        values: (N,), the statistic of the natural images.
        target: in the statistic's unit.
        statistic: provides the range, and the distance (around the circle for hue).

    Returns:
        (n,) ascending indices of the images at most 0.05 of the statistic's range from the target;
        empty if there are fewer than 30.
    """
    (indices,) = (statistic.distance(values, target) <= NEAR * statistic.span).nonzero().unbind(1)
    return indices if len(indices) >= FEWEST else indices[:0]


def interval(values: Tensor, photograph: Tensor, draws: int = DRAWS) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a mean over images that are crops of photographs.

    Efron, Tibshirani, "An Introduction to the Bootstrap" (1993), the percentile method. Whole
    photographs are drawn with all of their crops, as crops of one are not independent samples.

    Args:
        values: (n,), one number for each crop.
        photograph: (n,) integers, the photograph that each is a crop of.
        draws: number of resampled sets of photographs.

    Returns:
        Lower and upper end.

    Raises:
        ValueError: there are fewer than two photographs.
    """
    of, times = _resampled(photograph.to(values.device), draws)
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
    """Return the 95 % bootstrap interval of ``kid`` over photographs, by the percentile method.

    A photograph drawn twice counts as two photographs, each with all pairs of its crops. Pairs
    between the two copies do not count: they would replace pairs of different photographs with
    pairs of the same one, and raise the distance. Takes 0.1 s for 500 crops on one thread.

    Args:
        features: (n, d).
        real: (m, d).
        photograph: (n,) integers, the photograph that each image of ``features`` is a crop of.
        real_photograph: (m,), the same for ``real``; ``photograph`` if not given.
        draws: number of resampled sets of photographs.

    Returns:
        Lower and upper end, times 1000 like ``kid``.

    Raises:
        ValueError: there are fewer than two photographs, or fewer than two images in a set.
    """
    _require_pairs(features, real)
    features, real = features.cpu(), real.cpu()  # where the order of sums is fixed
    real_photograph = photograph if real_photograph is None else real_photograph
    both = torch.cat([photograph, real_photograph]).to(features.device)
    both, times = _resampled(both, draws)
    of, real_of = both[: len(features)], both[len(features) :]
    within = [
        _mean_over_pairs(_kernel(x, x), x_of, x_of, times, distinct=True)
        for x, x_of in ((features, of), (real, real_of))
    ]
    between = _mean_over_pairs(_kernel(features, real), of, real_of, times, distinct=False)
    return _percentiles(1000 * (sum(within) - 2 * between))


def _resampled(photograph: Tensor, draws: int) -> tuple[Tensor, Tensor]:
    """Return the photograph of each crop, 0 to P - 1, and its count in each draw: (draws, P)."""
    names, of = torch.unique(photograph, return_inverse=True)
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
    """Return a kernel's mean over each draw's pairs (of two crops if ``distinct``): (draws,)."""
    pairs = torch.ones_like(kernel)
    if distinct:
        pairs.fill_diagonal_(0)
    sums, counts = (_over_draws(x, of, other_of, times) for x in (kernel * pairs, pairs))
    return sums / counts


def _over_draws(matrix: Tensor, of: Tensor, other_of: Tensor, times: Tensor) -> Tensor:
    """Return the sum of a matrix over the pairs of each draw: (draws,)."""
    count = times.shape[1]
    rows = matrix.new_zeros(count, matrix.shape[1]).index_add_(0, of, matrix)
    table = matrix.new_zeros(count, count).index_add_(1, other_of, rows)
    # A photograph's own pairs count once for each copy, not for each pair of copies.
    return ((times @ table) * times).sum(dim=1) - (times**2 - times) @ table.diag()


def _percentiles(values: Tensor) -> tuple[float, float]:
    # A draw of a single photograph may have no pairs: 0 / 0.
    values = values[values.isfinite()]
    low, high = values.quantile(values.new_tensor([0.025, 0.975])).tolist()
    return low, high
