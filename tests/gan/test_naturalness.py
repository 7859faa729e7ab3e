import cmath
import colorsys
import math
from itertools import combinations, product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon
from torch import Tensor, nn
from torchmetrics.image.kid import KernelInceptionDistance

from gan.colour.statistics import STATISTICS
from gan.control import ControlName
from gan.evaluation.naturalness import (
    hue_spread,
    interval,
    js_divergence,
    kid,
    kid_interval,
    nearby,
)

Array = NDArray[np.float64]


def draws(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def cube(x: Array, y: Array) -> float:
    return float((np.dot(x, y) / len(x) + 1) ** 3)


def test_kid_is_the_mean_over_all_pairs_written_out() -> None:
    x, y = draws(5, 7).double().numpy(), draws(6, 7, seed=1).double().numpy() + 0.5
    within = [np.mean([cube(a, b) for a, b in combinations(z, 2)]) for z in (x, y)]
    between = np.mean([cube(a, b) for a, b in product(x, y)])
    wanted = 1000 * (sum(within) - 2 * between)
    assert kid(torch.from_numpy(x), torch.from_numpy(y)) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save")
def test_kid_is_torchmetrics_over_one_subset_of_all() -> None:
    x, y = draws(40, 64).relu(), 1.3 * draws(40, 64, seed=1).relu()
    metric = KernelInceptionDistance(feature=nn.Identity(), subsets=1, subset_size=40)
    metric.update(x.double(), real=False)
    metric.update(y.double(), real=True)
    assert kid(x, y) == pytest.approx(1000 * metric.compute()[0].item(), rel=1e-9)


def test_kid_of_one_distribution_is_zero_on_average_for_any_number_of_images() -> None:
    for count in (4, 40):
        values = [kid(draws(count, 8, seed=n), draws(count, 8, seed=1000 + n)) for n in range(400)]
        assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(len(values))
        assert min(values) < 0


@pytest.mark.parametrize(("n", "m"), [(1, 5), (5, 1), (0, 5)])
def test_kid_refuses_sets_without_a_pair(n: int, m: int) -> None:
    with pytest.raises(ValueError, match=f"got {n} and {m}"):
        kid(draws(n, 3), draws(m, 3))


def test_js_divergence_is_scipys_of_numpys_histograms() -> None:
    ab, real = 0.2 * draws(130, 2, 4, 6), 0.1 * draws(70, 2, 8, 8, seed=1) + 0.1
    ab, real = ab.clamp(-1, 1), real.clamp(-1, 1)
    edges = np.arange(-110.0, 111.0, 10.0)
    histograms = []
    for x in (ab, real):
        a, b = (110 * x.double()).unbind(dim=1)
        counts = np.histogram2d(a.flatten().numpy(), b.flatten().numpy(), bins=[edges, edges])[0]
        histograms.append(counts.flatten())
    wanted = jensenshannon(*histograms, base=2) ** 2
    assert 0.1 < wanted < 0.9
    assert js_divergence(ab, real) == pytest.approx(wanted, abs=1e-9)


def test_js_divergence_ranges_from_equal_colours_to_none_in_common() -> None:
    ab = (0.3 * draws(3, 2, 8, 8)).clamp(-1, 1)
    assert js_divergence(ab, ab.flip(0)) == 0
    red, green = torch.full((2, 2, 4, 4), 1.0), torch.full((2, 2, 4, 4), -1.0)
    assert js_divergence(red, green) == 1
    assert js_divergence(red, torch.cat([red, green])) == pytest.approx(0.311278, abs=1e-6)
    assert js_divergence(red, 1.01 * red) == 0, "rounding outside is the last cell"


def tints(*hues: float) -> Tensor:
    """A picture of each hue in turns, light and dark."""
    colours = torch.tensor([colorsys.hsv_to_rgb(hue, 0.6, 0.8) for hue in hues])
    return colours[:, :, None, None] * torch.tensor([0.5, 1.0])


def test_hue_spread_is_the_circular_variance_of_the_mean_hues() -> None:
    thirds = [0.0, 1 / 3, 1 / 3, 2 / 3]  # whose hue is an angle of the hue plane too
    mean = sum(cmath.exp(2j * math.pi * hue) for hue in thirds) / 4
    assert hue_spread(tints(*thirds)) == pytest.approx(1 - abs(mean), abs=1e-6)
    assert hue_spread(tints(0.1, 0.1, 0.1)) == pytest.approx(0, abs=1e-6)
    assert hue_spread(tints(0.1, 0.6)) == pytest.approx(1, abs=1e-6)


def test_grey_pictures_have_no_part_in_the_hue_spread() -> None:
    grey = torch.full((5, 3, 1, 2), 0.4)
    grey[:2, 0] += 1e-4
    assert hue_spread(grey) == 0
    alone, among = (hue_spread(x) for x in (tints(0, 1 / 3), torch.cat([tints(0, 1 / 3), grey])))
    assert among == pytest.approx(alone)
    assert alone == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "target", "width"), [("saturation", 0.5, 0.05), ("hue", 0.99, 0.05), ("a", 20, 9.2)]
)
def test_nearby_pictures_are_those_within_a_twentieth_of_the_range(
    name: ControlName, target: float, width: float
) -> None:
    values = torch.rand(1000, generator=torch.Generator().manual_seed(0))
    values = values * 184 - 86 if name == "a" else values
    turns = (-1, 0, 1) if name == "hue" else (0,)
    wanted = [
        n for n, v in enumerate(values.tolist()) if min(abs(v - target + k) for k in turns) <= width
    ]
    assert 60 < len(wanted) < 140
    assert nearby(values, target, STATISTICS[name]).tolist() == wanted


def test_fewer_than_thirty_nearby_pictures_are_none() -> None:
    saturation = STATISTICS["saturation"]
    assert len(nearby(torch.full((30,), 0.5), 0.52, saturation)) == 30
    assert nearby(torch.full((29,), 0.5), 0.52, saturation).tolist() == []


def crops(photographs: int, each: int, agreement: float, seed: int) -> tuple[Tensor, Tensor]:
    """Numbers of mean 0 and variance 1, and the photograph of each, in no order."""
    own, shared = draws(photographs, each, seed=seed), draws(photographs, 1, seed=10_000 + seed)
    values = math.sqrt(1 - agreement) * own + math.sqrt(agreement) * shared
    photograph = (7 * torch.arange(photographs)).repeat_interleave(each)
    order = torch.randperm(len(photograph), generator=torch.Generator().manual_seed(seed))
    return values.flatten()[order], photograph[order]


def test_the_interval_holds_the_true_mean_19_times_in_20_though_crops_agree() -> None:
    held, naive = 0, 0
    for seed in range(400):
        values, photograph = crops(50, 5, 0.5, seed)
        low, high = interval(values, photograph, draws=300)
        held += low <= 0 <= high
        low, high = interval(values, torch.arange(len(values)), draws=300)
        naive += low <= 0 <= high
    assert 0.91 < held / 400 < 0.98
    assert naive / 400 < 0.85, "crops taken for photographs promise too much"


def test_the_interval_of_single_crops_is_the_textbooks() -> None:
    values, photograph = crops(400, 1, 0, 0)
    low, high = interval(values, photograph, draws=4000)
    mean, error = values.mean().item(), 1.96 * values.std().item() / 20
    assert low == pytest.approx(mean - error, abs=0.01)
    assert high == pytest.approx(mean + error, abs=0.01)


def test_intervals_draw_whole_photographs_of_any_number_of_crops() -> None:
    values = torch.tensor([1.0, 5.0, 5.0, 5.0])
    # One photograph of mean 1, one of three crops of 5: 1, (1 + 15) / 4 or 5.
    low, high = interval(values, torch.tensor([3, 8, 8, 8]))
    assert (low, high) == (1, 5)
    means = {interval(values, torch.tensor([3, 8, 8, 8]), draws=1)[0] for _ in range(5)}
    assert len(means) == 1, "the same draws each time"
    assert means <= {1, 4, 5}


def test_intervals_leave_the_global_generator_alone() -> None:
    state = torch.get_rng_state()
    interval(draws(6), torch.arange(6))
    kid_interval(draws(6, 3), draws(6, 3, seed=1), torch.arange(6))
    assert torch.equal(torch.get_rng_state(), state)


def literal_kid_interval(x: Array, y: Array, x_of: Array, y_of: Array, count: int) -> Array:
    """Copy the crops of every photograph that is drawn; go through all pairs of crops.

    Pairs of two copies of one photograph are left out, and a crop with itself.
    """
    names: list[int] = sorted({*x_of.tolist(), *y_of.tolist()})
    generator, values = torch.Generator().manual_seed(0), []
    for drawn in torch.randint(len(names), (count, len(names)), generator=generator).tolist():
        made, real = (
            [
                (copy, names[name], crop, set_[crop])
                for copy, name in enumerate(drawn)
                for crop in np.flatnonzero(of == names[name]).tolist()
            ]
            for set_, of in ((x, x_of), (y, y_of))
        )
        within = [mean_of_copies(copies, copies, distinct=True) for copies in (made, real)]
        values.append(1000 * (sum(within) - 2 * mean_of_copies(made, real, distinct=False)))
    return np.asarray(np.nanquantile(values, [0.025, 0.975]))


Copy = tuple[int, int, int, Array]
"""Number of the copy, photograph, crop, features."""


def mean_of_copies(first: list[Copy], second: list[Copy], *, distinct: bool) -> float:
    found = [
        cube(x, y)
        for (copy, name, crop, x), (other_copy, other_name, other_crop, y) in product(first, second)
        if name != other_name or (copy == other_copy and not (distinct and crop == other_crop))
    ]
    return float(np.mean(found)) if found else math.nan


@pytest.mark.parametrize("paired", [True, False])
def test_kid_interval_is_of_the_kid_of_copied_photographs(paired: bool) -> None:
    x, y = draws(9, 5), draws(9 if paired else 7, 5, seed=1) + 0.5
    x_of = torch.tensor([4, 4, 4, 9, 9, 1, 1, 2, 2])
    y_of = x_of if paired else torch.tensor([4, 4, 9, 5, 5, 2, 6])
    found = kid_interval(x, y, x_of, None if paired else y_of, draws=40)
    wanted = literal_kid_interval(
        x.double().numpy(), y.double().numpy(), x_of.numpy(), y_of.numpy(), 40
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-9)
    assert found[0] < found[1]


def test_kid_interval_lies_around_kid_and_grows_where_crops_agree() -> None:
    shared = draws(40, 1, 64, seed=2)
    x = (shared + 0.5 * draws(40, 4, 64)).flatten(0, 1).relu()
    y = (draws(40, 1, 64, seed=3) + 0.5 * draws(40, 4, 64, seed=1) + 0.2).flatten(0, 1).relu()
    low, high = kid_interval(x, y, torch.arange(40).repeat_interleave(4))
    naive_low, naive_high = kid_interval(x, y, torch.arange(160))
    assert high - low > 1.5 * (naive_high - naive_low)
    assert abs((low + high) / 2 - kid(x, y)) < 0.25 * (high - low)


def test_draws_without_a_pair_do_not_count() -> None:
    x, y = draws(2, 3), draws(2, 3, seed=1)
    low, high = kid_interval(x, y, torch.arange(2))
    assert low == pytest.approx(high)
    assert low == pytest.approx(kid(x, y))


def test_one_photograph_has_no_interval() -> None:
    with pytest.raises(ValueError, match="two"):
        interval(draws(5), torch.ones(5).long())
    with pytest.raises(ValueError, match="two"):
        kid_interval(draws(5, 3), draws(5, 3, seed=1), torch.ones(5).long())
    with pytest.raises(ValueError, match="got 1 and 5"):
        kid_interval(draws(1, 3), draws(5, 3), torch.arange(1), torch.arange(5))
