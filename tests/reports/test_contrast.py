"""Comparisons of two settings over several targets."""

from statistics import fmean, stdev

import pytest

from reports.contrast import Contrast, averaged
from reports.methods import Measured


def test_targets_with_different_seeds_are_averaged_over_those_that_all_have() -> None:
    some, more = Measured({0: 0.010, 1: 0.012}), Measured({0: 0.020, 1: 0.022, 2: 0.9})
    mean = averaged([some, more])
    assert [*mean.of_seeds] == [0, 1]
    assert round(mean.mean, 6) == 0.016


def test_where_no_spread_over_seeds_is_known_none_is_claimed() -> None:
    one, other = Measured({0: 0.01}), Measured({1: 0.02})
    assert averaged([one, other]).spread is None
    assert averaged([one, one]).spread is None


def test_where_the_seeds_of_two_targets_cancel_the_spread_stays() -> None:
    """As seen: 0.231 and 0.250 at one width, 0.266 and 0.240 at another."""
    better = [Measured({0: 0.231, 1: 0.250}), Measured({0: 0.266, 1: 0.240})]
    worse = [Measured({0: 0.244, 1: 0.258}), Measured({0: 0.270, 1: 0.260})]
    found = Contrast(list(zip(better, worse, strict=True)), 3)
    each = [stdev(one.of_seeds.values()) for one in better]
    assert found.first.spread == pytest.approx((fmean(s * s for s in each)) ** 0.5)
    assert found.is_within
    assert found.text("").endswith(", within the spread over seeds")


def test_beyond_is_said_only_of_what_is_so_everywhere() -> None:
    same, other = Measured({0: 0.1, 1: 0.1}), Measured({0: 0.3, 1: 0.3})
    assert Contrast([(same, other), (same, other)], 3).text("") == (
        "0.100 ± 0.000 against 0.300 ± 0.000, beyond the spread over seeds"
    )
    assert Contrast([(same, other), (same, same)], 3).text("", "pairs") == (
        "0.100 ± 0.000 against 0.200 ± 0.000, lower at 1 of 2 pairs"
    )
